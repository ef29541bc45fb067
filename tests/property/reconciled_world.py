"""A seeded day of a street in which everything agrees but what is put there, with a list of what was put there.

Vehicles drive, pay by phone and in cash through the whole service; the channels' side are their own files. What is put there is known by kind and
by what it is about: the order's number, or the id of the stay, shift or event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from controllers.events import Kind, Opening
from gateway.channels.port import RefundSaid, RefundState
from gateway.flows import payment, shifts_work, users
from gateway.flows.charges_books import By
from gateway.flows.orders import refunds, sending
from gateway.flows.verify import failures
from gateway.flows.verify_scope import Look, Scope
from gateway.runtime.channel_settings import AlipayAccount, Fee, FileAccount, MerchantChannels, WechatAccount
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.discrepancies import RATE_PPM, fee
from simulators.statements import Deal
from tests.gateway.books import past_the_program
from tests.gateway.reconciling import ACCOUNT, DAY, ONE, Morning
from tests.gateway.till import BOSS, LI, PASSWORD, pieces
from tests.gateway.till import MONEY as MONEY_DESK
from tests.gateway.trade import local
from tests.gateway.voucher_desk import Desk

Truth = Counter[tuple[str, str]]


def with_fees(parts: Parts) -> Parts:
    """The same service, with what was agreed with its channels."""
    agreed, key = Fee(rate_ppm=RATE_PPM), "env:NOBODY_ASKS_FOR_IT"
    wechat = WechatAccount(
        app_id="wx1", merchant_no=ACCOUNT["wechat"], serial_no="1", private_key=key, api_v3_key=key, public_key=key,
        public_key_id="1", fee=agreed,
    )  # fmt: skip
    alipay = AlipayAccount(app_id="1", seller_id=ACCOUNT["alipay"], private_key=key, public_key=key, fee=agreed)
    unionpay = FileAccount(account=ACCOUNT["unionpay"], fee=agreed)
    offered = MerchantChannels(wechat=wechat, alipay=alipay, unionpay=unionpay)
    return replace(parts, settings=parts.settings.model_copy(update={"channels": {"hushu": offered}}))


class World(Morning):
    """`truth` is there however often one looks, `early` until the neighbour has come, `late` from then on."""

    def __init__(self, parts: Parts, seed: int) -> None:
        super().__init__(with_fees(parts))
        self.random = Random(seed)
        self.truth, self.early, self.late = Truth(), Truth(), Truth()
        self.flow: list[Deal] = []
        self.shift, self.vouchers, self.miscounted = "", Desk(self), ""
        users.add(self.parts, LI.operator, LI.role, ["xinyi"], PASSWORD, operator="test")

    def lives(self) -> None:
        """The day, until everybody has left."""
        money = [self.random.choice(MONEY) for _ in range(self.random.randint(4, 7))]
        plan = [*money, *(wrong for wrong in AROUND if self.random.random() < 0.4)]
        late = [wrong for wrong in AT_MIDNIGHT if self.random.random() < 0.5]
        count = len(plan) + len(late)
        for place in range(count):
            self.passes("in-1", plate_of(place), f"06:{place:02d}:00")
        for place, wrong in enumerate(plan):
            at = local("09:00") + timedelta(minutes=7 * place)
            self.arrives("out-1", plate_of(place), words(at), id=f"x{place}")
            wrong(self, place, at)
            self.balances()
        self._counts(local("21:00"))
        for place, wrong in enumerate(late, len(plan)):
            at = local("23:59:20") + timedelta(seconds=8 * (place - len(plan)))
            self.arrives("out-1", plate_of(place), words(at), id=f"x{place}")
            wrong(self, place, at)
            self.balances()

    def _counts(self, at: datetime) -> None:
        """The cashier's shift ends, with what is in the drawer or not quite."""
        if not self.shift:
            return
        self.clock.set(at)
        held = self.accounts().get(f"assets:cash:{self.shift}", 0)
        off = self.random.choice((0, 100, -100))
        shifts_work.count(self.parts, self.shift, pieces(held + off), LI)
        shifts_work.close(self.parts, self.shift, "safe", LI)
        if off:
            self.truth["cash_over" if off > 0 else "cash_short", self.shift] += 1

    def balances(self) -> None:
        assert sum(self.accounts().values()) == 0

    def holds(self) -> None:
        """All of `verify`. Where vouchers were miscounted past the program it names them, and nothing else."""
        with self.parts.store.reading() as connection:
            look = Look(connection, Scope(None, None, self.parts.settings.zone), Counter(), lambda _: None)
            named = [(one.what, one.id) for one in failures(look)]
        assert all(what in {"voucher", "voucher_book"} for what, _ in named), named
        assert bool(named) == bool(self.miscounted), named
        self.balances()

    # ------------------------------------------------------------------ what drivers do

    def stay_of(self, place: int) -> str:
        return str([one for one in self.stays() if one.plate == plate_of(place) and one.state == "inside"][-1].id)

    def phone(self, place: int, at: datetime) -> Deal:
        """Pays by phone, and leaves."""
        channel = self.random.choice(("wechat", "wechat", "alipay", "unionpay"))
        deal = self.orders_and_pays(self.stay_of(place), channel)
        self.goes("out-1", words(at + timedelta(seconds=5)), after=f"x{place}")
        return deal

    def channel_of(self, deal: Deal) -> str:
        return next(name for name, deals in self.deals.items() if deal in deals)

    def adds(self, channel: str, deal: Deal) -> None:
        self.deals[channel].append(deal)

    # ------------------------------------------------------------------ what the channels send

    def morning(self, day: Any = DAY) -> None:
        """Statements of a day, of every channel; WeChat's fund flow, too."""
        for channel in self.deals:
            self.tells(channel, day)
        told, self.deals["wechat"] = self.deals["wechat"], [*self._flow()]
        self.tells("wechat", day, flow=True)
        self.deals["wechat"] = told

    def _flow(self) -> list[Deal]:
        found = [deal for deal in self.deals["wechat"] if deal not in self.flow]
        # Of a revoked order the account gave the money back all the same; its voucher is then the order.
        return [replace(deal, refund=deal.order, revoked=False) if deal.revoked else deal for deal in found]

    def at_channels(self, *days: Any) -> dict[str, int]:
        """What the channels say they have of these days, in fen."""
        found = {}
        for name, deals in self.deals.items():
            fen = sum(-one.amount_fen if one.refund else one.amount_fen for one in deals if one.local.date() in days)
            found[f"assets:channel:{name}"] = fen
        return {name: fen for name, fen in found.items() if fen}


