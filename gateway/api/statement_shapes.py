"""The documents of channels' statements as OpenAPI shows them. Money is integer fen, fees are in 1/1000 fen."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class EmptyDay(BaseModel):
    model_config = ConfigDict(extra="forbid")
    channel: Literal["wechat", "alipay", "unionpay", "cash"]
    day: date
    kind: Literal["trade", "payments", "refunds", "fund_flow", "count"] = "trade"
    merchant: str | None = Field(default=None, max_length=40)


class Statement(BaseModel):
    """`orphans`: rows that no order here leads to; they stand with `site`, the account's home."""

    id: str
    site: str
    merchant: str
    channel: str
    kind: Literal["trade", "payments", "refunds", "fund_flow", "count"]
    day: date
    account: str = Field(description="the channel's own number; empty where its file has none")
    digest: str = Field(description="SHA-256 of the file, unpacked, in hex")
    rows: int
    orphans: int
    payments: int
    payments_fen: int
    refunds: int
    refunds_fen: int
    fee_millifen: int
    imported_at: datetime
    imported_by: str
    replaced_by: str | None


class Imported(Statement):
    """`known`: it was imported before, and nothing changed. `replaces`: of which it took the place."""

    known: bool
    replaces: list[str]


class FetchDay(BaseModel):
    model_config = ConfigDict(extra="forbid")
    day: date
    channel: Literal["wechat", "alipay"] | None = None
    merchant: str | None = Field(default=None, max_length=40)


class Fetched(BaseModel):
    """`imported`, `known` and `empty`: it is here. `why`: the reason, where it did not come."""

    day: date
    merchant: str
    channel: str
    kind: Literal["trade", "fund_flow"]
    outcome: Literal["imported", "known", "empty", "not_ready", "away", "damaged", "declined", "refused"]
    why: str
    statement: Imported | None


class FetchedDay(BaseModel):
    items: list[Fetched]


class StatementRow(BaseModel):
    """`amount_fen` is positive in the kind's own direction; numbers are empty where the channel tells none.

    `settled_fen` is what of it the channel settles with the merchant, null where it does not tell.
    """

    line: int
    site: str
    kind: Literal["payment", "refund", "fee", "settlement", "other"]
    status: Literal["done", "processing", "failed", "revoked"]
    order_number: str
    channel_number: str
    refund_number: str
    at: datetime
    amount_fen: int
    fee_millifen: int | None
    settled_fen: int | None
