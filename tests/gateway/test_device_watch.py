"""How long devices were online: spells that follow what each last said, and the report that adds them up."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from gateway.flows import retention
from gateway.flows.device_watch import watch
from gateway.flows.reports.asking import Period
from gateway.flows.reports.uptime import uptime
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import House
from tests.gateway.trade import SHANGHAI, Street, local


@pytest.fixture
def street(parts: Parts) -> Street:
    street = Street(parts)
    street.clock.set(local("2026-03-02 10:00"))
    return street


def says(street: Street, *, online: bool, device: str = "d1") -> None:
    """The device, or its last will, at this moment."""
    state = {"site_id": "xinyi", "device_id": device, "online": online, "seen_at": street.clock.now(), "barrier": {}}
    with street.parts.store.writing() as connection:
        changed = connection.execute(
            update(t.DeviceState)
            .where(t.DeviceState.device_id == device)
            .values(online=online, seen_at=street.clock.now())
        ).rowcount
        if not changed:
            connection.execute(t.DeviceState.__table__.insert().values(**state))
        connection.commit()


def spells(street: Street, device: str = "d1") -> list[tuple[str, str | None, bool]]:
    with street.parts.store.reading() as connection:
        rows = connection.execute(
            select(t.DeviceSpell.since, t.DeviceSpell.until, t.DeviceSpell.online)
            .where(t.DeviceSpell.device_id == device)
            .order_by(t.DeviceSpell.since)
        ).all()
    return [(_clock(row.since), row.until and _clock(row.until), row.online) for row in rows]


def _clock(at: Any) -> str:
    return f"{at.astimezone(SHANGHAI):%H:%M:%S}"


def report(street: Street, by: Any = "device", day: date = date(2026, 3, 2)) -> list[dict[str, Any]]:
    with street.parts.store.reading() as connection:
        return uptime(connection, None, Period(day, day, SHANGHAI), street.clock.now(), by)


def a_morning(street: Street) -> None:
    """d1: there at ten, gone at eleven by its last will, back at half past; silent from twelve. d2 never said anything."""
    says(street, online=True)
    watch(street.parts)
    street.clock.set(local("2026-03-02 11:00"))
    says(street, online=False)
    street.clock.advance(seconds=20)
    watch(street.parts)
    street.clock.set(local("2026-03-02 11:30"))
    says(street, online=True)
    watch(street.parts)
    street.clock.set(local("2026-03-02 12:00"))
    says(street, online=True)
    for _ in range(4):
        street.clock.advance(seconds=30)
        watch(street.parts)


def test_a_device_that_goes_went_when_it_was_last_heard_of(street: Street) -> None:
    a_morning(street)
    assert spells(street) == [
        ("10:00:00", "11:00:00", True),
        ("11:00:00", "11:30:00", False),
        ("11:30:00", "12:00:00", True),
        ("12:00:00", None, False),
    ]
    assert spells(street, "d2") == [("10:00:00", None, False)]
    assert watch(street.parts) == ""


def test_the_report_adds_up_what_was_watched(street: Street) -> None:
    a_morning(street)
    street.clock.set(local("2026-03-02 12:30"))
    (one, two) = report(street)
    assert one == {
        "device": "xinyi.d1",
        "online_minutes": 90,
        "away_minutes": 60,
        "absences": 2,
        "longest_minutes": 30,
        "uptime_percent": 60.0,
    }
    assert (two["online_minutes"], two["away_minutes"], two["uptime_percent"]) == (0, 150, 0.0)
    street.clock.set(local("2026-03-04 00:00"))
    (day,) = report(street, "day", date(2026, 3, 3))
    assert (day["day"], day["away_minutes"], day["absences"]) == ("2026-03-03", 2 * 24 * 60, 0)
    assert report(street, day=date(2026, 3, 1)) == []


def test_a_spell_of_days_is_cut_at_midnight(street: Street) -> None:
    a_morning(street)
    street.clock.set(local("2026-03-04 06:00"))
    with street.parts.store.reading() as connection:
        days = Period(date(2026, 3, 1), date(2026, 3, 5), SHANGHAI)
        found, months = (uptime(connection, None, days, street.clock.now(), by) for by in ("day", "month"))
    # d2 since ten, d1 from eleven to half past and since noon.
    assert [(one["day"], one["online_minutes"], one["away_minutes"], one["absences"]) for one in found] == [
        ("2026-03-02", 90, 14 * 60 + 30 + 12 * 60, 3),
        ("2026-03-03", 0, 2 * 24 * 60, 0),
        ("2026-03-04", 0, 2 * 6 * 60, 0),
    ]
    assert [(one["month"], one["absences"], one["longest_minutes"]) for one in months] == [("2026-03", 3, 24 * 60)]


def test_a_device_out_of_service_is_neither_here_nor_away(street: Street) -> None:
    a_morning(street)
    with street.parts.store.writing() as connection:
        connection.execute(update(t.Device).where(t.Device.id == "d2").values(enabled=False))
        connection.commit()
    street.clock.set(local("2026-03-02 13:00"))
    watch(street.parts)
    assert spells(street, "d2") == [("10:00:00", "13:00:00", False)]
    assert watch(street.parts) == ""


def test_old_spells_end_and_one_that_lasts_stays(street: Street) -> None:
    a_morning(street)
    street.clock.advance(seconds=timedelta(days=366).total_seconds())
    assert "3 device_spells" in retention.retire(street.parts)
    assert [over for _, over, _ in spells(street)] == [None]
    with street.parts.store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(t.DeviceSpell)).scalar() == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_over_http_and_as_a_workbook(street: Street) -> None:
    a_morning(street)
    staff = House(street.parts).one_of_each()
    query = {"from": "2026-03-02", "to": "2026-03-02"}
    found = staff["guard"].get("/api/v1/reports/uptime", by="site", **query).json()["items"]
    assert [(one["site"], one["absences"]) for one in found] == [("xinyi", 3)]
    sheet = staff["guard"].get("/api/v1/reports/uptime", format="xlsx", **query)
    assert sheet.content.startswith(b"PK")
    assert sheet.headers["content-disposition"].endswith('.xlsx"')
