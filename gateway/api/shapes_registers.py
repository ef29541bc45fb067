"""The documents of the registers as OpenAPI shows them. What a role may not see is left out of an entry, not null.

A validity in a request is a local day (`valid_to` to its end) or an instant; null: no bound.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(max_length=200)]
Site = Annotated[str, Field(min_length=1, max_length=40)]
Household = Annotated[str, Field(min_length=1, max_length=64)]
Plate = Annotated[str, Field(min_length=1, max_length=40, description="as written; stored without separators")]
Moment = Annotated[str | None, Field(max_length=40, description="a local day or an instant")]
Area = Annotated[float | None, Field(ge=0, lt=1_000_000)]


class Reasoned(BaseModel):
    """Every change says why."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[str, Field(min_length=1, max_length=300)]


class _Period(Reasoned):
    valid_from: Moment = None
    valid_to: Moment = None


class HouseholdToAdd(_Period):
    site: Site
    household: Household
    name: Text = ""
    area_m2: Area = None


class HouseholdToChange(_Period):
    name: Text = ""
    area_m2: Area = None


class VehicleToAdd(_Period):
    site: Site
    household: Household
    plate: Plate
    vehicle: Literal["small", "large", "motorcycle"] | None = None


class VehicleToChange(_Period):
    household: Household = ""
    vehicle: Literal["small", "large", "motorcycle"] | None = None


class RelativeToAdd(_Period):
    """`resident`: whose relative; `evidence`: where the proof is kept; `approver`: who has seen it."""

    site: Site
    household: Household
    plate: Plate
    relation: Annotated[str, Field(min_length=1, max_length=40)]
    name: Text = ""
    resident: Annotated[Text, Field(min_length=1)]
    evidence: Annotated[Text, Field(min_length=1)]
    approver: Annotated[str, Field(min_length=1, max_length=100)]


class RelativeToChange(_Period):
    relation: Annotated[str, Field(max_length=40)] = ""
    name: Text = ""
    resident: Text = ""
    evidence: Text = ""
    approver: Annotated[str, Field(max_length=100)] = ""


class CertificateToAdd(_Period):
    site: Site
    household: Household
    number: Annotated[str, Field(min_length=1, max_length=100)]
    issuer: Annotated[Text, Field(min_length=1)]


class CertificateToChange(_Period):
    issuer: Text = ""


class FreeVehicleToAdd(_Period):
    site: Site
    plate: Plate
    class_: Annotated[str, Field(alias="class", min_length=1, max_length=64)]


class FreeVehicleToChange(_Period):
    """Its period."""


class BlockToAdd(_Period):
    """`reason`: why it may not enter."""

    site: Site
    plate: Plate


class BlockToChange(_Period):
    """`reason` is also the block's from now on."""


class ToEnd(Reasoned):
    at: Annotated[Moment, Field(description="the last day, or the instant; default now; never past")] = None


class Review(Reasoned):
    valid_to: Annotated[Moment, Field(description="a new end; absent: as it was")] = None


class _Entry(BaseModel):
    id: str
    site: str
    valid_from: datetime | None
    valid_to: datetime | None
    valid: bool = Field(description="it holds now")


class Home(_Entry):
    household: str
    name: str = ""
    area_m2: float | None = None


class Vehicle(_Entry):
    household: str = ""
    plate: str
    vehicle: str | None
    registered_at: datetime | None = None


class Relative(_Entry):
    household: str = ""
    plate: str
    relation: str = ""
    name: str = ""
    resident: str = ""
    evidence: str = ""
    approver: str = ""
    registered_at: datetime | None = None


class Certificate(_Entry):
    household: str
    number: str = Field(description="its end only")
    issuer: str
    registered_at: datetime
    reviewed_at: datetime | None
    review_due: date | None = Field(description="local day; null: the policy asks for no reviews")


class Pass(_Entry):
    model_config = ConfigDict(populate_by_name=True)
    plate: str
    pass_: str = Field(alias="pass")
    exact: bool = Field(description="it was ended, and has no days of grace")
    registered_at: datetime


class FreeVehicle(_Entry):
    model_config = ConfigDict(populate_by_name=True)
    plate: str
    class_: str = Field(alias="class")
    registered_at: datetime | None = None


class Block(_Entry):
    plate: str
    reason: str
    lifted: bool
    registered_at: datetime | None = None


class Change(BaseModel):
    sequence: int
    at: datetime
    action: str = Field(description="add, change, end, lift, review, …")
    operator: str
    source: Literal["file", "api", "console", "system"]
    origin: str
    file: str
    digest: str | None = Field(description="of the imported file, hex")
    reason: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class ImportProblem(BaseModel):
    line: int = Field(description="the headings are line 1")
    reason: str


class ImportedChange(BaseModel):
    line: int
    action: str
    before: dict[str, Any] | None
    after: dict[str, Any]


class Imported(BaseModel):
    """What was imported, or with `preview` would be; only a preview has problems here, else they are a 422."""

    kind: str
    preview: bool
    added: int
    changed: int
    unchanged: int
    problems: list[ImportProblem]
    more_problems: int = Field(description="beyond those that are listed")
    changes: list[ImportedChange] = Field(description="the first of them, of a preview")


class RuleText(BaseModel):
    zh: str
    en: str


class FreeClass(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    site: str
    class_: str = Field(alias="class")
    plates: list[str]
    by_register: bool = Field(alias="register", description="vehicles that staff have listed are in it")
    minutes: int | None
    rule: RuleText
