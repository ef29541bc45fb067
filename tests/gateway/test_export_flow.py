"""Exports out of the database: every format, a site or the street, a day or several, for each role; whole or not at all."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from beancount import loader

from billing.exports import NotAPeriod, Period, month_of
from gateway.api.app import create_app
from gateway.cli.export import FORMATS as COMMANDS
from gateway.cli.main import main
from gateway.flows import users
from gateway.flows.close import close_day
from gateway.flows.export import FORMATS, export_day, export_to
from gateway.flows.refusals import Invalid, NotForRole, NotFound
from gateway.flows.users import ROLES
from gateway.wiring import Parts
from tests.gateway.books import MONDAY, TUESDAY, WEDNESDAY, Books, at
from tests.gateway.house import PASSWORD, Client, Staff

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
TELLING = ("low_income", "Low-Uincome", "低保", "waived:pass", "Waived:Pass")


@pytest.fixture
def street(parts: Parts) -> Books:
    """Two sites, two closed days; one stay on each day has a certificate."""
    books = Books(parts, ("b1", "xinyi"))
    for day in (MONDAY, TUESDAY):
        books.stay(at("09:00", day), at("10:00", day))
        books.stay(at("10:00", day), at("12:00", day), pays="alipay", site="b1")
        books.stay(at("12:00", day), at("13:00", day), low_income=True, site="b1")
        books.stay(at("14:00", day), at("16:00", day), pays=None)
    books.write()
    books.clock.set(at("03:00", WEDNESDAY))
    for day in (MONDAY, TUESDAY):
        close_day(parts, day)
    return books


def texts(name: str, content: bytes, folder: Path) -> str:
    """Everything that somebody can read in a file."""
    if name.endswith(".xlsx"):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            return " ".join(packed.read(one).decode() for one in packed.namelist())
    if name.endswith(".pdf"):
        (folder / name).write_bytes(content)
        return subprocess.run(["pdftotext", name, "-"], cwd=folder, check=True, capture_output=True).stdout.decode()
    return content.decode("gbk" if name.endswith(".txt") else "utf-8")


def test_every_format_of_two_days(street: Books, tmp_path: Path) -> None:
    period, out, made = Period(MONDAY, TUESDAY), tmp_path / "out", {}
    for form in FORMATS:
        told: list[int] = []
        for path in export_to(
            street.parts, period, form, out, begins=lambda total, t=told: [t.append(-total), t.append][1]
        ):
            made[path.name.removeprefix("street-2026-03-02_2026-03-03")] = path
        assert sum(told) == 0, f"{form}: as many transactions are gone through as were announced"
    assert set(made) == {
        *(".json", ".xlsx", ".beancount", ".pdf", "-yonyou.txt", "-kingdee.csv", "-memorandum.csv"),
        *(f"-{name}.csv" for name in ("summary", "by-day", "by-site", "by-channel", "by-shift", "by-lane")),
        *("-benefits.csv", "-breaks.csv", "-reconciled.csv", "-transactions.csv", "-invoices.csv"),
    }
    assert {path.name for path in out.iterdir()} == {path.name for path in made.values()}
    assert len(json.loads(made[".json"].read_bytes())) == 4
    assert openpyxl.load_workbook(made[".xlsx"])["按日"].max_row == 5
    _, errors, _ = loader.load_file(str(made[".beancount"]))
    assert errors == []


@on_one_database
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
@pytest.mark.parametrize("role", [*ROLES, "public"])
def test_each_role_gets_what_is_made_for_it(street: Books, tmp_path: Path, role: str) -> None:
    administers = role in {"finance", "registrar"}
    for form in FORMATS:
        if form == "json" and not administers:
            with pytest.raises(NotForRole, match="finance and registrar"):
                export_day(street.parts, MONDAY, form, audience=role)
            continue
        said = " ".join(texts(*file, tmp_path) for file in export_day(street.parts, MONDAY, form, audience=role))
        told = [word for word in TELLING if word in said]
        assert bool(told) == (administers and form != "pdf"), (form, told)


@on_one_database
def test_one_site_is_the_part_of_it_that_is_its_own(street: Books) -> None:
    for form in FORMATS:
        for name, _ in export_day(street.parts, MONDAY, form, "b1"):
            assert name.startswith("b1-2026-03-02")
    ((_, content),) = export_day(street.parts, MONDAY, "beancount", "b1")
    assert b":B1:" in content
    assert b":Xinyi:" not in content


@on_one_database
@pytest.mark.parametrize("form", FORMATS)
def test_books_that_do_not_give_what_was_sealed_are_not_exported(street: Books, tmp_path: Path, form: str) -> None:
    street.change("UPDATE posting SET account = 'income:pass' WHERE account = 'income:parking' AND site_id = 'xinyi'")
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("was here")
    with pytest.raises(Invalid, match="parkgate verify"):
        export_to(street.parts, Period(MONDAY, TUESDAY), form, out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


@on_one_database
def test_a_day_that_is_not_closed_is_named(street: Books, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="2026-03-04 is not closed"):
        export_to(street.parts, Period(MONDAY, WEDNESDAY), "csv", tmp_path)


@on_one_database
def test_days_before_the_books_were_opened_are_left_out(street: Books, tmp_path: Path) -> None:
    (whole,) = export_to(street.parts, Period(date(2026, 2, 28), TUESDAY), "json", tmp_path)
    assert [(one["site"], one["day"]) for one in json.loads(whole.read_bytes())] == [
        (site, f"{day}") for day in (MONDAY, TUESDAY) for site in ("b1", "xinyi")
    ]
    for before in (Period(date(2026, 2, 1), date(2026, 2, 28)), Period(date(2026, 3, 1), date(2026, 3, 1))):
        with pytest.raises(NotFound, match="no site had books"):
            export_to(street.parts, before, "csv", tmp_path)


@on_one_database
def test_the_api_hands_out_every_format_as_what_it_is(street: Books) -> None:
    users.add(street.parts, "fin", "finance", [], PASSWORD, operator="test")
    users.add(street.parts, "aud", "auditor", ["b1"], PASSWORD, operator="test")
    client = Client(create_app(street.parts, wall=street.parts.clock))
    staff = {}
    for name in ("fin", "aud"):
        answer = client.post("/api/v1/token", data={"username": name, "password": PASSWORD})
        staff[name] = Staff(client, answer.json()["access_token"])
    kinds = {"json": "application/json", "csv": "application/zip", "accounting": "application/zip"}
    kinds |= {"pdf": "application/pdf", "beancount": "text/plain; charset=utf-8"}
    kinds["xlsx"] = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert set(kinds) == set(FORMATS) == set(COMMANDS)
    for form, kind in kinds.items():
        answer = staff["fin"].get("/api/v1/days/2026-03-02/export", format=form)
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind), form
        ending = "zip" if kind == "application/zip" else form
        assert answer.headers["content-disposition"].endswith(f"street-2026-03-02.{ending}")
        others = staff["aud"].get("/api/v1/days/2026-03-02/export", format=form)
        assert others.status_code == (403 if form == "json" else 200)
        assert form == "json" or "b1-2026-03-02" in others.headers["content-disposition"]


@on_one_database
def test_what_is_exported_apart_has_numbers_of_its_own(street: Books, tmp_path: Path) -> None:
    """Two sites and their merchant, read into one set of accounts: no voucher's number comes twice in a month."""
    period, seen = Period(MONDAY, TUESDAY), {}
    for name, one in {
        "street": {},
        "b1": {"site": "b1"},
        "xinyi": {"site": "xinyi"},
        "hushu": {"merchant": "hushu"},
    }.items():
        text, *_ = export_to(street.parts, period, "accounting", tmp_path, **one)
        assert text.name == f"{name}-2026-03-02_2026-03-03-yonyou.txt"
        _, *lines = text.read_text(encoding="gbk").splitlines()
        seen[name] = {int(line.split(",")[2]) for line in lines}
    assert seen == {"street": {2, 3}, "b1": {102, 103}, "xinyi": {202, 203}, "hushu": {152, 153}}


