"""From every earlier revision, with data, to the newest: all of it is whole, the books hold, and the tables are the code's."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, create_engine, inspect, select, text
from sqlalchemy.exc import DBAPIError

from gateway.cli.main import main
from gateway.flows.verify import verify
from gateway.runtime.metrics import Metrics
from gateway.store import backup, schema
from gateway.store.backup_file import Reader, TableHead, Writer
from gateway.store.engine import Store, open_engine
from gateway.wiring import Parts
from tests.gateway.copies import an_empty_database, contents
from tests.gateway.test_backup import HEAD, Traffic, saved
from tests.gateway.test_verify import two_days

REVISIONS = [one.revision for one in reversed(list(ScriptDirectory.from_config(schema._config()).walk_revisions()))]
EARLIER = REVISIONS[:-1]
EITHER = pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])

sqlite_source = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def old(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    """A database without any table."""
    with an_empty_database(kind, tmp_path, lambda: request.getfixturevalue("postgres")) as url:
        store = Store(open_engine(url))
        yield store
        store.close()


def at_revision(store: Store, revision: str) -> None:
    with store.writing() as connection:
        schema.move(connection, revision)
        connection.commit()


Columns = dict[str, list[str]]


def columns(store: Store) -> Columns:
    """Every table with its columns, as the database itself describes them, whatever its revision."""
    engine = create_engine(store.engine.url)
    found = inspect(engine)
    known = {
        name: [column["name"] for column in found.get_columns(name)]
        for name in found.get_table_names()
        if name != "alembic_version"
    }
    engine.dispose()
    return known


def everything(store: Store, wanted: Columns) -> dict[str, list[str]]:
    """Every row of these tables, with these columns."""
    found = MetaData()
    engine = create_engine(store.engine.url)
    found.reflect(engine)
    with engine.connect() as connection:
        rows = {
            name: sorted(
                repr([bytes(v) if isinstance(v, memoryview) else v for v in row])
                for row in connection.execute(select(*(found.tables[name].c[one] for one in names)))
            )
            for name, names in wanted.items()
        }
    engine.dispose()
    return rows


def as_of(head: TableHead, chunks: Any, known: list[str]) -> tuple[TableHead, Any]:
    """A table's rows with the columns that a revision had."""
    places = [place for place, (name, _) in enumerate(head.columns) if name in known]
    narrow = TableHead(head.table, tuple(head.columns[place] for place in places))
    return narrow, ([[row[place] for place in places] for row in chunk] for chunk in chunks)


def written_at(file: bytes, revision: str, known: Columns) -> bytes:
    """A copy as that revision would have written it."""
    written = io.BytesIO()
    writer = Writer(written, msgspec.structs.replace(HEAD, schema=revision))
    for head, chunks in backup._tables(Reader(io.BytesIO(file))):
        narrow, rows = as_of(head, chunks, known.get(head.table, []))
        if head.table in known:
            writer.begin(narrow)
        for row in (row for chunk in rows for row in chunk):
            assert head.table in known, f"{head.table} came later and has rows: give this revision data of its own"
            writer.row(row)
    writer.finish()
    return written.getvalue()


@EITHER
@sqlite_source
@pytest.mark.parametrize("revision", EARLIER)
def test_an_upgrade_keeps_every_row(parts: Parts, old: Store, revision: str) -> None:
    """Books of two closed days and a day of traffic, as they stood at that revision."""
    two_days(parts)
    traffic = saved(parts.store)
    at_revision(old, revision)
    known = columns(old)
    # As far as that revision had these tables and columns: the file says what it holds by name.
    with old.writing() as connection:
        for head, chunks in backup._tables(Reader(io.BytesIO(traffic))):
            narrow, rows = as_of(head, chunks, known.get(head.table, []))
            if head.table in known:
                backup._fill(connection, narrow, rows, lambda *_: None)
            else:
                assert not any(rows), f"{head.table} came later and has rows: give this revision data of its own"
        connection.commit()
    before = everything(old, known)
    assert sum(len(rows) for rows in before.values()) > 40
    assert schema.upgrade(old.engine) == (revision, schema.newest())
    assert everything(old, known) == before
    assert schema.differences(old.engine) == []
    upgraded = Parts(settings=parts.settings, clock=parts.clock, store=old, metrics=Metrics())
    report = verify(upgraded)
    assert report.ok, report.first_failure
    assert report.checked["closes"] == 4


@EITHER
@sqlite_source
@pytest.mark.parametrize("revision", EARLIER)
def test_the_street_goes_on_after_an_upgrade(
    kind: str, parts: Parts, old: Store, revision: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    at_revision(old, revision)
    monkeypatch.setenv("PARKGATE_DATABASE_URL", old.engine.url.render_as_string(hide_password=False))
    for command, code in ((["verify"], 2), (["db", "check"], 1), (["db", "upgrade"], 0), (["db", "check"], 0)):
        with pytest.raises(SystemExit) as left:
            main(command)
        assert (left.value.code or 0) == code, command
        assert code == 0 or "run `parkgate db upgrade`" in capsys.readouterr().err
    upgraded = Parts(settings=parts.settings, clock=parts.clock, store=old, metrics=Metrics())
    traffic = Traffic(upgraded)
    for _ in range(4):
        traffic.visit()
    assert verify(upgraded).ok
    with pytest.raises(DBAPIError, match="only ever grows"), old.writing() as connection:
        connection.execute(text("UPDATE posting SET amount_fen = 1"))


@EITHER
@sqlite_source
@pytest.mark.parametrize("revision", EARLIER)
def test_a_copy_of_an_earlier_revision_is_restored_and_upgraded(parts: Parts, old: Store, revision: str) -> None:
    """Also where somebody has made the newest schema before."""
    two_days(parts)
    at_revision(old, revision)
    file = written_at(saved(parts.store), revision, columns(old))
    schema.upgrade(old.engine)
    with old.writing() as connection:
        backup.load(connection, Reader(io.BytesIO(file)), lambda *_: None)
        connection.commit()
    assert schema.current(old.engine) == schema.newest()
    assert schema.differences(old.engine) == []
    assert contents(old) == contents(parts.store)


@EITHER
def test_an_upgrade_that_breaks_off_leaves_what_was_there(old: Store) -> None:
    """All or nothing: the name of a later index is taken."""
    at_revision(old, "0002")
    with old.writing() as connection:
        connection.execute(text("CREATE TABLE ix_quarantine_received_at (word INTEGER)"))
        connection.commit()
    with pytest.raises(DBAPIError):
        schema.upgrade(old.engine)
    assert schema.current(old.engine) == "0002"
    names = {index["name"] for index in inspect(old.engine).get_indexes("image")}
    assert "ix_image_received_at" not in names


@EITHER
def test_the_way_back_leaves_no_table(old: Store) -> None:
    schema.upgrade(old.engine)
    at_revision(old, "base")
    assert columns(old) == {}
    assert schema.upgrade(old.engine) == (None, schema.newest())
    assert schema.differences(old.engine) == []
