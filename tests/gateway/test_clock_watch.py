"""A device whose clock is off by more than five seconds is put before staff, once a day, while it lasts."""

from __future__ import annotations

from sqlalchemy import select

from gateway.flows import estate
from gateway.flows.clock_watch import watch_clocks
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import site_file


def test_a_clock_that_is_off_is_told_once_and_taken_back(parts: Parts) -> None:
    estate.apply(parts, site_file("xinyi"))
    assert watch_clocks(parts) == ""
    reports(parts, 5_000)
    assert watch_clocks(parts) == "", "five seconds are not more than five"
    reports(parts, -5_001)
    assert watch_clocks(parts) == "1 clocks off, 0 right again"
    assert watch_clocks(parts) == ""
    assert items(parts) == [("d1 2026-03-02", "open", "5.0 s behind; it needs a time server")]
    assert parts.metrics.registry.get_sample_value("parkgate_clocks_off") == 1
    reports(parts, 0)
    assert watch_clocks(parts) == "0 clocks off, 1 right again"
    assert [state for _, state, _ in items(parts)] == ["resolved"]


def reports(parts: Parts, offset_ms: int) -> None:
    """What is believed of its clock."""
    with parts.store.writing() as connection:
        connection.execute(t.DeviceState.__table__.delete())
        connection.execute(
            t.DeviceState.__table__.insert().values(
                site_id="xinyi", device_id="d1", online=True, seen_at=parts.clock.now(), clock_offset_ms=offset_ms,
                barrier={}, buffered=0, list_version=0, firmware="",
            )
        )  # fmt: skip
        connection.commit()


def items(parts: Parts) -> list[tuple[str, str, str]]:
    item = t.ExceptionItem
    with parts.store.reading() as connection:
        rows = connection.execute(select(item.subject, item.state, item.detail).where(item.kind == "clock_off"))
        return [tuple(row) for row in rows]
