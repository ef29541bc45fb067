"""亲属 by household: how many at once, and that two households may name the same vehicle."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.policy import PolicyError, parse
from gateway.flows import estate, policies, registers, registers_edit
from gateway.flows.refusals import Invalid
from gateway.flows.registers_edit import Request
from gateway.flows.registers_limits import peak
from gateway.wiring import Parts
from tests.gateway.house import site_file
from tests.gateway.routes import entry_id
from tests.gateway.test_registers import POLICY, counts, importing

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
LIMIT = '[relative_allowance]\nminutes_per_month = 3600\nper = "household"\nrelations = ["parent"]\nvehicles_max = 2\n'
HEADING = "site,household,plate,relation,valid_from,valid_to"
ASKS = Request(operator="rita", source="api", origin="", reason="asked for", sites=None)


@pytest.fixture
def street(parts: Parts) -> Parts:
    estate.apply(parts, site_file("xinyi"))
    policies.apply(parts, POLICY + LIMIT)
    assert importing(parts, "households", "site,household", "xinyi,101", "xinyi,102").ok
    return parts


def relative(number: int, household: str = "101", **more: str) -> dict[str, str]:
    proof = {"resident": "张三", "evidence": "户口簿 12", "approver": "王五"}
    return {"site": "xinyi", "household": household, "plate": f"浙B{number:05d}", "relation": "parent", **proof, **more}


def test_the_row_that_is_too_many_is_named(street: Parts) -> None:
    lines = [f"xinyi,101,浙B0000{number},parent,," for number in range(1, 4)]
    report = importing(street, "relatives", HEADING, *lines, "xinyi,102,浙B00003,parent,,")
    (problem,) = report.problems
    assert problem.line == 4
    assert "101" in problem.reason
    assert "more than 2" in problem.reason
    assert "vehicles_max" in problem.reason
    assert counts(importing(street, "relatives", HEADING, *lines[:2])) == (2, 0, 0)
    assert counts(importing(street, "relatives", HEADING, *lines[:2])) == (0, 0, 2)
    assert not importing(street, "relatives", HEADING, lines[2]).ok


def test_one_after_the_other_is_not_at_once(street: Parts) -> None:
    report = importing(
        street,
        "relatives",
        HEADING,
        "xinyi,101,浙B00001,parent,,2026-03-31",
        "xinyi,101,浙B00002,parent,,",
        "xinyi,101,浙B00003,parent,2026-04-01,",
    )
    assert counts(report) == (3, 0, 0)
    assert not importing(street, "relatives", HEADING, "xinyi,101,浙B00004,parent,2026-03-31,2026-03-31").ok


@on_one_database
def test_who_has_ended_makes_place(street: Parts) -> None:
    for number in (1, 2):
        registers_edit.add(street, "relatives", relative(number), ASKS)
    with pytest.raises(Invalid, match="more than 2"):
        registers_edit.add(street, "relatives", relative(3), ASKS)
    registers_edit.end(
        street, "relatives", entry_id("relatives", {"plate": "浙B00001", "household_id": "101"}), None, ASKS
    )
    registers_edit.add(street, "relatives", relative(3), ASKS)
    # The one that has ended may be corrected, but does not come back beyond the limit.
    first = entry_id("relatives", {"plate": "浙B00001", "household_id": "101"})
    registers_edit.alter(street, "relatives", first, {"evidence": "户口簿 13"}, ASKS)
    with pytest.raises(Invalid, match="more than 2"):
        registers_edit.alter(street, "relatives", first, {"valid_to": ""}, ASKS)


@on_one_database
def test_a_vehicle_may_be_a_relative_of_two_households(street: Parts) -> None:
    registers_edit.add(street, "relatives", relative(1), ASKS)
    registers_edit.add(street, "relatives", relative(1, "102"), ASKS)
    assert importing(street, "relatives", HEADING, "xinyi,102,浙B00001,child,,").ok


@on_one_database
def test_a_stricter_policy_leaves_who_is_registered(street: Parts, clock: Any) -> None:
    for number in (1, 2):
        registers_edit.add(street, "relatives", relative(number), ASKS)
    stricter = (POLICY + LIMIT).replace("vehicles_max = 2", "vehicles_max = 1").replace("version = 1", "version = 2")
    policies.apply(street, stricter.replace("2025-01-01", "2026-03-05"))
    clock.set(datetime(2026, 3, 6, tzinfo=UTC))
    rows = [relative(number) for number in (1, 2)]
    assert registers.import_rows(street, "relatives", rows).unchanged == 2
    with pytest.raises(Invalid, match="more than 1"):
        registers_edit.add(street, "relatives", relative(3), ASKS)


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_registrars_at_once_do_not_pass_the_limit(street: Parts) -> None:
    registers_edit.add(street, "relatives", relative(1), ASKS)
    start = threading.Barrier(6)
    refused: list[str] = []

    def one(number: int) -> None:
        start.wait()
        try:
            registers_edit.add(street, "relatives", relative(number), ASKS)
        except Invalid as error:
            refused.append(str(error))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(2, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 5


@pytest.mark.parametrize("wrong", ["0", "-1", "1.5", '"two"', "true"])
def test_a_limit_is_a_whole_number(wrong: str) -> None:
    with pytest.raises(PolicyError, match="vehicles_max"):
        parse(POLICY + LIMIT.replace("vehicles_max = 2", f"vehicles_max = {wrong}"))


HOURS = st.integers(0, 40)
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.lists(st.tuples(HOURS, HOURS), min_size=1, max_size=8), st.tuples(HOURS, HOURS), HOURS)
def test_the_peak_is_that_of_every_hour(spans: list[tuple[int, int]], within: tuple[int, int], since: int) -> None:
    def instants(span: tuple[int, int]) -> tuple[datetime, datetime]:
        return BEGINNING + timedelta(hours=min(span)), BEGINNING + timedelta(hours=max(span) + 1)

    periods = [instants(span) for span in spans]
    window, first = instants(within), BEGINNING + timedelta(hours=since)
    hours = [BEGINNING + timedelta(hours=hour) for hour in range(42)]
    seen = [
        sum(start <= hour < end for start, end in periods)
        for hour in hours
        if max(window[0], first) <= hour < window[1]
    ]
    if seen:
        assert peak(periods, window, first) == max(seen)
