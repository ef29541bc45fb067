"""What an exit without an entry is answered with: the stays that it may belong to."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel


class Difference(BaseModel):
    """One character: its place from 0, what stands on the candidate's plate, what was read. Empty: there is none."""

    place: int
    stands: str
    read: str
    similar: bool


class Proposed(BaseModel):
    """`score`: the decimal logarithm of how many times likelier than that the entry was missed, of which `characters`, `colour` and `time` give
    their parts; `lead`: how far ahead of the next explanation, negative for all but the first. `wrong`: the end that was probably misread.
    `waits`: its vehicle is at an exit already. `alone`: the policy would let it be decided without a person.
    """

    stay: str
    plate: str
    score: float
    lead: float
    changes: list[Difference]
    characters: float
    colour: float
    time: float
    wrong: Literal["entry", "exit"]
    waits: bool
    plate_colour: str | None
    entry_at: datetime
    entry_device: str | None
    entry_event: str | None
    entry_picture: bool
    payable_fen: int | None
    alone: bool


class Ranked(BaseModel):
    """No candidates for a stay whose entry is known. `known`: the plate that was read is in a register or was here before, so that this vehicle may well be there."""

    stay: str
    plate: str
    exit_at: datetime | None
    exit_event: str | None
    exit_picture: bool
    known: bool
    candidates: list[Proposed]
