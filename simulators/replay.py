"""Recorded stays as journeys through one gate: read in the order of their times, and at those times."""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from controllers.events import VehicleType
from controllers.plate import PLATE_LENGTH_MAX, normalise
from simulators.conductor import Conductor, Steps
from simulators.journeys import Direction, Journey, Vehicle
from simulators.manners import ExactManners
from simulators.street import DeviceSpec, GateSpec, LaneSpec, SiteSpec
from simulators.traffic import Payer, Turn
from simulators.yard import Yard

ROWS_MAX = 1_000_000
LINE_CHARACTERS_MAX = 1_000
LANE_IN, LANE_OUT, DEVICE = "in-1", "out-1", "d1"
COLUMNS = ("plate", "entry", "exit")
ROOM_MAX = timedelta(seconds=5)


class BadRecord(ValueError):
    """A recorded stay that cannot be replayed; the message names its line and what is wrong."""


class RecordedStay(NamedTuple):
    """One line of the file. `fields` are its columns as they were; instants are UTC."""

    line: int
    plate: str
    entry: datetime
    exit: datetime
    vehicle: VehicleType | None
    fields: dict[str, str]


class ReplayedStay(NamedTuple):
    """A recorded stay and the plate events it became (None: never read, because the run was stopped)."""

    stay: RecordedStay
    entry_event: str | None
    exit_event: str | None


def read_stays(lines: Iterable[str], zone: ZoneInfo, rows_max: int = ROWS_MAX) -> Iterator[RecordedStay]:
    """Stays of a CSV with the columns plate, entry, exit and optionally vehicle (others are kept untouched).

    Times without an offset are in `zone`. Streams. Raises `BadRecord` naming the first line that is wrong.
    """
    reader = csv.reader(_bounded(lines), strict=True)
    heading: list[str] | None = None
    count = 0
    try:
        for cells in reader:
            if heading is None:
                heading = _heading(cells, reader.line_num)
            elif any(cells):
                count += 1
                if count > rows_max:
                    raise BadRecord(f"line {reader.line_num}: more than {rows_max} stays; split the file")
                yield _stay(heading, cells, reader.line_num, zone)
    except csv.Error as error:
        raise BadRecord(f"line {reader.line_num}: not CSV: {error}") from error
    if heading is None:
        raise BadRecord("line 1: the file is empty; it needs the heading plate,entry,exit")


def replay_site(site: str, name: str = "", capacity: int = 1_000_000) -> SiteSpec:
    """A site with one gate: one lane in, one lane out, one device."""
    lanes = (
        LaneSpec(id=LANE_IN, direction="in", device=DEVICE, offline_exit=False),
        LaneSpec(id=LANE_OUT, direction="out", device=DEVICE, offline_exit=False),
    )
    gate = GateSpec(id="main", tier="main", lane=lanes)
    return SiteSpec(id=site, name=name or site, capacity=capacity, gate=(gate,), device=(DeviceSpec(id=DEVICE),))


