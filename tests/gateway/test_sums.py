"""Sums of days that are over, held against the stays and the ledger that they are made of: late events, corrections, time zones, races."""

from __future__ import annotations

import random
import re
from collections import Counter
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, delete, event, func, insert, select, update

from controllers.events import Kind
from gateway.flows import payment, verify_sums
from gateway.flows.close import close_missed
from gateway.flows.reports import hands, money, traffic
from gateway.flows.reports.asking import Period
from gateway.flows.sums.counting import counted
from gateway.flows.sums.keeping import keep
from gateway.flows.sums.standing import standing
from gateway.flows.verify import verify
from gateway.flows.verify_scope import Look, Scope
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.correction_office import Office
from tests.gateway.trade import SHANGHAI, Street, local

PLATES = ["浙A00001", "浙A00002", "浙A00003", "浙B00004"]
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 9)


@pytest.fixture
def street(parts: Parts) -> Street:
    return Street(parts)


def reports(connection: Connection, zone: ZoneInfo = SHANGHAI) -> dict[str, Any]:
    """Every report that is made of sums, over all days and from the middle of them."""
    found: dict[str, Any] = {}
    for first in (FIRST, date(2026, 3, 4)):
        asked = Period(first, LAST, zone)
        for by in ("site", "gate", "lane", "hour", "hour_of_day", "day", "month"):
            found[f"flow {by} {first}"] = traffic.flow(connection, None, asked, by)
        for sum_by in ("site", "gate", "day", "month"):
            found[f"income {sum_by} {first}"] = money.income(connection, None, asked, sum_by, "finance")
        for made in (traffic.occupancy, traffic.turnover, traffic.lengths):
            found[f"{made.__name__} {first}"] = made(connection, None, asked)
    return found


def both(parts: Parts) -> tuple[dict[str, Any], dict[str, Any]]:
    """The reports by what is kept, and by the stays alone."""
    with parts.store.writing() as connection:
        kept = reports(connection)
        connection.execute(delete(t.Summed))
        return kept, reports(connection)


def agree(parts: Parts) -> None:
    kept, rows = both(parts)
    for name, said in rows.items():
        assert kept[name] == said, name


def count(street: Street, model: Any) -> int:
    return int(street._all(select(func.count()).select_from(model))[0][0])


def through(street: Street) -> date | None:
    rows = street._all(select(t.Summed.through))
    found: date | None = rows[0][0] if rows else None
    return found


@pytest.mark.parametrize("seed", range(2))
def test_sums_say_what_the_stays_say_whatever_comes_late(parts: Parts, street: Street, seed: int) -> None:
    """A week of a few vehicles; some events come days late, in any order, and the job runs now and then."""
    chance = random.Random(seed)
    told = []
    for number in range(40):
        at = local("2026-03-01 06:00") + timedelta(minutes=chance.randrange(7 * 24 * 60))
        late = timedelta(days=chance.choice([0, 0, 0, 1, 3]), minutes=chance.randrange(90))
        told.append((at + late, at, chance.choice(["in-1", "out-1"]), chance.choice(PLATES), number))
    marked = 0
    for arrives, at, lane, plate, number in sorted(told):
        street.clock.set(max(arrives, street.clock.now()))
        street.deliver(
            street.read(lane, plate, at, id=f"r{number}"),
            street.mark(lane, Kind.PASSED, at + timedelta(seconds=5), f"r{number}", id=f"p{number}"),
        )
        if number % 8 == 0:
            marked += count(street, t.LateChange)
            agree(parts)
            keep(parts)
            assert count(street, t.LateChange) == 0
            agree(parts)
    assert marked > 0
    street.clock.set(local("2026-03-12 12:00"))
    keep(parts)
    assert (through(street), keep(parts)) == (date(2026, 3, 11), "")
    agree(parts)
    report = verify(parts)
    assert report.ok, report.first_failure


def test_a_mark_is_what_keeps_a_day_right(parts: Parts, street: Street) -> None:
    street.passes("in-1", "浙A00001", "09:00")
    street.clock.set(local("2026-03-03 12:00"))
    assert keep(parts)
    street.deliver(street.read("out-1", "浙A00001", local("11:00"), id="late"))
    assert {(row.at, row.site_id) for row in street._all(select(t.LateChange.__table__))} == {(local("11:00"), "xinyi")}
    agree(parts)
    with parts.store.writing() as connection:
        connection.execute(delete(t.LateChange))
        connection.commit()
    kept, rows = both(parts)
    assert kept != rows


