"""Bills: each priced again from its facts under the version it names, and what was drawn and returned with each."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from billing.benefits import Benefits
from billing.bill import Bill as PricedBill
from billing.bill import CannotPrice, StayToPrice, price
from billing.policy import Policy, parse
from billing.policy_parts import PolicyError
from gateway.store.records import BillRecord
from gateway.store.tables import PolicyVersion

# By sequence of the bill, then by holder and month.
Drawn = dict[int, dict[tuple[str, str], int]]


class Policies:
    """Policy versions by (id, version), each parsed once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.of = lru_cache(maxsize=256)(self._load)

    def _load(self, policy_id: str, version: int) -> Policy | None:
        text = self._connection.execute(
            select(PolicyVersion.text).where(PolicyVersion.policy_id == policy_id, PolicyVersion.version == version)
        ).scalar()
        return None if text is None else parse(text)


def wrong_bill(policies: Policies, bill: BillRecord, bills: list[BillRecord]) -> str | None:
    """Price it again from its facts, under the version it names."""
    given: dict[str, int] = {}
    for (_, month), minutes in bill.draws.items():
        given[month] = given.get(month, 0) + minutes
    if given != bill.bill.drawn:
        return f"it draws {bill.bill.drawn}, its holders give {given}"
    if bill.kind == "void":
        return None if not bill.bill.gross_fen and not bill.bill.payable_fen else "it is void and has an amount"
    kept = bill.facts.get("prepaid_sequence")
    if kept is not None:
        early = next((found.bill for found in bills if found.sequence == kept), None)
        if early is None:
            return f"bill {kept}, which it keeps, is not there"
        return _difference(bill.bill, early)
    try:
        policy = policies.of(bill.bill.policy, bill.bill.version)
        if policy is None:
            return f"policy {bill.bill.policy} version {bill.bill.version} is not there"
        stayed = msgspec.convert(bill.facts["stay"], StayToPrice)
        if bill.kind == "exit" and stayed.exit != bill.until:
            return f"it is a bill up to {bill.until}, worked out up to {stayed.exit}"
        again = price(policy, stayed, msgspec.convert(bill.facts["benefits"], Benefits))
    except (KeyError, msgspec.ValidationError, CannotPrice, PolicyError) as error:
        return f"it cannot be priced again: {error}"
    if (again.policy, again.version) != (bill.bill.policy, bill.bill.version):
        return f"the text of {bill.bill.policy} version {bill.bill.version} is of another policy"
    return _difference(bill.bill, again)


def _difference(said: PricedBill, again: PricedBill) -> str | None:
    for what in ("minutes", "gross_fen", "payable_fen", "drawn", "vouchers_used"):
        if getattr(said, what) != getattr(again, what):
            return f"{what} is {getattr(said, what)}, priced again it is {getattr(again, what)}"
    return None if said.lines == again.lines else "its lines are not those it is made of when priced again"


def wrong_span(policies: Policies, stay: Row[Any], last: BillRecord) -> str | None:
    """A bill that was not paid before leaving is of the stay from its entry to its exit.

    Where an event that came late moved one of them and the bill came out the same, the old one was left to stand.
    """
    if last.kind != "exit" or last.facts.get("prepaid_sequence") is not None:
        return None
    stayed = msgspec.convert(last.facts["stay"], StayToPrice)
    policy = policies.of(last.bill.policy, last.bill.version)
    if (stayed.entry, stayed.exit) == (stay.entry_at, stay.exit_at) or policy is None:
        return None
    try:
        moved = replace(stayed, entry=stay.entry_at, exit=stay.exit_at)
        same = price(policy, moved, msgspec.convert(last.facts["benefits"], Benefits)) == last.bill
    except (CannotPrice, TypeError):
        same = False
    if same:
        return None
    return f"its bill is from {stayed.entry} to {stayed.exit}, it stood from {stay.entry_at} to {stay.exit_at}"


def wrong_draws(bills: list[BillRecord], drawn: Drawn) -> str | None:
    """With each bill what the one before it drew was returned, and what it draws itself was drawn."""
    before: dict[tuple[str, str], int] = {}
    for bill in bills:
        changes = {key: bill.draws.get(key, 0) - before.get(key, 0) for key in before.keys() | bill.draws.keys()}
        expected = {key: minutes for key, minutes in changes.items() if minutes}
        if drawn.get(bill.sequence, {}) != expected:
            told = sum(drawn.get(bill.sequence, {}).values())
            return f"bill {bill.sequence} draws {sum(expected.values())} minutes more than the one before, its draws {told}"
        before = bill.draws
    strange = sorted(drawn.keys() - {bill.sequence for bill in bills})
    return f"minutes were drawn for bill {strange[0]}, which it has not" if strange else None
