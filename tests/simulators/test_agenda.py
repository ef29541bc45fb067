"""What may share a window, and in which order."""

from datetime import UTC, datetime, timedelta

from simulators.agenda import FOLLOW_UP, PLANNED, Action, Agenda, Weight
from simulators.transport import Key

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
MIDNIGHT = NOON + timedelta(hours=12)
SIX, NINE = timedelta(seconds=6), timedelta(seconds=9)


def an_agenda(*actions):
    """Actions as (seconds, site, device, weight)."""
    agenda = Agenda()
    for seconds, site, device, weight in actions:
        agenda.write(NOON + timedelta(seconds=seconds), Action(Key(site, device), print, weight), PLANNED)
    return agenda


def windows(agenda):
    found = []
    while window := agenda.window(NINE, SIX, MIDNIGHT):
        found.append([((at - NOON).total_seconds(), action.key.site) for at, action in window])
    return found


def test_reads_of_different_sites_share_a_window():
    plate = Weight.PLATE
    agenda = an_agenda((0, "a", "d1", plate), (3, "b", "d1", plate), (9, "c", "d1", plate), (9.1, "d", "d1", plate))
    assert windows(agenda) == [[(0, "a"), (3, "b"), (9, "c")], [(9.1, "d")]]


def test_reads_of_two_devices_of_a_site_never_do_and_nobody_overtakes():
    agenda = an_agenda((0, "a", "d1", Weight.PLATE), (1, "a", "d2", Weight.PLATE), (2, "b", "d1", Weight.PLATE))
    assert windows(agenda) == [[(0, "a")], [(1, "a"), (2, "b")]]


def test_whatever_one_device_says_goes_together():
    agenda = an_agenda((0, "a", "d1", Weight.PLATE), (1, "a", "d1", Weight.HELD), (2, "a", "d1", Weight.PLATE))
    assert windows(agenda) == [[(0, "a"), (1, "a"), (2, "a")]]
    agenda = an_agenda((0, "a", "d1", Weight.HELD), (1, "a", "d2", Weight.PLATE))
    assert windows(agenda) == [[(0, "a")], [(1, "a")]]


def test_held_results_wait_for_company_but_nobody_waits_for_them():
    agenda = an_agenda((0, "a", "d1", Weight.HELD), (20, "b", "d1", Weight.PLATE), (30, "c", "d1", Weight.PLATE))
    held = timedelta(minutes=1)
    found = [len(window) for window in iter(lambda: agenda.window(NINE, SIX, MIDNIGHT, held), [])]
    assert found == [2, 1]


def test_a_payment_is_alone_at_its_site_and_soon_answered():
    agenda = an_agenda((0, "a", "d1", Weight.ALONE), (1, "b", "d1", Weight.PLATE), (6.5, "c", "d1", Weight.PLATE))
    assert windows(agenda) == [[(0, "a"), (1, "b")], [(6.5, "c")]]
    agenda = an_agenda((0, "a", "d1", Weight.ALONE), (1, "a", "d1", Weight.HELD))
    assert windows(agenda) == [[(0, "a")], [(1, "a")]]


def test_what_follows_comes_before_what_was_planned_for_the_same_instant():
    agenda = Agenda()
    agenda.write(NOON, Action(Key("planned", "d1"), print), PLANNED)
    agenda.write(NOON, Action(Key("follows", "d1"), print), FOLLOW_UP)
    assert windows(agenda) == [[(0, "follows"), (0, "planned")]]
