"""Shifts and safes as OpenAPI shows them. Money is integer fen; instants are RFC 3339."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StrictInt

from gateway.api.passes_shapes import Asked, SiteId, Words

Pieces = Annotated[
    dict[str, Annotated[StrictInt, Field(ge=0, le=100_000)]],
    Field(max_length=20, description="how many of each coin and note, by its worth in fen: 10, 50, 100 … 10000"),
]
Place = Literal["safe", "bank"]
Name = Annotated[str, Field(min_length=1, max_length=64, description="an account's name")]
Code = Literal["cash_over", "cash_short"]


class ToOpen(Asked):
    site: SiteId
    drawer: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*$")]
    pieces: Pieces
    source: Place = Field(default="safe", description="where the float comes from")


class Count(Asked):
    pieces: Pieces


class ToDeposit(Asked):
    pieces: Pieces
    to: Place = "safe"


class ToClose(Asked):
    to: Place = Field(default="safe", description="where all that was counted goes")


class ToHandOver(Asked):
    to: Name


class ToTakeOver(Asked):
    amount_fen: Annotated[StrictInt, Field(ge=0, le=2**53)] = Field(description="what the one who takes over counted")


class ToForce(Asked):
    """Either `to`, who takes over and confirms, or `into`."""

    pieces: Pieces
    reason: Words
    to: Name | None = None
    into: Place | None = None


class SafeMove(Asked):
    to: Place = Field(description="bank: out of the safe; safe: from the bank")
    amount_fen: Annotated[StrictInt, Field(ge=1, le=2**53)]
    reason: Words


class Step(BaseModel):
    """`by` and `other`: both names, where a drawer changes hands. `difference_fen`: counted less expected.

    `code` and `break_id`: of a difference that was booked into suspense when the shift ended.
    """

    shift: str
    site: str
    step: int
    kind: Literal["open", "count", "deposit", "offer", "force", "handover", "close", "safe"]
    at: datetime
    by: str
    other: str | None
    place: Place | None
    amount_fen: int | None
    expected_fen: int | None
    counted_fen: int | None
    difference_fen: int | None
    code: Code | None
    break_id: str | None
    pieces: dict[str, int] | None
    next_shift: str | None
    reason: str


class Shift(BaseModel):
    """`drawer` is null where it opened by itself with the first cash taken. Amounts are null where they are not for the reader:
    of an open drawer its cashier reads `expected_fen` only while a count holds.
    """

    id: str
    site: str
    drawer: str | None
    cashier: str
    state: Literal["open", "closed"]
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    from_shift: str | None
    to_shift: str | None
    offered_to: str | None
    float_fen: int | None
    expected_fen: int | None
    counted_fen: int | None
    difference_fen: int | None
    code: Code | None


class WholeShift(Shift):
    steps: list[Step]


class Safe(BaseModel):
    site: str
    amount_fen: int
