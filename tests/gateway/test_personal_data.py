"""A person's data: handed over whole, taken out whole, and the books hold as they did."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from billing.close import read_document
from controllers.events import Kind
from gateway.flows import audit, personal_data, personal_data_requests
from gateway.flows.personal_data import AlreadyDecided, Asking, SamePerson
from gateway.flows.personal_data_again import erase_again
from gateway.flows.personal_data_holds import StillNeeded
from gateway.flows.personal_data_subject import Secrets, Subject, subject_of
from gateway.flows.posting import day_bounds
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.verify import verify
from gateway.store import books as store_books
from gateway.store import tables as t
from gateway.store.scrub import scrub
from gateway.wiring import Parts
from tests.gateway.people import (
    CERTIFICATE,
    EVIDENCE,
    HOUSEHOLD,
    JPEG,
    NAME,
    OWN,
    RELATIVE,
    RELATIVES_NAME,
    VISITOR,
    a_household,
    days_later,
    found_in,
    put,
    rows,
    traces,
    visit,
)
from tests.gateway.trade import SHANGHAI, Street, local

BOOKS = {"ledger_transaction", "posting", "day_close", "payment", "site_books", "shift"}


@pytest.fixture
def street(parts: Parts) -> Street:
    return Street(parts)


def asking(operator: str = "li", *, sites: frozenset[str] | None = None, sees_low_income: bool = True) -> Asking:
    return Asking(
        operator=operator,
        origin="192.0.2.1",
        sites=sites,
        identity="核验单 2026-031",
        reason="本人申请",
        sees_low_income=sees_low_income,
    )


def handed_over(street: Street, subject: Subject, tmp_path: Path, **more: Any) -> dict[str, Any]:
    """The JSON of an export, with the names of its files under `files`."""
    out = tmp_path / f"{len(list(tmp_path.iterdir()))}.zip"
    personal_data.export(street.parts, subject, asking(**more), out)
    assert out.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(out) as archive:
        document: dict[str, Any] = json.loads(archive.read("data.json"))
        document["files"] = {name: archive.read(name) for name in archive.namelist()}
    return document


def erased(street: Street, subject: Subject) -> dict[str, Any]:
    proposed = personal_data.propose(street.parts, subject, asking("li"))
    return personal_data.approve(street.parts, proposed["id"], operator="wu", origin="192.0.2.2")


def books(street: Street) -> dict[str, list[str]]:
    with street.parts.store.reading() as connection:
        tables = t.Base.metadata.tables
        return {name: sorted(map(repr, connection.execute(select(tables[name])))) for name in BOOKS}


def two_days_of_everybody(street: Street) -> dict[str, str]:
    """Two closed days: the household comes and goes, a relative draws on its minutes, a visitor pays. Stays by plate."""
    a_household(street)
    stays = {plate: visit(street, plate, "2026-03-02", came=came) for plate, came in PEOPLE.items()}
    days_later(street, 1)
    visit(street, VISITOR, "2026-03-03")
    days_later(street, 1)
    traces(street)
    return stays


PEOPLE = {OWN: "07:00", RELATIVE: "08:00", VISITOR: "09:00"}
PLATE = Subject("plate", VISITOR)
HOME = Subject("household", HOUSEHOLD, "xinyi")


# --- the whole of it -------------------------------------------------------------------------------------------------


def test_after_everybody_is_erased_the_books_hold_and_nobody_is_left(street: Street, tmp_path: Path) -> None:
    """Days with money, closed; everybody handed over, then erased: `verify` passes and not a byte of anybody is in the file."""
    two_days_of_everybody(street)
    everybody = (OWN, RELATIVE, VISITOR, NAME, RELATIVES_NAME, CERTIFICATE, EVIDENCE)
    assert {OWN.encode(), NAME.encode()} <= found_in(street, *everybody) or street.parts.store.postgres
    for subject in (HOME, Subject("plate", RELATIVE), PLATE):
        assert handed_over(street, subject, tmp_path)["subject"] == str(subject)
    before, accounts = books(street), street.accounts()
    for subject in (Subject("plate", RELATIVE), HOME, PLATE):
        assert erased(street, subject)["state"] == "erased"
    street.parts.store.engine.dispose()
    scrubbed = scrub(street.parts.store)
    assert scrubbed is None or scrubbed.whole
    assert found_in(street, *everybody, f"household:{HOUSEHOLD}") == set()
    assert books(street) == before
    assert street.accounts() == accounts
    report = verify(street.parts)
    assert report.ok, report.first_failure
    assert report.checked["closes"] == 3
    assert report.checked["stays"] == 4


def test_the_street_goes_on_and_whoever_comes_again_is_a_stranger(street: Street) -> None:
    two_days_of_everybody(street)
    before = street.stays()
    erased(street, PLATE)
    new = visit(street, VISITOR, "2026-03-04")
    days_later(street, 1)
    assert street.stay(VISITOR).id == new
    assert {stay.id for stay in before} < {stay.id for stay in street.stays()}
    report = verify(street.parts)
    assert report.ok, report.first_failure


def test_an_open_day_is_closed_with_the_same_figures(street: Street) -> None:
    """Erased before its day is closed: openings and passages are counted all the same."""
    visit(street, VISITOR, "2026-03-02")
    for command in street.commands:
        street.deliver(street.result(command))
    street.clock.advance(minutes=11)
    day = day_bounds(local("2026-03-02 12:00").date(), SHANGHAI)
    with street.parts.store.reading() as connection:
        openings = store_books.openings(connection, "xinyi", *day)
    assert sum(openings.commanded.values()) == 1
    erased(street, PLATE)
    days_later(street, 1)
    (close,) = [one for one in rows(street, t.DayClose) if str(one.day) == "2026-03-02"]
    assert read_document(bytes(close.canonical)).openings == openings
    report = verify(street.parts)
    assert report.ok, report.first_failure
    events = [one for one in rows(street, t.PlateEventRow) if one.plate is not None or one.plate_raw is not None]
    assert events == []


def test_an_event_that_is_sent_again_after_the_erasure_changes_nothing(street: Street) -> None:
    """Its receipt was lost: the device sends it once more. It is receipted, and the plate does not come back."""
    street.clock.set(local("2026-03-02 09:00"))
    read = street.read("in-1", VISITOR, local("2026-03-02 09:00"))
    street.deliver(read)
    street.deliver(street.mark("in-1", Kind.PASSED, local("2026-03-02 09:00") + timedelta(seconds=5), read.event.id))
    street.arrives("out-1", VISITOR, "2026-03-02 09:20")
    street.goes("out-1", "2026-03-02 09:20", after=rows(street, t.PlateEventRow)[-1].event_id)
    days_later(street, 1)
    erased(street, PLATE)
    stays = street.stays()
    outcome = street.deliver(read)
    assert (outcome.repeats, street.quarantine()) == (1, [])
    assert street.stays() == stays
    assert VISITOR not in repr([rows(street, table) for table in (t.PlateEventRow, t.Stay, t.Quarantine)])


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


# --- two persons, and what stands in the way -------------------------------------------------------------------------


def test_nobody_erases_alone(street: Street) -> None:
    two_days_of_everybody(street)
    proposed = personal_data.propose(street.parts, PLATE, asking("li"))
    assert proposed["subject"] == VISITOR
    assert personal_data.propose(street.parts, PLATE, asking("zhao"))["id"] == proposed["id"]
    with pytest.raises(SamePerson):
        personal_data.approve(street.parts, proposed["id"], operator="li", origin="")
    done = personal_data.approve(street.parts, proposed["id"], operator="wu", origin="")
    assert (done["decided_by"], done["subject"]) == ("wu", None)
    assert done["done"]["stay"] == 2
    for again in ("wu", "zhao"):
        with pytest.raises(AlreadyDecided):
            personal_data.approve(street.parts, proposed["id"], operator=again, origin="")


def test_a_proposal_can_be_rejected_and_names_nobody_any_more(street: Street) -> None:
    two_days_of_everybody(street)
    proposed = personal_data.propose(street.parts, PLATE, asking("li"))
    done = personal_data.reject(street.parts, proposed["id"], operator="li", origin="", reason="申请人撤回")
    assert (done["state"], done["subject"]) == ("rejected", None)
    assert [one.sealed for one in rows(street, t.PersonalDataRequest)] == [None]
    assert street.stays()[-1].plate == VISITOR


def test_who_is_inside_is_not_erased(street: Street) -> None:
    visit(street, VISITOR, "2026-03-02")
    street.passes("in-1", VISITOR, "2026-03-03 09:00")
    street.clock.advance(hours=1)
    with pytest.raises(StillNeeded, match="inside") as refused:
        personal_data.propose(street.parts, PLATE, asking())
    assert [hold.why for hold in refused.value.holds] == ["inside"]
    assert VISITOR not in str(refused.value)


def test_who_came_back_since_the_proposal_is_not_erased(street: Street) -> None:
    visit(street, VISITOR, "2026-03-02")
    days_later(street, 1)
    proposed = personal_data.propose(street.parts, PLATE, asking())
    street.passes("in-1", VISITOR, "2026-03-04 09:00")
    street.clock.advance(hours=1)
    with pytest.raises(StillNeeded, match="inside"):
        personal_data.approve(street.parts, proposed["id"], operator="wu", origin="")
    assert street.stays()[0].plate == VISITOR
    assert [one.state for one in rows(street, t.PersonalDataRequest)] == ["proposed"]


def test_who_was_at_a_gate_a_moment_ago_is_not_erased(street: Street) -> None:
    visit(street, VISITOR, "2026-03-02")
    with pytest.raises(StillNeeded, match="10 minutes"):
        personal_data.propose(street.parts, PLATE, asking())


def test_who_owes_is_not_erased(street: Street) -> None:
    visit(street, VISITOR, "2026-03-02", pays=False)
    days_later(street, 1)
    with pytest.raises(StillNeeded, match="fen are owed") as refused:
        personal_data.propose(street.parts, PLATE, asking())
    assert "owes" in {hold.why for hold in refused.value.holds}


def test_who_is_in_dispute_is_not_erased(street: Street) -> None:
    stay = visit(street, VISITOR, "2026-03-02")
    days_later(street, 1)
    put(
        street,
        t.ExceptionItem,
        site_id="xinyi",
        id="x-1",
        kind="bill_disputed",
        subject=stay,
        state="open",
        opened_at=street.clock.now(),
        stay_id=stay,
    )
    with pytest.raises(StillNeeded, match="bill_disputed"):
        personal_data.propose(street.parts, PLATE, asking())
    with street.parts.store.writing() as connection:
        connection.execute(update(t.ExceptionItem).values(state="resolved", resolution=f"{VISITOR} 已解释"))
        connection.commit()
    erased(street, PLATE)
    assert rows(street, t.ExceptionItem) == []


def test_who_is_on_the_blocklist_is_not_erased(street: Street) -> None:
    visit(street, VISITOR, "2026-03-02")
    street.register("blocklist", {"plate": VISITOR, "reason": "逃费"})
    days_later(street, 1)
    with pytest.raises(StillNeeded, match="blocklist"):
        personal_data.propose(street.parts, PLATE, asking())


# --- what stays ------------------------------------------------------------------------------------------------------


def test_free_minutes_that_were_drawn_still_add_up(street: Street) -> None:
    a_household(street)
    visit(street, RELATIVE, "2026-03-02")
    days_later(street, 1)
    drawn = street.drawn(f"household:{HOUSEHOLD}", "2026-03")
    assert drawn == 120
    erased(street, HOME)
    balances = rows(street, t.AllowanceBalance)
    assert [(one.drawn_minutes, one.holder.startswith("household:#")) for one in balances] == [(120, True)]
    assert {one.holder for one in rows(street, t.AllowanceDraw)} == {one.holder for one in balances}
    assert verify(street.parts).ok


def test_a_line_about_the_household_is_about_nobody_afterwards(street: Street) -> None:
    a_household(street)
    for site, subject in (("xinyi", HOUSEHOLD), ("elsewhere", HOUSEHOLD), ("xinyi", "3-503")):
        audit.note(street.parts, operator="li", action="note", site=site, subject=subject)
    erased(street, HOME)
    said = sorted((one.site_id, one.subject) for one in rows(street, t.AuditEntry) if one.action == "note")
    assert said == [("elsewhere", HOUSEHOLD), ("xinyi", "3-503"), ("xinyi", "[-]")]


def test_what_only_grows_is_shut_for_everybody_else(street: Street) -> None:
    two_days_of_everybody(street)
    erased(street, PLATE)
    for statement in (
        "UPDATE audit_entry SET reason = ''",
        "UPDATE allowance_draw SET holder = 'x'",
        "DELETE FROM audit_entry",
        "UPDATE register_change SET reason = 'x'",
    ):
        with pytest.raises(DBAPIError, match="only ever grows"), street.parts.store.writing() as connection:
            connection.execute(text(statement))
    with street.parts.store.writing() as connection:
        connection.execute(text("INSERT INTO erasing (id, since) VALUES ('x', :since)"), {"since": since_of(street)})
        with pytest.raises(DBAPIError, match="only ever grows"):
            connection.execute(text("UPDATE audit_entry SET operator = 'x'"))
    assert rows(street, t.Erasing) == []


def since_of(street: Street) -> Any:
    now = street.clock.now()
    return now if street.parts.store.postgres else 0


def test_the_gates_lists_lose_the_vehicle(street: Street) -> None:
    from gateway.flows.offline_list import current_lists

    a_household(street)
    visit(street, OWN, "2026-03-02")
    current_lists(street.parts)
    assert OWN in rows(street, t.OfflineList)[0].entries
    days_later(street, 1)
    erased(street, HOME)
    assert rows(street, t.OfflineList)[0].entries == {}


def test_a_second_erasure_of_the_same_person_finds_nothing(street: Street) -> None:
    two_days_of_everybody(street)
    erased(street, PLATE)
    with pytest.raises(NotFound):
        personal_data.propose(street.parts, PLATE, asking())


# --- after a restore -------------------------------------------------------------------------------------------------


def test_whoever_was_erased_after_the_copy_was_made_is_erased_again(street: Street) -> None:
    two_days_of_everybody(street)
    digests = [Secrets(street.parts.settings.secret()).digest(one) for one in (PLATE, HOME)]
    unknown = Secrets("another secret, of another street").digest(Subject("plate", RELATIVE))
    assert erase_again(street.parts, [*digests, unknown], operator="wu", origin="") == (2, 0)
    assert {stay.plate[0] for stay in street.stays()} == {"#", RELATIVE[0]}
    assert erase_again(street.parts, digests, operator="wu", origin="") == (0, 0)
    assert verify(street.parts).ok


def test_the_register_of_requests_is_listed_and_pages(street: Street) -> None:
    two_days_of_everybody(street)
    personal_data.propose(street.parts, PLATE, asking())
    street.clock.advance(minutes=1)
    personal_data.propose(street.parts, HOME, asking())
    first = personal_data_requests.listed(street.parts, None, "proposed", None, 1)
    assert len(first) == 2
    key, document = first[0]
    assert document["subject"] == f"xinyi/{HOUSEHOLD}"
    ((_, last),) = personal_data_requests.listed(street.parts, None, "proposed", key, 1)
    assert last["subject"] == VISITOR
