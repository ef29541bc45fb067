"""Jobs: one process schedules, another takes over, what was missed is closed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from gateway.jobs.daily_close import due_day
from gateway.jobs.lease import Lease
from gateway.jobs.runner import Jobs, start_jobs
from gateway.runtime.metrics import Metrics
from gateway.store import tables as t
from gateway.store.engine import Store, open_engine
from gateway.wiring import Parts
from tests.gateway.books import MONDAY, TUESDAY, WEDNESDAY, Books, at

SHANGHAI = ZoneInfo("Asia/Shanghai")


def wait_until(holds: Callable[[], bool]) -> None:
    """Bounded: what never becomes true fails the test, however slow the machine."""
    pause = threading.Event()
    for _ in range(6_000):
        if holds():
            return
        pause.wait(0.02)
    pytest.fail("it never came")


def lease(parts: Parts, holder: str) -> Lease:
    return Lease(parts.store, parts.clock, holder=holder, seconds=30)


def test_one_holder_at_a_time(parts: Parts) -> None:
    first, second = lease(parts, "a"), lease(parts, "b")
    assert first.take()
    assert not second.take()
    assert first.take()
    assert (first.held, second.held) == (True, False)


def test_another_takes_over_when_the_lease_expires(parts: Parts) -> None:
    clock: Any = parts.clock
    first, second = lease(parts, "a"), lease(parts, "b")
    first.take()
    clock.advance(seconds=29)
    assert not second.take()
    clock.advance(seconds=1)
    assert not first.held
    assert second.take()
    assert not first.take()


def test_a_renewed_lease_does_not_expire(parts: Parts) -> None:
    clock: Any = parts.clock
    first, second = lease(parts, "a"), lease(parts, "b")
    first.take()
    for _ in range(5):
        clock.advance(seconds=20)
        assert first.take()
        assert not second.take()


def test_a_released_lease_is_free_at_once(parts: Parts) -> None:
    first, second = lease(parts, "a"), lease(parts, "b")
    first.take()
    first.release()
    assert not first.held
    assert second.take()
    first.release()
    assert not first.take()


def test_contenders_at_the_same_moment_give_one_holder(parts: Parts) -> None:
    barrier = threading.Barrier(4)
    taken: list[bool] = []

    def contend(name: str) -> None:
        one = lease(parts, name)
        barrier.wait()
        taken.append(one.take())

    threads = [threading.Thread(target=contend, args=(f"h{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [False, False, False, True]


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-03-03 02:00", date(2026, 3, 2)),
        ("2026-03-03 01:59", date(2026, 3, 1)),
        ("2026-03-03 23:59", date(2026, 3, 2)),
        ("2026-03-03 00:00", date(2026, 3, 1)),
    ],
)
def test_a_day_is_due_from_the_closing_time_of_the_next(now: str, due: date) -> None:
    instant = datetime.fromisoformat(now).replace(tzinfo=SHANGHAI)
    assert due_day(instant, SHANGHAI, "02:00") == due
    assert due_day(instant.astimezone(UTC), SHANGHAI, "02:00") == due


def test_what_was_missed_is_closed_at_the_start(parts: Parts) -> None:
    books = Books(parts, ("a", "b"))
    books.stay(at("09:00"), at("10:00"), site="a")
    books.write()
    books.clock.set(at("02:00", date(2026, 3, 5)))
    jobs = start_jobs(parts)
    try:
        wait_until(lambda: books.closed_through("b") == WEDNESDAY)
    finally:
        jobs.stop()
    assert books.closed_through("a") == WEDNESDAY
    assert books.one(select(t.JobRun.outcome).where(t.JobRun.name == "close")) == "6 site days closed, up to 2026-03-04"
    assert not jobs.leads


def test_before_the_closing_time_nothing_is_closed(parts: Parts) -> None:
    books = Books(parts)
    books.clock.set(at("01:59", TUESDAY))
    jobs = start_jobs(parts)
    try:
        wait_until(lambda: books.one(select(t.JobRun.outcome).where(t.JobRun.name == "close")) is not None)
    finally:
        jobs.stop()
    assert books.closed_through() is None


def test_two_schedulers_have_one_leader_and_the_other_takes_over(parts: Parts) -> None:
    clock: Any = parts.clock
    runs: dict[str, int] = {"a": 0, "b": 0}

    def sweep(name: str) -> Callable[[], None]:
        def run() -> None:
            runs[name] += 1

        return run

    first = Jobs(parts, [("sweep", 0.02, sweep("a"))], holder="a")
    second = Jobs(parts, [("sweep", 0.02, sweep("b"))], holder="b")
    first.tick()
    second.tick()
    assert (first.leads, second.leads) == (True, False)
    wait_until(lambda: runs["a"] >= 2)
    assert runs["b"] == 0
    clock.advance(seconds=31)
    assert not first.leads
    second.tick()
    assert second.leads
    stopped = runs["a"]
    wait_until(lambda: runs["b"] >= 2)
    assert runs["a"] == stopped
    first.tick()
    assert not first.leads
    second.stop()
    first.tick()
    assert first.leads
    first.stop()


def test_who_cannot_reach_the_database_stops_scheduling_at_once(parts: Parts, tmp_path: Path) -> None:
    own = Store(open_engine(f"sqlite:///{tmp_path / 'no-tables.db'}"))
    metrics = Metrics()
    good = Jobs(parts, holder="a")
    good.tick()
    assert good.leads
    assert parts.metrics.leader._value.get() == 1
    good._lease._store = own  # the database goes away
    good.tick()
    assert not good.leads
    assert parts.metrics.leader._value.get() == 0
    assert metrics.leader._value.get() == 0
    good.stop()
    own.close()


def test_a_job_that_fails_is_counted_recorded_and_run_again(parts: Parts) -> None:
    runs: list[int] = []

    def fails() -> None:
        runs.append(1)
        raise RuntimeError("no such luck")

    jobs = start_jobs(parts, [("sweep", 0.02, fails)])
    try:
        wait_until(lambda: len(runs) >= 2)
    finally:
        jobs.stop()
    with parts.store.reading() as connection:
        outcome = connection.execute(select(t.JobRun.outcome).where(t.JobRun.name == "sweep")).scalar()
    assert outcome == "failed: RuntimeError: no such luck"
    assert parts.metrics.registry.get_sample_value("parkgate_job_failures_total", {"job": "sweep"}) >= 2


def test_the_close_waits_for_its_hour_by_the_sites_clock(parts: Parts) -> None:
    jobs = Jobs(parts, holder="a")
    jobs.tick()
    assert jobs._scheduler is not None
    close = jobs._scheduler.get_job("close")
    assert str(close.trigger) == "cron[hour='2', minute='0', second='1']"
    assert close.next_run_time.utcoffset() == timedelta(hours=8)
    assert (close.coalesce, close.misfire_grace_time, close.max_instances) == (True, None, 1)
    jobs.stop()


def test_a_site_that_refuses_is_recorded_and_the_rest_is_closed(parts: Parts) -> None:
    books = Books(parts, ("a", "b"))
    books.stay(at("09:00"), at("10:00"), site="a")
    books.write()
    books.change("UPDATE posting SET amount_fen = amount_fen + 1 WHERE account = 'income:parking'")
    books.clock.set(at("02:00", TUESDAY))
    jobs = start_jobs(parts)
    try:
        wait_until(lambda: books.one(select(t.JobRun.outcome).where(t.JobRun.name == "close")) is not None)
    finally:
        jobs.stop()
    outcome = books.one(select(t.JobRun.outcome).where(t.JobRun.name == "close"))
    assert outcome.startswith("failed: NotClosable: a: the books of 2026-03-02")
    assert books.closed_through("b") == MONDAY
