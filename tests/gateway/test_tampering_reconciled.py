"""As `test_tampering`, for what a reconciled day leaves: matches, breaks with their steps, the sealed records; and for cash given back and invoices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.flows import breaks
from gateway.flows.breaks import Resolution
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.statements import Deal
from tests.gateway.channel_house import channels
from tests.gateway.invoice_office import PERSON, Office
from tests.gateway.reconciling import DAY, ONE, Morning
from tests.gateway.tampering import Intruder
from tests.gateway.test_cash_refunds import Till
from tests.gateway.till import BOSS
from tests.gateway.till import MONEY as ZHAO
from tests.gateway.trade import local

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

# What need not be named, and why: columns.
NOT_NAMED = {
    "words that staff wrote: what is found of a person in them is taken out": (
        "reconciliation_step.reason cash_refund.reason cash_refund.decision"
    ),
    "whose it is: what is found of a person is taken out": (
        "invoice.buyer_title invoice.buyer_tax_number invoice.buyer_email invoice.buyer_phone invoice.plate invoice.requested_by"
        " invoice.red_requested_by"
    ),
    "when the provider is asked again, and what it said": "invoice.look_at invoice.looks invoice.problem",
    "a word that nobody reads; what is offered is held against the audit trail": "reconciliation_step.offer",
    "recognises a repeated request": "reconciliation_step.idempotency_key reconciliation_step.content_hash cash_refund.idempotency_key",
    "when a record was sealed, by whom": "day_close.sealed_at day_close.operator",
}


def need_not() -> frozenset[str]:
    return frozenset(word for words in NOT_NAMED.values() for word in words.split())


def missed(parts: Parts, *tables: type[t.Base]) -> dict[str, list[str]]:
    with parts.store.engine.connect() as connection:
        intruder = Intruder(parts, connection)
        assert intruder.named() == []
        return intruder.missed([model.__table__ for model in tables], need_not())  # type: ignore[misc]


def a_reconciled_day(parts: Parts) -> Morning:
    """Breaks of many kinds: one written off by two, one carried over, one explained, one that is gone again."""
    street = Morning(parts)
    gone, odd, cut = street.pays("09:10"), street.pays("10:10", "alipay"), street.pays("23:50")
    street.pays("12:10")
    street.lacks(gone)
    street.says(odd, amount_fen=odd.amount_fen + 100)
    street.says(cut, at=local("2026-03-03 00:00:10"))
    street.deals["wechat"].append(Deal(order="P1", number="42P1", at=local("13:00"), amount_fen=500, fee_fen=3))
    street.night()
    for channel in ("wechat", "alipay"):
        street.tells(channel)
    found = {one.order: one.id for one in street.reconciles().breaks}
    step = breaks.resolve(parts, found[gone.order], Resolution(how="written_off", reason="查不到"), ZHAO)
    street.clock.advance(minutes=1)
    breaks.approve(parts, found[gone.order], BOSS, version=step.version)
    breaks.resolve(
        parts, found[odd.order], Resolution(how="carried_over", reason="问支付宝", until=DAY + 9 * ONE), ZHAO
    )
    street.night(DAY + ONE)
    street.clock.advance(hours=8)
    for channel in ("wechat", "alipay"):
        street.tells(channel, DAY + ONE)
    assert street.reconciles(DAY + ONE).sealed
    street.night(DAY + 2 * ONE)
    street.tells("wechat", DAY + 2 * ONE)
    street.pays("2026-03-04 11:10", "alipay")
    assert not street.reconciles(DAY + 2 * ONE).sealed
    assert {row.state for row in street.breaks().values()} == {"resolved", "carried_over", "open", "cleared"}
    return street


def test_whatever_is_changed_of_a_reconciled_day_is_named(parts: Parts) -> None:
    a_reconciled_day(parts)
    tables = (t.ReconciliationRun, t.ReconciliationBreak, t.ReconciliationStep, t.DayClose)
    assert missed(parts, *tables) == {}


def test_whatever_is_changed_of_cash_that_was_given_back_is_named(parts: Parts) -> None:
    street = Till(parts)
    street.given(street.paid(), 400)
    street.proposed(street.paid("浙A00002", "12:00", "14:00", 800))
    assert missed(parts, t.CashRefund) == {}


@pytest.fixture
def office(parts: Parts, tmp_path: Path) -> Iterator[Office]:
    with channels(parts.clock) as provider:
        yield Office(parts, provider, tmp_path / "keys")


def test_whatever_is_changed_of_an_invoice_is_named(office: Office) -> None:
    office.issued()
    office.asks(office.pays_and_leaves("浙A00002"), PERSON)
    assert missed(office.parts, t.Invoice) == {}
