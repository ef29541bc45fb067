"""Comparing policies from outside: the command, its sheets, and the API with who may ask what."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from click.testing import CliRunner
from openpyxl import load_workbook

from gateway.cli.main import cli
from tests.gateway.house import a_house
from tests.gateway.recorded import DEARER, OLD, a_day
from tests.gateway.trade import Street

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@on_one_database
def test_the_command(street: Street, tmp_path: Any) -> None:
    a_day(street)
    config = tmp_path / "parkgate.toml"
    config.write_text(f'database_url = "{street.parts.settings.database_url}"\nsecret_key = "x"\n')
    new, sheet = tmp_path / "new.toml", tmp_path / "out.xlsx"
    new.write_text(DEARER, encoding="utf-8")
    arguments = ["policy", "compare", "hushu-residential", str(new), "--from", "2026-03-02", "--to", "2026-03-02"]
    run = CliRunner().invoke(cli, [*arguments, "--config", str(config), "--xlsx", str(sheet)])
    assert run.exit_code == 0, run.output
    assert "income 96.00 → 108.00 yuan (12.00); 12 stays pay 12.00 more, 0 pay 0.00 less, 33 the same" in run.output
    as_json = CliRunner().invoke(cli, [*arguments, "--config", str(config), "--json"])
    assert json.loads(as_json.output)["total"]["change_fen"] == 1200
    book = load_workbook(sheet)
    assert book.sheetnames == ["概要", "按人群", "按车型", "按小区", "按入场时刻", "按停车时长", "优免", "举例"]
    groups = book["按人群"]
    assert groups.freeze_panes == "A2"
    assert [cell.value for cell in groups[1]][:3] == ["人群", "停车次数", "原规则应收(元)"]
    visitors = next(row for row in groups.iter_rows(min_row=2, values_only=True) if row[0] == "访客")
    assert (visitors[1], visitors[4], visitors[7], visitors[8]) == (24, 96, 108, 12)
    assert book["按小区"]["A2"].value == "信义坊"
    summary = {row[0]: row[1] for row in book["概要"].iter_rows(min_row=2, values_only=True)}
    assert (summary["收入变化(元)"], summary["原规则与账一致"]) == (12, "是")


@on_one_database
@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["nobody", "x.toml", "--from", "2026-03-02", "--to", "2026-03-02"], "no policy 'nobody' has been applied"),
        (["hushu-residential", "x.toml", "--from", "2026-03-02", "--to", "2026-03-02"], "there is no such file"),
        (["hushu-residential", "hushu-residential", "--from", "2026-03-03", "--to", "2026-03-02"], "exchange them"),
        (["hushu-residential", "hushu-residential", "--from", "yesterday", "--to", "2026-03-02"], "is no day"),
    ],
)
def test_bad_input_is_said_in_one_line(street: Street, tmp_path: Any, more: list[str], words: str) -> None:
    config = tmp_path / "parkgate.toml"
    config.write_text(f'database_url = "{street.parts.settings.database_url}"\nsecret_key = "x"\n')
    run = CliRunner().invoke(cli, ["policy", "compare", *more, "--config", str(config)])
    assert run.exit_code == 2
    assert words in run.output


@on_one_database
def test_the_api(street: Street) -> None:
    a_day(street)
    house = a_house(street.parts, "xinyi", "archive")
    staff = house.one_of_each()
    wanted = {"old": "hushu-residential", "new_text": DEARER, "from": "2026-03-02", "to": "2026-03-02"}
    for role in ("manager", "committee", "finance"):
        answer = staff[role].post("/api/v1/policies/compare", wanted)
        assert answer.status_code == 200, answer.text
        assert answer.json()["total"]["change_fen"] == 1200
    assert staff["guard"].post("/api/v1/policies/compare", wanted).status_code == 403
    # What certificates exempt from would count them: finance may ask, a committee may not.
    exempting = {**wanted, "new_text": DEARER.replace('exempts = ["parking", ', "exempts = [")}
    assert exempting != wanted
    assert staff["finance"].post("/api/v1/policies/compare", exempting).status_code == 200
    refused = staff["committee"].post("/api/v1/policies/compare", exempting)
    assert (refused.status_code, "low_income" in refused.json()["detail"]) == (422, True)
    sheet = staff["finance"].post("/api/v1/policies/compare?format=xlsx", wanted)
    assert load_workbook(io.BytesIO(sheet.content))["概要"]["A2"].value == "原规则"
    house.hires("archivist", "committee", "archive")
    none = house.as_("archivist").post("/api/v1/policies/compare", wanted)
    assert none.json()["stays"] == 0
    assert house.as_("archivist").post("/api/v1/policies/compare", {**wanted, "site": "xinyi"}).status_code == 404
    assert staff["manager"].post("/api/v1/policies/compare", {**wanted, "old_text": OLD}).status_code == 422
    assert (
        staff["manager"]
        .post("/api/v1/policies/compare", {**wanted, "new_text": "x"})
        .json()["type"]
        .endswith("policy-refused")
    )

    listed = staff["committee"].get("/api/v1/policies").json()["items"]
    assert [(one["id"], one["in_force"], one["sites"]) for one in listed] == [
        ("hushu-residential", 1, ["archive", "xinyi"])
    ]
    text = staff["guard"].get("/api/v1/policies/hushu-residential/versions/1")
    assert text.json()["text"] == OLD
    assert staff["guard"].get("/api/v1/policies/hushu-residential/versions/2").status_code == 404
    assert staff["finance"].post("/api/v1/policies", {"text": DEARER}).status_code == 403
    loaded = staff["manager"].post("/api/v1/policies", {"text": DEARER, "source": "meeting"})
    assert (loaded.status_code, loaded.json()["version"], loaded.json()["new"]) == (201, 2, True)
    again = staff["manager"].post("/api/v1/policies", {"text": DEARER})
    assert (again.status_code, again.json()["new"]) == (200, False)
    refused = staff["manager"].post("/api/v1/policies", {"text": OLD.replace("fen = 400", "fen = -4")})
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/policy-refused")
    assert refused.json()["errors"][0]["where"].startswith("text, line ")
    house.hires("one-site", "manager", "xinyi")
    assert house.as_("one-site").post("/api/v1/policies", {"text": DEARER}).status_code == 403
