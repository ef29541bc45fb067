"""Three days of books and of channels' deals in which everything agrees but what was put there, with a list of what was put there.

The day in the middle is the one to reconcile. What the channels have goes through `simulators.statements`, so that the files are theirs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from simulators.statements import SHANGHAI, Deal, Drawer

Record = dict[str, Any]
Truth = tuple[str, str, str, str, str]
"""Kind of break, what it is about, order number, refund number, subject (of what no channel has)."""

PARTIES = (
    ("wechat", "1900000001"),
    ("wechat", "1900000002"),
    ("alipay", "2088000000000001"),
    ("unionpay", "777290000000001"),
)
RATE_PPM = 6000
FLOAT_FEN = 20_000


def fee(amount_fen: int) -> int:
    return (amount_fen * RATE_PPM + 500_000) // 1_000_000


@dataclass
class Street:
    """`channel` and `flow` by channel, account and day of the statement; `missing` and `later`: the truth before and after the neighbour came."""

    seed: int
    day: date
    payments: int = 40
    books: list[Record] = field(default_factory=list)
    channel: dict[tuple[str, str, date], list[Deal]] = field(default_factory=dict)
    flow: dict[tuple[str, str, date], list[Deal]] = field(default_factory=dict)
    shifts: list[Record] = field(default_factory=list)
    drawers: list[Drawer] = field(default_factory=list)
    exits: list[Record] = field(default_factory=list)
    openings: list[Record] = field(default_factory=list)
    inside: list[Record] = field(default_factory=list)
    vouchers: list[Record] = field(default_factory=list)
    truth: Counter[Truth] = field(default_factory=Counter)
    early: Counter[Truth] = field(default_factory=Counter)
    late: Counter[Truth] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random, self._count = Random(self.seed), 0
        for place, (channel, account) in enumerate(PARTIES):
            for off in (-1, 0, 1):
                day = self.day + timedelta(days=off)
                self.channel[channel, account, day], self.flow[channel, account, day] = [], []
            for _ in range(self.payments // (place + 1)):
                self.agreed(channel, account, self.day + timedelta(days=self.random.choice((-1, 0, 0, 0, 1))))
            for wrong in _WRONG:
                if self.random.random() < 0.5:
                    for _ in range(self.random.randint(1, 2)):
                        wrong(self, channel, account)
        self._cash()
        self._passages()

    @property
    def before(self) -> Counter[Truth]:
        """What is to be found while the next day's statements and books have not come."""
        return self.truth + self.early

    @property
    def after(self) -> Counter[Truth]:
        """What is to be found once they have."""
        return self.truth + self.late

    # --- what agrees --------------------------------------------------------------------------------------------

    def number(self, letter: str = "P") -> str:
        self._count += 1
        return f"{letter}{self.day:%Y%m%d}{self.seed:05d}{self._count:06d}"

    def at(self, off: int = 0) -> datetime:
        """In the daytime, some days from the middle."""
        midnight = datetime.combine(self.day + timedelta(days=off), datetime.min.time(), SHANGHAI)
        return (midnight + timedelta(seconds=self.random.randint(5 * 3600, 22 * 3600))).astimezone(UTC)

    def midnight(self, seconds: int) -> datetime:
        """So many seconds after the end of the day in the middle."""
        end = datetime.combine(self.day + timedelta(days=1), datetime.min.time(), SHANGHAI)
        return (end + timedelta(seconds=seconds)).astimezone(UTC)

    def fen(self) -> int:
        return self.random.choice((300, 500, 800, 1000, 1250, 2000, 30_000))

    def deal(self, order: str, fen: int, at: datetime) -> Deal:
        return Deal(order=order, number=f"42{order[1:]}", at=at, amount_fen=fen, fee_fen=fee(fen))

    def refund_deal(self, order: str, fen: int, at: datetime, number: str) -> Deal:
        status = self.random.choice(("PROCESSING", "SUCCESS"))
        done = self.deal(order, fen, at)
        return replace(done, refund=number, refund_id=f"50{number[1:]}", status=status)

    def book(self, channel: str, account: str, order: str, fen: int, at: datetime, **more: Any) -> None:
        self._count += 1
        local = at.astimezone(SHANGHAI).date()
        self.books.append(
            {
                "id": f"{'r' if more.get('refund_number') else 'p'}-{self._count:06d}",
                "kind": "refund" if more.get("refund_number") else "payment",
                "channel": channel,
                "account": account,
                "site": "ne",
                "stay": f"stay-{order}",
                "shift": "",
                "order_number": order,
                "refund_number": "",
                "at": at,
                "day": local,
                "amount_fen": fen,
                "status": "done",
                **more,
            }
        )

    def put(self, channel: str, account: str, deal: Deal, *, day: date | None = None, flow: bool = True) -> None:
        """On the channel's statement of its own day, and on the fund flow of it."""
        day = day or deal.local.date()
        self.channel[channel, account, day].append(deal)
        if flow:
            self.flow[channel, account, day].append(deal)

    def agreed(self, channel: str, account: str, day: date) -> tuple[str, int, datetime]:
        """A payment on both sides, of which something may be given back on both sides."""
        order, fen, at = self.number(), self.fen(), self.at((day - self.day).days)
        self.book(channel, account, order, fen, at)
        self.put(channel, account, self.deal(order, fen, at))
        if self.random.random() < 0.15:
            part = self.random.choice((fen, fen // 2))
            self._refund(channel, account, order, part)
        return order, fen, at

    def _refund(self, channel: str, account: str, order: str, fen: int) -> str:
        number, at = self.number("R"), self.at()
        status = self.random.choice(("done", "done", "processing"))
        deal = self.refund_deal(order, fen, at, number)
        if channel == "wechat" and self.random.random() < 0.2:
            # It could not be given back in the end: the books know, the statement said only that it had begun.
            status, deal = "failed", replace(deal, status="PROCESSING")
        self.book(channel, account, order, fen, at, refund_number=number, status=status)
        self.put(channel, account, deal)
        return number

    # --- what does not --------------------------------------------------------------------------------------------

    def say(self, kind: str, about: str, order: str, refund: str = "", when: Counter[Truth] | None = None) -> None:
        (self.truth if when is None else when)[kind, about, order, refund, ""] += 1

    def _cash(self) -> None:
        for place in range(3):
            shift, at = f"ne-{self.seed}-{place}", self.at()
            paid = [self.fen() for _ in range(5)]
            for fen in paid:
                self.book("cash", "1900000001", "", fen, at, shift=shift)
            self.shifts.append(
                {"shift": shift, "site": "ne", "day": self.day, "float_fen": FLOAT_FEN, "handed_fen": 1000}
            )
            wrong = self.random.choice((0, 0, -50, 100))
            counted = FLOAT_FEN + sum(paid) - 1000 + wrong
            if place == 2 and self.random.random() < 0.3:
                continue  # nobody has counted it yet
            # Jiao and five jiao make up every amount that is taken here.
            self.drawers.append(Drawer("ne", shift, at, {50: counted // 50}))
            if wrong:
                self.truth["cash_over" if wrong > 0 else "cash_short", "shift", "", "", shift] += 1

    def _passages(self) -> None:
        chance = self.random.random
        for place in range(12):
            stay, at, due = f"exit-{self.seed}-{place}", self.at(), self.fen()
            paid, owed, reason = ((due, 0, None), (0, due, "pay_later"), (due - 100, 100, "offline"))[place % 3]
            if chance() < 0.1:
                owed, reason = 0, None
                paid = min(paid, due - 100)
                self.truth["unpaid_exit", "stay", "", "", stay] += 1
            known = {"stay": stay, "site": "ne", "at": at, "day": self.day, "due_fen": due}
            self.exits.append({**known, "paid_fen": paid, "owed_fen": owed, "reason": reason})
            command, event = (("c1", "e1"), ("c1", None), (None, "e1"))[place % 3]
            if chance() < 0.1:
                command = event = None
                self.truth["opened_without_event", "opening", "", "", stay] += 1
            self.openings.append(
                {"id": stay, "site": "ne", "at": at, "day": self.day, "command": command, "event": event}
            )
            again, until = None, at + timedelta(days=30)
            if chance() < 0.1:
                again, until = self.random.choice(((at + timedelta(hours=1), until), (None, at)))
                self.truth["missing_exit", "stay", "", "", stay] += 1
            seen = {"seen_again_at": again, "impossible_from": until, "as_of": at + timedelta(hours=4)}
            self.inside.append({"stay": stay, "site": "ne", "day": self.day, "entry_at": at, **seen})
            used, void, expired, left = (self.random.randint(0, 9) for _ in range(4))
            off = self.random.choice((-1, 1)) if chance() < 0.1 else 0
            if off:
                self.truth["voucher_count", "voucher_book", "", "", stay] += 1
            became = {"used": used, "void": void, "expired": expired, "outstanding": left}
            issued = used + void + expired + left + off
            self.vouchers.append({"book": stay, "site": "ne", "day": self.day, "issued": issued, **became})


Wrong = Callable[[Street, str, str], None]


def _channel_only(s: Street, channel: str, account: str) -> None:
    order = s.number()
    s.put(channel, account, s.deal(order, s.fen(), s.at()))
    s.say("channel_only", "payment", order)


def _book_only(s: Street, channel: str, account: str) -> None:
    order = s.number()
    s.book(channel, account, order, s.fen(), s.at())
    s.say("book_only", "payment", order)


def _amount(s: Street, channel: str, account: str) -> None:
    order, at = s.number(), s.at()
    s.book(channel, account, order, 1000, at)
    s.put(channel, account, s.deal(order, s.random.choice((999, 1001, 500)), at))
    s.say("amount_mismatch", "payment", order)


def _status(s: Street, channel: str, account: str) -> None:
    """Revoked there; or of WeChat a refund that failed there."""
    order, fen, at = s.number(), s.fen(), s.at(-1)
    s.book(channel, account, order, fen, at)
    s.put(channel, account, s.deal(order, fen, at))
    number = s.number("R")
    deal = s.refund_deal(order, fen, s.at(), number)
    if channel == "alipay":
        s.book(channel, account, order, fen, deal.at, refund_number=number, status="failed")
        s.put(channel, account, deal)
    elif channel == "wechat" and s.random.random() < 0.5:
        s.book(channel, account, order, fen, deal.at, refund_number=number)
        s.put(channel, account, replace(deal, status="CHANGE"), flow=False)
    else:
        number = "" if channel == "wechat" else number
        s.put(channel, account, replace(deal, refund=number or "0", revoked=True), flow=False)
        # The account gave the money back all the same; its voucher is then the order.
        s.flow[channel, account, s.day].append(replace(deal, refund=order))
    s.say("status_mismatch", "refund", order, number)


def _twice_there(s: Street, channel: str, account: str) -> None:
    order, fen, at = s.agreed(channel, account, s.day)
    s.put(channel, account, replace(s.deal(order, fen, at), number=f"43{order[1:]}"))
    s.say("duplicate", "payment", order)


def _twice_here(s: Street, channel: str, account: str) -> None:
    order, fen, _ = s.agreed(channel, account, s.day)
    s.book(channel, account, order, fen, s.at())
    s.say("duplicate", "payment", order)


def _twice_everywhere(s: Street, channel: str, account: str) -> None:
    order, fen, at = s.agreed(channel, account, s.day)
    s.book(channel, account, order, fen, at)
    s.put(channel, account, s.deal(order, fen, at))
    s.say("duplicate", "payment", order)


def _refund_here(s: Street, channel: str, account: str) -> None:
    order, fen, _ = s.agreed(channel, account, s.day)
    number = s.number("R")
    s.book(channel, account, order, fen, s.at(), refund_number=number)
    s.say("refund_mismatch", "refund", order, number)


def _refund_there(s: Street, channel: str, account: str) -> None:
    order, fen, _ = s.agreed(channel, account, s.day)
    number = s.number("R")
    s.put(channel, account, s.refund_deal(order, fen, s.at(), number))
    s.say("refund_mismatch", "refund", order, number)


def _refund_amount(s: Street, channel: str, account: str) -> None:
    order, at, number = s.number(), s.at(), s.number("R")
    s.book(channel, account, order, 2000, at)
    s.put(channel, account, s.deal(order, 2000, at))
    s.book(channel, account, order, 1500, s.at(), refund_number=number)
    s.put(channel, account, s.refund_deal(order, 2000, s.at(), number))
    s.say("refund_mismatch", "refund", order, number)


def _fee(s: Street, channel: str, account: str) -> None:
    order, fen, at = s.number(), 3000, s.at()
    s.book(channel, account, order, fen, at)
    deal = s.deal(order, fen, at)
    s.put(channel, account, replace(deal, fee_fen=deal.fee_fen + s.random.choice((-2, -1, 1, 7))))
    s.say("fee_mismatch", "payment", order)


def _flow(s: Street, channel: str, account: str) -> None:
    """WeChat's fund flow lacks a payment, has another amount or another fee."""
    if channel != "wechat":
        return
    order, fen, at = s.number(), 3000, s.at()
    s.book(channel, account, order, fen, at)
    deal = s.deal(order, fen, at)
    s.put(channel, account, deal, flow=False)
    other = s.random.choice((None, replace(deal, amount_fen=fen - 1), replace(deal, fee_fen=deal.fee_fen + 1)))
    if other is not None:
        s.flow[channel, account, s.day].append(other)
    s.say("fee_mismatch", "fund_flow", order)


def _next_day_there(s: Street, channel: str, account: str) -> None:
    """Booked before midnight, on the channel's next statement."""
    order, fen = s.number(), s.fen()
    s.book(channel, account, order, fen, s.midnight(-s.random.randint(1, 60)))
    s.put(channel, account, s.deal(order, fen, s.midnight(s.random.randint(0, 60))))
    s.say("cut_off", "payment", order, when=s.early)


def _next_day_here(s: Street, channel: str, account: str) -> None:
    order, fen, number = s.number(), s.fen(), s.number("R")
    s.put(channel, account, s.deal(order, fen, s.midnight(-s.random.randint(1, 60))))
    s.book(channel, account, order, fen, s.midnight(s.random.randint(0, 60)))
    s.say("cut_off", "payment", order, when=s.early)
    s.put(channel, account, s.refund_deal(order, fen, s.midnight(-5), number))
    s.book(channel, account, order, fen, s.midnight(5), refund_number=number)
    s.say("cut_off", "refund", order, number, when=s.early)


def _the_day_before(s: Street, channel: str, account: str) -> None:
    """Across the midnight before: its neighbour is there, so nothing is to be found."""
    order, fen = s.number(), s.fen()
    s.put(channel, account, s.deal(order, fen, s.midnight(-86_400 - s.random.randint(1, 60))))
    s.book(channel, account, order, fen, s.midnight(-86_400 + s.random.randint(0, 60)))


def _never_there(s: Street, channel: str, account: str) -> None:
    """Booked before midnight, and never on a statement: it may be cut off until the next one has come."""
    order = s.number()
    s.book(channel, account, order, s.fen(), s.midnight(-s.random.randint(1, 60)))
    s.say("cut_off", "payment", order, when=s.early)
    s.say("book_only", "payment", order, when=s.late)


def _never_here(s: Street, channel: str, account: str) -> None:
    order = s.number()
    s.put(channel, account, s.deal(order, s.fen(), s.midnight(-s.random.randint(1, 60))))
    s.say("cut_off", "payment", order, when=s.early)
    s.say("channel_only", "payment", order, when=s.late)


_WRONG: tuple[Wrong, ...] = (
    *(_channel_only, _book_only, _amount, _status, _twice_there, _twice_here, _twice_everywhere),
    *(_refund_here, _refund_there, _refund_amount, _fee, _flow),
    *(_next_day_there, _next_day_here, _the_day_before, _never_there, _never_here),
)
