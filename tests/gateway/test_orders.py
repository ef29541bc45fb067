"""Paying by phone: an order says what is due, callbacks come when they like, and the money counts once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.flows import payment
from gateway.flows.orders import records
from gateway.flows.orders.refusals import AmountDiffers, ChannelAway, ChannelNotOffered, NoSuchOrder, NotTheChannels
from gateway.flows.orders.tending import tend
from gateway.flows.refusals import AmountNotDue
from gateway.wiring import Parts
from tests.gateway.channel_house import PLATE, Phones, channels, local
from tests.gateway.trade import Street

EACH = pytest.mark.parametrize("channel", ["wechat", "alipay"])


@pytest.fixture
def street(parts: Parts, tmp_path: Path) -> Iterator[Phones]:
    with channels(parts.clock) as provider:
        yield Phones(parts, provider, tmp_path / "keys")


@EACH
def test_paid_by_phone_at_the_exit_the_lane_opens(street: Phones, channel: str) -> None:
    street.parks()
    stay = street.waits()
    order = street.orders(stay, channel)
    assert (order.amount_fen, order.state) == (1000, "open")
    assert street.till(channel).by_code(order.code or "").number == order.id
    street.pays(order)
    before = len(street.commands)
    assert street.hears(channel, street.notice(order)) == "counted"
    assert len(street.commands) == before  # commands go through the outbox
    assert (street.stay(PLATE).state, street.stay(PLATE).paid_fen) == ("left", 1000)
    assert street.accounts() == {"income:parking": -1000, f"assets:channel:{channel}": 1000}
    now = street.order(order.id)
    assert (now.state, now.paid_fen, now.applied_fen, now.code) == ("paid", 1000, 1000, None)
    street.holds()


@EACH
def test_a_callback_counts_once_however_often_it_comes(street: Phones, channel: str) -> None:
    street.parks()
    order = street.orders(street.waits(), channel)
    street.pays(order)
    notice = street.notice(order)
    assert street.hears(channel, notice) == "counted"
    assert street.hears(channel, notice) == "repeated"
    assert street.hears(channel, street.notice(order)) == "repeated"  # sent again under another id
    assert [one.amount_fen for one in street.payments()] == [1000]
    assert not street.refunds()
    street.holds()


def test_the_same_order_is_shown_until_the_bill_moves_and_then_another(street: Phones) -> None:
    stay = street.parks()
    street.clock.set(local("09:40"))
    first = street.orders(stay)
    assert first.amount_fen == 400
    street.clock.set(local("09:41"))
    assert street.orders(stay).id == first.id
    street.clock.set(local("10:01"))
    second = street.orders(stay)
    assert (second.amount_fen, second.id != first.id) == (600, True)
    assert street.order(first.id).state == "closed"
    assert street.provider.pays("wechat", first.id) is None
    third = street.orders(stay, "alipay")  # another channel: never two that can be paid
    assert street.order(second.id).state == "closed"
    assert third.amount_fen == 600


def test_an_order_that_was_paid_before_it_could_be_closed_pays_the_bill_of_its_moment(street: Phones) -> None:
    stay = street.parks()
    street.clock.set(local("09:58"))
    order = street.orders(stay)
    street.clock.set(local("10:01"))
    street.pays(order)  # 4 yuan, a moment after 6 are due
    with pytest.raises(AmountNotDue):
        street.orders(stay)
    assert street.stay(PLATE).paid_fen == 400
    assert street.waits("10:10:00")
    assert street.stay(PLATE).state == "left"
    assert street.accounts() == {"income:parking": -400, "assets:channel:wechat": 400}
    street.holds()


def test_told_after_the_vehicle_has_left_it_is_as_if_it_had_been_told_in_time(street: Phones) -> None:
    stay = street.parks()
    street.clock.set(local("09:58"))
    order = street.orders(stay)
    street.pays(order)
    street.waits("10:05:00")  # not told yet: 6 yuan are due here
    assert street.stay(PLATE).payable_fen == 600
    assert street.hears("wechat", street.notice(order)) == "counted"
    left = street.stay(PLATE)
    assert (left.state, left.payable_fen, left.paid_fen) == ("left", 400, 400)
    street.holds()


def test_told_after_an_exit_without_payment_it_pays_the_arrears(street: Phones) -> None:
    street.parks()
    stay = street.waits()
    order = street.orders(stay)
    street.goes("out-1", "11:12:00", after="out")
    street.pays(order)
    owed = street.accounts()
    assert owed["assets:receivable:unpaid"] == 1000
    street.clock.set(local("12:30"))
    assert street.hears("wechat", street.notice(order)) == "counted"
    assert street.accounts() == {"income:parking": -1000, "assets:channel:wechat": 1000}
    assert street.stay(PLATE).paid_fen == 1000
    street.holds()


def test_paid_twice_the_second_is_owed_back_and_a_refund_proposed(street: Phones) -> None:
    street.parks()
    stay = street.waits()
    order = street.orders(stay)
    street.pays(order)
    payment.take(street.parts, stay_id=stay, channel="cash", amount_fen=1000, operator="li", role="cashier")
    assert street.order(order.id).state == "closing"
    assert street.hears("wechat", street.notice(order)) == "counted"
    books = street.accounts()
    assert (books["assets:channel:wechat"], books["liability:refund"]) == (1000, -1000)
    (refund,) = street.refunds()
    assert (refund.amount_fen, refund.state, refund.proposed_by) == (1000, "proposed", "service")
    assert [one.channel for one in street.payments()] == ["cash"]
    street.holds()


def test_more_than_is_due_by_now_is_owed_back_in_part(street: Phones) -> None:
    street.parks()
    stay = street.waits()
    order = street.orders(stay)
    street.pays(order)
    payment.take(street.parts, stay_id=stay, channel="cash", amount_fen=1000, operator="li", role="cashier")
    assert tend(street.parts)  # no callback came: the closing finds it paid
    assert street.accounts()["liability:refund"] == -1000
    assert street.hears("wechat", street.notice(order)) == "repeated"
    street.holds()


def test_a_channels_order_is_closed_when_the_stay_is_paid_in_cash(street: Phones) -> None:
    street.parks()
    stay = street.waits()
    order = street.orders(stay)
    payment.take(street.parts, stay_id=stay, channel="cash", amount_fen=1000, operator="li", role="cashier")
    tend(street.parts)
    assert street.order(order.id).state == "closed"
    assert street.provider.pays("wechat", order.id) is None


@EACH
def test_a_callback_that_does_not_come_is_asked_for(street: Phones, channel: str) -> None:
    street.parks()
    order = street.orders(street.waits(), channel)
    street.pays(order)
    street.clock.advance(seconds=31)
    assert tend(street.parts)
    assert street.order(order.id).state == "paid"
    assert street.stay(PLATE).state == "left"
    assert tend(street.parts) == ""
    street.holds()


@EACH
def test_what_nobody_pays_is_closed_when_its_time_is_over(street: Phones, channel: str) -> None:
    stay = street.parks()
    street.clock.set(local("09:40"))
    order = street.orders(stay, channel)
    for _ in range(8):
        street.clock.advance(seconds=60)
        tend(street.parts)
    assert street.order(order.id).state == "closed"
    street.clock.advance(minutes=10)
    assert tend(street.parts) == ""


def test_a_channel_that_is_away_takes_no_order_and_loses_none(street: Phones) -> None:
    street.parks()
    stay = street.waits()
    street.till("wechat").deaf = 1
    with pytest.raises(ChannelAway):
        street.orders(stay)
    order = street.orders(stay)  # the same, under the same number
    assert list(street.till("wechat").orders) == [order.id]
    street.pays(order)
    street.clock.advance(seconds=61)
    street.till("wechat").broken = 1
    tend(street.parts)
    assert street.order(order.id).state == "open"
    street.clock.advance(minutes=5)
    tend(street.parts)
    assert street.order(order.id).state == "paid"


@EACH
def test_a_callback_before_the_order_was_seen_to_be_open_counts(
    street: Phones, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The channel has the order, somebody is very quick, and our answer to the order is still on its way."""
    street.parks()
    stay, till = street.waits(), street.till(channel)
    create = till.create

    def paid_at_once(number: str, *more: Any) -> Any:
        made = create(number, *more)
        paid = till.pay(number)
        assert paid is not None
        assert street.hears(channel, street.provider.paid_notice(channel, paid)) == "counted"
        return made

    monkeypatch.setattr(till, "create", paid_at_once)
    order = street.orders(stay, channel)
    assert (order.state, order.paid_fen, order.code) == ("paid", 1000, None)
    assert street.stay(PLATE).state == "left"
    street.holds()


