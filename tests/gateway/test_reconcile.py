"""A day's records against each other, through the database: what differs is kept once, clears by itself, and the day is sealed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway.cli.demo import morning
from gateway.flows import breaks, estate
from gateway.flows.breaks import Resolution
from gateway.flows.close import close_missed
from gateway.flows.orders import refunds
from gateway.flows.orders.tending import tend
from gateway.flows.reconciliation.run import Reconciled, RunsMeet, reconcile_day
from gateway.flows.statements import record_empty
from gateway.flows.verify import verify
from gateway.runtime.channel_settings import FileAccount, MerchantChannels
from gateway.store import tables as t
from tests.gateway.books import past_the_program
from tests.gateway.channel_house import Phones, channels
from tests.gateway.reconciling import DAY, FINANCE, ONE, Morning, close_of
from tests.gateway.test_vouchers_races import all_at_once
from tests.gateway.till import BOSS, Till
from tests.gateway.till import MONEY as ZHAO
from tests.gateway.trade import SITE, local
from tests.gateway.voucher_desk import Desk


@pytest.fixture
def street(parts: Any) -> Morning:
    return Morning(parts)


def test_a_day_on_which_all_agree_is_sealed_with_nothing_in_it(street: Morning) -> None:
    street.pays()
    street.pays("12:10", "alipay")
    street.night()
    early = street.reconciles()
    assert (early.sealed, early.breaks) == (False, ())
    assert [one["channel"] for one in early.sites[0].missing] == ["alipay", "wechat"]
    street.tells()
    assert not street.reconciles().sealed
    street.tells("alipay")
    found = street.reconciles()
    assert (found.sealed, found.breaks) == (True, ())
    totals = {(one["side"], one["channel"], one["state"]): one["fen"] for one in found.sites[0].totals}
    assert totals == {
        (side, channel, "matched"): 800 for side in ("books", "channel") for channel in ("wechat", "alipay")
    }
    street.holds()


def test_a_day_of_the_street_stays_sealed_when_another_site_comes(street: Morning) -> None:
    street.pays()
    street.night()
    street.tells()
    street.tells("alipay")
    assert street.reconciles().sealed
    street.clock.advance(days=3)
    later = SITE.format(capacity=10).split("[[site]]", 1)[1].replace('id = "xinyi"', 'id = "later"')
    estate.apply(street.parts, SITE.format(capacity=100) + "\n[[site]]" + later)
    found = street.reconciles()
    assert (found.sealed, [one.site for one in found.sites]) == (True, ["xinyi"])


def test_an_account_whose_statements_come_as_files_is_waited_for(street: Morning) -> None:
    """No money of the day went through it as far as we know: its file may say other."""
    given = {"hushu": MerchantChannels(unionpay=FileAccount(account="777290000000001"))}
    street.parts = replace(street.parts, settings=street.parts.settings.model_copy(update={"channels": given}))
    street.pays()
    street.night()
    street.tells()
    found = street.reconciles()
    assert (found.sealed, [one["channel"] for one in found.sites[0].missing]) == (False, ["unionpay"])
    record_empty(street.parts, "unionpay", DAY, FINANCE)
    assert street.reconciles().sealed


def test_what_only_one_side_has_stands_in_suspense_and_goes_back_when_it_came(street: Morning) -> None:
    deal = street.pays()
    other = street.pays("12:10")
    street.lacks(deal)
    street.tells()
    street.night()
    found = street.reconciles()
    assert found.sealed
    (one,) = found.breaks
    assert (one.kind, one.order, one.amount_fen, one.state, one.channel) == (
        "book_only",
        deal.order,
        800,
        "open",
        "wechat",
    )
    assert street.accounts()[f"suspense:{one.id}"] == 800
    assert street.accounts()["assets:channel:wechat"] == other.amount_fen
    street.holds()
    assert street.reconciles() == found
    assert street.steps(one.id) == ["found"]
    # The channel sends another statement of the day, with what the first one lacked.
    street.deals["wechat"].append(deal)
    street.tells()
    again = street.reconciles()
    assert again.breaks == ()
    row = street.breaks()[deal.order]
    assert (row.state, row.cleared_by, row.suspense_fen) == ("cleared", "replaced_statement", 0)
    assert f"suspense:{one.id}" not in street.accounts()
    assert street.accounts()["assets:channel:wechat"] == 1600
    street.holds()


def test_what_was_cut_off_at_midnight_clears_when_the_neighbour_comes(street: Morning) -> None:
    deal = street.pays("2026-03-02 23:59:50")
    street.says(deal, at=deal.at + (local_midnight() - deal.at))
    street.tells()
    street.night()
    (one,) = street.reconciles().breaks
    assert one.kind == "cut_off"
    assert f"suspense:{one.id}" not in street.accounts()
    street.tells(day=DAY + ONE)
    street.night(DAY + ONE)
    after = street.reconciles(DAY + ONE)
    assert after.breaks == ()
    assert street.breaks()[deal.order].cleared_by == "neighbour"
    assert after.sealed
    street.holds()


def local_midnight() -> Any:
    return local("2026-03-03 00:00:10")


# --- what people made of it, and what came later ----------------------------------------------------------------------


def test_what_people_have_settled_stays_settled_while_it_is_found(street: Morning) -> None:
    deal = street.pays()
    street.lacks(deal)
    street.tells()
    street.night()
    (one,) = street.reconciles().breaks
    give_up(street, one.id)
    assert f"suspense:{one.id}" not in street.accounts()
    (again,) = street.reconciles().breaks
    assert (again.id, again.state) == (one.id, "resolved")
    street.holds()


def test_a_statement_that_comes_after_it_was_given_up_leaves_what_people_posted_to_people(street: Morning) -> None:
    deal = street.pays()
    street.lacks(deal)
    street.tells()
    street.night()
    (one,) = street.reconciles().breaks
    give_up(street, one.id)
    street.deals["wechat"].append(deal)
    street.tells()
    (again,) = street.reconciles().breaks
    assert (again.id, again.state, again.amount_fen) == (one.id, "open", 800)
    assert street.accounts()["assets:channel:wechat"] == 800
    assert street.accounts()[f"suspense:{one.id}"] == -800
    assert street.reconciles().breaks == (again,)
    street.holds()
    breaks.resolve(street.parts, one.id, Resolution(how="adjusted", reason="补记", to={"income": None}), ZHAO)
    assert f"suspense:{one.id}" not in street.accounts()
    assert street.reconciles().breaks[0].state == "resolved"
    street.holds()


def test_another_amount_of_the_same_break_moves_the_rest(street: Morning) -> None:
    deal = street.says(street.pays(), amount_fen=700)
    street.tells()
    street.night()
    (one,) = street.reconciles().breaks
    assert (one.kind, one.amount_fen) == ("amount_mismatch", 100)
    street.says(deal, amount_fen=1000)
    street.tells()
    (again,) = street.reconciles().breaks
    assert (again.id, again.amount_fen) == (one.id, 200)
    assert street.accounts()[f"suspense:{one.id}"] == -200
    assert street.accounts()["assets:channel:wechat"] == 1000
    assert street.steps(one.id) == ["found", "changed"]
    street.holds()


def test_what_is_found_after_the_close_stands_on_the_next_day_and_says_where_it_belongs(street: Morning) -> None:
    street.lacks(street.pays())
    street.tells()
    street.night()
    street.reconciles()
    (entry,) = [row for row in street.ledger() if row.kind == "suspense"]
    assert (entry.business_day, entry.belongs_to) == (DAY + ONE, DAY)
    street.night(DAY + ONE)
    (counted,) = street.close_of(DAY + ONE).breaks
    assert (counted.kind, counted.state, counted.age_days, counted.count, counted.amount_fen) == (
        "book_only",
        "open",
        1,
        1,
        800,
    )
    assert street.close_of(DAY).breaks == []
    street.holds()


def test_a_drawer_that_is_short_is_a_break_from_that_moment_and_its_close_says_so(parts: Any) -> None:
    till = Till(parts)
    shift = till.opens()
    till.takes()
    till.counts(shift, 39_000)
    till.closes(shift)
    (row,) = till._all(select(t.ReconciliationBreak.__table__))
    assert (row.kind, row.amount_fen, row.difference_fen, row.suspense_fen, row.state) == (
        "cash_short",
        1000,
        -1000,
        1000,
        "open",
    )
    day = row.day
    till.goes_on()
    till.closes_through(day)
    record = close_of(parts, day)
    assert [(one.kind, one.state, one.age_days, one.count, one.amount_fen) for one in record.breaks] == [
        ("cash_short", "open", 0, 1, 1000)
    ]
    (found,) = reconcile_day(parts, day).breaks
    assert (found.id, found.amount_fen) == (row.id, 1000)
    assert till.accounts()[f"suspense:{row.id}"] == 1000
    assert reconcile_day(parts, day).breaks == (found,)
    till.books_hold()


def test_a_book_of_vouchers_that_does_not_count_up(street: Morning) -> None:
    book = Desk(street).book()
    street.night()
    past_the_program(street.parts, "UPDATE voucher SET state = 'void' WHERE serial = 1")
    (one,) = street.reconciles().breaks
    assert (one.kind, one.channel, one.order) == ("voucher_count", None, None)
    assert street.breaks()[book.id].about == "voucher_book"


def test_days_are_sealed_in_order_as_their_statements_come(street: Morning) -> None:
    street.pays()
    street.night()
    street.pays("2026-03-03 11:00")
    street.night(DAY + ONE)
    assert not street.reconciles().sealed
    street.tells(day=DAY + ONE)
    found = street.reconciles(DAY + ONE)
    assert (found.sealed, found.sites[0].missing) == (False, [])  # it waits for the day before
    street.tells()
    assert street.reconciles().sealed
    assert street.reconciles(DAY + ONE).sealed
    assert [record.day for record in street.records()] == [DAY, DAY + ONE]
    street.holds()


def test_a_day_before_the_first_close_holds_nothing_up(street: Morning) -> None:
    street.pays()
    street.tells()
    street.night()
    street.reconciles(DAY - 30 * ONE)
    assert street.reconciles().sealed
    street.holds()


def test_a_refund_that_both_sides_have(parts: Any, tmp_path: Path) -> None:
    """Through the real flows, to a simulated channel and back; its statement is its own."""
    with channels(parts.clock) as provider:
        street = Phones(parts, provider, tmp_path / "keys")
        street.parks()
        order = street.orders(street.waits())
        street.pays(order)
        street.hears("wechat", street.notice(order))
        refund = refunds.propose(street.parts, order.id, "付错", ZHAO, 300)
        refunds.approve(street.parts, refund.id, 300, BOSS)
        tend(street.parts)
        street.clock.set(local("2026-03-03 02:00"))
        list(close_missed(street.parts, DAY, "zhao"))
        found = morning.reconcile(street.parts, DAY, morning.phones(provider, DAY))
        assert (found.sealed, found.breaks) == (True, ())
        assert ("books", "wechat", "matched", 2, order.amount_fen - 300) in totals(found)
        assert street.accounts()["assets:channel:wechat"] == order.amount_fen - 300
        street.holds()


def totals(found: Reconciled) -> list[Any]:
    return [(one["side"], one["channel"], one["state"], one["rows"], one["fen"]) for one in found.sites[0].totals]


def give_up(street: Morning, break_id: str) -> None:
    """Written off: proposed by one, approved by another."""
    step = breaks.resolve(street.parts, break_id, Resolution(how="written_off", reason="查不到"), ZHAO)
    breaks.approve(street.parts, break_id, BOSS, version=step.version)


# --- at once, and by force --------------------------------------------------------------------------------------------


def test_many_reconcile_the_same_day(street: Morning) -> None:
    street.lacks(street.pays())
    street.tells()
    street.night()
    answers = all_at_once(*[street.reconciles] * 5)
    done = [one for one in answers if not isinstance(one, RunsMeet)]
    assert done
    assert all(one == done[0] for one in done), answers
    (row,) = street.breaks().values()
    assert street.steps(row.id) == ["found"]
    assert len([entry for entry in street.ledger() if entry.kind == "suspense"]) == 1
    assert len(street.records()) == 1
    street.holds()


def test_a_run_clears_a_break_while_somebody_settles_it(street: Morning) -> None:
    deals = [street.pays(f"{hour}:10") for hour in (11, 12, 13)]
    for deal in deals:
        street.lacks(deal)
    street.tells()
    street.night()
    found = {one.order: one.id for one in street.reconciles().breaks}
    for deal in deals:
        street.deals["wechat"].append(deal)
        street.tells()
        settle = Resolution(how="adjusted", reason="已到账", to={"bank": None})
        all_at_once(street.reconciles, lambda: breaks.resolve(street.parts, found[deal.order], settle, ZHAO))  # noqa: B023
        street.reconciles()
        street.holds()
    assert street.accounts()["assets:channel:wechat"] == 2400


@pytest.mark.parametrize(
    "change",
    [
        'UPDATE reconciliation_run SET missing = \'[{"merchant": "m", "channel": "c", "kind": "trade"}]\'',
        "UPDATE reconciliation_run SET totals = '[]'",
        "UPDATE reconciliation_run SET statements = '[]'",
        "UPDATE reconciliation_run SET breaks = 0",
        "UPDATE reconciliation_run SET sequence = 2",
        "DELETE FROM reconciliation_run",
        "UPDATE reconciliation_break SET kind = 'channel_only'",
        "UPDATE reconciliation_break SET day = '2026-03-01'",
        "UPDATE reconciliation_break SET suspense_fen = 1",
        "UPDATE reconciliation_step SET amount_fen = 1",
        "UPDATE reconciliation_step SET difference_fen = 1",
        "DELETE FROM reconciliation_step",
        "DELETE FROM reconciliation_break",
        "UPDATE channel_statement SET digest = x'00'",
        "DELETE FROM channel_statement",
        "UPDATE day_close SET lines = x'00' WHERE kind = 'reconciled'",
        "UPDATE day_close SET canonical = CAST(replace(CAST(canonical AS TEXT), 'matched', 'waiting') AS BLOB) WHERE kind = 'reconciled'",
        "DELETE FROM day_close WHERE kind = 'close' AND day = '2026-03-02'",
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_changed_past_the_program_is_named(street: Morning, change: str) -> None:
    street.lacks(street.pays())
    street.pays("12:10")
    street.tells()
    street.night()
    assert street.reconciles().sealed
    street.holds()
    past_the_program(street.parts, change)
    assert not verify(street.parts).ok, change
