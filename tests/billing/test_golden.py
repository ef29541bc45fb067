"""The worked bills of `tests/golden/bills.md`: the very file that people read, row by row."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing.benefits import Benefits, PassPeriod, parse_voucher
from billing.bill import Bill, CalendarUnknown, StayToPrice, price
from billing.compare import Raw, Recorded, World
from billing.money import fen_of_yuan
from billing.policy import Policy, parse
from billing.settle import Prepaid, rebill
from tests.property.naive_biller import naive_bill

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "bills.md"
ZONE = ZoneInfo("Asia/Shanghai")
HEAD = '[policy]\nid = "golden"\nversion = 1\neffective_from = 2026-01-01T00:00:00+08:00\ntimezone = "Asia/Shanghai"\n'
COLUMNS = ["#", "stay", "has", "price", "due", "used", "why"]


@dataclass
class Row:
    section: str
    policy: str  # TOML
    number: str
    entry: datetime
    leaves: datetime
    has: list[str]
    price: str
    due: str
    used: list[str]
    stay: dict[str, Any] = field(default_factory=dict)
    benefits: dict[str, Any] = field(default_factory=dict)
    paid_at: datetime | None = None
    first: tuple[datetime, datetime] | None = None  # of a stay that goes on: first entry, and when it left then


def instant(text: str, day: datetime | None = None) -> datetime:
    """`2026-11-20 09:00`, `11-20 09:00`, or with the day of another `09:00`; seconds may follow."""
    clock = text.rpartition(" ")[2]
    date = text.rpartition(" ")[0] or (f"{day:%Y-%m-%d}" if day else "")
    date = date if len(date) > len("11-20") else f"2026-{date}"
    return datetime.fromisoformat(f"{date}T{clock}").replace(tzinfo=ZONE)


def policy_of(section: str) -> str:
    named = re.search(r"^Policy: `([^`]+)`", section, re.MULTILINE)
    if named:
        return (ROOT / named[1]).read_text(encoding="utf-8")
    block = re.search(r"```toml\n(.*?)```", section, re.DOTALL)
    assert block, section
    top = "".join(re.findall(r"^free_day = .*\n", block[1], re.MULTILINE))
    step = "".join(f"payable_step_fen = {fen}\n" for fen in re.findall(r"^step = (\d+)$", block[1], re.MULTILINE))
    rest = re.sub(r"^(free_day|step) = .*\n", "", block[1], flags=re.MULTILINE)
    return f"{top}{HEAD}{step}{rest}"


def rows() -> Iterator[Row]:
    text = GOLDEN.read_text(encoding="utf-8")
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title = section.splitlines()[0]
        policy = policy_of(section)
        table = [line for line in section.splitlines() if line.startswith("|")]
        assert [cell.strip() for cell in table[0].strip("|").split("|")] == COLUMNS, title
        for line in table[2:]:
            number, stay, has, gross, due, used, why = (cell.strip() for cell in line.strip("|").split("|"))
            assert why, line
            entry, leaves = (part.strip() for part in stay.split("→"))
            at = instant(entry)
            row = Row(title, policy, number, at, instant(leaves, at), listed(has), gross, due, listed(used))
            for one in row.has:
                understand(row, one)
            yield row


def listed(cell: str) -> list[str]:
    return [] if cell == "—" else [one.strip() for one in cell.split(";")]


def understand(row: Row, has: str) -> None:
    """What a vehicle is or brings, in the words of the file. A word that nobody knows fails."""
    benefits, stay = row.benefits, row.stay
    if has in {"large", "motorcycle"}:
        stay["vehicle"] = has
    elif has == "new energy":
        stay["energy"] = "new"
    elif has in {"tenant", "registered visitor"}:
        stay["who"] = has.replace(" ", "_")
    elif match := re.fullmatch(r"relative, (.*)", has):
        months = re.findall(r"(\d+) min of (\d{4}-\d\d)", match[1])
        benefits["allowance"] = {month: int(minutes) for minutes, month in months}
    elif match := re.fullmatch(r"voucher (?:(\d+) min|(\d+\.\d\d)|whole stay)", has):
        text = f"minutes:{match[1]}" if match[1] else f"amount:{fen_of_yuan(match[2])}" if match[2] else "whole_stay"
        benefits.setdefault("vouchers", []).append(text)
    elif match := re.fullmatch(r"free class (\w+)", has):
        benefits["free_class"] = match[1]
    elif has == "low-income certificate":
        benefits["low_income"] = True
    elif match := re.fullmatch(r"pass ([\w-]+) from (.*) to (.*)", has):
        benefits.setdefault("passes", []).append(PassPeriod(match[1], instant(match[2]), instant(match[3])))
    elif match := re.fullmatch(r"on the list (\w+)", has):
        benefits["discount_registers"] = frozenset({match[1]})
    elif match := re.fullmatch(r"charged (\d+\.\d\d) on (\d{4}-\d\d-\d\d)", has):
        stay.setdefault("charged", {})[match[2]] = fen_of_yuan(match[1])
    elif match := re.fullmatch(r"came (\d+) times? before that day", has):
        stay["free_stays_used"] = int(match[1])
    elif match := re.fullmatch(r"paid at (.*)", has):
        row.paid_at = instant(match[1], row.entry)
    elif match := re.fullmatch(r"back after leaving at (.*), first entry (.*)", has):
        row.first = (instant(match[2], row.entry), instant(match[1], row.entry))
    else:
        pytest.fail(f"{row.section}, row {row.number}: nobody knows what {has!r} is")


ROWS = list(rows())


def facts(row: Row) -> tuple[Policy, StayToPrice, Benefits]:
    benefits = {**row.benefits, "vouchers": tuple(parse_voucher(one) for one in row.benefits.get("vouchers", ()))}
    benefits["passes"] = tuple(benefits.get("passes", ()))
    return parse(row.policy), StayToPrice(row.entry, row.leaves, **row.stay), Benefits(**benefits)


def bill_of(row: Row) -> Bill:
    policy, stay, benefits = facts(row)
    if row.paid_at is None:
        return price(policy, stay, benefits)
    early = price(policy, replace(stay, exit=row.paid_at), benefits)
    return rebill(policy, stay, benefits, Prepaid(row.paid_at, early, early.payable_fen))


def used_of(bill: Bill) -> list[str]:
    drawn = [f"{minutes} min of {month}" for month, minutes in bill.drawn.items()]
    return drawn + [f"voucher {place}" for place, used in enumerate(bill.vouchers_used, start=1) if used]


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.section.partition('.')[0]}.{row.number}" for row in ROWS])
def test_a_worked_bill(row: Row) -> None:
    if row.due == "nobody":
        with pytest.raises(CalendarUnknown):
            bill_of(row)
        return
    if row.first is not None:
        assert came_back(row) == (fen_of_yuan(row.price), fen_of_yuan(row.due))
        return
    bill = bill_of(row)
    assert (bill.gross_fen, bill.payable_fen) == (fen_of_yuan(row.price), fen_of_yuan(row.due))
    assert used_of(bill) == row.used
    assert bill.gross_fen == bill.payable_fen + sum(bill.waived_by_kind().values())
    assert sum(line.fen for line in bill.lines) == bill.payable_fen


def came_back(row: Row) -> tuple[int, int]:
    """What the second part of a stay adds, after the first."""
    assert row.first is not None
    policy, stay, benefits = facts(row)
    world = World([policy], "2026-11")
    parts = (row.first, (row.entry, row.leaves))
    found = [
        world.reprice(
            Recorded(
                Raw(id=str(at), site="s", key="k", entry=at, exit=leaves),
                replace(stay, entry=at, exit=leaves),
                benefits,
            )
        )
        for at, leaves in parts
    ]
    return found[-1].gross_fen, found[-1].payable_fen


# What a line of a batch can carry, which is what the naive biller knows.
BATCH = [
    row
    for row in ROWS
    if not {"free_class", "low_income", "passes", "discount_registers"} & row.benefits.keys()
    and row.due != "nobody"
    and row.paid_at is None
    and row.first is None
]


@pytest.mark.parametrize("row", BATCH, ids=[f"{row.section.partition('.')[0]}.{row.number}" for row in BATCH])
def test_the_naive_biller_says_the_same(row: Row) -> None:
    stay = {
        "entry": row.entry.isoformat(),
        "exit": row.leaves.isoformat(),
        "vehicle": "small",
        "vouchers": row.benefits.get("vouchers", []),
        **row.stay,
    }
    if "allowance" in row.benefits:
        stay["allowance"] = row.benefits["allowance"]
    found = naive_bill(row.policy, json.loads(json.dumps(stay)))
    assert (found["gross_fen"], found["payable_fen"]) == (fen_of_yuan(row.price), fen_of_yuan(row.due))


def test_there_are_enough_of_them_and_every_key_is_there() -> None:
    assert len(ROWS) >= 60
    rules = "\n".join({row.policy for row in ROWS})
    for key in (
        "energy", "who", "cap_fen", "tolerance_minutes", "visit_fen", "across_stays", "month_cap_fen", "free_stays_per_day",
        "reentry_minutes", "hours", "free_day", "discount", "free_minutes_deducted", "payable_step_fen", "leave_within_minutes",
        "relative_allowance", "low_income", "free_class", "first", "calendar_day",
    ):  # fmt: skip
        assert key in rules, key


def test_rows_are_numbered() -> None:
    numbers: dict[str, list[int]] = {}
    for row in ROWS:
        numbers.setdefault(row.section, []).append(int(row.number))
    for section, found in numbers.items():
        assert found == list(range(1, len(found) + 1)), section
    assert all(row.leaves - row.entry < timedelta(days=7) for row in ROWS)
