"""A person's data taken out whole: the books hold as they did, and nobody is left."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing.close import read_document
from controllers.events import Kind
from gateway.flows import audit, personal_data, personal_data_requests
from gateway.flows.personal_data_again import erase_again
from gateway.flows.personal_data_subject import Secrets, Subject
from gateway.flows.posting import day_bounds
from gateway.flows.refusals import NotFound
from gateway.flows.verify import verify
from gateway.store import books as store_books
from gateway.store import tables as t
from gateway.store.scrub import scrub
from tests.gateway.people import (
    CERTIFICATE,
    EVIDENCE,
    HOUSEHOLD,
    NAME,
    OWN,
    RELATIVE,
    RELATIVES_NAME,
    VISITOR,
    a_household,
    days_later,
    found_in,
    rows,
    visit,
)
from tests.gateway.privacy import HOME, PLATE, asking, books, erased, handed_over, two_days_of_everybody
from tests.gateway.trade import SHANGHAI, Street, local

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
