"""`parkgate close`, `verify` and `export` as a user runs them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.cli.main import main
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.books import Books, at


@pytest.fixture
def street(parts: Parts, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Books:
    monkeypatch.setenv("PARKGATE_DATABASE_URL", database_url)
    books = Books(parts, ("b1", "xinyi"))
    books.stay(at("09:00"), at("10:00"))
    books.stay(at("12:00"), at("13:00"), low_income=True, site="b1")
    books.write()
    return books


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert left.value.code is None or isinstance(left.value.code, int)
    return left.value.code or 0, said.out, said.err


def test_close_prints_its_hashes_and_again_the_same(street: Books, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "close", "--day", "2026-03-02", "--json")
    assert (code, err) == (0, "")
    said = json.loads(out)
    assert list(said) == ["day", "sites", "street_hash"]
    assert [(one["site"], one["sequence"]) for one in said["sites"]] == [("b1", 1), ("xinyi", 1)]
    raw = b"".join(bytes.fromhex(one["hash"]) for one in said["sites"])
    assert said["street_hash"] == hashlib.sha256(raw).hexdigest()
    assert run(capsys, "close", "--day", "2026-03-02", "--json") == (0, out, "")
    code, out, _ = run(capsys, "close", "--day", "2026-03-02", "--site", "b1")
    assert code == 0
    assert "2026-03-02 is closed" in out
    entry = t.AuditEntry.__table__.c
    with street.parts.store.reading() as connection:
        lines = connection.execute(
            select(entry.site_id, entry.origin).where(entry.action == "close").order_by(entry.id)
        )
        assert [tuple(line) for line in lines] == [("b1", "command line"), ("xinyi", "command line")]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["close", "--day", "2026-03-05"], 1, "b1: 2026-03-04 is open; close 2026-03-02 first"),
        (["close", "--day", "2999-01-01"], 1, "is not over"),
        (["close", "--day", "2026-03-02", "--site", "nowhere"], 2, "there is no site nowhere"),
        (["close", "--day", "yesterday"], 2, "--day 'yesterday' is no day"),
        (["close", "--day", "2026-02-30"], 2, "write it as YYYY-MM-DD"),
        (["close"], 2, "--day"),
        (["verify", "--from", "2026-03-03", "--to", "2026-03-02"], 2, "is before"),
        (["export", "--day", "2026-03-02", "--format", "json", "--out", "x"], 2, "is not closed"),
        (["export", "--day", "2026-03-02", "--format", "docx", "--out", "x"], 2, "docx"),
    ],
)
def test_what_is_refused_is_one_line(
    street: Books, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    left, out, err = run(capsys, *arguments)
    assert (left, out) == (code, "")
    assert says in err
    assert err.count("\n") == 1


def test_verify_says_what_it_checked(street: Books, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "close", "--day", "2026-03-02")
    code, out, err = run(capsys, "verify", "--json")
    said = json.loads(out)
    assert (code, err) == (0, "")
    assert list(said) == ["ok", "checked", "first_failure"]
    assert said["ok"]
    assert said["first_failure"] is None
    assert said["checked"]["closes"] == 2
    assert all(name.replace("_", "").isalpha() for name in said["checked"]), "keys of JSON have no blanks"
    assert run(capsys, "verify", "--from", "2026-03-02", "--to", "2026-03-02")[0] == 0


def test_verify_names_what_does_not_hold(street: Books, capsys: pytest.CaptureFixture[str]) -> None:
    street.change("UPDATE posting SET amount_fen = amount_fen - 1 WHERE account = 'income:parking'")
    code, out, err = run(capsys, "verify", "--json")
    said = json.loads(out)
    assert code == 1
    assert not said["ok"]
    assert list(said["first_failure"]) == ["what", "id", "why"]
    assert said["first_failure"]["what"] == "transaction"
    assert err.count("\n") == 1


def test_exports_are_written_whole(street: Books, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run(capsys, "close", "--day", "2026-03-02")
    out = tmp_path / "new" / "exports"
    code, said, _ = run(capsys, "export", "--day", "2026-03-02", "--format", "json", "--out", str(out))
    assert code == 0
    assert said.strip() == str(out / "street-2026-03-02.json")
    records = json.loads((out / "street-2026-03-02.json").read_text())
    assert [record["site"] for record in records] == ["b1", "xinyi"]
    for record in records:
        hashed = bytes.fromhex(record["previous_hash"]) + record["canonical"].encode()
        assert hashlib.sha256(hashed).hexdigest() == record["hash"]
    run(capsys, "export", "--day", "2026-03-02", "--format", "csv", "--site", "b1", "--out", str(out))
    names = sorted(path.name for path in out.iterdir())
    assert "b1-2026-03-02-benefits.csv" in names
    assert not [name for name in names if name.startswith(".")]
    assert b"low_income" in (out / "b1-2026-03-02-benefits.csv").read_bytes()


def test_a_folder_that_cannot_be_written_is_refused(
    street: Books, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run(capsys, "close", "--day", "2026-03-02")
    (tmp_path / "file").write_text("here already")
    code, _, err = run(
        capsys, "export", "--day", "2026-03-02", "--format", "json", "--out", str(tmp_path / "file" / "x")
    )
    assert code == 2
    assert "--out" in err
