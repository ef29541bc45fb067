"""`parkgate backup` while the street goes on, and `restore`: whole and equal on either database, or not at all."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, text

from controllers.events import Kind
from gateway.cli.main import main
from gateway.flows import audit, payment, quote
from gateway.flows.close import close_missed
from gateway.flows.verify import verify
from gateway.runtime.metrics import Metrics
from gateway.store import backup, schema
from gateway.store import tables as t
from gateway.store.backup_file import Damaged, Head, Reader, TableHead, Writer
from gateway.store.engine import Store
from gateway.wiring import Parts
from tests.cheap import open_store
from tests.gateway.books import MONDAY
from tests.gateway.copies import an_empty_database, contents, contents_of
from tests.gateway.trade import Street, local
from tests.small_disk import a_small_disk

EITHER = pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
HEAD = Head(
    parkgate_backup=1, schema="0001", parkgate="0", created_at="2026-03-02T00:00:00Z", database="sqlite", key_check=None
)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert said.err.count("\n") <= 1
    assert left.value.code is None or isinstance(left.value.code, int)
    return left.value.code or 0, said.out, said.err


class Traffic:
    """Vehicles that come, pay and go, one after the other; every third one stays."""

    def __init__(self, parts: Parts) -> None:
        self.street = Street(parts)
        self.street.register("households", {"household": "h1", "name": "陈"})
        self.visits = 0

    def visit(self) -> None:
        street, clock = self.street, self.street.clock
        self.visits += 1
        plate = f"浙A{self.visits:05d}"
        street.passes("in-1", plate, f"{clock.now().astimezone(local('09:00').tzinfo):%F %T}")
        if self.visits % 3 == 0:
            return
        clock.advance(minutes=50)
        read = street.read("out-1", plate, clock.now())
        street.deliver(read)
        stay = street.stay(plate)
        due = int(quote.bill_document(street.parts, stay.id)["payable_fen"])
        payment.take(street.parts, stay_id=stay.id, channel="cash", amount_fen=due, operator="kim", role="cashier")
        street.deliver(street.mark("out-1", Kind.PASSED, clock.advance(seconds=5), read.event.id))


@pytest.fixture
def traffic(parts: Parts) -> Traffic:
    made = Traffic(parts)
    for _ in range(6):
        made.visit()
    with parts.store.writing() as connection:
        connection.execute(
            insert(t.Quarantine).values(
                topic="parkgate/v1/x",
                payload=b"\x00\xff",
                digest=bytes(16),
                code="not_json",
                detail="“",
                received_at=local("09:00"),
            )
        )
        connection.commit()
    return made


@pytest.fixture
def empty(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    with an_empty_database(kind, tmp_path, lambda: request.getfixturevalue("postgres")) as url:
        yield url


def restored(url: str, parts: Parts) -> Parts:
    settings = parts.settings.model_copy(update={"database_url": url})
    return Parts(settings=settings, clock=parts.clock, store=open_store(url), metrics=Metrics())


def saved(store: Store, progress: Any = lambda *_: None, *, revision: str | None = None) -> bytes:
    file = io.BytesIO()
    writer = Writer(file, msgspec.structs.replace(HEAD, schema=revision or schema.newest()))
    with store.reading() as connection:
        backup.one_moment(connection)
        backup.save(connection, writer, progress)
    writer.finish()
    return file.getvalue()


def fill(store: Store, file: bytes) -> None:
    with store.writing() as connection:
        backup.load(connection, Reader(io.BytesIO(file)), lambda *_: None)
        connection.commit()


@EITHER
def test_a_copy_is_equal_row_by_row_on_either_database(
    traffic: Traffic, parts: Parts, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    street = traffic.street
    street.clock.set(local("2026-03-03 02:00"))
    list(close_missed(parts, MONDAY))
    copy = tmp_path / "copy"
    monkeypatch.setenv("PARKGATE_DATABASE_URL", parts.settings.database_url)
    monkeypatch.setenv("PARKGATE_SECRET_KEY", "a secret of the tests only")
    code, out, err = run(capsys, "backup", str(copy), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["rows"]["stay"] == 6
    assert copy.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
    monkeypatch.setenv("PARKGATE_DATABASE_URL", empty)
    code, out, err = run(capsys, "restore", str(copy))
    assert (code, err) == (0, "")
    assert "now run `parkgate verify`" in out
    assert run(capsys, "db", "check")[0] == 0
    code, out, _ = run(capsys, "verify", "--json")
    assert (code, json.loads(out)["ok"]) == (0, True)
    assert contents_of(empty) == contents(parts.store)


@EITHER
def test_what_is_written_between_two_tables_is_not_in_the_copy(traffic: Traffic, parts: Parts, empty: str) -> None:
    """Another vehicle comes, pays and goes whenever the copy takes its next breath."""
    before = contents(parts.store)
    file = saved(parts.store, lambda *_: traffic.visit())
    assert traffic.visits > 20
    assert contents(parts.store) != before
    copy = restored(empty, parts)
    fill(copy.store, file)
    assert contents(copy.store) == before
    assert verify(copy).ok
    copy.store.close()


@EITHER
def test_a_copy_taken_while_another_thread_writes_holds(traffic: Traffic, parts: Parts, empty: str) -> None:
    done = threading.Event()
    problems: list[BaseException] = []

    def write() -> None:
        try:
            while not done.is_set():
                traffic.visit()
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        files = [saved(parts.store) for _ in range(3)]
    finally:
        done.set()
        thread.join()
    assert problems == []
    there = contents(parts.store)
    copy = restored(empty, parts)
    fill(copy.store, files[-1])
    assert verify(copy).ok
    for table, rows in contents(copy.store).items():
        if table in {"ledger_transaction", "posting", "payment", "bill", "audit_entry"}:
            assert set(rows) <= set(there[table])
    copy.store.close()


@EITHER
def test_rows_are_numbered_on_from_those_of_the_copy(traffic: Traffic, parts: Parts, empty: str) -> None:
    copy = restored(empty, parts)
    fill(copy.store, saved(parts.store))
    with copy.store.writing() as connection:
        highest = connection.execute(select(t.AuditEntry.id).order_by(t.AuditEntry.id.desc()).limit(1)).scalar_one()
        audit.record(connection, at=local("10:00"), operator="kim", action="test", site="xinyi", subject="")
        connection.commit()
    with copy.store.reading() as connection:
        ids = connection.execute(select(t.AuditEntry.id)).scalars().all()
    assert max(ids) > highest
    copy.store.close()


@EITHER
def test_the_triggers_hold_in_a_restored_database(traffic: Traffic, parts: Parts, empty: str) -> None:
    copy = restored(empty, parts)
    fill(copy.store, saved(parts.store))
    with pytest.raises(Exception, match="only ever grows"), copy.store.writing() as connection:
        connection.execute(text("DELETE FROM posting"))
    copy.store.close()


# --- what is refused ------------------------------------------------------------------------------------------------

sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@sqlite_only
def test_only_an_empty_database_is_filled(
    traffic: Traffic, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(saved(parts.store))
    before = contents(parts.store)
    monkeypatch.setenv("PARKGATE_DATABASE_URL", parts.settings.database_url)
    code, _, err = run(capsys, "restore", str(copy))
    assert code == 2
    assert "is not empty" in err
    assert contents(parts.store) == before


@sqlite_only
def test_a_file_is_not_overwritten_unless_asked_for(
    traffic: Traffic, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("PARKGATE_DATABASE_URL", parts.settings.database_url)
    copy = tmp_path / "copy"
    copy.write_text("what was there")
    code, _, err = run(capsys, "backup", str(copy))
    assert (code, copy.read_text()) == (2, "what was there")
    assert "--force" in err
    assert run(capsys, "backup", "--force", str(copy))[0] == 0
    assert run(capsys, "restore", "--check", str(copy))[0] == 0
    database = parts.store.engine.url.database
    code, _, err = run(capsys, "backup", "--force", str(database))
    assert code == 2
    assert "is the database itself" in err
    assert run(capsys, "verify")[0] == 0


@sqlite_only
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda whole: whole[: len(whole) // 2], "cut off"),
        (lambda whole: whole[:-1], "cut off"),
        (lambda whole: whole + b"\0", "cut off"),
        (lambda whole: whole + whole, "follows its end"),
        (lambda whole: whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:], "at byte"),
        (lambda _: b"PK\x03\x04", "damaged"),
        (lambda _: b"", "no backup of Parkgate"),
    ],
)
def test_a_damaged_file_is_refused_and_nothing_is_touched(
    traffic: Traffic, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, spoil: Any, says: str
) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(spoil(saved(parts.store)))
    monkeypatch.setenv("PARKGATE_DATABASE_URL", f"sqlite:///{tmp_path}/new.db")
    code, out, err = run(capsys, "restore", str(copy))
    assert (code, out) == (1, "")
    assert says in err
    assert not (tmp_path / "new.db").exists()


@sqlite_only
def test_a_copy_of_a_later_version_is_refused(traffic: Traffic, parts: Parts, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/new.db")
    with pytest.raises(backup.NotRestorable, match="revision 9999, which this version does not know"):
        fill(store, saved(parts.store, revision="9999"))
    assert schema.current(store.engine) is None
    store.close()


@sqlite_only
def test_a_copy_whose_rows_the_database_refuses_leaves_it_empty(parts: Parts, tmp_path: Path) -> None:
    file = io.BytesIO()
    writer = Writer(file, HEAD)
    writer.begin(TableHead("merchant", (("id", "text"), ("name", "text"), ("enabled", "boolean"))))
    writer.row(["hushu", "湖墅", True])
    writer.row(["hushu", "again", True])
    writer.finish()
    store = open_store(f"sqlite:///{tmp_path}/new.db")
    with pytest.raises(backup.NotRestorable, match="refuses rows of table merchant: UNIQUE"):
        fill(store, file.getvalue())
    assert schema.current(store.engine) is None
    store.close()


@sqlite_only
def test_another_secret_key_is_noticed(
    traffic: Traffic, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("PARKGATE_DATABASE_URL", parts.settings.database_url)
    monkeypatch.setenv("PARKGATE_SECRET_KEY", "a secret of the tests only")
    copy = tmp_path / "copy"
    assert run(capsys, "backup", str(copy))[0] == 0
    monkeypatch.setenv("PARKGATE_SECRET_KEY", "another one than the tests'")
    code, _, err = run(capsys, "restore", "--check", str(copy))
    assert code == 0
    assert "another secret_key" in err


SMALL = io.BytesIO()
_writer = Writer(SMALL, HEAD)
_writer.begin(TableHead("merchant", (("id", "text"), ("name", "text"), ("enabled", "boolean"))))
for _number in range(30):
    _writer.row([f"m{_number}", f"湖墅{_number * 7919}", True])
_writer.begin(TableHead("image", (("jpeg", "bytes"), ("received_at", "instant"))))
_writer.row([bytes(range(256)), 1_772_413_200_000_000])
_writer.finish()
FILE = SMALL.getvalue()


def read(file: bytes) -> None:
    backup.check(Reader(io.BytesIO(file)), lambda *_: None)


@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_no_byte_of_a_copy_changes_unseen(place: int, flip: int) -> None:
    read(FILE)
    with pytest.raises(Damaged):
        read(FILE[:place] + bytes([FILE[place] ^ flip]) + FILE[place + 1 :])


@given(st.integers(0, len(FILE) - 1), st.binary(max_size=20))
def test_a_copy_that_is_cut_or_added_to_is_refused(length: int, more: bytes) -> None:
    for file in (FILE[:length], FILE[:length] + FILE[length + 1 :], FILE[:length] + more, FILE + more + b"."):
        if file != FILE:
            with pytest.raises(Damaged):
                read(file)


@given(st.binary(max_size=400))
def test_whatever_a_file_holds_it_is_refused_in_words(noise: bytes) -> None:
    with pytest.raises(Damaged):
        read(noise)


@sqlite_only
def test_a_disk_without_room_keeps_no_half_copy(
    traffic: Traffic, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    place = tmp_path / "small"
    place.mkdir()
    with a_small_disk(place, "16k"):
        monkeypatch.setenv("PARKGATE_DATABASE_URL", parts.settings.database_url)
        for _ in range(40):
            traffic.visit()
        code, _, err = run(capsys, "backup", str(place / "copy"))
        assert code == 2
        assert "No space left on device" in err
        assert list(place.iterdir()) == []
