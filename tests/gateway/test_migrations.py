"""From every earlier revision, with data, to the newest: all of it is whole, the books hold, and the tables are the code's."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from gateway.cli.main import main
from gateway.flows.verify import verify
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Settings
from gateway.store import backup, schema
from gateway.store.backup_file import Reader, TableHead, Writer
from gateway.store.engine import Store
from gateway.wiring import Parts
from tests.cheap import open_store
from tests.conftest import FakeClock
from tests.gateway.books import MONDAY, WEDNESDAY, at
from tests.gateway.copies import an_empty_database, contents
from tests.gateway.test_backup import HEAD, Traffic, saved
from tests.gateway.test_verify import two_days

REVISIONS = [one.revision for one in reversed(list(ScriptDirectory.from_config(schema._config()).walk_revisions()))]
EARLIER = REVISIONS[:-1]
# An upgraded schema is held to be the code's, with the same triggers: that a street goes on there needs no trial of each.
SOME = (EARLIER[0], EARLIER[len(EARLIER) // 2], EARLIER[-1])
EITHER = pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])


@pytest.fixture
def old(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    """A database without any table."""
    with an_empty_database(kind, tmp_path, lambda: request.getfixturevalue("postgres")) as url:
        store = open_store(url)
        yield store
        store.close()


@pytest.fixture
def newest(kind: str, request: pytest.FixtureRequest) -> Iterator[Store]:
    """A database of today, without any row."""
    store = open_store(request.getfixturevalue("sqlite_url" if kind == "sqlite" else "postgres_url"))
    yield store
    store.close()


class Saved(msgspec.Struct, frozen=True):
    """Books of two closed days and a day of traffic: their copy, what it holds, and under which settings they came about."""

    file: bytes
    holds: dict[str, list[str]]
    settings: Settings

    def parts(self, store: Store) -> Parts:
        return Parts(settings=self.settings, clock=FakeClock(at("02:00", WEDNESDAY)), store=store, metrics=Metrics())


@pytest.fixture(scope="module")
def traffic(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    path = tmp_path_factory.mktemp("traffic") / "parkgate.db"
    path.write_bytes(sqlite_template.read_bytes())
    store = open_store(f"sqlite:///{path}")
    settings = Settings(
        database_url=str(store.engine.url), secret_key="a secret of the tests only", test=True, http_port=0
    )
    two_days(Parts(settings=settings, clock=FakeClock(at("02:00", MONDAY)), store=store, metrics=Metrics()))
    found = Saved(saved(store), contents(store), settings)
    store.close()
    return found


def at_revision(store: Store, revision: str) -> None:
    with store.writing() as connection:
        schema.move(connection, revision)
        connection.commit()


Columns = dict[str, list[str]]


def columns(store: Store) -> Columns:
    """Every table with its columns, as the database itself describes them, whatever its revision."""
    with store.reading() as connection:
        found = inspect(connection).get_multi_columns()
    return {
        name: [column["name"] for column in described]
        for (_, name), described in found.items()
        if name != "alembic_version"
    }


def quoted(name: str) -> str:
    return f'"{name}"'


def everything(store: Store, wanted: Columns) -> dict[str, list[str]]:
    """Every row of these tables, with these columns, as the database holds it."""
    with store.reading() as connection:
        return {
            name: sorted(
                repr([bytes(v) if isinstance(v, memoryview) else v for v in row])
                for row in connection.execute(text(f"SELECT {', '.join(map(quoted, names))} FROM {quoted(name)}"))
            )
            for name, names in wanted.items()
        }


def triggers(store: Store) -> set[tuple[str, ...]]:
    """What refuses to change or delete what only grows, and its like."""
    told = (
        "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
        if store.postgres
        else "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger'"
    )
    with store.reading() as connection:
        return {tuple(row) for row in connection.execute(text(told))}


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
@pytest.mark.parametrize("revision", EARLIER)
def test_an_upgrade_keeps_every_row(traffic: Saved, old: Store, newest: Store, revision: str) -> None:
    """Books of two closed days and a day of traffic, as they stood at that revision."""
    at_revision(old, revision)
    known = columns(old)
    # As far as that revision had these tables and columns: the file says what it holds by name.
    with old.writing() as connection:
        for head, chunks in backup._tables(Reader(io.BytesIO(traffic.file))):
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
    assert triggers(old) == triggers(newest)
    report = verify(traffic.parts(old))
    assert report.ok, report.first_failure
    assert report.checked["closes"] == 4
    with pytest.raises(DBAPIError, match="only ever grows"), old.writing() as connection:
        connection.execute(text("UPDATE posting SET amount_fen = 1"))


@EITHER
@pytest.mark.parametrize("revision", SOME)
def test_the_street_goes_on_after_an_upgrade(
    traffic: Saved, old: Store, revision: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    at_revision(old, revision)
    monkeypatch.setenv("PARKGATE_DATABASE_URL", old.engine.url.render_as_string(hide_password=False))
    for command, code in ((["verify"], 2), (["db", "check"], 1), (["db", "upgrade"], 0), (["db", "check"], 0)):
        with pytest.raises(SystemExit) as left:
            main(command)
        assert (left.value.code or 0) == code, command
        assert code == 0 or "run `parkgate db upgrade`" in capsys.readouterr().err
    upgraded = traffic.parts(old)
    street = Traffic(upgraded)
    for _ in range(4):
        street.visit()
    assert verify(upgraded).ok


@EITHER
@pytest.mark.parametrize("revision", EARLIER)
def test_a_copy_of_an_earlier_revision_is_restored_and_upgraded(traffic: Saved, newest: Store, revision: str) -> None:
    """Also where somebody has made the newest schema before."""
    at_revision(newest, revision)
    file = written_at(traffic.file, revision, columns(newest))
    schema.upgrade(newest.engine)
    with newest.writing() as connection:
        backup.load(connection, Reader(io.BytesIO(file)), lambda *_: None)
        connection.commit()
    assert schema.current(newest.engine) == schema.newest()
    assert schema.differences(newest.engine) == []
    assert contents(newest) == traffic.holds


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
    assert triggers(old) == set()
    assert schema.upgrade(old.engine) == (None, schema.newest())
    assert schema.differences(old.engine) == []
