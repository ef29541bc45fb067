"""`parkgate personal-data`: one line for whoever gets it wrong, two persons for an erasure."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import main
from gateway.flows import users
from gateway.flows.verify import verify
from gateway.wiring import Parts
from tests.gateway.house import PASSWORD
from tests.gateway.people import VISITOR, days_later, found_in, visit
from tests.gateway.trade import Street

GROUNDS = ["--identity", "核验单 2026-031", "--reason", "本人申请"]


@pytest.fixture
def street(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Street:
    monkeypatch.setenv("PARKGATE_DATABASE_URL", parts.store.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("PARKGATE_SECRET_KEY", parts.settings.secret_key)
    street = Street(parts)
    visit(street, VISITOR, "2026-03-02")
    days_later(street, 1)
    return street


class Terminal:
    def __init__(self, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def run(self, *words: str, status: int = 0, typed: str = "") -> tuple[str, str]:
        self._monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as left:
            main(["personal-data", *words])
        said = self._capsys.readouterr()
        assert (left.value.code or 0) == status, said.err
        assert len(said.err.splitlines()) <= 1
        return said.out, said.err


@pytest.fixture
def terminal(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(capsys, monkeypatch)


def test_an_export_is_one_file_and_never_over_another(street: Street, terminal: Terminal, tmp_path: Path) -> None:
    out = tmp_path / "copy.zip"
    said, _ = terminal.run("export", "--plate", VISITOR, *GROUNDS, "--out", str(out), "--json")
    document = json.loads(said)
    assert document["rows"]["stays"] == 1
    with zipfile.ZipFile(out) as archive:
        assert "个人数据.xlsx" in archive.namelist()
    _, err = terminal.run("export", "--plate", VISITOR, *GROUNDS, "--out", str(out), status=2)
    assert "there is such a file" in err


def test_an_erasure_takes_two_accounts(street: Street, terminal: Terminal) -> None:
    for name, role in (("li", "registrar"), ("wu", "manager"), ("kim", "cashier")):
        users.add(street.parts, name, role, [], PASSWORD, operator="test")
    by_li = ["--user", "li", "--password-stdin"]
    said, _ = terminal.run("erase", "--plate", VISITOR, *GROUNDS, *by_li, "--json", typed=PASSWORD + "\n")
    request = json.loads(said)["id"]
    _, err = terminal.run("erase", "--approve", request, *by_li, typed=PASSWORD + "\n", status=1)
    assert "second member" in err
    _, err = terminal.run("erase", "--approve", request, "--user", "wu", status=2)
    assert "--password-stdin" in err
    _, err = terminal.run("erase", "--approve", request, "--user", "wu", "--password-stdin", typed="x\n", status=2)
    assert "wrong" in err
    _, err = terminal.run(
        "erase", "--approve", request, "--user", "kim", "--password-stdin", typed=PASSWORD + "\n", status=2
    )
    assert "cashier" in err
    said, _ = terminal.run("erase", "--approve", request, "--user", "wu", "--password-stdin", typed=PASSWORD + "\n")
    assert "erased" in said
    street.parts.store.engine.dispose()
    terminal.run("scrub")
    assert found_in(street, VISITOR) == set()
    assert verify(street.parts).ok
    said, _ = terminal.run("requests", "--json")
    assert [json.loads(line)["state"] for line in said.splitlines()] == ["erased"]


def test_what_stands_in_the_way_is_status_1(street: Street, terminal: Terminal) -> None:
    street.passes("in-1", VISITOR, "2026-03-03 09:00")
    _, err = terminal.run("erase", "--plate", VISITOR, *GROUNDS, status=1)
    assert "inside" in err


def test_what_is_said_wrongly_is_one_line_and_status_2(street: Street, terminal: Terminal) -> None:
    for words in (
        ["erase"],
        ["erase", "--plate", "x", *GROUNDS],
        ["erase", "--plate", VISITOR],
        ["erase", "--plate", VISITOR, "--approve", "pd-1", *GROUNDS],
        ["erase", "--approve", "pd-nothing"],
        ["erase", "--household", "3-502", *GROUNDS],
        ["erase", "--plate", "浙A99999", *GROUNDS],
        ["erase", "--again", "nowhere.txt"],
        ["export", "--plate", VISITOR, "--out", "nowhere/copy.zip", *GROUNDS],
    ):
        _, err = terminal.run(*words, status=2)
        assert err.startswith("parkgate: ")


def test_after_a_restore_the_list_of_the_erased_erases_again(
    street: Street, terminal: Terminal, tmp_path: Path
) -> None:
    """The database before says whom it erased; the copy that was restored still holds them."""
    from gateway.flows.personal_data_subject import Secrets, Subject

    listed = tmp_path / "erased.txt"
    listed.write_text(f"{Secrets(street.parts.settings.secret()).digest(Subject('plate', VISITOR)).hex()} pd-1\n")
    said, _ = terminal.run("erase", "--again", str(listed))
    assert said == "1 erased again\n"
    assert street.stays()[0].plate[0] == "#"
    said, _ = terminal.run("requests", "--erased")
    assert said == ""
    listed.write_text("no digest\n")
    terminal.run("erase", "--again", str(listed), status=2)


def test_what_was_deleted_is_shown_a_row_a_day_and_kind(street: Street, terminal: Terminal) -> None:
    said, _ = terminal.run("retention")
    assert said == ""
    said, _ = terminal.run("retention", "--run", "--json")
    rows = [json.loads(line) for line in said.splitlines()]
    assert {row["kind"] for row in rows} > {"pictures", "vehicles", "names", "certificates"}
    assert {row["unfinished"] for row in rows} == {False}
