"""Giving a pass back: what is not used, by day. Proposed by one, decided by a second person, then paid out.

Approved, what was paid for unused days moves from `liability:prepaid` to `liability:refund` (or off what is still owed for a pass
that is billed monthly), and the pass ends; paid out, it leaves the drawer or the channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from billing.ledger import Posting
from billing.passes import unused
from gateway.flows.charges_books import (
    PREPAID,
    REFUND,
    By,
    Desk,
    account_of,
    hold_of,
    reason_of,
)
from gateway.flows.charges_posting import receivable
from gateway.flows.charges_refusals import AlreadyDecided, AlreadyProposed, PassNotValid
from gateway.flows.passes_held import bring, held_of
from gateway.flows.passes_records import SoldPass, SoldPeriod, load
from gateway.flows.refusals import AmountNotDue, NotFound
from gateway.flows.taking import check_channel
from gateway.flows.two_people import undecided
from gateway.runtime.ids import derive_in_site
from gateway.store import tables as t
from gateway.wiring import Parts

_REFUND = t.PassRefund.__table__.c


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund as it stands. `amount_fen` of one that is only proposed is what it would be if it were approved now."""

    id: str
    passed: str = msgspec.field(name="pass")
    state: str
    from_day: date
    amount_fen: int
    reason: str
    proposed_by: str
    decided_by: str | None
    paid_by: str | None


@dataclass(slots=True)
class _Ending:
    """What ending a pass gives back: of each period the day on which it ends, and the amount in fen."""

    from_day: date
    periods: list[tuple[SoldPeriod, int]]

    @property
    def amount_fen(self) -> int:
        return sum(fen for _, fen in self.periods)


def propose(parts: Parts, pass_id: str, reason: str, by: By, from_day: date | None = None) -> Refund:
    """Ask for a pass to end and its unused days to be paid back. `from_day`: the first day not used, tomorrow at the earliest.

    Raises `AlreadyProposed`, `PassNotValid`, `NotFound`, `Invalid`.
    """
    words = reason_of(reason)
    with parts.store.writing() as connection:
        desk = hold_of(parts, connection, "pass", pass_id, by)
        sold = load(connection, desk.site, pass_id)
        if sold.state != "active":
            raise PassNotValid("the pass was given back before")
        if _open(desk, sold.id):
            raise AlreadyProposed("a refund of this pass is proposed already: decide that one")
        wanted = max(from_day or desk.today, _earliest(desk, sold))
        number = len(_all(desk, sold.id))
        row = {
            "site_id": desk.site,
            "id": derive_in_site(desk.site, "refund", sold.id, str(number)),
            "pass_id": sold.id,
            "state": "proposed",
            "wanted_from": wanted,
            "ended_day": None,
            "amount_fen": None,
            "reason": words,
            "proposed_at": desk.now,
            "proposed_by": by.operator,
            "decided_at": None,
            "decided_by": None,
            "decision": "",
            "channel": None,
            "shift_id": None,
            "paid_at": None,
            "paid_by": None,
        }
        connection.execute(insert(t.PassRefund).values(**row))
        desk.audit("pass.refund.propose", sold.id, reason=words, refund=row["id"])
        connection.commit()
        return _document(row, _ending(desk, sold, wanted))


def approve(parts: Parts, refund_id: str, amount_fen: int, by: By) -> Refund:
    """End the pass and owe what is unused. `amount_fen` is what the approver saw: refused where it is another by now.

    Raises `SecondPersonNeeded`, `AlreadyDecided`, `AmountNotDue`, `NotFound`.
    """
    with parts.store.writing() as connection:
        desk, row, sold = _proposed(parts, connection, refund_id, by)
        ending = _ending(desk, sold, row.wanted_from)
        if ending.amount_fen != amount_fen:
            raise AmountNotDue(f"the refund is {ending.amount_fen} fen today, not {amount_fen}; look again")
        before = held_of(sold, desk.zone)
        postings = _end(desk, ending)
        bring(desk, sold, before, what="refund", reason=row.reason)
        desk.post("refund", ("refund", refund_id), f"refund:{refund_id}", postings, operator=by.operator)
        connection.execute(
            update(t.ParkingPass)
            .where(t.ParkingPass.site_id == desk.site, t.ParkingPass.id == sold.id)
            .values(state="ended")
        )
        owed = sum(-posting.amount_fen for posting in postings if posting.account == REFUND)
        changed = _change(desk, refund_id, state="approved", ended_day=ending.from_day, amount_fen=owed)
        desk.audit("pass.refund.approve", sold.id, refund=refund_id)
        connection.commit()
        return _document(changed, None)


def refuse(parts: Parts, refund_id: str, reason: str, by: By) -> Refund:
    """The pass goes on. Raises `SecondPersonNeeded`, `AlreadyDecided`, `NotFound`."""
    words = reason_of(reason)
    with parts.store.writing() as connection:
        desk, _, sold = _proposed(parts, connection, refund_id, by)
        changed = _change(desk, refund_id, state="refused", decision=words, amount_fen=0)
        desk.audit("pass.refund.refuse", sold.id, reason=words, refund=refund_id)
        connection.commit()
        return _document(changed, None)


