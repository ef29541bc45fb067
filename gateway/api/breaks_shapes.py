"""Breaks of reconciliation as OpenAPI shows them. Money is integer fen; a day is `YYYY-MM-DD`, an instant RFC 3339."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from gateway.api import orders_shapes
from gateway.api.passes_shapes import Asked, Words
from gateway.api.shapes import ExceptionShape, Stay
from gateway.api.shifts_shapes import WholeShift

Kind = Literal[
    "channel_only",
    "book_only",
    "amount_mismatch",
    "status_mismatch",
    "duplicate",
    "cut_off",
    "refund_mismatch",
    "fee_mismatch",
    "cash_over",
    "cash_short",
    "unpaid_exit",
    "opened_without_event",
    "missing_exit",
    "voucher_count",
]
State = Literal["open", "carried_over", "awaiting_approval", "cleared", "resolved"]
RecordKind = Literal[
    "break", "stay", "payment", "order", "refund", "shift", "exception", "command", "voucher_book", "line"
]
Target = Literal["fee", "channel", "bank", "safe", "refund", "income", "written_off"]
Version = Annotated[
    StrictInt, Field(ge=1, le=2**31, description="the break's version that was seen; 409 if it has changed since")
]


class Seen(Asked):
    version: Version | None = None


class Decision(Asked):
    version: Version


class Refusal(Decision):
    reason: Words


class Note(Asked):
    text: Words


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: RecordKind
    id: Annotated[str, Field(min_length=1, max_length=80)]


class Part(Asked):
    account: Target
    amount_fen: Annotated[StrictInt, Field(ge=1, le=2**53)] | None = Field(
        default=None, description="one part alone may leave it out: all"
    )


class Resolution(Asked):
    """`with` where it is matched, `to` where it is adjusted, `until` where it is carried over."""

    resolution: Literal["matched", "adjusted", "written_off", "carried_over"]
    reason: Words
    with_: list[Record] = Field(
        default=[], alias="with", max_length=20, description="what explains it; of a line the id is statement:line"
    )
    to: Annotated[list[Part], Field(max_length=7, default_factory=list)]
    until: date | None = None
    version: Version | None = None


class Step(BaseModel):
    """A step as it stands, for ever. `version` is the break's after it; `moved_fen` left suspense, a debit positive."""

    break_id: str = Field(alias="break")
    site: str
    version: int
    action: str
    state: State
    at: datetime
    by: str | None = Field(description="null: a match")
    reason: str
    resolution: Literal["matched", "adjusted", "written_off"] | None
    to: dict[str, int]
    with_: list[Record] = Field(alias="with")
    carried_to: date | None
    moved_fen: int
    transaction: str | None


class Break(BaseModel):
    """`difference_fen`: what the other side has beyond the books. `suspense_fen`: what stands in suspense, a debit positive.

    `due`: it was carried over to a day that has come. `amount_fen` of a `voucher_count` is a number of vouchers.
    """

    id: str
    site: str
    day: date
    kind: Kind
    about: str
    channel: str
    account: str = Field(description="the merchant account (收款主体)")
    order: str
    refund: str
    stay: str | None
    shift: str | None
    subject: str
    amount_fen: int
    difference_fen: int
    suspense_fen: int
    waits_for: date | None
    state: State
    owner: str | None
    carried_to: date | None
    due: bool
    age_days: int
    resolution: Literal["matched", "adjusted", "written_off"] | None
    cleared_by: str | None
    found_at: datetime
    ended_at: datetime | None
    version: int


class Picture(BaseModel):
    device: str
    event: str
    lane: str
    at: datetime


class Booked(BaseModel):
    id: str
    kind: str
    stay: str | None
    channel: str
    amount_fen: int
    at: datetime
    operator: str | None
    shift: str | None


class StatementLine(BaseModel):
    statement: str
    line: int
    channel: str
    day: date
    kind: str
    status: str
    order: str
    refund: str
    number: str
    at: datetime
    amount_fen: int
    fee_millifen: int | None
    replaced: bool = Field(description="a later statement has taken the place of this one")


class Posted(BaseModel):
    id: str
    kind: str
    business_day: date
    belongs_to: date | None
    at: datetime
    operator: str | None
    postings: dict[str, int]


class Evidence(BaseModel):
    """`told`: both sides in figures, as the match had them. Lists hold at most 200; `more`: there is more of something."""

    told: dict[str, Any]
    stay: Stay | None
    exception: ExceptionShape | None = Field(description="what a person is asked about the same thing")
    pictures: list[Picture]
    order: orders_shapes.Order | None
    refund: orders_shapes.Refund | None
    booked: list[Booked]
    lines: list[StatementLine]
    shift: WholeShift | None
    posted: list[Posted]
    more: bool


class WholeBreak(Break):
    evidence: Evidence
    steps: list[Step]


class Repeat(BaseModel):
    """Breaks of one kind that have `by` in common. `amount_fen` sums what was in question; of vouchers it is 0."""

    site: str
    kind: Kind
    by: Literal["site", "channel", "lane", "shift", "operator"]
    value: str
    count: int
    days: int
    amount_fen: int
    unsettled: int
    written_off: int


class Month(BaseModel):
    """`kinds`: all of the month's by kind. `items`: what came at least twice, the most frequent first."""

    month: str
    kinds: list[Repeat]
    items: list[Repeat]