@on_one_database
def test_a_merchants_days_are_those_of_its_sites(street: Books, tmp_path: Path) -> None:
    street.change("INSERT INTO merchant (id, name, enabled) VALUES ('other', '另一家', true)")
    street.change("UPDATE site SET merchant_id = 'other' WHERE id = 'b1'")
    (found,) = export_to(street.parts, Period(MONDAY, TUESDAY), "json", tmp_path, merchant="other")
    assert {record["site"] for record in json.loads(found.read_bytes())} == {"b1"}
    for wrong, refused in (({"merchant": "nobody"}, NotFound), ({"merchant": "other", "site": "b1"}, Invalid)):
        with pytest.raises(refused):
            export_to(street.parts, Period(MONDAY, TUESDAY), "json", tmp_path, **wrong)


@on_one_database
def test_ranges_and_months_through_the_api(street: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users.add(street.parts, "fin", "finance", [], PASSWORD, operator="test")
    users.add(street.parts, "aud", "auditor", ["b1"], PASSWORD, operator="test")
    client = Client(create_app(street.parts, wall=street.parts.clock))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tokens = {
        name: client.post("/api/v1/token", data={"username": name, "password": PASSWORD}).json()["access_token"]
        for name in ("fin", "aud")
    }
    fin, aud = (Staff(client, tokens[name]) for name in ("fin", "aud"))
    two = {"from": "2026-03-02", "to": "2026-03-03"}
    for form, ending in (("xlsx", "xlsx"), ("csv", "zip")):
        answer = fin.get("/api/v1/exports", format=form, **two)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-disposition"].endswith(f"street-2026-03-02_2026-03-03.{ending}")
        again = fin.get("/api/v1/exports", format=form, **two)
        assert again.content == answer.content
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.testzip() is None
        assert len(packed.namelist()) == 11
    assert "b1-2026-03-02_" in aud.get("/api/v1/exports", format="csv", **two).headers["content-disposition"]
    assert aud.get("/api/v1/exports", format="csv", merchant="hushu", **two).status_code == 403
    assert fin.get("/api/v1/exports", format="csv", merchant="hushu", day="2026-03-02").status_code == 200
    for wrong, status in (
        ({"month": "2026-03"}, 404),  # not closed to its end
        ({"month": "2026-13"}, 422),
        ({}, 422),
        ({"day": "2026-03-02", "month": "2026-03"}, 422),
        ({"from": "2026-03-03", "to": "2026-03-02"}, 422),
    ):
        assert fin.get("/api/v1/exports", format="csv", **wrong).status_code == status, wrong
    street.change("UPDATE posting SET account = 'income:pass' WHERE account = 'income:parking' AND site_id = 'xinyi'")
    assert fin.get("/api/v1/exports", format="csv", **two).status_code == 422
    assert list(tmp_path.glob("parkgate-prepared-*/*")) == []


def test_periods() -> None:
    assert month_of(date(2028, 2, 10)) == Period(date(2028, 2, 1), date(2028, 2, 29))
    assert month_of(date(2026, 12, 31)).label == "2026-12"
    assert Period(MONDAY, MONDAY).label == "2026-03-02"
    with pytest.raises(NotAPeriod, match="is before"):
        Period(TUESDAY, MONDAY)
    with pytest.raises(NotAPeriod, match="at most 366"):
        Period(MONDAY, date(2027, 3, 3))


@on_one_database
class TestCommand:
    @pytest.fixture(autouse=True)
    def database(self, street: Books, monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
        monkeypatch.setenv("PARKGATE_DATABASE_URL", database_url)

    def run(self, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["export", *words])
        said = capsys.readouterr()
        return left.value.code or 0, said.out, said.err

    def test_a_range(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        words = ("--from", "2026-03-02", "--to", "2026-03-03", "--format", "xlsx", "--out", str(tmp_path))
        code, out, err = self.run(capsys, *words)
        assert (code, out, err) == (0, f"{tmp_path / 'street-2026-03-02_2026-03-03.xlsx'}\n", "")

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            ((), "say which days"),
            (("--day", "2026-03-02", "--month", "2026-03"), "say which days"),
            (("--from", "2026-03-02"), "say which days"),
            (("--from", "2026-03-03", "--to", "2026-03-02"), "is before"),
            (("--month", "2026-3"), "is no month"),
            (("--month", "2026-13"), "is no month"),
            (("--month", "2026-03"), "is not closed"),
        ],
    )
    def test_days_that_cannot_be(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...], says: str
    ) -> None:
        code, out, err = self.run(capsys, *words, "--format", "csv", "--out", str(tmp_path / "out"))
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert says in err
        assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())

    def test_a_mapping_of_ones_own(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        default = Path(__file__).parents[2].joinpath("rules", "accounting.toml").read_text(encoding="utf-8")
        mapping = tmp_path / "mine.toml"
        mapping.write_text(default.replace("605101", "600188"), encoding="utf-8")
        words = ("--day", "2026-03-02", "--format", "accounting", "--out", str(tmp_path), "--mapping")
        assert self.run(capsys, *words, str(mapping))[0] == 0
        assert b"600188" in (tmp_path / "street-2026-03-02-yonyou.txt").read_bytes()
        mapping.write_text(default.replace('vat = "0.09"', 'vat = "9"'), encoding="utf-8")
        code, _, err = self.run(capsys, *words, str(mapping))
        assert (code, err.count("\n")) == (2, 1)
        assert f"{mapping}: accounts.\"income:parking\".vat: '9' is no rate; write" in err
        assert "(and 1 more)" in err
        code, _, err = self.run(capsys, *words, str(tmp_path / "none.toml"))
        assert (code, "--mapping" in err) == (2, True)
        code, _, err = self.run(
            capsys, "--day", "2026-03-02", "--format", "csv", "--out", str(tmp_path), "--mapping", "x"
        )
        assert (code, err) == (2, "parkgate: --mapping is for --format accounting; leave it out\n")
