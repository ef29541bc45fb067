"""Whatever somebody changes, deletes or puts into the tables of money past the program, `verify` names it; what need not be found is listed here."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Settings
from gateway.store.tables import Base
from gateway.wiring import Parts
from tests.cheap import open_store
from tests.conftest import FakeClock
from tests.gateway.channel_house import channels
from tests.gateway.tampering import Intruder
from tests.gateway.whole_books import Whole

# What need not be named, and why: columns, and rows of a kind (`table=kind`).
NOT_NAMED = {
    "words that staff wrote: what is found of a person in them is taken out": (
        "arrears_write_off.reason arrears_write_off.decision pass_refund.reason pass_refund.decision payment_refund.reason"
        " payment_refund.decision payment_refund.problem stay_correction.reason pay_later_agreement.evidence"
        " pay_later_agreement.reason shift_step.reason voucher_movement.reason voucher_book.title voucher_issue.purpose"
        " voucher_issue.taker voucher_issue.signature charge.reversal charge_payment.reference payment.reference"
    ),
    "recognises a repeated request, or counts what is to come, and says nothing of money": (
        "payment.idempotency_key payment.content_hash charge_payment.idempotency_key charge_payment.content_hash"
        " pass_period.idempotency_key pass_period.content_hash shift_step.idempotency_key shift_step.content_hash"
        " voucher_book.idempotency_key voucher_book.content_hash voucher_issue.idempotency_key voucher_issue.content_hash"
        " payment_refund.idempotency_key stay_correction.idempotency_key stay.settlements posting.line"
    ),
    "when a channel is asked again, what a driver scans, and under which number the channel knows it": (
        "payment_order.code payment_order.expires_at payment_order.look_at payment_order.looks payment_order.trade"
        " payment_order.merchant_id payment_refund.look_at payment_refund.looks"
    ),
    "when and by whom a row was written that others are held against": (
        "allowance_draw.at policy_version.applied_at bill.fixed_at bill.kind bill.until charge.charged_at charge.charged_by"
        " charge.reversed_by pass_period.created_at pass_period.created_by voucher_movement.at voucher_movement.operator"
        " shift.closed_by shift.drawer pass_refund.wanted_from day_close.sealed_at day_close.operator"
        " voucher_statement.made_at voucher_statement.operator"
    ),
    "what gates and registers go by; the facts of each bill say what counted": (
        "stay.vehicle stay.plate_colour stay.confirmed stay.exit_reason stay.household_id stay.holds_space stay.state"
        " stay.entry_device stay.exit_device pay_later_agreement.plate bill.holder"
    ),
    "a stay that goes on has no money yet; the close of its day seals its entry": "stay=inside",
    "what a charge, a pass or a voucher was worked out from; the ledger has its amount, the bill what was taken off": (
        "charge.kind charge.pass_id charge.period_id charge.credited_fen charge.rule charge.policy_id charge.policy_version"
        " pass_period.pass_id pass_period.policy_id pass_period.policy_version voucher.issue_id voucher.redemption_id"
        " voucher.presented_at voucher_movement.stay_id voucher_movement.issue_id voucher_movement.redemption_id"
        " voucher_book.valid_from voucher_book.valid_to voucher_issue.household_id voucher_issue.month"
    ),
    "the close of its day seals it": "voucher_movement.business_day site_books.opened_on",
    "of a step that moved no money: the count that ends a shift is held against the ledger": (
        "shift_step.expected_fen shift_step.other shift_step.next_shift shift_step=count None None shift_step=offer None None"
        " shift_step=open None None"
    ),
}
OPEN = (
    *("allowance_balance", "allowance_draw", "arrears_credit", "arrears_write_off", "bill", "channel_statement"),
    *("channel_statement_row", "charge", "charge_payment", "ledger_transaction", "pass_income", "pass_income_run"),
    *(
        "pass_period",
        "pass_refund",
        "pay_later_agreement",
        "payment",
        "payment_order",
        "payment_refund",
        "policy_version",
    ),
    *("posting", "shift", "shift_step", "stay", "stay_correction", "voucher", "voucher_book", "voucher_issue"),
    "voucher_movement",
)
CLOSED = ("day_close", "site_books", "voucher_statement")


def a_street(url: str, folder: Path, *, closes: bool) -> Parts:
    settings = Settings(database_url=url, secret_key="a secret of the tests only", test=True, http_port=0)
    clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
    parts = Parts(settings=settings, clock=clock, store=open_store(url), metrics=Metrics())
    # Ids follow from keys: with the same keys it is the same street each time, and the same rows are tampered with.
    count = itertools.count()
    with (
        channels(clock) as provider,
        patch("gateway.runtime.ids.secrets.token_urlsafe", lambda _size: f"key{next(count)}"),
    ):
        Whole(parts, provider, folder / "keys").fill(closes=closes)
    return parts


@contextmanager
def an_intruder(url: str, folder: Path, *, closes: bool) -> Iterator[Intruder]:
    parts = a_street(url, folder, closes=closes)
    try:
        with parts.store.engine.connect() as connection:
            yield Intruder(parts, connection)
    finally:
        parts.store.close()


def need_not() -> frozenset[str]:
    """`shift_step=count None None` is one word: a kind has spaces."""
    found = set()
    for words in NOT_NAMED.values():
        for word in re.split(r" (?=[a-z_]+[.=])", words):
            found.add(word)
    return frozenset(found)


@pytest.mark.parametrize(("tables", "closes"), [(OPEN, False), (CLOSED, True)], ids=["open", "closed"])
def test_whatever_is_changed_deleted_or_put_in_is_named(
    sqlite_url: str, tmp_path: Path, tables: tuple[str, ...], closes: bool
) -> None:
    """On an open day, where no close helps; then the closes themselves."""
    with an_intruder(sqlite_url, tmp_path, closes=closes) as intruder:
        assert intruder.named() == []
        assert intruder.missed([Base.metadata.tables[name] for name in tables], need_not()) == {}


@pytest.mark.postgres
def test_on_postgresql_too(postgres_url: str, tmp_path: Path) -> None:
    with an_intruder(postgres_url, tmp_path, closes=False) as intruder:
        assert intruder.named() == []
        few = ("posting", "arrears_write_off", "allowance_balance", "policy_version")
        assert intruder.missed([Base.metadata.tables[name] for name in few], need_not()) == {}
