"""The further keys of a policy on the event path: what a street's rules make of real visits, on both databases."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from typing import Any

import pytest

from controllers.commands import Reason
from controllers.events import Kind, PlateColour
from gateway.flows import quote
from gateway.flows.close import close_day
from gateway.flows.gather import gather
from gateway.flows.pay_token import token
from gateway.store.facts import FactLoader
from gateway.store.records import StayRecord
from gateway.wiring import Parts
from tests.gateway.rules import BANDS, CAP, PASS, Ruled, allowance, tariff
from tests.gateway.trade import local

VISITOR, RESIDENT, MOTHER, ELECTRIC = "浙A12345", "浙A00001", "浙A00003", "浙AD12345"
ALL_DAY = '  [[tariff.band]]\n  from = "00:00"\n  to = "00:00"\n  unit = { minutes = 60, fen = %d }\n'
DAY_CAP = 'cap = { per = "calendar_day", fen = 2000, across_stays = true }'

small = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def amounts(*stays: Any) -> list[tuple[int, int]]:
    return [(stay.gross_fen, stay.payable_fen) for stay in stays]


# ---------------------------------------------------------------------- caps across stays


def test_a_days_cap_counts_what_the_vehicle_was_charged_before(parts: Parts) -> None:
    street = Ruled(parts, tariff(DAY_CAP))
    first = street.visit(VISITOR, "09:00", "12:00")
    second = street.visit(VISITOR, "13:00", "17:00")
    third = street.visit(VISITOR, "18:00", "19:00")
    tomorrow = street.visit(VISITOR, "2026-03-03 09:00", "2026-03-03 12:00")
    other = street.visit("浙B11111", "2026-03-03 13:00", "2026-03-03 14:00")
    assert amounts(first, second, third, tomorrow, other) == [
        (1200, 1200),
        (800, 800),
        (0, 0),
        (1200, 1200),
        (400, 400),
    ]
    assert street.bill(second).facts["stay"]["charged"] == {"2026-03-02": 1200}
    street.check()


def test_a_day_of_many_visits_is_remembered_beyond_what_is_folded(parts: Parts) -> None:
    """The fold looks back to the last stay but one; the cap to midnight."""
    street = Ruled(parts, tariff(DAY_CAP))
    for hour in range(8, 13):
        assert amounts(street.visit(VISITOR, f"{hour:02}:00", f"{hour:02}:45")) == [(400, 400)]
    assert amounts(street.visit(VISITOR, "14:00", "15:00")) == [(0, 0)]
    street.check()


def test_a_months_cap_counts_the_month_and_a_stay_over_its_end_both(parts: Parts) -> None:
    street = Ruled(parts, tariff(f"{CAP}\nmonth_cap_fen = 1500"))
    first = street.visit(VISITOR, "2026-03-05 09:00", "2026-03-05 12:00")
    second = street.visit(VISITOR, "2026-03-20 09:00", "2026-03-20 12:00")
    over = street.visit(VISITOR, "2026-03-31 22:00", "2026-04-01 02:00")
    april = street.visit(VISITOR, "2026-04-20 09:00", "2026-04-20 17:00")
    assert amounts(first, second, over) == [(1200, 1200), (300, 300), (200, 200)]
    assert amounts(april) == [(1300, 1300)]
    street.check()


def test_a_late_exit_never_raises_what_was_told_and_the_cap_holds_for_both(parts: Parts) -> None:
    street = Ruled(parts, tariff(DAY_CAP))
    first = street.told("first", VISITOR, "09:00", "12:00")
    street.clock.set(local("09:01"))
    street.deliver(*first[:2])
    told = street.visit(VISITOR, "13:00", "17:00")
    assert amounts(told) == [(1600, 1600)]
    street.clock.set(local("18:00"))
    street.deliver(*first[2:])
    late, second = (stay for stay in street.stays() if stay.plate == VISITOR)
    assert amounts(late, second) == [(400, 400), (1600, 1600)]
    street.check()


# ---------------------------------------------------------------------- free stays a day


def test_the_free_minutes_hold_for_the_days_first_stay_only(parts: Parts) -> None:
    street = Ruled(parts, tariff(f"{CAP}\nfree_stays_per_day = 1"))
    found = [street.visit(VISITOR, f"{hour:02}:00", f"{hour:02}:20") for hour in (9, 11, 13)]
    found.append(street.visit(VISITOR, "2026-03-03 09:00", "2026-03-03 09:20"))
    assert [stay.gross_fen for stay in found] == [0, 400, 400, 0]
    assert street.bill(found[2]).facts["stay"]["free_stays_used"] == 2
    street.check()


@small
def test_the_free_minutes_are_the_same_stays_whatever_comes_first(parts: Parts) -> None:
    """Invariant 2: the gross follows from the events, not from their order."""
    street = Ruled(parts, tariff(f"{CAP}\nfree_stays_per_day = 1"))
    found = set()
    for day, order in enumerate(permutations(range(3)), 3):
        date, plate = f"2026-03-{day:02}", f"浙A2222{day}"
        visits = [street.told(f"{day}-{n}", plate, f"{date} {9 + n:02}:00", f"{date} {9 + n:02}:20") for n in range(3)]
        street.clock.set(local(f"{date} 18:00"))
        for place in order:
            street.deliver(*visits[place])
        mine = [stay for stay in street.stays() if stay.plate == plate]
        found.add(tuple((stay.state, stay.gross_fen) for stay in mine))
        street.check()
    assert found == {(("left", 0), ("left", 400), ("left", 400))}


def test_a_stay_that_turns_out_void_gives_its_free_minutes_to_the_next(parts: Parts) -> None:
    street = Ruled(parts, tariff(f"{CAP}\nfree_stays_per_day = 1"))
    street.clock.set(local("18:00"))
    street.deliver(*street.told("second", VISITOR, "11:00", "11:20"))
    street.deliver(street.told("first", VISITOR, "09:00", "09:20")[0])
    assert street.newest(VISITOR).gross_fen == 400
    street.deliver(street.mark("in-1", Kind.REVERSED, local("09:00:20"), "first-in", buffered=True))
    assert street.newest(VISITOR).gross_fen == 0
    street.check()


# ---------------------------------------------------------------------- coming back soon


REENTRY = f"{CAP}\nreentry_minutes = 30"


def test_who_comes_back_soon_goes_on_with_the_same_stay(parts: Parts) -> None:
    street = Ruled(parts, tariff(REENTRY))
    assert amounts(street.visit(VISITOR, "09:00", "09:20")) == [(0, 0)]
    street.enters(VISITOR, "09:50")
    assert [(stay.state, stay.exit_at) for stay in street.stays()] == [("inside", None)]
    stay = street.leaves(VISITOR, "10:10")
    assert (stay.state, stay.entry_at, stay.gross_fen) == ("left", local("09:00"), 600)
    assert street.bill(stay).minutes == 70
    assert len(street.stays()) == 1
    street.check()


def test_a_minute_later_it_is_a_stay_of_its_own(parts: Parts) -> None:
    street = Ruled(parts, tariff(REENTRY))
    street.visit(VISITOR, "09:00", "09:20")
    assert amounts(street.visit(VISITOR, "09:51", "10:10")) == [(0, 0)]
    assert len(street.stays()) == 2
    street.check()


def test_what_was_paid_before_is_taken_off_and_said(parts: Parts) -> None:
    street = Ruled(parts, tariff(REENTRY))
    assert amounts(street.visit(VISITOR, "09:00", "10:30")) == [(600, 600)]
    street.enters(VISITOR, "10:45")
    asked = street.arrives("out-1", VISITOR, "11:30")
    assert asked is not None
    assert asked.pay is not None
    assert asked.pay.fen == 400
    page = quote.bill_by_token(parts, token(parts.settings.secret(), street.newest(VISITOR).id))
    assert page is not None
    assert "已付 6.00 元，还应付 4.00 元。" in page["zh"]
    street.pays(VISITOR, 400)
    assert street.newest(VISITOR).state == "left"
    assert street.accounts() == {"income:parking": -1000, "assets:channel:wechat": 1000}
    street.check()


def test_three_times_back_is_still_one_stay_and_its_draws_are_one(parts: Parts) -> None:
    street = Ruled(parts, tariff(REENTRY), allowance(100))
    street.relative("3-201", MOTHER)
    street.visit(MOTHER, "09:00", "09:40")
    assert street.draws() == {("household:3-201", "2026-03"): 40}
    street.enters(MOTHER, "10:00")
    assert street.draws() == {("household:3-201", "2026-03"): 40}, "benefits are kept while it is back"
    assert street.leaves(MOTHER, "10:20").gross_fen == 600
    stay = street.visit(MOTHER, "10:50", "11:30")
    assert (stay.entry_at, stay.gross_fen, stay.payable_fen) == (local("09:00"), 1000, 333)
    assert street.draws() == {("household:3-201", "2026-03"): 100}
    street.check()


def test_the_first_entrys_version_prices_it_also_over_midnight(parts: Parts) -> None:
    street = Ruled(parts, tariff(f"{REENTRY}", bands=ALL_DAY % 100))
    street.rule(tariff(CAP, bands=ALL_DAY % 900), version=3, since="2026-03-03T00:00:00+08:00")
    street.visit(VISITOR, "22:00", "23:45")
    stay = street.visit(VISITOR, "2026-03-03 00:10", "2026-03-03 01:00")
    assert (stay.policy_version, stay.gross_fen) == (2, 300)
    late = street.visit(VISITOR, "2026-03-03 02:00", "2026-03-03 03:00")
    assert (late.policy_version, late.gross_fen) == (3, 900)
    street.check()


def test_who_came_back_and_was_never_seen_to_leave_has_left_as_it_was_told(parts: Parts) -> None:
    street = Ruled(parts, tariff(REENTRY))
    street.visit(VISITOR, "09:00", "10:30")
    street.enters(VISITOR, "10:45")
    street.enters(VISITOR, "15:00")
    found = [(stay.state, stay.payable_fen, stay.paid_fen) for stay in street.stays()]
    assert found == [("left", 600, 600), ("missing_exit", 0, 0), ("inside", None, 0)]
    street.check()


def test_a_stay_that_goes_on_after_its_day_was_closed_breaks_no_seal(parts: Parts) -> None:
    street = Ruled(parts, tariff(f"{CAP}\nreentry_minutes = 240"))
    street.visit(VISITOR, "20:00", "23:50")
    street.clock.set(local("2026-03-03 02:05"))
    for day in ("2026-03-01 12:00", "2026-03-02 12:00"):
        close_day(parts, local(day).date())
    street.enters(VISITOR, "2026-03-03 02:30")
    street.check()
    stay = street.leaves(VISITOR, "2026-03-03 04:00")
    assert (stay.gross_fen, stay.paid_fen, len(street.stays())) == (800, 800, 1)
    street.check()


def test_backing_away_from_the_second_exit_keeps_the_bill_of_the_first(parts: Parts) -> None:
    street = Ruled(parts, tariff(REENTRY), allowance(100))
    street.relative("3-201", MOTHER)
    street.visit(MOTHER, "09:00", "09:40")
    street.enters(MOTHER, "10:00")
    street.arrives("out-1", MOTHER, "10:20", id="away")
    street.deliver(street.mark("out-1", Kind.REVERSED, local("10:20:20"), "away"))
    assert street.newest(MOTHER).state == "inside"
    assert street.draws() == {("household:3-201", "2026-03"): 40}
    street.check()


@small
def test_a_return_is_the_same_stay_whatever_comes_first(parts: Parts) -> None:
    street = Ruled(parts, tariff(REENTRY))
    found = set()
    for number, order in enumerate(permutations(range(4))):
        plate = f"浙A3{number:04}"
        first, second = (
            street.told(f"{number}-a", plate, "09:00", "09:20"),
            street.told(f"{number}-b", plate, "09:40", "10:10"),
        )
        parts_of = [first[:2], first[2:], second[:2], second[2:]]
        street.clock.set(local("18:00"))
        for place in order:
            street.deliver(*parts_of[place])
        mine = [stay for stay in street.stays() if stay.plate == plate and stay.state != "void"]
        found.add(tuple((stay.state, stay.entry_at, stay.exit_at, stay.gross_fen) for stay in mine))
    assert found == {(("left", local("09:00"), local("10:10"), 600),)}
    street.check()


# ---------------------------------------------------------------------- who and what it is


def test_a_new_energy_plate_has_its_own_tariff(parts: Parts) -> None:
    street = Ruled(parts, tariff(), tariff('energy = "new"', bands=ALL_DAY % 100))
    assert street.visit(ELECTRIC, "09:00", "12:00", plate_colour=PlateColour.GREEN).gross_fen == 300
    assert street.visit(VISITOR, "09:00", "12:00").gross_fen == 1200


def test_a_tenant_and_a_registered_visitor_have_theirs_while_they_are_listed(parts: Parts) -> None:
    tenant, guest = (
        tariff('who = "tenant"', bands=ALL_DAY % 50),
        tariff('who = "registered_visitor"', bands=ALL_DAY % 200),
    )
    street = Ruled(parts, tariff(), tenant, guest)
    street.listed("浙A55555", "tenant")
    street.listed("浙A66666", "registered_visitor")
    grosses = [street.visit(plate, "09:00", "12:00").gross_fen for plate in ("浙A55555", "浙A66666", VISITOR)]
    assert grosses == [150, 600, 1200]
    assert street.visit("浙A55555", "2027-01-04 09:00", "2027-01-04 12:00").gross_fen == 1200


def test_a_pass_of_the_night_covers_the_night(parts: Parts) -> None:
    hours = 'hours = { from = "18:00", to = "08:00", days = "all" }'
    street = Ruled(parts, tariff(), PASS.format(spaces=1) + hours)
    street.household("3-201", RESIDENT, passes=True)
    assert street.enters(RESIDENT, "17:00").reason is Reason.RESIDENT
    assert amounts(street.leaves(RESIDENT, "2026-03-03 09:00")) == [(2000, 800)]
    street.check()


def test_a_festival_costs_nothing(parts: Parts) -> None:
    street = Ruled(parts, tariff(), head='free_day = ["tomb_sweeping_day"]')
    assert street.visit(VISITOR, "2026-04-05 09:00", "2026-04-05 12:00").gross_fen == 0
    assert street.visit(VISITOR, "2026-04-07 09:00", "2026-04-07 12:00").gross_fen == 1200


def test_a_discount_of_a_register_is_for_whoever_is_listed(parts: Parts) -> None:
    street = Ruled(parts, tariff(), '[[discount]]\nid = "shop"\npercent = 50\nregister = true')
    street.listed(RESIDENT, "shop")
    assert amounts(street.visit(RESIDENT, "09:00", "12:00")) == [(1200, 600)]
    assert amounts(street.visit(VISITOR, "09:00", "12:00")) == [(1200, 1200)]
    assert street.accounts()["waived:discount"] == 600


def test_tolerance_visits_and_a_nights_cap(parts: Parts) -> None:
    tolerant = BANDS.replace(
        "unit = { minutes = 30, fen = 200 }", "unit = { minutes = 30, fen = 200, tolerance_minutes = 5 }"
    )
    street = Ruled(
        parts,
        tariff(
            bands=tolerant.replace(
                "unit = { minutes = 60, fen = 100 }", "unit = { minutes = 60, fen = 100 }\n  cap_fen = 300"
            )
        ),
    )
    street.rule(tariff("visit_fen = 500", bands=""), version=3, since="2026-03-04T00:00:00+08:00")
    assert street.visit(VISITOR, "09:00", "10:35").gross_fen == 600
    assert street.visit(VISITOR, "11:00", "12:36").gross_fen == 800
    assert street.visit(VISITOR, "20:00", "2026-03-03 08:00").gross_fen == 300
    assert street.visit(VISITOR, "2026-03-04 09:00", "2026-03-04 23:00").gross_fen == 500
    assert street.visit(VISITOR, "2026-03-05 09:00", "2026-03-06 10:00").gross_fen == 1000
    street.check()


def test_two_versions_around_midnight_price_by_the_entry(parts: Parts) -> None:
    street = Ruled(parts, tariff(bands=ALL_DAY % 100))
    street.rule(tariff(bands=ALL_DAY % 700), version=3, since="2026-03-03T00:00:00+08:00")
    street.enters(VISITOR, "23:59:59")
    street.enters("浙B11111", "2026-03-03 00:00:00")
    before, after = street.leaves(VISITOR, "2026-03-03 02:00"), street.leaves("浙B11111", "2026-03-03 02:00:30")
    assert [(stay.policy_version, stay.gross_fen) for stay in (before, after)] == [(2, 300), (3, 1400)]
    street.check()


class Unasked(FactLoader):
    """Nobody may ask it for what only some policies need."""

    def past(self, *_: Any) -> Any:
        raise AssertionError("asked for earlier stays")

    def claims(self, *_: Any) -> Any:
        raise AssertionError("asked for spaces")

    def vouchers(self, stays: Iterable[StayRecord]) -> Any:
        assert not any(stay.vouchers for stay in stays)
        return super().vouchers(())


@small
def test_a_policy_without_these_keys_asks_nothing_more(parts: Parts) -> None:
    """What they cost, only those pay who use them."""
    street = Ruled(parts)
    street.enters(VISITOR, "09:00")
    street.clock.set(local("12:00"))
    exit_ = street.read("out-1", VISITOR, local("12:00"))
    with parts.store.writing() as connection:
        facts = gather(
            Unasked(connection), parts.estates.known(connection), [exit_], parts.clock.now(), parts.settings.zone
        )
    assert len(facts.stays["xinyi", VISITOR]) == 1
