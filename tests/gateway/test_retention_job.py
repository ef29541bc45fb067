"""The daily deletion as a job: once a day, as far as it comes, and what it leaves on record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from gateway.flows.retention import KINDS, retire, retire_daily
from gateway.flows.retention_report import runs
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.people import days_later, rows, visit
from tests.gateway.retiring import ends_soon, ran
from tests.gateway.trade import Street, local


@pytest.fixture
def parts(parts: Parts) -> Parts:
    return ends_soon(parts)


def test_the_job_runs_once_a_day_and_leaves_a_row_for_every_kind(street: Street) -> None:
    visit(street, "浙A12345", "2026-03-02")
    days_later(street, 120)
    street.clock.set(local("2026-06-30 03:00"))
    assert retire_daily(street.parts) == ""
    with street.parts.store.reading() as connection:
        assert runs(connection, None, None, 10) == []
    street.clock.set(local("2026-06-30 03:40"))
    assert "1 vehicles" in retire_daily(street.parts)
    with street.parts.store.reading() as connection:
        found = runs(connection, None, None, 100)
    assert {row["kind"] for row in found} == KINDS.keys()
    assert {row["day"] for row in found} == {"2026-06-30"}
    vehicles = next(row for row in found if row["kind"] == "vehicles")
    assert (vehicles["deleted"], vehicles["unfinished"]) == (1, False)
    assert vehicles["older_than"] == street.clock.now() - timedelta(days=90)
    assert "浙A" not in repr(rows(street, t.RetentionRun))
    street.clock.advance(hours=5)
    visit(street, "浙A12345", "2026-06-30")
    assert retire_daily(street.parts) == ""


def test_what_one_run_cannot_do_the_next_hour_goes_on_with(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.flows import retention

    for number in range(5):
        street.clock.set(local("2026-03-02 09:00"))
        with street.parts.store.writing() as connection:
            connection.execute(
                insert(t.Quarantine).values(
                    topic="x",
                    payload=b"x",
                    digest=bytes([number]) * 16,
                    code="not_json",
                    detail="",
                    received_at=street.clock.now(),
                )
            )
            connection.commit()
    street.clock.set(local("2026-06-30 04:00"))
    monkeypatch.setattr(retention, "ROWS_A_RUN", 4)
    monkeypatch.setattr(retention, "ROWS_AT_A_TIME", 2)
    monkeypatch.setattr(retention, "_old_quarantine", None)
    kind = retention.KINDS["quarantined"]
    monkeypatch.setitem(retention.KINDS, "quarantined", kind._replace(end=two_at_a_time))
    assert retire_daily(street.parts) == "4 quarantined"
    assert retire_daily(street.parts) == "1 quarantined"
    assert retire_daily(street.parts) == ""
    assert ran(street, "quarantined") == {"quarantined": 5}


def two_at_a_time(connection: Any, before: Any) -> int:
    quarantine = t.Quarantine.__table__.c
    ids = connection.execute(select(quarantine.id).where(quarantine.received_at < before).limit(2)).scalars().all()
    connection.execute(delete(t.Quarantine).where(quarantine.id.in_(ids)))
    return len(ids)


def test_after_an_erasure_the_night_writes_the_file_anew(street: Street) -> None:
    from gateway.flows import personal_data
    from gateway.flows.personal_data_subject import Subject
    from tests.gateway.people import found_in

    visit(street, "沪C24680", "2026-03-02")
    days_later(street, 1)
    asking = personal_data.Asking(operator="li", origin="", sites=None, identity="1", reason="2")
    proposed = personal_data.propose(street.parts, Subject("plate", "沪C24680"), asking)
    personal_data.approve(street.parts, proposed["id"], operator="wu", origin="")
    street.parts.store.engine.dispose()
    done = retire(street.parts)
    assert ("1 freed_pages" in done) is (not street.parts.store.postgres)
    street.parts.store.engine.dispose()
    assert found_in(street, "沪C24680") == set()
    assert retire(street.parts) == ""
