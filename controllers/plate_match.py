"""A vehicle at an exit whose entry nobody knows: which of those inside was it, if its plate was misread? Pure, and it learns nothing.

The score of a candidate is a logarithm to the base of 10: how many times likelier it is that this vehicle was misread than that the plate was read
right and its entry was missed. 2 is a hundred times; 0 is as likely as not. A lead is counted in the same unit, against the next candidate or
against that other explanation (score 0), whichever is nearer. So a single candidate never wins by being alone.

Whence the figures
- of 861 readings of 108 real plates 81 were misread (9.4 %). In the half of them that can be had whole (427 readings, 3,428 characters) 1.3 % of
  the characters were taken for another, 1.8 % reported as not read, 1 in 700 was added and 1 in 1,200 left out;
- which characters resemble each other: the groups that peers use (0ODQ 1ILT7 2Z 5S 8B 6GC UVY MNW KX), and 0 with 8, the most frequent of
  those pairs. Only 4 of their 43 lie within the groups (they were distorted, which makes anything of anything), where cameras on real streets are
  said to mistake little else. A quarter is between the two: a wrong guess either way costs a factor of three, and none is learnt from corrections;
- an exit sees no entry in 3.3 % of 4.25 million records of a university's gates, and 15.2 % of its stays crossed midnight;
- how often a colour is read wrongly (3 %) and how many vehicles live around a street (a million) are guesses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from math import log10
from operator import eq, ne
from typing import Final, NamedTuple

import msgspec

from controllers.events import PlateColour
from controllers.plate import PROVINCES, UNREAD, well_formed

CANDIDATES_MAX = 5
CHANGES_MAX = 3
"""With more characters different it is another plate."""
LEAD_MIN = 2.0
"""Nothing decides alone with less. At a lead of 1 some strangers were let out as somebody else (`parkgate bench plates`), at 2 none."""

_SIMILAR: Final = ("0ODQ", "1ILT7", "2Z", "5S", "8B", "6GC", "UVY", "MNW", "KX", "08")
_ALPHABET: Final = 34  # letters without O and I, and digits
_TAKEN_FOR_ANOTHER, _NOT_READ, _ADDED, _LEFT_OUT = 0.013, 0.018, 1 / 700, 1 / 1200
_OF_THEM_SIMILAR = 0.25
_ENTRY_MISSED = 0.033
_AROUND = 1_000_000
_MISREAD_AT_ALL = 0.094
_OVERNIGHT = 0.152
_COLOUR_WRONG = 0.03
_COLOURS: Final = len(PlateColour)
# What a colour tells of a plate read right: most are of one colour, so that agreement says little and disagreement much.
_SAME_COLOUR = log10((1 - _COLOUR_WRONG) / 0.6)
_OTHER_COLOUR = log10(_COLOUR_WRONG / (_COLOURS - 1) / 0.2)
_CERTAINTY_MIN, _CERTAINTY_MAX = 0.3, 0.9995


class Wrong(StrEnum):
    """At which end the plate was probably misread."""

    ENTRY = "entry"
    EXIT = "exit"


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """How a plate was read. `certainties`: of each character, 0 to 1, where the camera says so. `known`: this very plate is in a register,
    or has been here before. `picture`: whether there is one to look at.
    """

    plate: str
    at: datetime
    colour: PlateColour | None = None
    confidence: float | None = None
    certainties: tuple[float, ...] = ()
    known: bool = False
    picture: bool = False


class Inside(msgspec.Struct, frozen=True, kw_only=True):
    """A stay that an exit may belong to. `overnight`: it began on an earlier local day. `waits`: its vehicle is at an exit already."""

    stay: str
    read: Read
    overnight: bool = False
    waits: bool = False


class Change(NamedTuple):
    """One difference: at which place (from 0) of the plate of the candidate, what stands there, what was read. Empty: nothing."""

    place: int
    stands: str
    read: str
    similar: bool


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A stay that an exit may belong to, with what speaks for it and against it: each part of the score in its unit."""

    stay: str
    plate: str
    score: float
    lead: float
    changes: tuple[Change, ...]
    characters: float
    colour: float
    time: float
    wrong: Wrong
    waits: bool
    pictures: tuple[bool, bool]


