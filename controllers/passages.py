"""From events to stays: a pure fold over one vehicle's events at one site.

The stays are a function of the *set* of events, not of the order in which they arrived: whoever has all of them gets the
same stays (invariant 2). The caller adds an event to what is known and folds again from a safe place in the past.

Rules (gate protocol):
- a stay runs from its entry's `plate` event to its exit's; `passed` confirms a passage, `reversed` voids it;
- the same plate read again at the same lane within 60 s of its previous read, not passed meanwhile, is the same passage,
  counted at its first read;
- a second entry of a vehicle that is inside ends its first stay without an exit, unless it was last seen waiting at one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

SAME_PASSAGE = timedelta(seconds=60)


class Decision(StrEnum):
    """What came of a `plate` event. For a buffered one: what would have come of it."""

    OPEN = "open"
    REFUSE = "refuse"
    FAILED = "failed"  # opened, but the barrier did not obey (expired, refused, fault)


class Read(NamedTuple):
    """A `plate` event. `at` is corrected by the device's clock offset. `went` is set where a lane without a passage
    sensor reported the barrier's opening done: there it stands for `passed`.
    """

    device: str
    event: str
    at: datetime
    lane: str
    inward: bool
    decision: Decision | None = None
    opening: str | None = None
    went: bool = False
    buffered: bool = False


class Mark(NamedTuple):
    """A `passed` or `reversed` event, and the `plate` event that it completes."""

    device: str
    completes: str
    at: datetime
    passed: bool
    opening: str | None = None


class State(StrEnum):
    INSIDE = "inside"
    LEFT = "left"
    MISSING_EXIT = "missing_exit"
    NO_ENTRY = "no_entry"
    EXCEPTION = "exception"
    VOID = "void"


@dataclass(slots=True)
class Passage:
    """Reads that are one passage of a lane, and what became of it."""

    lane: str
    inward: bool
    reads: list[Read]
    passed_at: datetime | None = None
    reversed_at: datetime | None = None
    openings: list[str] = field(default_factory=list)

    @property
    def first(self) -> Read:
        return self.reads[0]

    @property
    def newest(self) -> Read:
        return self.reads[-1]

    @property
    def went(self) -> bool:
        return self.passed_at is not None or any(read.went for read in self.reads)

    @property
    def opened(self) -> bool:
        # For a buffered read at an exit, OPEN is only what would have come of it: no command went out.
        return bool(self.openings) or any(
            (read.decision is Decision.OPEN and not (read.buffered and not read.inward)) or read.opening
            for read in self.reads
        )

    @property
    def only_told_later(self) -> bool:
        """Every read of it is history: nobody waits at the barrier to be answered."""
        return all(read.buffered for read in self.reads)

    @property
    def refused(self) -> bool:
        """Nothing opened it, and at least one read was turned away (or the barrier did not obey)."""
        return not self.opened and any(read.decision is not None for read in self.reads)

    @property
    def confirmed(self) -> bool:
        return self.went

    @property
    def raised_by(self) -> str | None:
        """How the barrier rose when no command of ours raised it: `list`, `hand`, `offline_exit`."""
        return next(iter(self.openings), None) or next((read.opening for read in self.reads if read.opening), None)

    def holds(self, device: str | None, event: str | None) -> bool:
        return any(read.event == event and read.device == device for read in self.reads)


@dataclass(slots=True)
class DerivedStay:
    """What the events say. `exit` without `LEFT`: the vehicle waits at its exit (or did, last time it was seen).

    `since`: when a vehicle without a known entry was first seen at an exit. `between`: where it left and came back so soon that its
    stay went on: an exit, an entry, and so on.
    """

    state: State
    entry: Passage | None = None
    exit: Passage | None = None
    since: datetime | None = None
    between: tuple[Passage, ...] = ()

    @property
    def left_before(self) -> Passage | None:
        """The last exit after which it came back."""
        return self.between[-2] if self.between else None

    def passage_of(self, device: str, event: str) -> Passage | None:
        """The passage of this stay that a read belongs to."""
        for passage in (self.entry, *self.between, self.exit):
            if passage is not None and passage.holds(device, event):
                return passage
        return None


def passages(reads: Iterable[Read], marks: Iterable[Mark]) -> list[Passage]:
    """One vehicle's passages in the order of their first reads."""
    completed: dict[tuple[str, str], list[Mark]] = {}
    for mark in marks:
        completed.setdefault((mark.device, mark.completes), []).append(mark)
    found: list[Passage] = []
    newest_of_lane: dict[str, Passage] = {}
    for read in sorted(reads, key=lambda read: (read.at, read.device, read.event)):
        passage = newest_of_lane.get(read.lane)
        if (
            passage is None
            or read.at - passage.newest.at > SAME_PASSAGE
            or (passage.passed_at is not None and passage.passed_at <= read.at)
            or (passage.reversed_at is not None and passage.reversed_at <= read.at)
            or passage.newest.went
        ):
            passage = Passage(read.lane, read.inward, [read])
            newest_of_lane[read.lane] = passage
            found.append(passage)
        else:
            passage.reads.append(read)
        _complete(passage, completed.get((read.device, read.event), ()))
    return found