def test_whoever_clicks_on_and_on_makes_no_more_orders(street: Phones, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.flows.orders import placing

    monkeypatch.setattr(placing, "ORDERS_MAX", 2)
    stay = street.parks()
    for at in ("09:40", "10:01"):
        street.clock.set(local(at))
        street.orders(stay)
    street.clock.set(local("10:31"))
    with pytest.raises(ChannelAway):
        street.orders(stay)


def test_a_part_of_what_is_due_is_held_until_the_vehicle_leaves(street: Phones) -> None:
    stay = street.parks()
    street.clock.set(local("09:58"))
    order = street.orders(stay)
    street.pays(order)
    street.waits("10:35:00")  # too late to leave on it, and not told yet
    assert street.stay(PLATE).payable_fen == 800
    assert street.hears("wechat", street.notice(order)) == "counted"
    waiting = street.stay(PLATE)
    assert (waiting.state, waiting.paid_fen, waiting.payable_fen) == ("inside", 400, 800)
    street.holds()
    second = street.orders(stay)
    assert second.amount_fen == 400
    street.pays(second)
    street.hears("wechat", street.notice(second))
    assert street.stay(PLATE).state == "left"
    assert street.accounts() == {"income:parking": -800, "assets:channel:wechat": 800}
    street.holds()


def test_forged_probed_stale_or_for_nobody_it_is_refused_and_nothing_is_booked(street: Phones) -> None:
    street.parks()
    order = street.orders(street.waits())
    street.pays(order)
    status, headers, body = street.notice(order)
    for wrong in (
        (status, headers, body.replace("支付".encode(), b"pay")),
        (status, headers | {"Wechatpay-Serial": "PUB_KEY_ID_0"}, body),
        (status, {}, body),
        street.provider.wechat.probe(street.till("wechat").orders[order.id]),
        street.notice(order, at=street.clock.now() - timedelta(seconds=301)),
    ):
        with pytest.raises(NotTheChannels):
            street.hears("wechat", wrong)
    assert street.accounts() == {}
    assert street.order(order.id).state == "open"
    count = street.parts.metrics.payment_notices
    assert count.labels(channel="wechat", outcome="forged")._value.get() == 4
    assert count.labels(channel="wechat", outcome="probe")._value.get() == 1


@EACH
def test_another_amount_than_was_ordered_is_for_a_person(street: Phones, channel: str) -> None:
    from dataclasses import replace

    street.parks()
    order = street.orders(street.waits(), channel)
    street.pays(order)
    orders = street.till(channel).orders
    orders[order.id] = replace(orders[order.id], fen=1)
    for _ in range(2):
        with pytest.raises(AmountDiffers):
            street.hears(channel, street.notice(order))
    assert street.accounts() == {}
    assert street.situations()["payment_mismatch"] == 1


def test_an_order_that_nobody_placed_is_sent_again_later(street: Phones) -> None:
    till = street.till("wechat")
    till.create("pgsomebodyelses", 500, "http://127.0.0.1:9/", None)
    order = till.pay("pgsomebodyelses")
    assert order is not None
    with pytest.raises(NoSuchOrder):
        street.hears("wechat", street.provider.paid_notice("wechat", order))


def test_a_stay_that_is_void_by_now_takes_nothing_and_the_money_is_owed_back(street: Phones) -> None:
    from tests.gateway.books import past_the_program

    stay = street.parks()
    street.clock.set(local("09:40"))
    order = street.orders(stay)
    street.pays(order)
    past_the_program(street.parts, "UPDATE stay SET plate = '#old' WHERE id = :stay", stay=stay)
    assert street.hears("wechat", street.notice(order)) == "counted"
    assert street.accounts() == {"assets:channel:wechat": 400, "liability:refund": -400}


def test_only_what_is_due_and_only_where_the_merchant_has_an_account(street: Phones) -> None:
    stay = street.parks()
    street.clock.set(local("09:10"))
    with pytest.raises(AmountNotDue):
        street.orders(stay)
    street.clock.set(local("09:40"))
    with pytest.raises(ChannelNotOffered):
        street.orders(stay, "unionpay")


def test_without_accounts_nothing_is_offered_and_nothing_believed(parts: Parts) -> None:
    from gateway.flows.orders import placing
    from gateway.flows.orders.notices import hear

    street = Street(parts)
    street.passes("in-1", PLATE, "09:00")
    street.clock.set(local("10:00"))
    assert placing.offered(parts, "xinyi") == ()
    with pytest.raises(ChannelNotOffered):
        placing.place(parts, street.stay(PLATE).id, "wechat")
    with pytest.raises(NotTheChannels):
        hear(parts, "wechat", {}, b"{}")
    assert tend(parts) == ""


def test_money_is_dated_by_the_channel_and_a_closed_day_takes_nothing(street: Phones) -> None:
    from gateway.flows.close import close_day

    stay = street.parks("22:00")
    street.clock.set(local("23:58"))
    order = street.orders(stay)
    street.pays(order)
    street.clock.set(local("2026-03-03 02:00"))
    for day in ("2026-03-01", "2026-03-02"):
        close_day(street.parts, date.fromisoformat(day), operator="test")
    assert street.hears("wechat", street.notice(order)) == "counted"
    assert [one.at for one in street.payments()] == [local("23:58")]
    street.holds()
    assert records.order(street.parts, order.id).paid_at == local("23:58")
