"""Gates before reports: a few at a time, the rest is told to come again."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from gateway.api.problems import TooLong, TooMany
from gateway.api.reports import Reports
from gateway.store.engine import Store


def test_so_many_at_once_and_the_next_one_is_told_to_come_again(store: Store) -> None:
    reports = Reports(store, 2, waits_seconds=0.01)
    with reports.place(), reports.reading() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
        with pytest.raises(TooMany), reports.place():
            raise AssertionError("never reached")
    with reports.place():
        pass


def test_a_few_wait_for_a_place_and_get_it(store: Store) -> None:
    reports, busy = Reports(store, 1, waits_seconds=60), threading.Event()

    def report() -> None:
        with reports.place():
            busy.set()

    with ThreadPoolExecutor(4) as people, reports.place():
        waiting = [people.submit(report) for _ in range(4)]
        assert not busy.is_set()
    assert [one.result(60) for one in waiting] == [None] * 4


def test_not_too_many_wait(store: Store) -> None:
    reports = Reports(store, 1, waits_seconds=60)
    refused = threading.Semaphore(0)

    def report() -> None:
        try:
            with reports.place():
                pass
        except TooMany:
            refused.release()

    with ThreadPoolExecutor(12) as people, reports.place():
        for _ in range(12):
            people.submit(report)
        assert all(refused.acquire(timeout=60) for _ in range(4))


def test_a_place_is_free_again_whatever_happened(store: Store) -> None:
    reports = Reports(store, 1, waits_seconds=0.01)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), reports.reading():
            raise ZeroDivisionError


def test_while_a_report_reads_the_writer_goes_on(store: Store) -> None:
    reports = Reports(store, 1)
    with reports.reading() as reading:
        before = reading.execute(text("SELECT count(*) FROM merchant")).scalar()
        with store.writing() as writing:
            writing.execute(text("INSERT INTO merchant (id, name, enabled) VALUES ('m', 'm', true)"))
            writing.commit()
        assert reading.execute(text("SELECT count(*) FROM merchant")).scalar() in {before, (before or 0) + 1}


@pytest.mark.postgres
def test_on_postgresql_a_report_ends_in_time(postgres_url: str) -> None:
    from gateway.store.engine import open_engine

    opened = Store(open_engine(postgres_url))
    try:
        reports = Reports(opened, 1)
        with reports.reading() as connection:
            assert connection.execute(text("SHOW statement_timeout")).scalar() == "20s"
        with pytest.raises(TooLong), reports.reading() as connection:  # noqa: PT012 - two statements, one transaction
            connection.execute(text("SELECT set_config('statement_timeout', '1ms', true), pg_sleep(0)"))
            connection.execute(text("SELECT pg_sleep(60)"))
        with opened.writing() as connection:
            assert connection.execute(text("SHOW statement_timeout")).scalar() == "0"
    finally:
        opened.close()
