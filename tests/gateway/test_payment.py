"""Taking money: exactly what is due, once, and the lane opens only for the vehicle that stands there."""

from __future__ import annotations

import pytest

from controllers.commands import Action, Reason
from controllers.events import Kind
from gateway.flows import payment, quote
from gateway.flows.pay_token import token
from gateway.flows.refusals import AmountNotDue, ChannelClosed, Invalid, KeyReused, NotFound
from gateway.wiring import Parts
from tests.gateway.trade import Street, local


@pytest.fixture
def street(parts: Parts) -> Street:
    return Street(parts)


def pay(street: Street, plate: str, fen: int, *, channel: str = "wechat", key: str | None = None) -> payment.Taken:
    stay = [stay for stay in street.stays() if stay.plate == plate][-1]
    return payment.take(
        street.parts,
        stay_id=stay.id,
        channel=channel,
        amount_fen=fen,
        operator="li",
        role="cashier",
        idempotency_key=key,
    )


def at_the_exit(street: Street, plate: str = "浙A12345") -> None:
    street.passes("in-1", plate, "09:00")
    street.arrives("out-1", plate, "11:10:00", id="out")
    street.clock.set(local("11:10:40"))


def test_paid_at_the_exit_the_lane_opens_and_the_books_say_so(street: Street) -> None:
    at_the_exit(street)
    taken = pay(street, "浙A12345", 1000)
    assert taken.opens
    stay = street.stay("浙A12345")
    assert (stay.state, stay.paid_fen, stay.exit_at) == ("left", 1000, local("11:10"))
    assert street.accounts() == {"income:parking": -1000, "assets:channel:wechat": 1000}


def test_cash_lands_in_the_cashiers_drawer_of_one_shift(street: Street) -> None:
    at_the_exit(street)
    pay(street, "浙A12345", 1000, channel="cash")
    drawer = next(account for account in street.accounts() if account.startswith("assets:cash:"))
    street.passes("in-1", "浙B11111", "13:00")
    street.arrives("out-1", "浙B11111", "14:00")
    pay(street, "浙B11111", 400, channel="cash")
    assert street.accounts() == {"income:parking": -1400, drawer: 1400}


def test_any_other_amount_is_refused_and_nothing_is_booked(street: Street) -> None:
    at_the_exit(street)
    for wrong in (999, 1001, 0):
        with pytest.raises(AmountNotDue):
            pay(street, "浙A12345", wrong)
    assert street.accounts() == {}


def test_the_same_key_is_the_same_payment_and_another_content_is_refused(street: Street) -> None:
    at_the_exit(street)
    first = pay(street, "浙A12345", 1000, key="k1")
    again = pay(street, "浙A12345", 1000, key="k1")
    assert (again.id, again.opens) == (first.id, False)
    with pytest.raises(KeyReused):
        pay(street, "浙A12345", 400, key="k1")
    assert street.accounts()["assets:channel:wechat"] == 1000


def test_it_opens_only_for_the_lanes_newest_read(street: Street) -> None:
    at_the_exit(street)
    street.arrives("out-1", "浙C33333", "11:10:50")
    assert not pay(street, "浙A12345", 1000).opens
    assert street.stay("浙A12345").state == "inside"
    assert street.arrives("out-1", "浙A12345", "11:11:30").reason is Reason.PAID
    assert street.stay("浙A12345").state == "left"


def test_it_does_not_open_for_a_read_of_five_minutes_ago_or_one_that_backed_away(street: Street) -> None:
    at_the_exit(street)
    street.clock.set(local("11:15:00"))
    assert not pay(street, "浙A12345", 1000).opens
    street.passes("in-1", "浙B11111", "12:00")
    street.arrives("out-1", "浙B11111", "13:00", id="b-out")
    street.deliver(street.mark("out-1", Kind.REVERSED, local("13:00:10"), "b-out"))
    street.clock.set(local("13:00:20"))
    assert not pay(street, "浙B11111", 400).opens


