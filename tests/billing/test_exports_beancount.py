"""The ledger as beancount reads it: accepted, and with the balances of the close."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from beancount import loader
from beancount.core import data
from hypothesis import given
from hypothesis import strategies as st

from billing.close import FIRST_PREVIOUS, seal
from billing.exports import SiteDay, written
from billing.exports.beancount import beancount_to, from_beancount, to_beancount
from billing.ledger import Posting, Transaction, is_account
from tests.billing.test_close import DAY, a_day, a_transaction
from tests.billing.test_exports import ZONE, a_site


def text(days: Sequence[SiteDay], audience: str = "finance") -> str:
    ((name, content),) = written(beancount_to("street-2026-03-02", '湖墅 "街道"', days, ZONE, audience=audience))
    assert name == "street-2026-03-02.beancount"
    return content.decode()


def load(said: str) -> tuple[list[Any], list[Any]]:
    entries, errors, _ = loader.load_string(said)
    return entries, errors


def balances(entries: Sequence[Any]) -> dict[tuple[str, str], int]:
    found: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        if isinstance(entry, data.Transaction):
            for posting in entry.postings:
                assert posting.units.currency == "CNY"
                found[from_beancount(posting.account)] += int(posting.units.number * 100)
    return dict(found)


def closed(*transactions: Transaction) -> SiteDay:
    sealed = seal(a_day(transactions=transactions), sequence=1, previous_hash=FIRST_PREVIOUS)
    return SiteDay("xinyi", "信义坊", (sealed.record,), transactions)


def test_it_is_accepted_and_its_balances_are_those_of_the_closes() -> None:
    days = [a_site(), a_site("b-1")]
    entries, errors = load(text(days))
    assert errors == []
    assert balances(entries) == {
        (one.site, account): fen for one in days for account, fen in one.document().totals.accounts.items()
    }
    asserted = {entry.account: entry.amount.number for entry in entries if isinstance(entry, data.Balance)}
    assert {from_beancount(name): int(number * 100) for name, number in asserted.items()} == balances(entries)


def test_a_fen_that_is_missing_is_seen() -> None:
    said = text([a_site()])
    changed = re.sub(r"(  Assets:Xinyi:Cash:\S+)  10.00", r"\1  10.01", said)
    assert changed != said
    _, errors = load(changed.replace("Income:Xinyi:Parking  -10.00", "Income:Xinyi:Parking  -10.01"))
    assert {type(error).__name__ for error in errors} == {"BalanceError"}


def test_all_that_a_transaction_says_is_there() -> None:
    said = msgspec.structs.replace(
        a_transaction("t-9"), operator='王 "小" \\明', reverses="t-1", belongs_to=DAY.replace(day=1), kind="exit"
    )
    entries, errors = load(text([closed(said)]))
    assert errors == []
    (entry,) = [entry for entry in entries if isinstance(entry, data.Transaction)]
    assert (entry.date, entry.payee, entry.narration) == (DAY, "exit", "stay xinyi.s")
    assert entry.meta["operator"] == '王 "小" \\明'
    assert (entry.meta["id"], entry.meta["reverses"], entry.meta["belongs-to"]) == ("t-9", "t-1", DAY.replace(day=1))
    assert entry.meta["at"] == "2026-03-02T12:00:00+08:00"


def test_others_read_resident() -> None:
    said = text([a_site()], audience="auditor")
    assert "low" not in said.lower()
    assert "Waived:Pass" not in said
    entries, errors = load(said)
    assert errors == []
    assert balances(entries)["xinyi", "waived:resident"] == 700


def test_a_move_between_what_is_one_word_to_them_says_nothing() -> None:
    moved = msgspec.structs.replace(
        a_transaction(), postings=(Posting("waived:pass", 5), Posting("waived:low_income", -5))
    )
    entries, errors = load(text([closed(moved)], audience="auditor"))
    assert errors == []
    assert balances(entries) == {}


IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
SITES = st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True)
ACCOUNTS = st.one_of(
    IDS.map("assets:cash:{}".format),
    IDS.map("suspense:{}".format),
    NAMES.map("assets:channel:{}".format),
    NAMES.map("assets:receivable:{}".format),
    NAMES.map("waived:{}".format),
    SITES.map("clearing:{}".format),
    st.sampled_from(
        [
            *("assets:bank", "income:parking", "income:pass", "income:property_fee", "expense:channel_fee"),
            *("liability:prepaid", "liability:refund"),
        ]
    ),
)


@given(SITES, ACCOUNTS)
def test_every_name_is_lawful_and_comes_back(site: str, account: str) -> None:
    assert is_account(account)
    name = to_beancount(site, account)
    assert re.fullmatch(r"(Assets|Liabilities|Income|Expenses)(:[A-Z0-9][A-Za-z0-9-]*)+", name)
    assert from_beancount(name) == (site, account)


@pytest.mark.parametrize("name", ["", "Assets", "Assets:Xinyi", "Equity:Xinyi:Bank", "Equity:Xinyi:Waived:Pass"])
def test_what_is_no_name_of_ours_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a name of ours"):
        from_beancount(name)
