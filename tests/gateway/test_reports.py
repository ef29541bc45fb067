"""Reports, held against what vehicles did and what the ledger says; by whom they may be read."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from controllers.adapters import native
from controllers.commands import Action
from gateway.flows import payment, staff_commands
from gateway.flows.charges_books import By
from gateway.flows.refusals import Invalid
from gateway.flows.reports import hands, money, traffic
from gateway.flows.reports.asking import Period, period
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import House
from tests.gateway.trade import SHANGHAI, Street

DAY = date(2026, 3, 2)
LI = By(operator="li", role="guard")


@pytest.fixture
def street(parts: Parts) -> Street:
    """One who pays, one who leaves within the free minutes, one let out by hand, one still inside, one who came the day before."""
    street = Street(parts)
    street.passes("in-1", "浙A00005", "2026-03-01 23:50")
    street.passes("in-1", "浙A00001", "09:00")
    street.passes("in-1", "浙A00002", "09:10")
    street.passes("out-1", "浙A00002", "09:20")
    street.passes("in-1", "浙A00003", "10:00")
    street.arrives("out-1", "浙A00001", "11:00")
    stay = street.stay("浙A00001")
    payment.take(parts, stay_id=stay.id, channel="wechat", amount_fen=stay.payable_fen)
    street.goes("out-1", "11:01", after=f"e{street._events}")
    read = street.arrives("out-1", "浙A00003", "13:30")
    assert read is not None
    asked = staff_commands.Asked(action=Action.OPEN, reason="手机没电")
    given = staff_commands.command(parts, "xinyi.out-1", asked, LI)
    (row,) = [one for one in street._all(_commands()) if one.id == given.id]
    street.deliver(street.result(native.decode_command(row.payload)))
    street.goes("out-1", "13:31", after=str(read.event))
    street.passes("in-1", "浙A00004", "22:00")
    return street


def _commands() -> Any:
    return select(t.CommandRow.__table__)


def days(first: date = DAY, last: date = DAY) -> Period:
    return Period(first, last, SHANGHAI)


def asked(street: Street, made: Any, *more: Any, of: Period | None = None) -> list[dict[str, Any]]:
    with street.parts.store.reading() as connection:
        found: list[dict[str, Any]] = made(connection, None, of or days(), *more)
    return found


def test_flow_counts_each_passage_once_where_it_was(street: Street) -> None:
    assert asked(street, traffic.flow, "site") == [{"site": "xinyi", "entries": 4, "exits": 3}]
    assert asked(street, traffic.flow, "day", of=days(date(2026, 3, 1))) == [
        {"day": "2026-03-01", "entries": 1, "exits": 0},
        {"day": "2026-03-02", "entries": 4, "exits": 3},
    ]
    assert asked(street, traffic.flow, "gate") == [{"gate": "xinyi.east", "entries": 4, "exits": 3}]
    assert asked(street, traffic.flow, "lane") == [
        {"lane": "xinyi.in-1", "entries": 4, "exits": 0},
        {"lane": "xinyi.out-1", "entries": 0, "exits": 3},
    ]
    hours = {one["hour_of_day"]: (one["entries"], one["exits"]) for one in asked(street, traffic.flow, "hour_of_day")}
    assert hours == {"09": (2, 1), "10": (1, 0), "11": (0, 1), "13": (0, 1), "22": (1, 0)}
    assert next(one["hour"] for one in asked(street, traffic.flow, "hour")) == "2026-03-02T09:00:00+08:00"


def test_occupancy_follows_who_came_and_went(street: Street) -> None:
    hours = {one["hour"][11:13]: (one["inside"], one["most"]) for one in asked(street, traffic.occupancy)}
    assert len(hours) == 24
    assert (hours["00"], hours["09"], hours["10"], hours["11"]) == ((1, 1), (1, 3), (2, 3), (3, 3))
    assert (hours["14"], hours["23"]) == ((1, 1), (2, 2))


def test_turnover_is_vehicles_a_space_and_day(street: Street) -> None:
    (found,) = asked(street, traffic.turnover, of=days(date(2026, 3, 1)))
    assert (found["entries"], found["capacity"], found["days"], found["turnover"]) == (5, 100, 2, 0.025)


def test_lengths_add_up_to_all_that_left(street: Street) -> None:
    found = {one["up_to_minutes"]: (one["stays"], one["minutes"]) for one in asked(street, traffic.lengths)}
    assert found == {30: (1, 10), 60: (0, 0), 120: (0, 0), 240: (2, 120 + 210), 480: (0, 0), 1440: (0, 0), None: (0, 0)}


def test_money_is_the_ledgers_and_the_five_add_up(street: Street) -> None:
    (found,) = asked(street, money.income, "day", "finance")
    paid, owed = street.stay("浙A00001").payable_fen, street.stay("浙A00003").payable_fen
    assert (found["received_fen"], found["owed_fen"]) == (paid, owed)
    five = [found[f"{name}_fen"] for name in ("waived", "received", "owed", "disputed")]
    assert found["earned_fen"] == sum(five) > 0
    assert sum(found["waived_by_fen"].values()) == found["waived_fen"]
    assert asked(street, money.unpaid) == [
        {"site": "xinyi", "reason": "staff", "stays": 1, "payable_fen": owed, "paid_fen": 0}
    ]


def test_who_raised_a_barrier_is_named(street: Street) -> None:
    assert asked(street, hands.openings) == [
        {"lane": "xinyi.out-1", "operator": "li", "action": "open", "asked": 1, "done": 1}
    ]


def test_a_low_income_is_one_line_with_others_for_whoever_does_not_administer_it(parts: Parts) -> None:
    street = Street(parts)
    street.register("households", {"household": "h1", "name": "周", "area_m2": "60"})
    street.register("vehicles", {"household": "h1", "plate": "浙A77777", "vehicle": "small"})
    said = {
        "household": "h1",
        "number": "330105-1",
        "issuer": "湖墅街道",
        "valid_from": "2026-01-01",
        "valid_to": "2026-12-31",
    }
    street.register("certificates", said)
    street.passes("in-1", "浙A77777", "09:00")
    street.passes("out-1", "浙A77777", "12:00")
    shown = {
        role: set(asked(street, money.income, "site", role)[0]["waived_by_fen"]) for role in ("finance", "committee")
    }
    assert shown == {"finance": {"low_income"}, "committee": {"resident"}}


def test_periods_that_cannot_be_are_said(parts: Parts) -> None:
    del parts
    with pytest.raises(Invalid):
        period(date(2026, 3, 2), date(2026, 3, 1), DAY, SHANGHAI)
    with pytest.raises(Invalid):
        period(date(2025, 1, 1), date(2026, 3, 1), DAY, SHANGHAI)
    with pytest.raises(Invalid):
        period(date(2026, 1, 1), date(2026, 3, 1), DAY, SHANGHAI, "hour")
    assert period(None, None, DAY, SHANGHAI) == Period(date(2026, 2, 24), DAY, SHANGHAI)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_over_http_and_as_a_file(street: Street) -> None:
    house = House(street.parts)
    staff = house.one_of_each()
    query = {"from": "2026-03-02", "to": "2026-03-02"}
    found = staff["committee"].get("/api/v1/reports/flow", by="site", **query)
    assert found.json() == {
        "site": None,
        "from": "2026-03-02",
        "to": "2026-03-02",
        "items": [{"site": "xinyi", "entries": 4, "exits": 3}],
    }
    assert staff["guard"].get("/api/v1/reports/income", **query).status_code == 403
    assert staff["finance"].get("/api/v1/reports/flow", **{"from": "2026-03-02", "to": "2026-01-02"}).status_code == 422
    sheet = staff["finance"].get("/api/v1/reports/income", format="csv", **query)
    assert sheet.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="street-2026-03-02-2026-03-02.csv"' in sheet.headers["content-disposition"]
    head, row = sheet.content.decode("utf-8-sig").splitlines()
    assert head.startswith("day,earned_fen,waived_fen,received_fen,owed_fen,disputed_fen")
    assert row.startswith("2026-03-02,")
    for name in ("flow", "occupancy", "turnover", "stay-lengths", "income", "unpaid", "openings"):
        assert staff["auditor"].get(f"/api/v1/reports/{name}", site="nowhere", **query).json()["items"] == [], name