def propose(exit_: Read, inside: Iterable[Inside], among: int = 0) -> tuple[Candidate, ...]:
    """The candidates, the likeliest first, at most five; those likelier than nothing at all may be few or none.

    `among`: how many are inside, where only those are handed in whose `differences` are few.
    `lead` of the first is how far it is ahead of the next explanation; that of the others is negative, how far they are behind the first.
    """
    everybody = [one for one in inside if one.read.at < exit_.at and one.read.plate != exit_.plate]
    if not everybody:
        return ()
    chances = _chances(exit_)
    unknown = _as_a_stranger(exit_)
    prior = log10((1 - _ENTRY_MISSED) / max(among, len(everybody)))
    found: list[Candidate] = []
    for one in everybody:
        changes = differences(one.read.plate, exit_.plate)
        if changes is None:
            continue
        characters = prior + _likelihood(changes, chances) - unknown
        colour, time = _by_colour(one.read.colour, exit_.colour), _by_time(overnight=one.overnight)
        found.append(_candidate(one, exit_, changes, (characters, colour, time)))
    found.sort(key=lambda one: (-one.score, one.stay))
    return tuple(
        msgspec.structs.replace(one, lead=round(one.score - _next_best(found, place), 3))
        for place, one in enumerate(found[:CANDIDATES_MAX])
    )


def alone(candidates: Sequence[Candidate], exit_: Read, lead: float) -> Candidate | None:
    """The candidate that needs no person, as far as plates go: it leads by so much, and nothing speaks for another story.

    Never where the plate that was read is known here (then this vehicle exists, and may well stand there), where it is rather the entry that was
    misread, where the plates are of different colours, or where the candidate is at an exit already. A lead below `LEAD_MIN` counts as that. What it would cost is for the caller to judge.
    """
    if not candidates or exit_.known:
        return None
    first = candidates[0]
    if first.lead < max(lead, LEAD_MIN) or first.colour < 0 or first.waits or first.wrong is not Wrong.EXIT:
        return None
    return first if well_formed(first.plate) else None


def differences(stands: str, read: str) -> tuple[Change, ...] | None:
    """How a reading differs from a plate: characters taken for others, or one added or left out. None: it is another plate."""
    if len(stands) == len(read):
        return _aligned(stands, read)
    if abs(len(stands) - len(read)) != 1:
        return None
    shorter, longer = sorted((stands, read), key=len)
    # Whatever the place of the gap, what agrees does so at its own place or at the next one: most are out with this.
    agreeing = sum(map(eq, shorter, longer)) + sum(map(eq, shorter, longer[1:]))
    if agreeing < len(shorter) - (CHANGES_MAX - 1):
        return None
    best: tuple[Change, ...] | None = None
    for place in range(len(longer)):
        padded = shorter[:place] + "\0" + shorter[place:]
        found = _aligned(padded, read) if shorter is stands else _aligned(stands, padded)
        if found is not None and (best is None or len(found) < len(best)):
            best = found
    if best is None:
        return None
    return tuple(one._replace(stands=one.stands.strip("\0"), read=one.read.strip("\0")) for one in best)


def similar(one: str, other: str) -> bool:
    """Whether two characters are taken for each other by cameras."""
    return any(one in group and other in group for group in _SIMILAR)


def _aligned(stands: str, read: str) -> tuple[Change, ...] | None:
    if sum(map(ne, stands, read)) > CHANGES_MAX:
        return None
    return tuple(
        Change(place, one, other, similar(one, other))
        for place, (one, other) in enumerate(zip(stands, read, strict=True))
        if one != other
    )


class _Chance(NamedTuple):
    """Of one place of what was read: that it is right, and that it is not (as a factor on the usual rate of errors)."""

    right: float
    worse: float


