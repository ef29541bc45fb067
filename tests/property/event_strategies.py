"""Journeys and their deliveries, drawn by hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from controllers.events import Kind, Opening, PlateColour
from tests.property.event_told import PLATES, Told, at

_ENTRIES, _EXITS = ("in-1", "in-2"), ("out-1", "out-2")
# Minutes between two passages: within the free minutes, around them, hours, over a month's end, beyond what is plausible.
_GAPS = st.sampled_from([0.5, 1, 4, 20, 29, 30, 31, 45, 61, 100, 185, 240, 700, 1500, 11000])
_READ_AGAIN_SOON = st.sampled_from([15, 40, 59, 60])
_READ_AGAIN = st.sampled_from([15, 40, 59, 60, 61, 75])
_COLOURS = st.sampled_from([None, None, None, PlateColour.YELLOW, PlateColour.BLUE])


@dataclass(frozen=True)
class Step:
    """One delivery: which events, how the clock goes on before it, and whether the process dies around its commit."""

    batch: tuple[int, ...]
    seconds: int
    dies: str | None
    pays: int | None


@st.composite
def journeys(draw: Any, *, told_whole: bool = False, sensors_only: bool = False) -> list[Told]:
    """What happened to one to four vehicles, in order.

    `told_whole`: every passage has its `passed` or `reversed`, or the opening that let it through.
    """
    told: list[Told] = []
    plates = draw(st.lists(st.sampled_from(PLATES), min_size=1, max_size=4, unique=True))
    for plate in plates:
        minute = draw(st.sampled_from([0.0, 0.2, 7.0, 90.0, 178.0]))
        for _ in range(draw(st.integers(1, 4))):
            inward = draw(st.booleans()) if told else True
            minute = _passage(draw, told, plate, inward, minute, told_whole, sensors_only)
            minute += draw(_GAPS)
            if draw(st.integers(0, 3)):
                minute = _passage(draw, told, plate, not inward, minute, told_whole, sensors_only)
                minute += draw(_GAPS)
    return told


def _passage(
    draw: Any, told: list[Told], plate: str, inward: bool, minute: float, told_whole: bool, sensors_only: bool
) -> float:
    """A vehicle comes to a lane, is read, perhaps again, and goes or does not. Returns when it has done so, in minutes."""
    lane = draw(st.sampled_from(_ENTRIES if inward else _EXITS))
    if sensors_only:
        lane = lane[:-1] + "1"
    sensor = lane.endswith("1")
    seconds = minute * 60
    openings = [None, Opening.HAND, Opening.LIST] + ([] if inward else [Opening.OFFLINE_EXIT])
    for number in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        seconds += draw(_READ_AGAIN_SOON if told_whole else _READ_AGAIN) if number else 0
        name = f"e{len(told):02}"
        told.append(Told(name, lane, Kind.PLATE, at(0, seconds), plate=plate, colour=draw(_COLOURS)))
    if not sensor:
        opening = draw(st.sampled_from(openings[1:] if told_whole else openings))
        told[-1] = _opened(told[-1], opening)
        return (seconds + 5) / 60
    ends = ["passed", "passed", "passed", "reversed"] + ([] if told_whole else ["nothing", "passed too"])
    end = draw(st.sampled_from(ends))
    after = draw(st.sampled_from([3, 8, 50]))
    if end in {"reversed", "passed too"}:
        told.append(Told(f"e{len(told):02}", lane, Kind.REVERSED, at(0, seconds + after), completes=name))
    if end in {"passed", "passed too"}:
        opening = draw(st.sampled_from(openings))
        when = at(0, seconds + after + (2 if end == "passed too" else 0))
        told.append(Told(f"e{len(told):02}", lane, Kind.PASSED, when, completes=name, opening=opening))
    return (seconds + after + 5) / 60


def _opened(one: Told, opening: Opening | None) -> Told:
    return Told(one.id, one.lane, one.kind, one.at, plate=one.plate, opening=opening, colour=one.colour)


@st.composite
def deliveries(draw: Any, count: int, *, crashes: bool = True, payments: bool = False) -> list[Step]:
    """Any order, any batching, repeats, delays, and a process that dies between any two steps."""
    order = draw(st.permutations(range(count)))
    again = draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count)), max_size=4))
    for which, where in again:
        order.insert(min(where, len(order)), which)
    steps: list[Step] = []
    while order:
        size = draw(st.integers(1, max(1, min(len(order), 8))))
        steps.append(
            Step(
                tuple(order[:size]),
                draw(st.sampled_from([0, 0, 1, 30, 200, 4000])),
                draw(st.sampled_from([None, None, None, "before", "after"])) if crashes else None,
                draw(st.none() | st.integers(0, 3)) if payments else None,
            )
        )
        order = order[size:]
    return steps


@st.composite
def told_and_delivered(draw: Any, **more: Any) -> tuple[list[Told], list[Step]]:
    crashes, payments = more.pop("crashes", True), more.pop("payments", False)
    told: Sequence[Told] = draw(journeys(**more))
    return list(told), draw(deliveries(len(told), crashes=crashes, payments=payments))
