"""`parkgate reconcile` and its route: the document of the contract, who may, and what is said to people."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.api.app import create_app
from gateway.cli.main import main
from gateway.flows import estate
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.asking import is_a_problem
from tests.gateway.house import Client, House, site_file

Run = Callable[..., tuple[int, str, str]]
DAY = "2026-03-02"
FIELDS = ["id", "site", "kind", "channel", "order", "stay", "amount_fen", "state"]


@pytest.fixture
def run(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The program in a folder of its own, with a street and a statement of orders that nobody here knows."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"DATABASE_URL": sqlite_url, "SECRET_KEY": "a secret of the tests only"}.items():
        monkeypatch.setenv(f"PARKGATE_{name}", value)

    def running(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(list(words))
        told = capsys.readouterr()
        return int(left.value.code or 0), told.out, told.err

    Path("sites.toml").write_text(site_file("xinyi", "shiqiao"), encoding="utf-8")
    for words in (("db", "upgrade"), ("site", "apply", "sites.toml")):
        assert running(*words)[0] == 0
    words = ("--channel", "wechat", "--day", DAY, "--payments", "3", "--refunds", "0")
    file = running("simulate", "statements", *words, "--out", "bills")[1].strip()
    assert running("statement", "import", "--channel", "wechat", file)[0] == 0
    return running


def test_the_document_and_the_words(run: Run) -> None:
    code, out, err = run("reconcile", "--day", DAY, "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert list(document) == ["day", "sealed", "breaks"]
    assert (document["day"], document["sealed"]) == (DAY, False)  # it is not closed
    assert [list(one) for one in document["breaks"]] == [FIELDS] * 3
    assert {(one["site"], one["kind"], one["channel"], one["state"]) for one in document["breaks"]} == {
        ("shiqiao", "channel_only", "wechat", "open")
    }
    assert run("reconcile", "--day", DAY, "--json")[1] == out
    code, out, err = run("reconcile", "--day", DAY)
    assert (code, err) == (0, "")
    assert "close it, and reconcile the days before it, first; 3 breaks so far" in out
    assert json.loads(run("reconcile", "--day", DAY, "--site", "xinyi", "--json")[1])["breaks"] == []
    assert run("verify")[0] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--day", "yesterday"), "YYYY-MM-DD"),
        (("--day", DAY, "--site", "nowhere"), "there is no site nowhere"),
        (("--day", "2199-03-02"), "2199-03-02 has not begun"),
        ((), "--day"),
    ],
)
def test_bad_usage_is_one_line(run: Run, words: tuple[str, ...], says: str) -> None:
    code, out, err = run("reconcile", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err


class RealHouse(House):
    """With the flows that are served."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.app = create_app(parts, wall=parts.clock)
        self.client = Client(self.app)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_route_answers_the_same_document_to_finance_alone(parts: Parts) -> None:
    estate.apply(parts, site_file("xinyi", "archive"))
    house = RealHouse(parts)
    staff = house.one_of_each()
    path = f"/api/v1/days/{DAY}/reconcile"
    answer = staff["finance"].post(path)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"day": DAY, "sealed": False, "breaks": []}
    entry = t.AuditEntry.__table__.c
    with parts.store.reading() as connection:
        lines = connection.execute(select(entry.operator, entry.origin).where(entry.action == "reconcile")).fetchall()
    assert len(lines) == 2
    assert all(line.operator and line.origin for line in lines), "who, and from where"
    for role in staff.keys() - {"finance"}:
        is_a_problem(staff[role].post(path), 403)
    is_a_problem(staff["finance"].post(f"{path}?site=nowhere"), 404)
    is_a_problem(staff["finance"].post(path.replace("2026-03-02", "2026-03-03")), 422)
    house.hires("one", "finance", "archive")
    is_a_problem(house.as_("one").post(f"{path}?site=xinyi"), 403)
    assert house.as_("one").post(path).json() == {"day": DAY, "sealed": False, "breaks": []}
    for site in staff["auditor"].get(f"/api/v1/days/{DAY}").json()["sites"]:
        assert (site["reconciled"], site["reconciled_hash"], site["missing"], site["breaks"]) == (False, None, [], 0)