def test_paid_early_and_gone_in_time_it_costs_no_more(street: Street) -> None:
    street.passes("in-1", "浙A12345", "09:00")
    street.clock.set(local("11:05"))
    pay(street, "浙A12345", 1000)
    out = street.passes("out-1", "浙A12345", "11:20:30")
    assert (out.action, out.reason) == (Action.OPEN, Reason.PAID)
    stay = street.stay("浙A12345")
    assert (stay.state, stay.gross_fen, stay.payable_fen, stay.paid_fen) == ("left", 1000, 1000, 1000)


def test_paid_early_and_gone_too_late_the_whole_stay_is_priced_again(street: Street) -> None:
    street.passes("in-1", "浙A12345", "09:00")
    street.clock.set(local("11:05"))
    pay(street, "浙A12345", 1000)
    asked = street.arrives("out-1", "浙A12345", "12:20")
    assert (asked.reason, asked.pay.fen) == (Reason.PAYMENT_DUE, 400)
    pay(street, "浙A12345", 400)
    assert street.accounts() == {"income:parking": -1400, "assets:channel:wechat": 1400}


def test_arrears_of_an_older_stay_can_still_be_paid(parts: Parts) -> None:
    street = Street(parts, mode="leave_first")
    for day in ("02", "03", "04", "05"):
        street.passes("in-1", "浙A12345", f"2026-03-{day} 09:00")
        street.passes("out-1", "浙A12345", f"2026-03-{day} 10:00")
    oldest = street.stays()[0]
    payment.take(parts, stay_id=oldest.id, channel="wechat", amount_fen=400, reference="w1")
    assert street.accounts()["assets:channel:wechat"] == 400
    assert street.accounts()["assets:receivable:pay_later"] == 800


def test_outside_test_mode_only_cash_is_taken_by_hand(street: Street) -> None:
    at_the_exit(street)
    real = Parts(
        settings=street.parts.settings.model_copy(update={"test": False}),
        clock=street.parts.clock,
        store=street.parts.store,
        metrics=street.parts.metrics,
    )
    with pytest.raises(ChannelClosed):
        payment.take(real, stay_id=street.stay("浙A12345").id, channel="wechat", amount_fen=1000)


def test_the_drivers_page_says_which_free_minutes_hold(street: Street) -> None:
    """Of a stay that parks, and of one that has left: from what its bill was priced with."""
    street.passes("in-1", "浙A12345", "09:00")
    street.clock.set(local("09:20"))
    page = token(street.parts.settings.secret(), street.stay("浙A12345").id)
    for _ in range(2):
        found = quote.bill_by_token(street.parts, page)
        assert found is not None
        assert "在免费时长内，不收费。〔第 1 版 tariff.1.free_minutes：30 分钟内免费〕" in found["zh"]
        assert any("tariff.1.free_minutes" in one for one in found["en"])
        street.passes("out-1", "浙A12345", "09:25")


def test_a_quote_writes_nothing_and_says_what_a_payment_would_ask(street: Street) -> None:
    street.passes("in-1", "浙A12345", "09:00")
    stay = street.stay("浙A12345").id
    street.clock.set(local("11:10"))
    assert quote.bill_document(street.parts, stay)["payable_fen"] == 1000
    assert quote.bill_document(street.parts, stay, local("09:31"))["payable_fen"] == 400
    assert street.stay("浙A12345").bills == 0
    with pytest.raises(NotFound):
        quote.bill_document(street.parts, "xinyi.nothing")


@pytest.mark.parametrize("channel", ["gold", "wechat_pay", "Cash", "", "cash "])
def test_only_channels_that_there_are_take_money(street: Street, channel: str) -> None:
    """Also where tests pay through any of them: an account of a channel that nobody knows would never be reconciled."""
    at_the_exit(street)
    with pytest.raises(Invalid):
        pay(street, "浙A12345", 1000, channel=channel)
    assert street.accounts() == {}
