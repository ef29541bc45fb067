"""The documents of the API as OpenAPI shows them. Money is integer fen; instants are RFC 3339."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt


class Token(BaseModel):
    access_token: str
    token_type: Literal["bearer"]
    expires_in: int = Field(description="seconds")


class Site(BaseModel):
    id: str
    name: str
    capacity: int
    policy: str
    merchant: str
    enabled: bool
    inside: int = Field(description="vehicles inside")


class Gate(BaseModel):
    id: str
    site: str
    gate: str
    tier: Literal["main", "middle", "small"]
    residents_only: bool
    staffed: bool
    enabled: bool


class Heard(BaseModel):
    """`stale`: nothing was heard for 90 s."""

    online: bool
    stale: bool
    seen_at: datetime | None


class Lane(Heard):
    id: str = Field(description="{site}.{lane}")
    site: str
    gate: str
    direction: Literal["in", "out"]
    device: str
    loop: bool
    passage_sensor: bool
    offline_exit: bool
    enabled: bool
    barrier: Literal["open", "closed", "moving", "fault", "unknown"]


class Device(Heard):
    id: str = Field(description="{site}.{device}, also its user name")
    site: str
    device: str
    vendor: str
    enabled: bool
    barrier: dict[str, str]
    buffered: int
    list_version: int
    firmware: str


class Stay(BaseModel):
    id: str
    site: str
    plate: str
    vehicle: str
    state: Literal["inside", "left", "missing_exit", "no_entry", "exception", "void"]
    entry_at: datetime | None
    exit_at: datetime | None
    entry_lane: str | None
    exit_lane: str | None
    gross_fen: int | None
    payable_fen: int | None
    paid_fen: int
    corrections: list[Correction] | None = Field(
        default=None, description="of one stay that staff corrected; not in lists"
    )


class CorrectionAsked(BaseModel):
    """At least one of `plate` and `entry_at`. `part`: by default the whole stay; `entry` or `exit` where only that was misread."""

    model_config = ConfigDict(extra="forbid")

    plate: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    entry_at: Annotated[str, Field(max_length=40, description="an instant")] | None = None
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    part: Literal["stay", "entry", "exit"] = "stay"


class Decision(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class Correction(BaseModel):
    """`proposed`: the bill would rise after the exit, a second person decides. Plates: null where none was corrected, or kept no more.

    `stay_after`: the stay to which the passage belongs afterwards.
    """

    id: str
    site: str
    state: Literal["proposed", "made", "refused"]
    stay: str
    stay_after: str
    part: Literal["stay", "entry", "exit"]
    new_plate: bool
    plate_before: str | None
    plate_after: str | None
    entry_before: datetime | None
    entry_after: datetime | None
    payable_before_fen: int | None
    payable_after_fen: int | None
    reason: str
    at: datetime
    by: str
    decided_at: datetime | None
    decided_by: str | None
    decision: str


class BillLine(BaseModel):
    """All kinds but `unit` are negative; the lines sum to `payable_fen`."""

    model_config = ConfigDict(populate_by_name=True)

    from_: datetime | None = Field(alias="from")
    to: datetime | None
    kind: str
    minutes: int | None
    fen: int
    rule: str | None


class Bill(BaseModel):
    minutes: int
    gross_fen: int
    payable_fen: int
    drawn: dict[str, int]
    vouchers_used: list[bool]
    lines: list[BillLine]
    policy: str
    version: int


class PaymentToTake(BaseModel):
    channel: Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[a-z0-9_]+$")]
    amount_fen: Annotated[StrictInt, Field(gt=0, le=2**53)]
    reference: Annotated[str, Field(max_length=128)] = ""


class Payment(BaseModel):
    id: str
    stay: str
    channel: str
    amount_fen: int


class ExceptionShape(BaseModel):
    id: str
    site: str
    kind: str
    subject: str
    state: str
    opened_at: datetime
    count: int
    lane: str | None
    stay: str | None
    event: str | None
    detail: str
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None
    claimed_by: str | None = Field(description="who works on it")
    claimed_at: datetime | None


class ExpectedStatement(BaseModel):
    merchant: str
    channel: str
    kind: Literal["trade", "fund_flow"]


class SiteDay(BaseModel):
    site: str
    state: Literal["open", "closed"]
    sequence: int | None
    hash: str | None
    closed_at: datetime | None
    closed_by: str | None = Field(description="null: the nightly job")
    reconciled: bool = Field(description="whether its records were matched whole, and that is sealed")
    reconciled_hash: str | None
    missing: list[ExpectedStatement] = Field(description="statements that had not come when it was matched last")
    breaks: int = Field(description="what its last match found")


class Day(BaseModel):
    day: str
    sites: list[SiteDay]
    street_hash: str | None


class ClosedSite(BaseModel):
    site: str
    sequence: int
    hash: str


class ClosedDay(BaseModel):
    day: str
    sites: list[ClosedSite]
    street_hash: str


class FoundBreak(BaseModel):
    id: str
    site: str
    kind: str
    channel: str | None
    order: str | None
    stay: str | None
    amount_fen: int
    state: str


class ReconciledDay(BaseModel):
    day: str
    sealed: bool
    breaks: list[FoundBreak]
