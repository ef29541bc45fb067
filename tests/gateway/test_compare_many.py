"""Comparing policies over many stays: what processes share out is what one of them counts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from billing.benefits import Benefits
from billing.bill import StayToPrice
from billing.compare import Raw, Repriced
from billing.compare_many import Cell, Counted, Sums, count, shares
from billing.compare_totals import document
from billing.policy import RelativeAllowance, parse
from gateway.cli.bench.month import Month
from gateway.cli.bench.report import Progress
from gateway.cli.bench.street import Layout, furnish
from gateway.cli.demo.house import rule_file
from gateway.flows import compare as comparing
from gateway.flows import compare_work
from gateway.wiring import Parts
from tests.gateway.recorded import DEARER, OLD

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
LAYOUT = Layout(sites=4, lanes=2, residents=0, relatives=0, deliveries=0)


def many(number: int, sites: int = 4) -> list[Raw]:
    """Recorded stays as rows have them: visitors of every length, every tenth a relative."""
    start = datetime(2026, 3, 1, tzinfo=UTC)
    raws = []
    for place in range(number):
        entry = start + timedelta(minutes=(place * 37) % (30 * 1440))
        leaves = entry + timedelta(minutes=5 + (place * 7919) % 900)
        allowance = {"2026-03": 3600, "2026-04": 3600} if place % 10 == 0 else None
        stay = {"entry": entry.isoformat(), "exit": leaves.isoformat(), "vehicle": "small"}
        facts = json.dumps({"stay": stay, "benefits": {"allowance": allowance}})
        households = (f"h{place % 500}",) if allowance else ()
        raws.append(
            Raw(
                id=f"s{place}", site=f"s{place % sites}", key=f"p{place % 9000}", party=f"p{place % 9000}", entry=entry,
                exit=leaves, facts=facts, shown="ordinary", households=households, relation="parent" if allowance else None,
                grace_days={}, limit_minutes=3600, came_before=0, paid_early_at=None, booked_gross_fen=0, booked_payable_fen=0,
                counted=True,
            )
        )  # fmt: skip
    return sorted(raws, key=lambda raw: (raw.exit, raw.id))


def test_two_processes_say_what_one_says() -> None:
    raws = many(compare_work.ALONE_MAX + 500)
    assert {raw.site for share in shares(raws, 2) for raw in share} == {"s0", "s1", "s2", "s3"}
    two = compare_work.run([OLD], [DEARER], "2026-03", raws)
    one = count([parse(OLD)], [parse(DEARER)], "2026-03", raws)
    assert two.cells == one.cells
    assert (two.old_waived, two.new_waived, two.left_out) == (one.old_waived, one.new_waived, one.left_out)
    assert {key: example.stays for key, example in two.examples.items()} == {
        key: example.stays for key, example in one.examples.items()
    }


def test_a_month_priced_again_by_its_own_policy_comes_to_the_fen(parts: Parts) -> None:
    """Visitors, relatives on allowances that run out, passes, a free class: each bill as it was recorded, and the books."""
    furnished, _ = furnish(parts.settings, LAYOUT)
    try:
        billed = parse(rule_file("hushu.toml"))
        tight = replace(billed, relative_allowance=RelativeAllowance(60, "household", ("parent",)))
        Month(furnished, LAYOUT, tight, datetime(2026, 3, 1, tzinfo=furnished.settings.zone)).write(700, Progress(None))
        text = rule_file("hushu.toml").replace("minutes_per_month = 3600", "minutes_per_month = 60")
        with furnished.store.reading() as connection:
            found = comparing.compare(
                furnished, connection, comparing.of_text("old", text), comparing.of_text("new", rule_file("hushu.toml")),
                from_day=date(2026, 3, 1), to_day=date(2026, 3, 31),
            )  # fmt: skip
    finally:
        furnished.store.close()
    books = found["books"]
    assert (books["reproduced"], books["stays"], books["stays_as_booked"]) == (True, 700, 700)
    assert books["priced_again_fen"] == found["total"]["old_payable_fen"] == books["payable_fen"] > 0
    assert {row["name"] for row in found["by_group"]} == {"visitor", "relative", "resident", "free_class"}
    assert found["total"]["pay_more"] == {"stays": 0, "fen": 0}
    assert found["total"]["pay_less"]["stays"] > 0


def cell(hour: int, more: int, same: int) -> tuple[Cell, Sums]:
    """An hour in which so many households pay 100 fen more and so many the same."""
    sums = Sums()
    for number in range(more + same):
        new_fen = 500 if number < more else 400
        old = Repriced(1, StayToPrice(AT, AT), Benefits(), 400, 400, {})
        sums.take(("s", f"{hour}-{number}"), old, old._replace(gross_fen=new_fen, payable_fen=new_fen))
    return Cell("s", "visitor", "small", hour, "≤1h"), sums


def test_who_pays_more_is_said_of_ten_households_and_more_and_cannot_be_reckoned_from_the_others() -> None:
    counted = Counted(cells=dict([cell(8, 30, 5), cell(9, 3, 20), cell(10, 12, 0), cell(11, 0, 40)]))
    found = document(counted, (), ())
    assert found["total"]["pay_more"] == {"stays": 45, "fen": 4500}
    hours = {row["name"]: row["pay_more"] for row in found["by_hour"]}
    # Of 9 o'clock's three nothing is said; with 10 o'clock's twelve left out as well they are no difference of two sums.
    assert hours == {"08": {"stays": 30, "fen": 3000}, "09": None, "10": None, "11": {"stays": 0, "fen": 0}}
    assert [row["change_fen"] for row in found["by_hour"]] == [3000, 300, 1200, 0]


def test_where_the_total_does_not_say_it_no_row_does() -> None:
    found = document(Counted(cells=dict([cell(8, 1, 30), cell(9, 0, 30)])), (), ())
    rows = [found["total"], *found["by_hour"]]
    assert [row["pay_more"] for row in rows] == [None, None, None]
    assert [row["pay_the_same"] for row in rows] == [None, None, None]
    assert found["total"]["change_fen"] == 100