class Replay:
    """The stays of one site, ready to be conducted. `start` is a moment before the first of them, `end` after the last."""

    def __init__(self, stays: Iterable[RecordedStay], site: str) -> None:
        self.site = site
        self.stays = list(stays)
        reads = Counter(at for stay in self.stays for at in (stay.entry, stay.exit))
        instants = sorted(reads)
        self._instants, self._reads = instants, reads
        self.start = instants[0] - timedelta(seconds=1) if instants else datetime(2026, 1, 1, tzinfo=UTC)
        self.end = instants[-1] + timedelta(minutes=5) if instants else self.start
        self._events: dict[tuple[str, Direction], str] = {}

    def conductor(self, yard: Yard, payer: Payer, steps: Steps | None = None, **settings: Any) -> Conductor:
        """A conductor with every recorded read on its agenda; `settings` as for `Conductor`."""
        settings = {"window": timedelta(0), "manners": self._manners, **settings}
        conductor = Conductor(yard, seed="replay", payer=payer, steps=steps, **settings)
        conductor.traffic.listeners.append(self._read)
        # In order of the instants; at the same instant exits go first, then lines in their order.
        reads: list[tuple[datetime, int, int, Journey]] = []
        for number, stay in enumerate(self.stays):
            journey = self._journey(number, stay)
            reads.append((stay.entry, 1, number, replace(journey, leave_at=None)))
            reads.append((stay.exit, 2 if stay.entry == stay.exit else 0, number, replace(journey, enter_at=None)))
        for _, _, _, journey in sorted(reads, key=lambda read: read[:3]):
            conductor.add_journey(journey)
        return conductor

    def results(self) -> Iterator[ReplayedStay]:
        """A recorded stay at a time, in the order of the file, with the events it became."""
        for number, stay in enumerate(self.stays):
            yield ReplayedStay(stay, self._events.get((str(number), "in")), self._events.get((str(number), "out")))

    def _journey(self, number: int, stay: RecordedStay) -> Journey:
        vehicle = Vehicle(stay.plate, None, "recorded", stay.vehicle)
        return Journey(
            id=str(number), site=self.site, vehicle=vehicle, lane_in=LANE_IN, lane_out=LANE_OUT,
            enter_at=stay.entry, leave_at=stay.exit, read_in=stay.plate, read_out=stay.plate,
        )  # fmt: skip

    def _manners(self, journey: Journey, direction: Direction) -> ExactManners:
        at = journey.enter_at if direction == "in" else journey.leave_at
        if at is None or self._reads[at] > 1:
            return ExactManners(timedelta(0))  # another read follows at the very same instant
        following = bisect_right(self._instants, at)
        room = self._instants[following] - at if following < len(self._instants) else ROOM_MAX
        return ExactManners(min(room, ROOM_MAX))

    def _read(self, turn: Turn) -> None:
        assert turn.first is not None
        self._events[turn.journey.id, turn.direction] = turn.first.id


def _bounded(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_CHARACTERS_MAX:
            raise BadRecord(f"line {number}: longer than {LINE_CHARACTERS_MAX} characters")
        yield line.removeprefix("\ufeff") if number == 1 else line


def _heading(cells: list[str], line: int) -> list[str]:
    heading = [cell.strip() for cell in cells]
    if missing := [column for column in COLUMNS if column not in heading]:
        raise BadRecord(f"line {line}: the heading lacks {', '.join(missing)}; it needs plate,entry,exit")
    if len(set(heading)) < len(heading):
        raise BadRecord(f"line {line}: the heading names a column twice")
    return heading


def _stay(heading: list[str], cells: list[str], line: int, zone: ZoneInfo) -> RecordedStay:
    if len(cells) != len(heading):
        raise BadRecord(f"line {line}: {len(cells)} cells, but the heading has {len(heading)}")
    fields = dict(zip(heading, cells, strict=True))
    plate = normalise(fields["plate"])
    if plate is None:
        raise BadRecord(f"line {line}: plate {fields['plate']!r} is not a plate")
    if len(fields["plate"].strip()) > PLATE_LENGTH_MAX or not plate.isprintable():
        raise BadRecord(f"line {line}: plate {fields['plate'][:40]!r} is longer than {PLATE_LENGTH_MAX} characters")
    entry, leaves = (_instant(fields[column], column, line, zone) for column in ("entry", "exit"))
    if leaves < entry:
        raise BadRecord(f"line {line}: the exit {fields['exit']} lies before the entry {fields['entry']}")
    vehicle = fields.get("vehicle", "").strip()
    try:
        type_ = VehicleType(vehicle) if vehicle else None
    except ValueError:
        known = ", ".join(VehicleType)
        raise BadRecord(f"line {line}: vehicle {vehicle[:40]!r} is none of {known}") from None
    return RecordedStay(line, plate, entry, leaves, type_, fields)


def _instant(text: str, column: str, line: int, zone: ZoneInfo) -> datetime:
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadRecord(
            f"line {line}: {column} {text[:40]!r} is not a time (RFC 3339, or local without an offset)"
        ) from None
    try:
        return (instant if instant.tzinfo is not None else instant.replace(tzinfo=zone)).astimezone(UTC)
    except (OverflowError, ValueError):
        raise BadRecord(f"line {line}: {column} {text[:40]!r} is out of range") from None