def plate_of(place: int) -> str:
    return f"浙A{place:05d}"


def words(at: datetime) -> str:
    return at.astimezone(local("00:00").tzinfo).strftime("%Y-%m-%d %H:%M:%S")


Wrong = Callable[[World, int, datetime], None]


def _agreed(w: World, place: int, at: datetime) -> None:
    w.phone(place, at)


def _book_only(w: World, place: int, at: datetime) -> None:
    deal = w.phone(place, at)
    w.lacks(deal)
    w.truth["book_only", deal.order] += 1


def _channel_only(w: World, place: int, at: datetime) -> None:
    deal = w.phone(place, at)
    w.adds(w.channel_of(deal), replace(deal, order=f"X{deal.order[1:]}", number=f"X{deal.number[1:]}"))
    w.truth["channel_only", f"X{deal.order[1:]}"] += 1


def _amount(w: World, place: int, at: datetime) -> None:
    deal = w.phone(place, at)
    fen = deal.amount_fen + w.random.choice((-100, 1, 300))
    w.says(deal, amount_fen=fen, fee_fen=fee(fen))
    w.truth["amount_mismatch", deal.order] += 1


def _twice(w: World, place: int, at: datetime) -> None:
    deal = w.phone(place, at)
    w.adds(w.channel_of(deal), replace(deal, number=f"Y{deal.number[1:]}"))
    w.truth["duplicate", deal.order] += 1


def _refund_there(w: World, place: int, at: datetime) -> None:
    deal = w.phone(place, at)
    back = replace(
        deal, refund=f"R{deal.order[1:]}", refund_id=f"50{deal.number[2:]}", at=deal.at + timedelta(minutes=1)
    )
    w.adds(w.channel_of(deal), back)
    w.truth["refund_mismatch", deal.order] += 1


def _back(w: World, deal: Deal) -> Deal:
    """Half of it goes back, by two persons, and the channel says at once that it is done. As the channel should have it."""
    fen = deal.amount_fen // 2
    number = refunds.propose(w.parts, deal.order, "付错", MONEY_DESK, fen).id
    refunds.approve(w.parts, number, fen, BOSS)
    sending._about_to_send(w.parts, number)
    sending.conclude(w.parts, RefundSaid(number=number, state=RefundState.DONE, amount_fen=fen))
    return replace(
        deal, refund=number, refund_id=f"50{number[2:21]}", at=w.clock.now(), amount_fen=fen, fee_fen=fee(fen)
    )


def _refund_here(w: World, place: int, at: datetime) -> None:
    deal = w.phone(place, at)
    _back(w, deal)
    w.truth["refund_mismatch", deal.order] += 1


