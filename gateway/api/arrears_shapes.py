"""Arrears and pay-later agreements as OpenAPI shows them. Money is integer fen."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StrictInt

from gateway.api.passes_shapes import Asked, Channel, PlateText, SiteId, Words


class Owed(BaseModel):
    stay: str
    site: str
    site_name: str
    plate: str
    started_at: datetime
    entry_at: datetime | None
    exit_at: datetime | None
    payable_fen: int
    paid_fen: int
    due_fen: int
    reason: str | None


class ToCollect(Asked):
    site: SiteId | None = Field(default=None, description="where the money is taken; by default the stay's own site")
    channel: Channel
    amount_fen: Annotated[StrictInt, Field(gt=0, le=2**53)]
    reference: Annotated[str, Field(max_length=128)] = ""


class Collected(BaseModel):
    id: str
    stay: str
    at_site: str
    channel: str
    amount_fen: int


class Reminder(BaseModel):
    plate: str
    site: str
    site_name: str
    stays: list[str]
    amount_fen: int
    since: datetime
    url: str


class ToRemind(BaseModel):
    items: list[Reminder]
    next: None


class SendAsked(Asked):
    sender: Literal["csv", "simulated"] = "csv"
    site: SiteId | None = None


class ReminderBatch(BaseModel):
    id: str
    at: datetime
    sender: str
    messages: list[Reminder]


class ReminderSent(BaseModel):
    batch: str
    site: str
    stay: str
    number: int = Field(description="which reminder of this stay, from 1")
    at: datetime
    sender: str
    amount_fen: int
    operator: str


class WriteOffAsked(Asked):
    amount_fen: Annotated[StrictInt, Field(gt=0, le=2**53)] | None = Field(
        default=None, description="by default all that is open"
    )
    reason: Words


class WriteOff(BaseModel):
    """`owed`: what the stay owes; `overpaid`: what was paid beyond its bill."""

    id: str
    site: str
    stay: str
    kind: Literal["owed", "overpaid"]
    amount_fen: int
    reason: str
    state: Literal["proposed", "approved", "refused"]
    proposed_at: datetime
    proposed_by: str
    decided_at: datetime | None
    decided_by: str | None
    decision: str


class AgreementAsked(Asked):
    """`site` is a site or `street`."""

    site: SiteId
    plate: PlateText
    limit_fen: Annotated[StrictInt, Field(ge=0, le=1_000_000_000)]
    evidence: Words
    valid_from: Annotated[str, Field(max_length=40, description="an instant or a day")] | None = None
    valid_to: Annotated[str, Field(max_length=40, description="an instant, or the last day")] | None = None


class Agreement(BaseModel):
    id: str
    site: str
    plate: str
    limit_fen: int
    valid_from: datetime
    valid_to: datetime | None
    evidence: str
    state: Literal["proposed", "approved", "refused", "ended"]
    proposed_at: datetime
    proposed_by: str
    decided_at: datetime | None
    decided_by: str | None
    ended_at: datetime | None
    ended_by: str | None
    reason: str | None
