"""Where a fold begins: far enough back for whatever may still be told, and no farther."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from controllers.passages import DerivedStay, Passage, Read, State
from gateway.flows.beginning import Began, history_from

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def stay(*reads: float) -> DerivedStay:
    """A stay whose entry was read at these minutes."""
    passage = Passage("in-1", True, [Read("d1", str(minute), at(minute), "in-1", True) for minute in reads])
    return DerivedStay(State.LEFT, entry=passage)


THREE = [Began(at(0), at(10)), Began(at(60), at(70)), Began(at(120), None)]


def test_of_whom_nothing_is_known_nothing_is_remembered() -> None:
    assert history_from([], [], None) is None


def test_the_last_stay_but_one() -> None:
    assert history_from(THREE, [stay(0), stay(60), stay(120)], None) == at(60)
    assert history_from(THREE[:1], [stay(0)], None) == at(0)


def test_who_was_read_for_long_at_its_entry_may_still_be_told_to_have_backed_away() -> None:
    assert history_from(THREE, [stay(0), stay(60, 61), stay(120)], None) == at(60)
    assert history_from(THREE, [stay(0), stay(60, 60.9, 61.8), stay(120)], None) == at(0)


def test_what_a_stay_may_go_on_from_belongs_to_it() -> None:
    assert history_from(THREE, [], timedelta(minutes=49)) == at(60)
    assert history_from(THREE, [], timedelta(minutes=50)) == at(0)