def _chances(read: Read) -> list[_Chance]:
    usual = _TAKEN_FOR_ANOTHER
    if len(read.certainties) == len(read.plate):
        certainties = [min(max(one, _CERTAINTY_MIN), _CERTAINTY_MAX) for one in read.certainties]
        return [_Chance(one, (1 - one) / usual) for one in certainties]
    if read.confidence is None or not read.plate:
        return [_Chance(1 - usual, 1.0)] * len(read.plate)
    # Confidence in the whole, spread evenly; a camera that is always certain is believed no more than the measured rate.
    error = min(max((1 - read.confidence) / len(read.plate), usual / 2), 1 - _CERTAINTY_MIN)
    return [_Chance(1 - error, error / usual)] * len(read.plate)


def _likelihood(changes: Sequence[Change], chances: Sequence[_Chance]) -> float:
    """log10 of the chance that this plate is read so."""
    changed = {one.place for one in changes}
    total = sum(log10(one.right) for place, one in enumerate(chances) if place not in changed)
    for one in changes:
        worse = chances[one.place].worse if one.place < len(chances) else 1.0
        total += log10(min(_rate(one) * worse, 0.9))
    return total


def _rate(change: Change) -> float:
    """How often this very thing happens at a place."""
    if UNREAD in {change.read, change.stands}:
        return _NOT_READ
    if not change.stands:
        return _ADDED / _ALPHABET
    if not change.read:
        return _LEFT_OUT
    if change.stands in PROVINCES or change.read in PROVINCES:
        return _TAKEN_FOR_ANOTHER / len(PROVINCES)
    if change.similar:
        alike = {char for group in _SIMILAR if change.stands in group for char in group} - {change.stands}
        return _TAKEN_FOR_ANOTHER * _OF_THEM_SIMILAR / len(alike)
    return _TAKEN_FOR_ANOTHER * (1 - _OF_THEM_SIMILAR) / _ALPHABET


def _as_a_stranger(read: Read) -> float:
    """log10 of the chance of this reading, if its vehicle is none of those inside: any of a million, and its entry was missed."""
    total = log10(_ENTRY_MISSED / _AROUND)
    unread = read.plate.count(UNREAD)
    total += unread * (log10(_NOT_READ) + log10(_ALPHABET))
    return total if unread or well_formed(read.plate, read.colour) else total + log10(_MISREAD_AT_ALL)


def _by_colour(stands: PlateColour | None, read: PlateColour | None) -> float:
    if stands is None or read is None:
        return 0.0
    return _SAME_COLOUR if stands is read else _OTHER_COLOUR


def _by_time(*, overnight: bool) -> float:
    """Most who leave came on the same day."""
    return log10(_OVERNIGHT) if overnight else log10(1 - _OVERNIGHT)


def _candidate(one: Inside, exit_: Read, changes: tuple[Change, ...], parts: tuple[float, float, float]) -> Candidate:
    characters, colour, time = (round(part, 3) for part in parts)
    return Candidate(
        stay=one.stay,
        plate=one.read.plate,
        score=round(characters + colour + time, 3),
        lead=0.0,
        changes=changes,
        characters=characters,
        colour=colour,
        time=time,
        wrong=_wrong_end(one.read, exit_),
        waits=one.waits,
        pictures=(one.read.picture, exit_.picture),
    )


def _wrong_end(entry: Read, exit_: Read) -> Wrong:
    """The plate that is known here was read right; else the one that the standard knows; else the one read with more certainty."""
    for trusted, other, wrong in ((entry, exit_, Wrong.EXIT), (exit_, entry, Wrong.ENTRY)):
        if trusted.known and not other.known:
            return wrong
    formed = well_formed(entry.plate, entry.colour), well_formed(exit_.plate, exit_.colour)
    if formed[0] != formed[1]:
        return Wrong.EXIT if formed[0] else Wrong.ENTRY
    if entry.confidence is not None and exit_.confidence is not None and entry.confidence < exit_.confidence:
        return Wrong.ENTRY
    return Wrong.EXIT


def _next_best(found: Sequence[Candidate], place: int) -> float:
    """What the first competes with; for all others, the first. Also the other explanation, at score 0, competes."""
    if place:
        return found[0].score
    return max(0.0, found[1].score) if len(found) > 1 else 0.0
