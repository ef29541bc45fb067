"""Certificates: shown masked, reviewed every so many months, and a list of what is due."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.flows import estate, policies, registers, registers_edit
from gateway.flows import registers_entries as entries
from gateway.flows.reading import Slice
from gateway.flows.refusals import Invalid
from gateway.flows.registers_edit import Request
from gateway.wiring import Parts
from tests.gateway.house import site_file, with_settings
from tests.gateway.routes import entry_id
from tests.gateway.test_registers import POLICY, importing

ASKS = Request(operator="rita", source="api", origin="", reason="papers seen", sites=None)
REVIEWED = POLICY + '[low_income]\nexempts = ["parking"]\nreview_months = 6\n'


@pytest.fixture
def street(parts: Parts) -> Parts:
    estate.apply(parts, site_file("xinyi", "archive"))
    policies.apply(parts, REVIEWED)
    households = [{"site": site, "household": number} for site in ("xinyi", "archive") for number in ("101", "102")]
    assert registers.import_rows(parts, "households", households).ok
    return parts


def certify(parts: Parts, *lines: str) -> None:
    heading = "site,household,number,issuer,valid_from,valid_to"
    assert importing(parts, "certificates", heading, *lines).ok


def due(parts: Parts, day: str, site: str | None = None) -> list[tuple[str, str]]:
    wanted = entries.Filter(due=date.fromisoformat(day), site=site)
    with parts.store.reading() as connection:
        how = entries.shown(connection, parts, "certificates")
        found = entries.listed(connection, "certificates", None, wanted, Slice(None, 100), how)
    return [(one["number"], one["review_due"]) for _, one in found]


def test_what_is_due_is_listed_until_it_is_reviewed(street: Parts, clock: Any) -> None:
    certify(street, "xinyi,101,HZ-000-111,民政局,2025-09-30,", "xinyi,102,HZ-000-222,民政局,2025-12-01,")
    assert due(street, "2026-03-29") == []
    assert due(street, "2026-03-30") == [("····-111", "2026-03-30")]
    assert due(street, "2026-06-01") == [("····-111", "2026-03-30"), ("····-222", "2026-06-01")]
    clock.set(datetime(2026, 3, 29, 16, 30, tzinfo=UTC))  # already the 30th in Hangzhou
    reviewed = registers_edit.review(street, entry_id("certificates", {"id": 1}), None, ASKS)
    assert (reviewed["reviewed_at"], reviewed["review_due"]) == (clock.now(), "2026-09-30")
    assert due(street, "2026-06-01") == [("····-222", "2026-06-01")]
    assert due(street, "2026-09-30", "archive") == []


def test_what_has_ended_is_not_due_and_not_reviewed(street: Parts, clock: Any) -> None:
    certify(street, "xinyi,101,HZ-000-111,民政局,2025-09-01,2026-03-31")
    assert len(due(street, "2026-03-31")) == 1
    clock.set(datetime(2026, 4, 1, tzinfo=UTC))
    assert due(street, "2026-12-31") == []
    with pytest.raises(Invalid, match="does not hold"):
        registers_edit.review(street, entry_id("certificates", {"id": 1}), None, ASKS)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_review_may_give_another_end(street: Parts) -> None:
    certify(street, "xinyi,101,HZ-000-111,民政局,2025-09-01,2026-03-31")
    certificate = entry_id("certificates", {"id": 1})
    extended = registers_edit.review(street, certificate, "2026-12-31", ASKS)
    assert extended["valid_to"] == datetime(2026, 12, 31, 16, tzinfo=UTC)
    with pytest.raises(Invalid, match="2026-02-02 00:00:00 is past"):  # by the clock on the wall
        registers_edit.review(street, certificate, "2026-02-01", ASKS)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_where_the_policy_asks_for_none_none_is_due(street: Parts) -> None:
    policies.apply(street, REVIEWED.replace("hushu-residential", "other").replace("review_months = 6\n", ""))
    with street.store.writing() as connection:
        connection.exec_driver_sql("UPDATE site SET policy_id = 'other' WHERE id = 'archive'")
        connection.commit()
    certify(street, "archive,101,HZ-000-111,民政局,2025-01-01,", "xinyi,101,HZ-000-222,民政局,2025-01-01,")
    assert [number for number, _ in due(street, "2027-01-01")] == ["····-222"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_streets_own_rules_have_certificates_looked_at_each_year(parts: Parts) -> None:
    estate.apply(parts, site_file("xinyi"))
    policies.apply(parts, (Path(__file__).parents[2] / "rules" / "hushu.toml").read_text("utf-8"))
    assert registers.import_rows(parts, "households", [{"site": "xinyi", "household": "101"}]).ok
    certify(parts, "xinyi,101,HZ-000-111,民政局,2026-02-01,")
    assert due(parts, "2027-01-31") == []
    assert due(parts, "2027-02-01") == [("····-111", "2027-02-01")]


@pytest.mark.parametrize("number", ["1", "12", "123", "12345678", "浙民低保字第 42 号"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_never_more_than_half_of_a_number_is_shown(street: Parts, number: str) -> None:
    certify(street, f"xinyi,101,{number},民政局,,")
    with street.store.reading() as connection:
        row = entries.find(connection, "certificates", entry_id("certificates", {"id": 1}), None)
        shown = entries.document(
            entries.REGISTERS["certificates"], row, entries.shown(connection, street, "certificates")
        )
        other = with_settings(street, secret_key="quite another secret key")
        how = entries.shown(connection, other, "certificates")
        lost = entries.document(entries.REGISTERS["certificates"], row, how)
    end = shown["number"].removeprefix(entries.MASK)
    assert number.endswith(end)
    assert len(end) <= len(number) / 2
    assert lost["number"] == entries.MASK


@given(st.dates(date(2000, 1, 1), date(2100, 12, 31)), st.integers(1, 120))
def test_the_newest_day_that_is_due_is_the_last_that_is(due_on: date, months: int) -> None:
    newest = entries.newest_due(due_on, months)
    assert entries.later(newest, months) <= due_on
    assert entries.later(date.fromordinal(newest.toordinal() + 1), months) > due_on
