"""The documents about policies as OpenAPI shows them. Money is integer fen."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class PolicyVersion(BaseModel):
    version: int
    effective_from: datetime
    applied_at: datetime
    digest: str = Field(description="SHA-256 of the text, hex")


class Policy(BaseModel):
    id: str
    sites: list[str]
    in_force: int = Field(description="the version that prices an entry of this moment")
    versions: list[PolicyVersion]


class PolicyVersionText(PolicyVersion):
    id: str
    text: str


class PolicyApplied(BaseModel):
    """`started`: it is not the first version and was in force before it was loaded: stays that are inside are priced by it."""

    policy: str
    version: int
    effective_from: datetime
    digest: str
    new: bool
    started: bool


class Compared(BaseModel):
    policy: str
    versions: list[int]


class Books(BaseModel):
    """What the ledger holds for the stays, and whether the old policy says the same of each of them."""

    gross_fen: int
    waived_fen: int
    payable_fen: int
    billed_fen: int
    priced_again_fen: int
    stays: int
    stays_as_booked: int
    reproduced: bool


class Change(BaseModel):
    stays: int
    fen: int


class Unchanged(BaseModel):
    stays: int


class Sums(BaseModel):
    """Of some stays under both policies. `change_fen`: what income becomes more by, or less. Who pays more, less and the same is null
    where that would speak of fewer than `fewest_households` households.
    """

    name: str
    stays: int
    old_gross_fen: int
    old_waived_fen: int
    old_payable_fen: int
    new_gross_fen: int
    new_waived_fen: int
    new_payable_fen: int
    change_fen: int
    pay_more: Change | None
    pay_less: Change | None
    pay_the_same: Unchanged | None


class WaivedBoth(BaseModel):
    name: str
    old_fen: int
    new_fen: int


class ExampleSide(BaseModel):
    payable_fen: int
    zh: list[str]
    en: list[str]


class Example(BaseModel):
    group: str
    stays_like_it: int
    change_fen: int
    old: ExampleSide
    new: ExampleSide


class Comparison(BaseModel):
    """Tables whose rows would be of fewer than `fewest_households` households merge them into `other`; where all stays together
    are of fewer, `books` and `total` are null and the tables empty.
    """

    old: Compared
    new: Compared
    from_: str = Field(alias="from")
    to: str
    site: str | None
    books: Books | None
    fewest_households: int
    stays: int
    left_out: dict[str, int]
    total: Sums | None
    by_group: list[Sums]
    by_vehicle: list[Sums]
    by_site: list[Sums]
    by_hour: list[Sums]
    by_length: list[Sums]
    waived: list[WaivedBoth]
    examples: list[Example]
