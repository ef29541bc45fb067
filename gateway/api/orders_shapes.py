"""Orders at payment channels and their refunds as OpenAPI shows them. Money is integer fen."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StrictInt

from gateway.api.passes_shapes import Asked, Words

ChannelName = Literal["wechat", "alipay"]
OrderState = Literal["created", "open", "closing", "paid", "closed", "refunded"]
RefundState = Literal["proposed", "approved", "refused", "sent", "done", "failed"]
Fen = Annotated[StrictInt, Field(gt=0, le=2**53)]


class Order(BaseModel):
    id: str = Field(description="the order number at the channel")
    site: str
    stay: str
    channel: str
    amount_fen: int
    state: str
    code: str | None = Field(description="what a phone scans or opens, while it can be paid")
    quoted_at: datetime
    expires_at: datetime
    trade: str | None = Field(description="the channel's own number")
    paid_at: datetime | None
    paid_fen: int
    applied_fen: int = Field(description="what of it is on the stay; the rest is owed back")
    refunded_fen: int
    payment: str | None


class Refund(BaseModel):
    id: str = Field(description="the refund number at the channel")
    order: str
    site: str
    stay: str
    amount_fen: int
    given_up_fen: int = Field(description="what of it was due, and is owed by nobody any more")
    reason: str
    state: str
    proposed_at: datetime
    proposed_by: str
    decided_at: datetime | None
    decided_by: str | None
    decision: str
    sent_at: datetime | None
    done_at: datetime | None
    problem: str


class OrderAsked(Asked):
    channel: ChannelName


class RefundAsked(Asked):
    amount_fen: Fen | None = Field(default=None, description="by default all that is left of the order")
    reason: Words


class RefundApproved(Asked):
    amount_fen: Fen = Field(description="what the approver saw: another amount is refused")
