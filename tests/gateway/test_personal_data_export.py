"""A person's data handed over whole: readable, to whom it may be, and on record."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from openpyxl import load_workbook

from gateway.flows import personal_data
from gateway.flows.personal_data import Asking
from gateway.flows.personal_data_subject import Secrets, Subject, subject_of
from gateway.flows.refusals import Invalid, NotFound
from gateway.store import tables as t
from tests.gateway.people import (
    CERTIFICATE,
    HOUSEHOLD,
    JPEG,
    NAME,
    OWN,
    RELATIVE,
    VISITOR,
    rows,
    visit,
)
from tests.gateway.privacy import HOME, PLATE, asking, handed_over, two_days_of_everybody
from tests.gateway.trade import Street

# --- handing over ----------------------------------------------------------------------------------------------------


def test_a_visitor_is_handed_everything_readable(street: Street, tmp_path: Path) -> None:
    two_days_of_everybody(street)
    document = handed_over(street, PLATE, tmp_path)
    assert [stay["paid_fen"] for stay in document["stays"]] == [800, 800]
    assert document["stays"][0]["entry_at"] == "2026-03-02T09:00:00+08:00"
    assert [one["amount_fen"] for one in document["payments"]] == [800, 800]
    assert sum(line["fen"] for line in document["bills"]) == 1600
    assert len(document["events"]) == 8
    assert NAME not in json.dumps(document, default=str, ensure_ascii=False)
    (picture,) = [name for name in document["files"] if name.startswith("pictures/")]
    assert document["files"][picture] == JPEG
    book = load_workbook(io.BytesIO(document["files"]["个人数据.xlsx"]))
    page = book["停车记录"]
    assert [cell.value for cell in page[1]][:3] == ["停车记录号", "小区", "车牌"]
    assert page.freeze_panes == "A2"
    assert page.max_row == 3
    table = list(csv.reader(io.StringIO(document["files"]["csv/付款.csv"].decode("utf-8-sig"))))
    assert table[0][2:4] == ["支付渠道", "金额(分)"]
    assert "本文件包含" in document["files"]["说明.txt"].decode("utf-8-sig")


def test_a_household_is_handed_its_registrations_with_their_history(street: Street, tmp_path: Path) -> None:
    two_days_of_everybody(street)
    document = handed_over(street, HOME, tmp_path)
    assert document["household"][0]["name"] == NAME
    assert document["certificate"][0]["number_encrypted"] == CERTIFICATE
    assert [one["plate"] for one in document["relative"]] == [RELATIVE]
    assert {one["plate"] for one in document["stays"]} == {OWN}
    assert {"households", "vehicles", "relatives", "certificates"} <= {one["kind"] for one in document["changes"]}


def test_a_managers_copy_tells_nothing_of_poverty(street: Street, tmp_path: Path) -> None:
    """Invariant 10: to all but registrar and finance it reads `resident`."""
    two_days_of_everybody(street)
    whole = handed_over(street, HOME, tmp_path)
    assert "low_income" in {line["kind"] for line in whole["bills"]}
    document = handed_over(street, HOME, tmp_path, sees_low_income=False)
    said = b"".join(document.pop("files").values()) + json.dumps(document, ensure_ascii=False).encode()
    assert "resident" in {line["kind"] for line in document["bills"]}
    for word in ("low_income", "低保", CERTIFICATE, "民政"):
        assert word.encode() not in said


def test_a_relatives_driver_is_not_told_whose_relative_they_are(street: Street, tmp_path: Path) -> None:
    two_days_of_everybody(street)
    document = handed_over(street, Subject("plate", RELATIVE), tmp_path)
    assert document["relative"][0]["relation"] == "parent"
    said = json.dumps({**document, "files": None}, ensure_ascii=False)
    assert HOUSEHOLD not in said
    assert NAME not in said


def test_an_export_is_on_record_and_names_nobody(street: Street, tmp_path: Path) -> None:
    two_days_of_everybody(street)
    made = personal_data.export(
        street.parts,
        PLATE,
        Asking(operator="li", origin="192.0.2.1", sites=None, identity=f"单 {VISITOR}", reason=f"{VISITOR} 车主申请"),
        tmp_path / "one.zip",
    )
    (request,) = rows(street, t.PersonalDataRequest)
    assert (request.state, request.sealed, request.identity) == ("exported", None, "单 [-]")
    assert bytes(request.digest) == Secrets(street.parts.settings.secret()).digest(PLATE)
    line = [one for one in rows(street, t.AuditEntry) if one.action == "personal_data.export"][-1]
    assert (line.operator, line.subject, line.reason, line.origin) == ("li", made.id, "[-] 车主申请", "192.0.2.1")


def test_of_somebody_unknown_there_is_nothing_to_hand_over(street: Street, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        personal_data.export(street.parts, PLATE, asking(), tmp_path / "one.zip")
    assert list(tmp_path.glob("*.zip")) == []


def test_an_account_sees_only_its_sites(street: Street, tmp_path: Path) -> None:
    two_days_of_everybody(street)
    with pytest.raises(NotFound):
        personal_data.export(street.parts, PLATE, asking(sites=frozenset({"elsewhere"})), tmp_path / "one.zip")
    proposed = personal_data.propose(street.parts, PLATE, asking())
    with pytest.raises(NotFound):
        personal_data.approve(street.parts, proposed["id"], operator="wu", origin="", sites=frozenset({"xinyi"}))


@pytest.mark.parametrize(
    ("plate", "household", "says"),
    [
        (None, None, "either"),
        ("浙A12345", "xinyi/3", "either"),
        ("x", None, "no number plate"),
        (None, "3-502", "SITE/ID"),
        (None, "xinyi/", "SITE/ID"),
    ],
)
def test_whom_it_is_about_has_to_be_said(plate: str | None, household: str | None, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        subject_of(plate, household)


@pytest.mark.parametrize("missing", ["identity", "reason"])
def test_identity_and_reason_are_asked_for(street: Street, tmp_path: Path, missing: str) -> None:
    visit(street, VISITOR, "2026-03-02")
    said = Asking(operator="li", origin="", sites=None, **{"identity": "a", "reason": "b", missing: "  "})
    with pytest.raises(Invalid, match=missing):
        personal_data.export(street.parts, PLATE, said, tmp_path / "one.zip")
