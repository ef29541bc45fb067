"""亲属免费时长 on both databases: drawn by the minute and month, by the household that registered first, and never twice."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from controllers.commands import Reason
from controllers.events import Kind
from gateway.api.app import create_app
from gateway.flows import estate, quote
from gateway.flows.pay_token import token
from gateway.flows.verify import verify
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import Client, House, site_file
from tests.gateway.rules import Ruled, allowance, tariff
from tests.gateway.trade import local

MOTHER, SON, DAUGHTER = "浙A00003", "浙A00004", "浙A00005"
FIRST, OTHER = "household:3-201", "household:1-101"


def minutes_waived(street: Ruled, stay: Any) -> int:
    """As the bill shows it."""
    return sum(line["minutes"] for line in street.bill(stay).lines if line["kind"] == "relative_allowance")


# ---------------------------------------------------------------------- two households


def two_households(parts: Parts, minutes: int = 60) -> Ruled:
    """The second household comes first by name, and registered later."""
    street = Ruled(parts, tariff(), allowance(minutes))
    street.relative("3-201", MOTHER)
    street.clock.advance(minutes=5)
    street.relative("1-101", MOTHER)
    return street


def test_the_older_registration_is_used_first_then_the_other(parts: Parts) -> None:
    street = two_households(parts)
    stay = street.visit(MOTHER, "09:00", "10:00")
    assert (stay.payable_fen, street.draws()) == (0, {(FIRST, "2026-03"): 60})
    stay = street.visit(MOTHER, "11:00", "12:30")
    assert (stay.gross_fen, stay.payable_fen) == (600, 200)
    assert street.draws() == {(FIRST, "2026-03"): 60, (OTHER, "2026-03"): 60}
    street.check()


def test_one_bill_of_two_households_is_one_benefit_and_goes_back_as_it_was_drawn(parts: Parts) -> None:
    street = two_households(parts)
    street.enters(MOTHER, "09:00")
    street.arrives("out-1", MOTHER, "11:00", id="away")
    bill = street.bill(street.newest(MOTHER))
    assert [line["kind"] for line in bill.lines].count("relative_allowance") == 1
    assert (bill.drawn, bill.holder) == ({"2026-03": 120}, FIRST)
    assert bill.facts["drawn_by"] == {FIRST: {"2026-03": 60}, OTHER: {"2026-03": 60}}
    assert street.draws() == {(FIRST, "2026-03"): 60, (OTHER, "2026-03"): 60}
    street.deliver(street.mark("out-1", Kind.REVERSED, local("11:00:20"), "away"))
    assert street.draws() == {}
    assert street.leaves(MOTHER, "11:10").payable_fen == 200
    assert street.draws() == {(FIRST, "2026-03"): 60, (OTHER, "2026-03"): 60}
    street.check()


def test_verify_names_a_bill_whose_holders_give_something_else(parts: Parts) -> None:
    street = two_households(parts)
    stay = street.visit(MOTHER, "09:00", "11:00")
    bill, facts = t.Bill.__table__, street.bill(stay).facts
    for given, why in ((59, "its holders give"), (None, "draws 120 minutes more")):
        split = {FIRST: {"2026-03": given or 120}, **({OTHER: {"2026-03": 60}} if given else {})}
        with parts.store.writing() as connection:
            connection.execute(update(bill).where(bill.c.stay_id == stay.id).values(facts={**facts, "drawn_by": split}))
            connection.commit()
        found = verify(parts).first_failure
        assert found is not None
        assert why in found.why


def test_each_household_gives_no_more_than_it_has_in_each_month(parts: Parts) -> None:
    street = two_households(parts, 90)
    street.visit(MOTHER, "2026-03-31 12:00", "2026-03-31 13:00")
    stay = street.visit(MOTHER, "2026-03-31 22:00", "2026-04-01 03:00")
    assert stay.payable_fen == 0
    assert street.draws() == {
        (FIRST, "2026-03"): 90,
        (OTHER, "2026-03"): 90,
        (FIRST, "2026-04"): 90,
        (OTHER, "2026-04"): 90,
    }
    street.check()


def test_per_vehicle_two_households_give_what_one_does(parts: Parts) -> None:
    street = Ruled(parts, tariff(), allowance(60, "vehicle"))
    street.relative("3-201", MOTHER)
    street.relative("1-101", MOTHER)
    assert street.visit(MOTHER, "09:00", "11:00").payable_fen == 400
    assert street.draws() == {(f"vehicle:{MOTHER}", "2026-03"): 60}
    house = House(parts)
    house.hires("wang", "console")
    listed = house.as_("wang").get("/api/v1/allowances", month="2026-03").json()["items"]
    assert [(one["household"], one["plate"]) for one in listed] == [(None, MOTHER)], "who might have drawn has not"
    street.check()


# ---------------------------------------------------------------------- months, repeats, corrections


def test_a_stay_over_the_months_end_draws_on_both_by_the_minute(parts: Parts) -> None:
    street = Ruled(parts, tariff(), allowance(60))
    street.relative("3-201", MOTHER)
    street.visit(MOTHER, "2026-03-31 12:00", "2026-03-31 12:31")
    stay = street.visit(MOTHER, "2026-03-31 22:00", "2026-04-01 03:00")
    # 29 minutes are left of March: ⌈100 × 29 / 60⌉ of the first hour; the whole of 00:00-01:00.
    assert (stay.gross_fen, stay.payable_fen) == (500, 500 - 49 - 100)
    assert street.draws() == {(FIRST, "2026-03"): 60, (FIRST, "2026-04"): 60}
    assert minutes_waived(street, stay) == 89
    street.check()


def test_a_repeated_exit_draws_once_and_a_corrected_one_draws_what_it_is(parts: Parts) -> None:
    street = Ruled(parts, tariff(), allowance(200))
    street.relative("3-201", MOTHER)
    told = street.told("m", MOTHER, "09:00", "11:00")
    street.clock.set(local("18:00"))
    street.deliver(*told)
    street.deliver(*told[2:])
    street.deliver(*told)
    assert street.draws() == {(FIRST, "2026-03"): 120}
    # The device sends an earlier entry afterwards: the stay was longer.
    earlier = street.read("in-1", MOTHER, local("08:59:20"), id="earlier", buffered=True)
    street.deliver(earlier)
    assert street.draws() == {(FIRST, "2026-03"): 121}
    street.check()


def test_a_stay_that_turns_out_to_have_no_exit_returns_its_draw_to_its_month(parts: Parts) -> None:
    street = Ruled(parts, tariff(), allowance(200))
    street.relative("3-201", MOTHER)
    first = street.told("a", MOTHER, "2026-03-31 23:00", "2026-04-01 01:00")
    second = street.told("b", MOTHER, "2026-04-01 00:15", "2026-04-01 03:00")
    street.clock.set(local("2026-04-01 18:00"))
    street.deliver(*first)
    assert street.draws() == {(FIRST, "2026-03"): 60, (FIRST, "2026-04"): 60}
    street.deliver(*second[:2])
    # It entered again before that exit: of the first stay nobody knows the end, and the exit is the second one's.
    assert street.draws() == {(FIRST, "2026-04"): 45}
    assert [stay.state for stay in street.stays()] == ["missing_exit", "left"]
    street.check()


def test_a_late_event_never_raises_the_bill_of_another_vehicle(parts: Parts) -> None:
    street = Ruled(parts, tariff(), allowance(120))
    street.relative("3-201", MOTHER)
    street.relative("3-201", SON, "child")
    son = street.told("son", SON, "08:00", "10:00")
    told = street.visit(MOTHER, "10:30", "12:00")
    assert (told.payable_fen, street.draws()) == (0, {(FIRST, "2026-03"): 90})
    street.clock.set(local("18:00"))
    street.deliver(*son)
    assert (street.newest(MOTHER).payable_fen, street.newest(MOTHER).bills) == (0, told.bills)
    assert street.newest(SON).payable_fen == 600
    assert street.draws() == {(FIRST, "2026-03"): 120}
    street.check()


def test_what_was_paid_early_keeps_its_draw_or_is_priced_anew_where_that_is_gone(parts: Parts) -> None:
    """Paid, overstayed, priced as a whole day that the cap makes free of need, taken by another, and then it backs away."""
    street = Ruled(parts, tariff(), allowance(60))
    street.relative("3-201", MOTHER)
    street.relative("3-201", SON, "child")
    street.enters(MOTHER, "09:00")
    street.clock.set(local("11:00"))
    street.pays(MOTHER, 400)
    assert street.draws() == {(FIRST, "2026-03"): 60}
    street.arrives("out-1", MOTHER, "2026-03-03 09:00", id="away")
    assert street.draws() == {}, "the cap is reached all the same"
    street.visit(SON, "2026-03-03 09:10", "2026-03-03 10:00")
    street.clock.set(local("2026-03-03 10:10"))
    street.deliver(street.mark("out-1", Kind.REVERSED, local("2026-03-03 10:10"), "away"))
    assert street.draws() == {(FIRST, "2026-03"): 50}
    assert street.newest(MOTHER).state == "inside"
    street.check()


# ---------------------------------------------------------------------- what is shown


def test_the_exit_shows_what_is_left_this_month(parts: Parts) -> None:
    street = Ruled(parts, tariff(), allowance(3600))
    street.relative("3-201", MOTHER)
    street.visit(MOTHER, "09:00", "20:00")
    street.enters(MOTHER, "2026-03-03 09:00")
    opened = street.arrives("out-1", MOTHER, "2026-03-03 16:40")
    assert opened is not None
    assert opened.reason is Reason.RELATIVE_ALLOWANCE
    assert opened.show == (MOTHER, "停车 7 小时 40 分", "亲属免费 本月余 41 小时 20 分")


def test_of_two_households_the_exit_shows_what_both_have_left(parts: Parts) -> None:
    street = two_households(parts)
    street.enters(MOTHER, "09:00")
    opened = street.arrives("out-1", MOTHER, "10:30")
    assert opened is not None
    assert opened.show[-1] == "亲属免费 本月余 30 分"


def the_page(street: Ruled, plate: str) -> dict[str, Any]:
    page = quote.bill_by_token(street.parts, token(street.parts.settings.secret(), street.newest(plate).id))
    assert page is not None
    return page


def test_the_drivers_page_says_what_is_left_and_never_whose(parts: Parts) -> None:
    street = two_households(parts)
    street.enters(MOTHER, "09:00")
    street.clock.set(local("11:30"))
    page = the_page(street, MOTHER)
    assert page["allowance"] == {"month": "2026-03", "left_minutes": 0, "drawn_minutes": 120, "draws": []}
    assert "3-201" not in repr(page)
    assert street.draws() == {}, "a look draws nothing"


def test_a_visitors_page_says_nothing_of_an_allowance(parts: Parts) -> None:
    street = two_households(parts)
    street.enters("浙A12345", "09:00")
    street.clock.set(local("11:30"))
    page = the_page(street, "浙A12345")
    assert page["allowance"] is None
    assert not any("亲属" in sentence for sentence in page["zh"])


def test_the_drivers_page_has_this_vehicles_draws_of_the_month_and_nobody_elses(parts: Parts) -> None:
    """What another vehicle of the family drew is missing from the balance, and stands nowhere."""
    street = Ruled(parts, tariff(), allowance(600))
    street.relative("3-201", MOTHER)
    street.relative("3-201", SON)
    street.visit(MOTHER, "2026-03-02 09:00", "2026-03-02 10:00")
    street.visit(SON, "2026-03-02 10:00", "2026-03-02 11:10")
    street.visit(MOTHER, "2026-03-03 09:00", "2026-03-03 10:30")
    # Driven off from the exit: its draw was given back in full.
    street.enters(MOTHER, "2026-03-04 08:00")
    street.arrives("out-1", MOTHER, "2026-03-04 09:00", id="away")
    street.deliver(street.mark("out-1", Kind.REVERSED, local("2026-03-04 09:00:20"), "away"))
    street.clock.set(local("2026-03-04 09:15"))
    page = the_page(street, MOTHER)
    assert page["allowance"] == {
        "month": "2026-03",
        "left_minutes": 600 - 60 - 70 - 90 - 75,
        "drawn_minutes": 75,
        "draws": [{"day": "2026-03-03", "minutes": 90}, {"day": "2026-03-02", "minutes": 60}],
    }
    assert SON not in repr(page)
    street.arrives("out-1", MOTHER, "2026-03-04 09:20", id="really")
    fixed = the_page(street, MOTHER)["allowance"]
    assert (fixed["drawn_minutes"], fixed["left_minutes"], len(fixed["draws"])) == (80, 300, 2), "this stay is no other"
    client = Client(create_app(parts))
    address = f"/pay/{token(parts.settings.secret(), street.newest(MOTHER).id)}"
    shown = " ".join(client.get(address).text.replace("<strong>", "").replace("</strong>", "").split())
    assert "亲属免费 本月余 5 小时 0 分" in shown
    assert "本次停车使用 1 小时 20 分" in shown
    assert "<li>2026-03-03 1 小时 30 分</li> <li>2026-03-02 1 小时 0 分</li>" in shown
    assert "Relative allowance left this month: <strong>5 h 0 min" in client.get(f"{address}?lang=en").text


def test_a_month_of_its_own_has_a_history_of_its_own(parts: Parts) -> None:
    """A stay over the end of a month drew from both: the page of April has what it drew from April."""
    street = Ruled(parts, tariff(), allowance(600))
    street.relative("3-201", MOTHER)
    street.visit(MOTHER, "2026-03-31 23:00", "2026-04-01 00:30")
    street.enters(MOTHER, "2026-04-02 09:00")
    street.clock.set(local("2026-04-02 10:20"))
    assert the_page(street, MOTHER)["allowance"] == {
        "month": "2026-04",
        "left_minutes": 600 - 30 - 80,
        "drawn_minutes": 80,
        "draws": [{"day": "2026-04-01", "minutes": 30}],
    }


# ---------------------------------------------------------------------- who may ask


@pytest.fixture
def house(parts: Parts) -> House:
    street = two_households(parts)
    street.visit(MOTHER, "09:00", "10:30")
    street.enters(MOTHER, "11:00")
    street.arrives("out-1", MOTHER, "12:00", id="away")
    street.deliver(street.mark("out-1", Kind.REVERSED, local("12:00:20"), "away"))
    found = House(parts)
    for role in ("console", "registrar", "finance", "guard", "auditor"):
        found.hires(role, role)
    return found


def test_balances_are_answered_by_holder_and_month(house: House) -> None:
    answer = house.as_("console").get("/api/v1/allowances", site="xinyi", month="2026-03").json()
    assert [(one["household"], one["drawn_minutes"], one["left_minutes"]) for one in answer["items"]] == [
        ("1-101", 30, 30),
        ("3-201", 60, 0),
    ]
    one = house.as_("registrar").get("/api/v1/allowances", site="xinyi", household="3-201", month="2026-04").json()
    assert one == {
        "items": [
            {
                "site": "xinyi",
                "household": "3-201",
                "plate": None,
                "month": "2026-04",
                "limit_minutes": 60,
                "drawn_minutes": 0,
                "left_minutes": 60,
            }
        ],
        "next": None,
    }


def test_every_draw_and_what_was_given_back_is_there_page_by_page(house: House) -> None:
    staff, asked = house.as_("finance"), {"site": "xinyi", "household": "1-101", "month": "2026-03", "limit": 1}
    found, cursor = [], None
    for _ in range(5):
        answer = staff.get("/api/v1/allowances/draws", **asked, **({"cursor": cursor} if cursor else {})).json()
        found += [(one["minutes"], one["bill"], one["household"]) for one in answer["items"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert found == [(-30, 2, "1-101"), (30, 1, "1-101"), (30, 1, "1-101")]
    elsewhere = staff.get("/api/v1/stays", limit=1).json()["next"]
    assert staff.get("/api/v1/allowances/draws", **{**asked, "cursor": elsewhere}).status_code == 422


def test_a_holders_months_are_answered_the_newest_first(house: House) -> None:
    house.parts.clock.set(local("2026-04-15 09:00"))  # type: ignore[attr-defined]
    staff, asked = house.as_("registrar"), {"site": "xinyi", "household": "3-201", "limit": 1}
    first = staff.get("/api/v1/allowances/months", **asked).json()
    then = staff.get("/api/v1/allowances/months", **asked, cursor=first["next"]).json()
    found = [(one["month"], one["drawn_minutes"], one["left_minutes"]) for one in first["items"] + then["items"]]
    assert found == [("2026-04", 0, 60), ("2026-03", 60, 0)]
    assert then["next"] is None
    assert staff.get("/api/v1/allowances/months", site="xinyi").status_code == 422


def test_a_household_is_nobody_elses_business(house: House) -> None:
    for role in ("guard", "auditor"):
        assert house.as_(role).get("/api/v1/allowances", site="xinyi").status_code == 403
    assert house.client.get("/api/v1/allowances").status_code == 401
    console = house.as_("console")
    assert console.get("/api/v1/allowances", month="2026-13").status_code == 422
    assert console.get("/api/v1/allowances/draws", site="xinyi").status_code == 422
    assert console.get("/api/v1/allowances", household="3-201", plate=MOTHER).status_code == 422
    estate.apply(house.parts, site_file("archive"))
    house.hires("elsewhere", "console", "archive")
    assert house.as_("elsewhere").get("/api/v1/allowances", site="xinyi").status_code == 403
    assert house.as_("elsewhere").get("/api/v1/allowances").json()["items"] == []
