"""The log of a busy SQLite database does not grow without end, and no commit pays for it."""

import time
from pathlib import Path

import pytest
from sqlalchemy import insert

from gateway.store import tables as t
from gateway.store.checkpoint import Checkpointer
from gateway.store.engine import Store
from tests.gateway.test_bulk import entry


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_long_log_is_moved_into_the_file_and_begins_again(store: Store, database_url: str) -> None:
    file = Path(database_url.removeprefix("sqlite:///"))
    log = file.with_name(f"{file.name}-wal")
    checkpoints = Checkpointer(store)
    checkpoints.start()
    try:
        write(store, 12_000)
        longest = log.stat().st_size
        assert longest > 4 * 1024 * 1024
        for _ in range(400):
            time.sleep(0.25)  # a checkpoint takes its time; what it leaves is written over from the beginning
            write(store, 1)
            if log.stat().st_size == longest and file.stat().st_size > longest:
                break
            longest = log.stat().st_size
        else:
            pytest.fail(f"the log still grows: {longest} bytes")
        assert longest < 10 * 4 * 1024 * 1024
    finally:
        checkpoints.stop()


def test_elsewhere_there_is_nothing_to_do(store: Store) -> None:
    checkpoints = Checkpointer(store)
    checkpoints.start()
    assert (checkpoints._thread.ident is None) is store.postgres
    checkpoints.stop()


def write(store: Store, rows: int) -> None:
    with store.writing() as connection:
        connection.execute(insert(t.AuditEntry), [entry(f"s{row}", text="x" * 300) for row in range(rows)])
        connection.commit()
