"""Differences month by month: each once, by what became of it, with its age; the page, its files, and who may."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from gateway.flows import breaks_months as flow
from gateway.flows.reports.asking import Period
from gateway.wiring import Parts
from tests.gateway.test_breaks_api import Office
from tests.gateway.test_console import signed_in

pytestmark = pytest.mark.filterwarnings("error")
WHERE = "/money/breaks-by-month"
API = "/api/v1/reports/breaks/months"


@pytest.fixture
def office(parts: Parts) -> Office:
    """In March: one open, one written off, one that cleared by itself, vouchers; in February one that is open since."""
    office = Office(parts)
    desk = office.desk_of_breaks
    desk.found("amount_mismatch", -300)
    desk.settles(given_up := desk.found("amount_mismatch", -400))
    desk.approves(given_up)
    desk.found("voucher_count", 0, channel="", amount_fen=3)
    desk.found("cut_off", -500, state="cleared", ended_at=desk.clock.now())
    desk.found("channel_only", 700, day=date(2026, 2, 10))
    return office


def test_each_is_counted_once_by_what_became_of_it(office: Office) -> None:
    parts = office.desk_of_breaks.parts
    days = Period(date(2026, 1, 1), date(2026, 3, 31), parts.settings.zone)
    today = date(2026, 3, 12)
    with parts.store.reading() as connection:
        rows = flow.by_month(connection, None, days, today)
        elsewhere = flow.by_month(connection, frozenset({"nowhere"}), days, today)
    assert elsewhere == []
    found = {(one.month, one.kind): one for one in rows}
    assert [one.month for one in rows] == ["2026-03"] * 3 + ["2026-02"], "the newest month first"
    of = found["2026-03", "amount_mismatch"]
    assert (of.count, of.amount_fen, of.open, of.open_fen, of.written_off, of.written_off_fen) == (
        2,
        700,
        1,
        300,
        1,
        400,
    )
    assert (found["2026-03", "cut_off"].cleared, found["2026-03", "cut_off"].open) == (1, 0)
    assert (found["2026-03", "voucher_count"].open, found["2026-03", "voucher_count"].amount_fen) == (1, 0)
    old = found["2026-02", "channel_only"]
    assert (old.open_up_to_30, old.oldest_days) == (1, 30)
    for one in [*rows, flow.summed(rows)]:
        assert one.count == one.cleared + one.matched + one.adjusted + one.written_off + one.open
        assert one.open == one.open_up_to_7 + one.open_up_to_30 + one.open_up_to_90 + one.open_older
    assert (flow.summed(rows).count, flow.summed(rows).oldest_days) == (5, 30)


def test_the_page_its_files_and_who_may(office: Office) -> None:
    finance = signed_in(office, "zhao")
    page = finance.get(WHERE).text
    for said in ("差异月报", "2026-03", "2026-02", "金额不一致", "¥7.00", "核销金额"):
        assert said in page, said
    february = finance.get(f"{WHERE}?month=2026-02").text
    assert "渠道有账面无" in february
    assert "反复出现" in february
    csv = finance.get(f"{WHERE}?format=csv").content.decode("utf-8-sig").splitlines()
    assert csv[0].startswith("month,kind,count,amount_fen,cleared,")
    assert len(csv) == 5
    assert finance.get(f"{WHERE}?format=xlsx").content[:2] == b"PK"
    assert finance.get(f"{WHERE}?from=soon").status_code == 422
    assert finance.get(f"{WHERE}?month=2026-13").status_code == 422
    assert "没有对账差异" in finance.get(f"{WHERE}?from=2025-01-01&to=2025-01-31").text
    items: Any = office.as_("zhao").get(API).json()["items"]
    assert (len(items), items[0]["month"]) == (4, "2026-03")
    assert office.as_("qian").get(API, site="nowhere").status_code == 403
