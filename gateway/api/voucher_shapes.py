"""The documents of vouchers as OpenAPI shows them. Money is integer fen; a serial is 8 digits where it is text."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StrictInt

from gateway.api.passes_shapes import Asked, Channel, SiteId

Kind = Literal["hour", "amount", "whole_stay"]
State = Literal["stock", "issued", "presented", "used", "void", "expired", "returned"]
Serial = Annotated[StrictInt, Field(ge=1, le=99_999_999)]
Words = Annotated[str, Field(max_length=300)]
Month = Annotated[str, Field(pattern=r"^20\d\d-(0[1-9]|1[0-2])$", description="YYYY-MM")]


class BookToMake(Asked):
    site: SiteId
    kind: Kind
    value: Annotated[StrictInt, Field(ge=0, le=1_000_000, description="minutes, fen, or 0 for a whole stay")] = 0
    count: Annotated[StrictInt, Field(ge=1, le=5_000)]
    valid_from: Annotated[str, Field(max_length=40, description="an instant or a day")]
    valid_to: Annotated[str, Field(max_length=40, description="an instant, or the last day")]
    buyer: Annotated[str | None, Field(max_length=40, description="null: the street's own")] = None
    title: Words = ""


class Book(BaseModel):
    id: str
    site: str
    kind: Kind
    value: int
    first_serial: int
    last_serial: int
    valid_from: datetime
    valid_to: datetime
    buyer: str | None
    title: str


class Voucher(BaseModel):
    site: str
    serial: int
    voucher: str = Field(description="the serial as printed")
    book: str
    kind: Kind
    value: int
    state: State
    valid_from: datetime
    valid_to: datetime
    issue: str | None
    stay: str | None


class Step(BaseModel):
    sequence: int
    what: str
    from_state: str
    to_state: str
    at: datetime
    business_day: date
    amount_fen: int = Field(description="by how much it changes what the voucher takes off a bill")
    stay: str | None
    issue: str | None
    redemption: str | None
    operator: str | None
    reason: str


class Steps(BaseModel):
    items: list[Step]
    next: None


class BuyerToRegister(Asked):
    site: SiteId
    id: Annotated[str, Field(min_length=1, max_length=40)]
    kind: Literal["merchant", "firm"]
    name: Words
    enabled: bool = True


class Buyer(BaseModel):
    site: str
    id: str
    kind: str
    name: str
    enabled: bool


class BuyerWithAccount(Buyer):
    due_fen: int = Field(description="what it still owes for its months")


class BuyerPays(Asked):
    site: SiteId
    channel: Channel
    amount_fen: Annotated[StrictInt, Field(gt=0, le=2**53)]
    reference: Annotated[str, Field(max_length=128)] = ""


class BuyerPaid(BaseModel):
    id: str
    site: str
    buyer: str
    channel: str
    amount_fen: int
    due_fen: int = Field(description="what the buyer still owes after it")


class ToIssue(Asked):
    site: SiteId
    first_serial: Serial
    last_serial: Serial
    household: Annotated[str | None, Field(max_length=64)] = None
    taker: Words = ""
    purpose: Words
    signature: Annotated[str, Field(max_length=300, description="where the signature is: the sheet's number, a file")]


class Issue(BaseModel):
    id: str
    site: str
    book: str
    first_serial: int
    last_serial: int
    household: str | None
    taker: str
    purpose: str
    signature: str
    month: str
    at: datetime
    operator: str


class RangeWithReason(Asked):
    site: SiteId
    first_serial: Serial
    last_serial: Serial
    reason: Words


class Moved(BaseModel):
    moved: int = Field(description="how many; 0 where it had been done already")


class Code(Asked):
    code: Annotated[str, Field(min_length=1, max_length=60)]


class Presented(BaseModel):
    voucher: str
    stay: str
    kind: Kind
    value: int
    state: State
    due_fen: int
    opens: bool = Field(description="the lane was told to open")


class Withdrawal(Asked):
    serial: Serial
    reason: Words


class Collected(Asked):
    code: Annotated[str, Field(min_length=1, max_length=60)]
    lane: Annotated[str, Field(max_length=90, description="the exit lane, as site.lane")]
    at: Annotated[str, Field(max_length=40, description="when it was handed over")]


class ToBring(Asked):
    items: Annotated[list[Collected], Field(min_length=1, max_length=200)]


class Redemption(BaseModel):
    id: str
    site: str
    lane: str
    at: datetime
    received_at: datetime
    voucher: str | None
    state: Literal["queued", "done", "refused", "resolved"]
    stay: str | None
    detail: str


class ToResolve(Asked):
    site: SiteId
    action: Literal["match", "release", "void", "dismiss"]
    stay: Annotated[str | None, Field(max_length=64)] = None
    reason: Words


class Stands(BaseModel):
    """`made = stock + returned + scrapped + issued`; `issued = used + void + expired + outstanding`."""

    made: int
    stock: int
    returned: int
    scrapped: int
    issued: int
    used: int
    void: int
    expired: int
    outstanding: int


class BookDay(BaseModel):
    site: str
    book: str
    moved: dict[str, int] = Field(description="the day's steps by kind")
    waived_fen: int
    stands: Stands
    balances: bool


class StockDay(BaseModel):
    items: list[BookDay]
    next: None


class StatementsToMake(Asked):
    site: SiteId
    month: Month


class Statement(BaseModel):
    id: str
    site: str
    buyer: str
    month: str
    used: int
    amount_fen: int
    due_fen: int = Field(description="what is still due of it; what was paid goes off the oldest month first")
    transaction: str | None
    made_at: datetime


class StatementLine(BaseModel):
    voucher: str
    book: str
    kind: Kind
    value: int
    what: str
    at: datetime
    amount_fen: int


class StatementLines(BaseModel):
    items: list[StatementLine]
    next: None