def _complete(passage: Passage, marks: Sequence[Mark]) -> None:
    for mark in marks:
        if mark.opening:
            passage.openings.append(mark.opening)
        if mark.passed:
            passage.passed_at = mark.at if passage.passed_at is None else min(passage.passed_at, mark.at)
        else:
            passage.reversed_at = mark.at if passage.reversed_at is None else min(passage.reversed_at, mark.at)


def stays(reads: Iterable[Read], marks: Iterable[Mark]) -> list[DerivedStay]:
    """One vehicle's stays, oldest first. At most one, the last, is `INSIDE`."""
    found: list[DerivedStay] = []
    inside: DerivedStay | None = None
    waiting_unknown: DerivedStay | None = None
    for passage in passages(reads, marks):
        # A vehicle that both backed away and passed has passed: it came again before the device took notice.
        backed_away = passage.reversed_at is not None and not passage.went
        if passage.inward:
            if backed_away:
                if not passage.refused:
                    found.append(DerivedStay(State.VOID, entry=passage))
                continue
            if passage.refused and not passage.went:
                continue
            _leave_behind(inside)
            inside = DerivedStay(State.INSIDE, entry=passage)
            found.append(inside)
            waiting_unknown = None
            continue
        if backed_away:
            continue
        gone = passage.went or passage.opened
        if inside is not None:
            inside.exit = passage
            if gone:
                inside.state = State.LEFT
                inside = None
        elif waiting_unknown is not None:
            waiting_unknown.exit = passage
            waiting_unknown = None if gone else waiting_unknown
        else:
            unknown = DerivedStay(State.NO_ENTRY, exit=passage, since=passage.first.at)
            found.append(unknown)
            waiting_unknown = None if gone else unknown
    if inside is not None and inside.exit is not None and inside.exit.only_told_later:
        # The device told of the exit afterwards, and of nothing more: the stay ends where the contract says it does.
        inside.state = State.LEFT
    return found


def continued(found: Iterable[DerivedStay], reentry_minutes: Callable[[DerivedStay], int | None]) -> list[DerivedStay]:
    """Stays, joined where an entry comes at most so many whole minutes after the vehicle's last exit.

    `reentry_minutes` says how many for the stay that the entry may continue. A part whose exit is missing continues nothing: nobody
    could say what the whole would cost.
    """
    result: list[DerivedStay] = []
    last: int | None = None
    for one in found:
        if one.state is not State.VOID:
            before = result[last] if last is not None else None
            if before is not None and _goes_on(before, one, reentry_minutes):
                assert last is not None
                assert before.exit is not None
                assert one.entry is not None
                between = (*before.between, before.exit, one.entry)
                result[last] = DerivedStay(one.state, before.entry, one.exit, between=between)
                continue
            last = len(result)
        result.append(one)
    return result


def _goes_on(before: DerivedStay, one: DerivedStay, reentry_minutes: Callable[[DerivedStay], int | None]) -> bool:
    if before.state is not State.LEFT or before.entry is None or before.exit is None:
        return False
    if one.entry is None or one.state not in {State.INSIDE, State.LEFT}:
        return False
    most = reentry_minutes(before)
    gap = _minute(one.entry.first.at) - _minute(before.exit.first.at)
    return most is not None and gap <= timedelta(minutes=most)


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _leave_behind(inside: DerivedStay | None) -> None:
    """The vehicle enters anew: it has left before. If it was last seen waiting at an exit, that is where."""
    if inside is not None:
        inside.state = State.LEFT if inside.exit is not None else State.MISSING_EXIT