def pay_out(parts: Parts, refund_id: str, channel: str, by: By) -> Refund:
    """Hand the money back, out of the cashier's shift or a channel. Paying out again answers the same.

    Raises `AlreadyDecided` for a refund that is not approved, `AmountNotDue` where nothing is to be paid, `ChannelClosed`.
    """
    check_channel(parts, channel)
    with parts.store.writing() as connection:
        desk = hold_of(parts, connection, "refund", refund_id, by)
        row = _row(desk, refund_id)
        if row.state == "paid":
            return _document(row._asdict(), None)
        if row.state != "approved":
            raise AlreadyDecided(f"the refund is {row.state}, not approved")
        if not row.amount_fen:
            raise AmountNotDue("nothing is to be paid back")
        account, shift = account_of(desk, channel)
        lines = [Posting(REFUND, row.amount_fen), Posting(account, -row.amount_fen)]
        desk.post("refund", ("refund", refund_id), f"refund:{refund_id}:paid", lines, operator=by.operator)
        changed = _change(
            desk, refund_id, state="paid", channel=channel, shift_id=shift, paid_at=desk.now, paid_by=by.operator
        )
        desk.audit("pass.refund.pay", row.pass_id, refund=refund_id, channel=channel, amount_fen=row.amount_fen)
        connection.commit()
        return _document(changed, None)


def refunds_of(desk: Desk, sold: SoldPass) -> list[Refund]:
    """All refunds of a pass, oldest first."""
    return [
        _document(row._asdict(), _ending(desk, sold, row.wanted_from) if row.state == "proposed" else None)
        for row in _all(desk, sold.id)
    ]


def _earliest(desk: Desk, sold: SoldPass) -> date:
    """Today is used, where the pass holds today; before it begins no day is."""
    return desk.today + timedelta(days=1) if sold.holds_on(desk.today) else desk.today


def _ending(desk: Desk, sold: SoldPass, wanted: date) -> _Ending:
    """What is unused from a day on; never from a day that has begun. A waived price gives nothing back."""
    from_day = max(wanted, _earliest(desk, sold))
    periods = [
        (period, unused(period.gross(), from_day) - unused(period.waived(), from_day))
        for period in sold.periods
        if period.ended_day is None and period.end_day > from_day
    ]
    return _Ending(from_day, periods)


def _end(desk: Desk, ending: _Ending) -> list[Posting]:
    """End the periods; the postings: first off what is still owed for them, the rest is to be paid back."""
    off_the_charge = 0
    for period, fen in ending.periods:
        period.ended_day = max(period.first_day, ending.from_day)
        desk.connection.execute(
            update(t.PassPeriod)
            .where(t.PassPeriod.site_id == desk.site, t.PassPeriod.id == period.id)
            .values(ended_day=period.ended_day)
        )
        off_the_charge += _credit(desk, period, fen)
    return [
        Posting(PREPAID, ending.amount_fen),
        Posting(receivable("pass"), -off_the_charge),
        Posting(REFUND, off_the_charge - ending.amount_fen),
    ]


def _credit(desk: Desk, period: SoldPeriod, fen: int) -> int:
    """What of it goes off an unpaid charge of the period."""
    charge = t.Charge
    row = desk.connection.execute(
        select(charge.id, charge.gross_fen, charge.waived_fen, charge.paid_fen, charge.credited_fen).where(
            charge.site_id == desk.site, charge.period_id == period.id, charge.reversed_at.is_(None)
        )
    ).one_or_none()
    if row is None:
        return 0
    credited = min(fen, row.gross_fen - row.waived_fen - row.paid_fen - row.credited_fen)
    if credited:
        desk.connection.execute(
            update(charge)
            .where(charge.site_id == desk.site, charge.id == row.id)
            .values(credited_fen=row.credited_fen + credited)
        )
    return int(credited)


def _proposed(parts: Parts, connection: Connection, refund_id: str, by: By) -> tuple[Desk, Any, SoldPass]:
    desk = hold_of(parts, connection, "refund", refund_id, by)
    row = undecided(_row(desk, refund_id), by, "refund")
    return desk, row, load(connection, desk.site, row.pass_id)


def _row(desk: Desk, refund_id: str) -> Any:
    row = desk.connection.execute(
        select(*_REFUND).where(_REFUND.site_id == desk.site, _REFUND.id == refund_id)
    ).one_or_none()
    if row is None:
        raise NotFound("there is no such refund, or not for you")
    return row


def _all(desk: Desk, pass_id: str) -> list[Any]:
    return list(
        desk.connection.execute(
            select(*_REFUND)
            .where(_REFUND.site_id == desk.site, _REFUND.pass_id == pass_id)
            .order_by(_REFUND.proposed_at, _REFUND.id)
        )
    )


def _open(desk: Desk, pass_id: str) -> bool:
    return any(row.state == "proposed" for row in _all(desk, pass_id))


def _change(desk: Desk, refund_id: str, **changed: Any) -> Any:
    if changed["state"] != "paid":
        changed |= {"decided_at": desk.now, "decided_by": desk.by.operator}
    desk.connection.execute(
        update(t.PassRefund).where(t.PassRefund.site_id == desk.site, t.PassRefund.id == refund_id).values(**changed)
    )
    return _row(desk, refund_id)._asdict()


def _document(row: Any, ending: _Ending | None) -> Refund:
    return Refund(
        id=row["id"],
        passed=row["pass_id"],
        state=row["state"],
        from_day=ending.from_day if ending is not None else row["ended_day"] or row["wanted_from"],
        amount_fen=ending.amount_fen if ending is not None else row["amount_fen"] or 0,
        reason=row["reason"],
        proposed_by=row["proposed_by"],
        decided_by=row["decided_by"],
        paid_by=row["paid_by"],
    )