def _refund_agreed(w: World, place: int, at: datetime) -> None:
    deal = w.phone(place, at)
    w.adds(w.channel_of(deal), _back(w, deal))


def _revoked(w: World, place: int, at: datetime) -> None:
    deal = w.phone(place, at)
    channel = w.channel_of(deal)
    if channel != "alipay":
        number = "0" if channel == "wechat" else f"R{deal.order[1:]}"
        w.adds(channel, replace(deal, refund=number, refund_id=f"50{deal.number[2:]}", revoked=True))
        w.truth["status_mismatch", deal.order] += 1


def _fee(w: World, place: int, at: datetime) -> None:
    deal = w.phone(place, at)
    w.says(deal, fee_fen=deal.fee_fen + w.random.choice((1, 7)))
    w.truth["fee_mismatch", deal.order] += 1


def _flow(w: World, place: int, at: datetime) -> None:
    deal = w.phone(place, at)
    if w.channel_of(deal) == "wechat":
        w.flow.append(deal)
        w.truth["fee_mismatch", deal.order] += 1


def _cash(w: World, place: int, at: datetime) -> None:
    if not w.shift:
        w.shift = shifts_work.open_at(w.parts, "xinyi", "east", pieces(20_000), "bank", LI).shift
    stay, due = w.stay_of(place), 0
    from gateway.flows import quote

    due = int(quote.bill_document(w.parts, stay, w.clock.now())["payable_fen"])
    payment.take(w.parts, stay_id=stay, channel="cash", amount_fen=due, operator=LI.operator, role=LI.role)
    w.goes("out-1", words(at + timedelta(seconds=5)), after=f"x{place}")


MONEY: tuple[Wrong, ...] = (
    *(_agreed, _agreed, _cash, _cash, _book_only, _channel_only, _amount, _twice, _refund_there, _refund_here),
    *(_refund_agreed, _revoked, _fee, _flow),
)


def _unpaid(w: World, place: int, at: datetime) -> None:
    stay = w.stay_of(place)
    w.goes("out-1", words(at + timedelta(seconds=5)), after=f"x{place}", opening=Opening.HAND)
    w.truth["unpaid_exit", stay] += 1


def _without_event(w: World, place: int, at: datetime) -> None:
    w.clock.set(at + timedelta(seconds=9))
    w.deliver(w.mark("in-1", Kind.PASSED, w.clock.now(), None, id=f"rose{place}"))
    w.truth["opened_without_event", f"rose{place}"] += 1
    w.phone(place, at + timedelta(seconds=10))


def _missing_exit(w: World, place: int, at: datetime) -> None:
    """It is read as entering again; nobody has seen how it left."""
    stay = w.stay_of(place)
    w.deliver(w.mark("out-1", Kind.REVERSED, at + timedelta(seconds=5), f"x{place}"))
    w.passes("in-1", plate_of(place), words(at + timedelta(hours=1)))
    w.truth["missing_exit", stay] += 1


def _vouchers(w: World, place: int, at: datetime) -> None:
    """A book is handed out, and one of it pays the stay."""
    w.vouchers.present(plate_of(place), w.vouchers.issued("whole_stay", 0, count=3)[0])
    w.goes("out-1", words(at + timedelta(seconds=5)), after=f"x{place}")


def _miscounted(w: World, place: int, at: datetime) -> None:
    """One of a book is gone without a step that says why: somebody was at the database."""
    w.vouchers.issued("hour", 60, count=3)
    book = max(w.vouchers.rows(t.VoucherBook), key=lambda row: int(row.first_serial))
    w.phone(place, at)
    change = w.random.choice(("DELETE FROM voucher", "UPDATE voucher SET state = 'void'"))
    past_the_program(w.parts, f"{change} WHERE serial = {book.last_serial}")
    w.miscounted = book.id
    w.truth["voucher_count", book.id] += 1


AROUND: tuple[Wrong, ...] = (_unpaid, _without_event, _missing_exit, _vouchers, _miscounted)


def _cut_off(w: World, place: int, at: datetime) -> None:
    deal = w.phone(place, at)
    # UnionPay's next day has begun by then; of the others the moment is a little later there.
    if w.channel_of(deal) != "unionpay":
        w.says(deal, at=local("2026-03-03 00:00:07").astimezone(UTC))
    w.early["cut_off", deal.order] += 1


def _never_there(w: World, place: int, at: datetime) -> None:
    deal = w.phone(place, at)
    w.lacks(deal)
    w.early["cut_off", deal.order] += 1
    w.late["book_only", deal.order] += 1


AT_MIDNIGHT: tuple[Wrong, ...] = (_cut_off, _never_there)

__all__ = ["DAY", "ONE", "By", "Truth", "World", "t"]