def test_what_moves_now_leaves_no_mark(parts: Parts, street: Street) -> None:
    """Nothing is written beyond what the passage itself writes: also where the entry was days ago, and where somebody pays."""
    street.passes("in-1", "浙A00001", "09:00")
    street.passes("in-1", "浙A00002", "09:10")
    street.passes("out-1", "浙A00002", "09:20")
    street.arrives("out-1", "浙A00001", "2026-03-04 08:00")
    stay = street.stay("浙A00001")
    payment.take(parts, stay_id=stay.id, channel="wechat", amount_fen=stay.payable_fen)
    street.goes("out-1", "2026-03-04 08:02", after=f"e{street._events}")
    assert street.stay("浙A00001").state == "left"
    assert count(street, t.LateChange) == 0
    agree(parts)


def test_a_correction_moves_what_is_summed(parts: Parts) -> None:
    office = Office(parts)
    street = office.street
    street.passes("in-1", "浙A12346", "09:00")
    street.clock.set(local("2026-03-05 12:00"))
    keep(parts)
    office.corrects(street.stay("浙A12346").id, entry_at="2026-03-04T08:40:00+08:00")
    assert count(street, t.LateChange) == 2
    agree(parts)
    keep(parts)
    agree(parts)
    with parts.store.reading() as connection:
        days = {
            one["day"]: one["entries"] for one in traffic.flow(connection, None, Period(FIRST, LAST, SHANGHAI), "day")
        }
    assert days == {"2026-03-04": 1}


def test_income_of_closed_days_is_kept_by_gate_and_follows_a_stay_that_left_elsewhere(parts: Parts) -> None:
    """One pays long before it leaves, one at the gate; what the ledger has of closed days stands, where it was taken may be put right."""
    street = Street(parts)
    street.passes("in-1", "浙A00001", "09:00")
    street.passes("in-1", "浙A00002", "09:00")
    street.clock.set(local("12:00"))
    payment.take(parts, stay_id=street.stay("浙A00001").id, channel="wechat", amount_fen=1200)
    street.arrives("out-1", "浙A00002", "13:00", id="away")
    stay = street.stay("浙A00002")
    payment.take(parts, stay_id=stay.id, channel="cash", amount_fen=stay.payable_fen)
    street.goes("out-1", "13:01", after="away")
    street.arrives("out-1", "浙A00001", "2026-03-03 08:00", id="later")
    street.clock.set(local("2026-03-05 01:00"))
    agree(parts)
    assert list(close_missed(parts, date(2026, 3, 3)))
    keep(parts)
    agree(parts)
    assert count(street, t.IncomeSum) > 0
    with parts.store.reading() as connection:
        asked = Period(date(2026, 3, 2), date(2026, 3, 2), SHANGHAI)
        found = {one["gate"]: one["received_fen"] for one in money.income(connection, None, asked, "gate", "finance")}
        (day,) = money.income(connection, None, asked, "day", "finance")
    assert found == {"xinyi": 1200, "xinyi.east": stay.payable_fen}
    assert sum(found.values()) == day["received_fen"]
    # Where it left is put right long after: its day says so before and after it is summed again.
    with parts.store.writing() as connection:
        connection.execute(update(t.Stay).where(t.Stay.id == stay.id).values(exit_lane="out-2"))
        mark = {"site_id": "xinyi", "stay_id": stay.id, "at": local("13:00")}
        connection.execute(insert(t.LateChange).values(**mark))
        connection.commit()
    agree(parts)
    assert keep(parts)
    agree(parts)
    with parts.store.reading() as connection:
        found = {one["gate"]: one["received_fen"] for one in money.income(connection, None, asked, "gate", "finance")}
    assert found == {"xinyi": 1200, "xinyi.west": stay.payable_fen}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_of_days_that_are_summed_no_stay_and_no_posting_is_read(parts: Parts, street: Street) -> None:
    street.passes("in-1", "浙A00001", "09:00")
    street.clock.set(local("2026-03-04 12:00"))
    assert list(close_missed(parts, date(2026, 3, 3)))
    keep(parts)
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    with parts.store.reading() as connection:
        event.listen(connection, "before_cursor_execute", note)
        asked = Period(date(2025, 3, 4), date(2026, 3, 3), SHANGHAI)
        for by in ("site", "gate", "lane", "hour_of_day", "day", "month"):
            assert traffic.flow(connection, None, asked, by)
        assert traffic.occupancy(connection, None, Period(FIRST, date(2026, 3, 3), SHANGHAI))
        assert traffic.turnover(connection, None, asked)
        assert traffic.lengths(connection, None, asked)
        for sum_by in ("site", "gate", "day", "month"):
            money.income(connection, None, asked, sum_by, "finance")
        assert not [one for one in seen if re.search(r"\b(?:FROM|JOIN) (?:stay|ledger_transaction|posting)\b", one)]
        # Who left owing, and barriers raised by hand, are few and have indexes of their own.
        seen.clear()
        money.unpaid(connection, None, asked)
        hands.openings(connection, None, asked)
        event.remove(connection, "before_cursor_execute", note)
        plans = [
            str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", (None,) * one.count("?")).fetchall())
            for one in seen
            if re.search(r"FROM (?:stay|plate_event)\b", one)
        ]
    assert len(plans) == 2
    assert "ix_stay_let_go (site_id=? AND exit_at>? AND exit_at<?)" in plans[0]
    assert "ix_plate_event_by_hand (site_id=? AND at>? AND at<?)" in plans[1]


