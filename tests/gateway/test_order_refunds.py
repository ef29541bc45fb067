"""Paying back through the channel: proposed by one, approved by another, made once, and the books say where the money is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.flows import payment
from gateway.flows.charges_books import By
from gateway.flows.charges_refusals import AlreadyDecided, SecondPersonNeeded
from gateway.flows.orders import records, refunds
from gateway.flows.orders.refusals import OrderNotPaid
from gateway.flows.orders.sending import send
from gateway.flows.orders.tending import tend
from gateway.flows.refusals import AmountNotDue, KeyReused, NotFound
from gateway.wiring import Parts
from tests.conftest import RunningClock
from tests.gateway.channel_house import PLATE, Phones, channels, local

EACH = pytest.mark.parametrize("channel", ["wechat", "alipay"])
LI, WANG = By(operator="li", role="console"), By(operator="wang", role="finance")
WHY = "设备故障，多收"


@pytest.fixture
def street(parts: Parts, tmp_path: Path) -> Iterator[Phones]:
    with channels(parts.clock) as provider:
        yield Phones(parts, provider, tmp_path / "keys")


def paid(street: Phones, channel: str = "wechat") -> records.Order:
    """Ten yuan, at the exit, and gone."""
    street.parks()
    order = street.orders(street.waits(), channel)
    street.pays(order)
    street.hears(channel, street.notice(order))
    return order


def approved(street: Phones, order: records.Order, fen: int | None = None) -> records.Refund:
    proposed = refunds.propose(street.parts, order.id, WHY, LI, fen)
    return refunds.approve(street.parts, proposed.id, proposed.amount_fen, WANG)


@EACH
def test_a_part_goes_back_and_what_was_due_is_given_up(street: Phones, channel: str) -> None:
    order = paid(street, channel)
    refund = approved(street, order, 400)
    assert (refund.state, refund.given_up_fen) == ("approved", 400)
    books = street.accounts()
    assert (books[f"assets:channel:{channel}"], books["liability:refund"]) == (1000, -400)
    assert (street.stay(PLATE).paid_fen, books["waived:written_off"]) == (600, 400)
    street.holds()
    assert send(street.parts, refund.id).state == "done"
    assert street.accounts() == {
        "income:parking": -1000,
        f"assets:channel:{channel}": 600,
        "waived:written_off": 400,
    }
    assert (street.order(order.id).state, street.order(order.id).refunded_fen) == ("paid", 400)
    street.holds()


def test_what_was_made_bears_one_instant_in_refund_and_audit_trail(street: Phones) -> None:
    order = paid(street)
    street.parts = replace(street.parts, clock=RunningClock(street.clock.now()))
    assert send(street.parts, approved(street, order, 400).id).state == "done"
    street.holds()


@EACH
def test_all_of_it_goes_back_in_parts_and_never_more(street: Phones, channel: str) -> None:
    order = paid(street, channel)
    send(street.parts, approved(street, order, 400).id)
    with pytest.raises(AmountNotDue):
        refunds.propose(street.parts, order.id, WHY, LI, 601)
    rest = approved(street, order)
    assert rest.amount_fen == 600
    send(street.parts, rest.id)
    now = street.order(order.id)
    assert (now.state, now.refunded_fen) == ("refunded", 1000)
    with pytest.raises(OrderNotPaid):
        refunds.propose(street.parts, order.id, WHY, LI)
    assert street.accounts() == {"income:parking": -1000, "waived:written_off": 1000}
    assert street.stay(PLATE).paid_fen == 0
    street.holds()


@EACH
def test_what_was_paid_twice_goes_back_and_nothing_is_given_up(street: Phones, channel: str) -> None:
    street.parks()
    stay = street.waits()
    order = street.orders(stay, channel)
    street.pays(order)
    payment.take(street.parts, stay_id=stay, channel="cash", amount_fen=1000, operator="li", role="cashier")
    street.hears(channel, street.notice(order))
    (proposed,) = street.refunds()
    refunds.approve(street.parts, proposed.id, 1000, LI)
    street.clock.advance(seconds=1)
    tend(street.parts)
    assert records.refund(street.parts, proposed.id).state == "done"
    books = street.accounts()
    assert "liability:refund" not in books
    assert f"assets:channel:{channel}" not in books
    assert "waived:written_off" not in books
    street.holds()


def test_who_proposed_it_does_not_approve_it_and_it_is_decided_once(street: Phones) -> None:
    order = paid(street)
    proposed = refunds.propose(street.parts, order.id, WHY, LI, 400)
    with pytest.raises(SecondPersonNeeded):
        refunds.approve(street.parts, proposed.id, 400, By(operator="Li "))
    with pytest.raises(AmountNotDue):
        refunds.approve(street.parts, proposed.id, 500, WANG)
    assert refunds.refuse(street.parts, proposed.id, "没有多收", WANG).state == "refused"
    with pytest.raises(AlreadyDecided):
        refunds.approve(street.parts, proposed.id, 400, WANG)
    assert street.till("wechat").refunds == {}
    assert street.accounts() == {"income:parking": -1000, "assets:channel:wechat": 1000}
    assert refunds.propose(street.parts, order.id, WHY, LI).amount_fen == 1000
    street.holds()


def test_the_same_key_is_the_same_proposal(street: Phones) -> None:
    order = paid(street)
    first = refunds.propose(street.parts, order.id, WHY, LI, 400, "k1")
    assert refunds.propose(street.parts, order.id, WHY, LI, 400, "k1").id == first.id
    with pytest.raises(KeyReused):
        refunds.propose(street.parts, order.id, WHY, LI, 300, "k1")


def test_nothing_comes_off_a_stay_that_goes_on(street: Phones) -> None:
    stay = street.parks()
    street.clock.set(local("09:40"))
    order = street.orders(stay)
    street.pays(order)
    street.hears("wechat", street.notice(order))
    proposed = refunds.propose(street.parts, order.id, WHY, LI)
    with pytest.raises(NotFound, match="goes on"):
        refunds.approve(street.parts, proposed.id, 400, WANG)
    street.passes("out-1", PLATE, "09:45")
    refunds.approve(street.parts, proposed.id, 400, WANG)
    street.holds()


@EACH
def test_an_answer_that_is_lost_pays_back_once(street: Phones, channel: str) -> None:
    order = paid(street, channel)
    refund = approved(street, order, 400)
    street.till(channel).deaf = 1
    assert send(street.parts, refund.id).state == "sent"
    assert street.accounts()["liability:refund"] == -400
    street.clock.advance(seconds=16)
    tend(street.parts)
    assert records.refund(street.parts, refund.id).state == "done"
    assert [one.fen for one in street.till(channel).refunds.values()] == [400]
    assert "liability:refund" not in street.accounts()
    street.holds()


def test_a_refund_that_takes_its_time_is_told_by_a_callback_once(street: Phones) -> None:
    order = paid(street)
    street.till("wechat").refunds_become = "pending"
    refund = approved(street, order, 400)
    sent = send(street.parts, refund.id)
    assert sent.state == "sent"
    street.clock.set(local("2026-03-03 09:00"))
    made = street.till("wechat").settle(refund.id, "done")
    notice = street.provider.wechat.refund_notice(made)
    assert street.hears("wechat", notice) == "counted"
    assert street.hears("wechat", notice) == "repeated"
    assert street.hears("wechat", street.provider.wechat.refund_notice(made)) == "counted"
    assert records.refund(street.parts, refund.id).state == "done"
    assert street.accounts()["assets:channel:wechat"] == 600
    street.holds()


def test_a_refund_that_the_channel_cannot_make_is_still_owed_and_sent_again_under_its_number(street: Phones) -> None:
    order = paid(street)
    street.till("wechat").refunds_become = "failed"
    refund = approved(street, order, 400)
    assert send(street.parts, refund.id).state == "failed"
    assert street.accounts()["liability:refund"] == -400
    assert street.situations()["refund_failed"] == 1
    assert tend(street.parts) == ""
    street.holds()
    street.till("wechat").refunds_become = "done"
    assert refunds.again(street.parts, refund.id, WANG).state == "approved"
    assert send(street.parts, refund.id).state == "done"
    assert list(street.till("wechat").refunds) == [refund.id]
    street.holds()


def test_after_the_day_is_closed_a_refund_stands_on_the_next(street: Phones) -> None:
    from datetime import date

    from gateway.flows.close import close_day

    order = paid(street)
    street.clock.set(local("2026-03-03 09:00"))
    for day in ("2026-03-01", "2026-03-02"):
        close_day(street.parts, date.fromisoformat(day), operator="test")
    send(street.parts, approved(street, order).id)
    assert street.order(order.id).state == "refunded"
    street.holds()
