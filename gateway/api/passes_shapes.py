"""Passes, charges and arrears as OpenAPI shows them. Money is integer fen; a day is `YYYY-MM-DD`, an instant RFC 3339."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

Words = Annotated[str, Field(min_length=1, max_length=2000)]
SiteId = Annotated[str, Field(min_length=1, max_length=40)]
PlateText = Annotated[str, Field(min_length=1, max_length=40)]
Months = Annotated[StrictInt, Field(ge=1, le=24)]
AmountFen = Annotated[StrictInt, Field(ge=0, le=2**53)]
VehicleType = Literal["small", "large", "motorcycle"]
Channel = Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[a-z0-9_]+$")]


class Asked(BaseModel):
    """What a caller sends: an unknown field is a mistake."""

    model_config = ConfigDict(extra="forbid")


class Payable(Asked):
    """`channel` is left out where nothing is to be paid now."""

    channel: Channel | None = None
    amount_fen: AmountFen = 0
    reference: Annotated[str, Field(max_length=128)] = ""


class PassAsked(Asked):
    site: SiteId
    plate: PlateText
    offer: Annotated[str, Field(min_length=1, max_length=64, description="a pass of the site's policy")]
    months: Months = 1
    first_day: date | None = Field(default=None, description="by default today")
    vehicle: VehicleType | None = None
    billed: Literal["counter", "monthly"] = "counter"


class PassToSell(PassAsked, Payable):
    pass


class Renewal(Payable):
    months: Months = 1


class PassQuote(BaseModel):
    """`renews`: the pass that the vehicle has already; then the days are those of its renewal."""

    site: str
    plate: str
    offer: str
    first_day: date
    last_day: date
    amount_fen: int
    renews: str | None


class PassSold(BaseModel):
    id: str
    period: str
    site: str
    offer: str
    first_day: date
    last_day: date
    amount_fen: int
    payment: str | None


class SoldPass(BaseModel):
    id: str
    site: str
    offer: str
    household: str | None
    billed: Literal["counter", "monthly"]
    state: Literal["active", "ended"]
    valid: bool = Field(description="holds today, days of grace not counted")
    plates: list[str]
    first_day: date
    last_day: date


class Period(BaseModel):
    id: str
    first_day: date
    last_day: date
    ended_on: date | None
    gross_fen: int
    waived_fen: int
    paid_fen: int
    earned_fen: int
    earned_waived_fen: int
    earned_through: date


class VehicleOfPass(BaseModel):
    plate: str
    since: datetime | None
    until: datetime | None


class Refund(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    id: str
    pass_: str = Field(alias="pass")
    state: Literal["proposed", "approved", "refused", "paid"]
    from_day: date
    amount_fen: int
    reason: str
    proposed_by: str
    decided_by: str | None
    paid_by: str | None


class WholePass(SoldPass):
    periods: list[Period]
    vehicles: list[VehicleOfPass]
    refunds: list[Refund]


class Transfer(Asked):
    to_plate: PlateText
    from_plate: PlateText | None = None
    vehicle: VehicleType | None = Field(default=None, description="of the new one, where the register does not know it")
    reason: Words


class FurtherVehicle(Asked):
    plate: PlateText
    reason: Words


class RefundAsked(Asked):
    reason: Words
    from_day: date | None = Field(default=None, description="the first day not used; tomorrow at the earliest")


class Amount(Asked):
    amount_fen: AmountFen


class Reason(Asked):
    reason: Words


class Out(Asked):
    channel: Channel


class PassEnding(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    pass_: str = Field(alias="pass")
    site: str
    offer: str
    household: str | None
    plates: list[str]
    last_day: date
    days_left: int = Field(description="negative: ended so many days ago")
    grace_until: date | None


class PassesEnding(BaseModel):
    items: list[PassEnding]
    next: None


class RunAsked(Asked):
    month: Annotated[str, Field(pattern=r"^2\d{3}-(0[1-9]|1[0-2])$", description="YYYY-MM")]
    site: SiteId | None = None
    preview: bool = False


class SiteRun(BaseModel):
    site: str
    month: str
    charged: list[dict[str, Any]]
    standing: int = Field(description="charged before")
    without_area: list[str] = Field(description="households whose home has no size on record")
    overlapping: list[str] = Field(description="passes not extended: a vehicle has the same pass in that month already")
    gross_fen: int
    waived_fen: int
    payable_fen: int


class Run(BaseModel):
    month: str
    preview: bool
    sites: list[SiteRun]


class Charge(BaseModel):
    """`gross_fen`, `waived_fen`, `lines` and what follows them only for registrar and finance."""

    model_config = ConfigDict(populate_by_name=True)

    id: str
    site: str
    month: str
    household: str
    kind: Literal["property_fee", "pass"]
    pass_: str | None = Field(alias="pass")
    payable_fen: int
    paid_fen: int
    due_fen: int
    state: Literal["due", "settled", "reversed"]
    charged_at: datetime
    gross_fen: int | None = None
    waived_fen: int | None = None
    lines: list[dict[str, Any]] | None = None
    policy: str | None = None
    version: int | None = None
    charged_by: str | None = None
    reversed_by: str | None = None
    reversal: str | None = None


class ChargePayment(BaseModel):
    id: str
    at: datetime
    channel: str
    amount_fen: int
    reference: str
    operator: str | None


class WholeCharge(Charge):
    payments: list[ChargePayment]
    paid_back_at: datetime | None = Field(description="when what was paid for a reversed charge was handed back")
    paid_back_by: str | None


class ChargePaid(BaseModel):
    id: str
    charge: str
    channel: str
    amount_fen: int
    due_fen: int


class PaidBack(BaseModel):
    charge: str
    channel: str
    amount_fen: int


class ToPay(Asked):
    channel: Channel
    amount_fen: Annotated[StrictInt, Field(gt=0, le=2**53)]
    reference: Annotated[str, Field(max_length=128)] = ""