def test_whoever_meddles_with_a_sum_is_found(parts: Parts, street: Street) -> None:
    street.passes("in-1", "浙A00001", "09:00")
    street.clock.set(local("12:00"))
    payment.take(parts, stay_id=street.stay("浙A00001").id, channel="wechat", amount_fen=1200)
    street.clock.set(local("2026-03-04 01:00"))
    assert list(close_missed(parts, date(2026, 3, 2)))
    keep(parts)
    meddling: list[tuple[Any, Any]] = [
        (t.DaySum, update(t.DaySum).values(came=t.DaySum.came + 1)),
        (t.DaySum, update(t.DaySum).values(day=date(2026, 3, 1))),
        (t.LaneSum, update(t.LaneSum).values(entries=t.LaneSum.entries + 1)),
        (t.LaneSum, delete(t.LaneSum)),
        (t.IncomeSum, update(t.IncomeSum).where(t.IncomeSum.fen > 0).values(fen=t.IncomeSum.fen + 1)),
        (t.IncomeSum, update(t.IncomeSum).values(lane="out-1")),
    ]
    for model, statement in meddling:
        with parts.store.writing() as connection:
            connection.execute(statement)
            look = Look(connection, Scope(None, None, SHANGHAI), Counter(), lambda _: None)
            named = [one.id for one in verify_sums.failures(look)]
        assert any(name.startswith("xinyi:2026-03-0") for name in named), (model, statement)
    assert verify(parts).ok


def test_a_day_is_summed_when_nothing_of_it_can_be_under_way(parts: Parts, street: Street) -> None:
    street.passes("in-1", "浙A00001", "09:00")
    for now, done in (("2026-03-03 01:59", date(2026, 3, 1)), ("2026-03-03 02:00", date(2026, 3, 2))):
        street.clock.set(local(now))
        keep(parts)
        assert through(street) == done, now


def test_days_of_another_time_zone_are_summed_anew(parts: Parts, street: Street) -> None:
    street.passes("in-1", "浙A00001", "07:00")
    street.clock.set(local("2026-03-05 12:00"))
    keep(parts)
    berlin = ZoneInfo("Europe/Berlin")
    with parts.store.reading() as connection:
        assert standing(connection, ["xinyi"], berlin).through == {}
        moved = traffic.flow(connection, None, Period(FIRST, LAST, berlin), "hour")
    assert [one["hour"] for one in moved] == ["2026-03-02T00:00:00+01:00"]
    object.__setattr__(parts, "settings", parts.settings.model_copy(update={"timezone": "Europe/Berlin"}))
    keep(parts)
    with parts.store.reading() as connection:
        assert standing(connection, ["xinyi"], berlin).through == {"xinyi": date(2026, 3, 4)}
        assert traffic.flow(connection, None, Period(FIRST, LAST, berlin), "hour") == moved


def test_a_day_of_23_hours_has_its_own_quarters(parts: Parts, street: Street) -> None:
    street.passes("in-1", "浙A00001", "2026-03-29 14:00")
    berlin = ZoneInfo("Europe/Berlin")
    with parts.store.reading() as connection:
        (day,) = counted(connection, ["xinyi"], date(2026, 3, 29), date(2026, 3, 29), berlin).values()
        hours = traffic.flow(connection, None, Period(date(2026, 3, 28), date(2026, 3, 30), berlin), "hour_of_day")
    assert (len(day.quarters[0]), day.quarters[0].index(1)) == (92, 7 * 4)
    assert [one["hour_of_day"] for one in hours] == ["08"]
