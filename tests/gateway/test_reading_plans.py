"""What pages ask of tables that grow goes by indexes: the newest stays, a part of a plate, the audit trail, cases of vehicles that stand."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, insert

from gateway.api import access
from gateway.console.desk.sections import PAGES
from gateway.flows import arrears, audit_trail, doors_reading, help_calls, stays_found, zombies
from gateway.flows.reading import Slice
from gateway.flows.stays_found import StayFilter
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import MORNING, a_house, a_read, a_stay, an_exception
from tests.gateway.test_console import signed_in

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PAGE = Slice((MORNING, "9"), 50)
GROWING = "stay|presence|audit_entry|zombie_vehicle|door_passage"
XINYI = frozenset({"xinyi"})


def plan(parts: Parts, asked: Callable[[Connection], Any]) -> str:
    """How SQLite goes about every statement that is sent."""
    seen: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    with parts.store.reading() as connection:
        event.listen(connection, "before_cursor_execute", note)
        asked(connection)
        event.remove(connection, "before_cursor_execute", note)
        return "\n".join(
            str(row[3])
            for statement, parameters in seen
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        )


ASKED: dict[str, Callable[[Connection], Any]] = {
    "the newest stays of all sites": lambda c: stays_found.stays(c, None, StayFilter(), PAGE),
    "a part of a plate": lambda c: stays_found.stays(c, XINYI, StayFilter(plate="123"), PAGE),
    "who is inside": lambda c: stays_found.stays(c, XINYI, StayFilter(state="inside"), PAGE),
    "an unusual state": lambda c: stays_found.stays(c, XINYI, StayFilter(state="no_entry"), PAGE),
    "whose call it is": lambda c: stays_found.stays(c, XINYI, StayFilter(plate="无牌", state="inside"), PAGE),
    "what is owed at all sites": lambda c: arrears.owed(c, None, PAGE),
    "the trail": lambda c: audit_trail.search(c, None, audit_trail.TrailFilter(), PAGE, truly=True),
    "what one person did": lambda c: audit_trail.search(
        c, None, audit_trail.TrailFilter(operator="kim"), PAGE, truly=False
    ),
    "what became of one account": lambda c: audit_trail.search(
        c, None, audit_trail.TrailFilter(subject="kim"), PAGE, truly=False
    ),
    "who passed a small gate": lambda c: doors_reading.passages(c, frozenset({"xinyi"}), PAGE),
    "vehicles that stand": lambda c: zombies.listed(c, frozenset({"xinyi"}), PAGE, state="open", now=MORNING),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_page_reads_its_own_rows(parts: Parts, name: str) -> None:
    a_house(parts)
    found = plan(parts, ASKED[name])
    # A table that grows is looked up, or gone through in the order of an index until the page is full.
    assert re.search(rf"(SEARCH|SCAN) ({GROWING})", found), found
    assert not re.findall(rf"^SCAN (?:{GROWING})(?:_\d+)?$", found, re.MULTILINE), found
    if "stays" in name:
        assert "USING COVERING INDEX ix_stay_started (site_id=? AND started_at<?)" in found, found
    if "owed" in name:
        assert "USING INDEX ix_stay_owed (site_id=? AND started_at<?)" in found, found
        assert "TEMP B-TREE" not in found, found
    if "plate" in name:
        assert "SEARCH presence USING COVERING INDEX sqlite_autoindex_presence_1 (site_id=?)" in found, found
        assert "USING INDEX ix_stay_vehicle (site_id=? AND plate=?" in found, found
    if "inside" in name:
        assert "USING INDEX uq_stay_one_inside (site_id=?" in found, found
    if "unusual" in name:
        assert "USING COVERING INDEX ix_stay_unusual (site_id=? AND state=? AND started_at<?" in found, found
    if "did" in name:
        assert "ix_audit_entry_operator (operator=? AND at<?)" in found, found
    if "became" in name:
        assert "ix_audit_entry_subject (subject=? AND at<?)" in found, found


@pytest.mark.parametrize("owing", [0, 1])
def test_what_is_owed_goes_by_its_index_also_where_all_is_counted(parts: Parts, owing: int) -> None:
    a_house(parts)
    for number in range(20):
        a_stay(parts, f"xinyi.s{number:03d}", f"浙A{number:05d}", at=MORNING + timedelta(minutes=number))
    with parts.store.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE stay SET state = 'left', payable_fen = 800, paid_fen = ?", ((1 - owing) * 800,)
        )
        connection.exec_driver_sql("ANALYZE")
        connection.commit()
    found = plan(parts, lambda c: arrears.owed(c, None, Slice(None, 50)))
    assert "SEARCH stay USING INDEX ix_stay_owed (site_id=?)" in found, found
    assert "ix_stay_started" not in found, found
    assert "TEMP B-TREE" not in found, found


def test_who_has_no_site_sees_no_stay(parts: Parts) -> None:
    with parts.store.reading() as connection:
        assert stays_found.stays(connection, frozenset(), StayFilter(), PAGE) == []


def test_many_vehicles_and_few_are_found_alike(parts: Parts) -> None:
    a_house(parts)
    for number in range(130):
        a_stay(parts, f"xinyi.s{number:03d}", f"浙A{number:05d}", at=MORNING + timedelta(minutes=number))
    with parts.store.reading() as connection:
        page = Slice(None, 4)
        many = stays_found.stays(connection, None, StayFilter(plate="浙A"), page)
        assert [one["plate"] for _, one in many] == [f"浙A{number:05d}" for number in range(129, 124, -1)]
        few = stays_found.stays(connection, None, StayFilter(plate="0012"), Slice(None, 20))
        assert [one["plate"] for _, one in few] == [f"浙A{number:05d}" for number in range(129, 119, -1)] + ["浙A00012"]
        onward = stays_found.stays(connection, None, StayFilter(plate="0012"), Slice(few[2][0], 20))
        assert [one["plate"] for _, one in onward] == [one["plate"] for _, one in few[3:]]


GROWS = (
    "stay|presence|plate_event|image|command|bill|payment|payment_order|posting|ledger_transaction|audit_entry|door_passage|zombie_vehicle|"
    "exception_item|allowance_draw|voucher_movement|reconciliation_step|day_sum|lane_sum|income_sum|account_sum|balance_sum|device_spell"
)


def days_are_summed(parts: Parts) -> None:
    """As far as the job would have got, but for today."""
    last = MORNING.astimezone(parts.settings.zone).date() - timedelta(days=1)
    with parts.store.writing() as connection:
        kept = {"zone": parts.settings.zone.key, "through": last, "books_through": last}
        connection.execute(insert(t.Summed), [{"site_id": site, **kept} for site in ("xinyi", "archive")])
        connection.commit()


def test_no_page_goes_through_all_that_ever_was(parts: Parts) -> None:
    """Every page that a role's navigation names, and those that one comes to from there, by all that they ask."""
    house = a_house(parts)
    stay = a_stay(parts, "xinyi.s1", entry_device="d1", entry_event="e1", state="inside")
    a_read(parts, "xinyi", "e1", "浙A12345")
    an_exception(parts, "xinyi", "x1", help_calls.KIND, lane_id="out-1")
    days_are_summed(parts)
    further = (
        f"/stays/{stay}",
        "/stays?plate=23&state=inside",
        "/stays?state=exception",
        "/events/xinyi/d1/e1",
        "/queue/x1/stay",
        "/allowances/of?site=xinyi&plate=浙A12345",
        "/vouchers/stock",
        "/admin/sites/xinyi",
        "/lanes/xinyi.in-1",
        "/money/trial-balance?by=site&balances=yes&from=2025-04-01&to=2026-03-01",
        "/api/v1/reports/trial-balance?at=2026-01-01",
        "/api/v1/reports/movements?by=month&from=2025-04-01&to=2026-03-01",
    )
    seen: dict[str, tuple[str, Any]] = {}
    asked: set[str] = set()
    now = ""

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "WITH")):
            seen.setdefault(statement, (now, parameters))

    for role in ("finance", "manager", "registrar", "console"):
        house.hires(role, role)
        browser = signed_in(house, role)
        event.listen(Engine, "before_cursor_execute", note)
        try:
            for now in [*(one.where for one in PAGES if access.allowed(role, *one.call)), *further]:
                if now not in asked and browser.get(now).status_code == 200:
                    asked.add(now)
        finally:
            event.remove(Engine, "before_cursor_execute", note)
    assert set(further) <= asked
    with parts.store.reading() as connection:
        through = {
            (page, statement): found
            for statement, (page, parameters) in seen.items()
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            if re.fullmatch(rf"SCAN (?:{GROWS})(?:_\d+)?", found := str(row[3]))
        }
    assert through == {}
