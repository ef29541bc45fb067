"""What is owed for stays that have ended, and taking it: at the site itself, or at any other of the street.

Collected elsewhere, the money is in the other site's drawer or channel and is owed on to the stay's site: `clearing:<site>` in the books
of both, named after the other one. At an exit old arrears are offered, never demanded: nothing here keeps a barrier shut.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, func, insert, select, text
from sqlalchemy.exc import IntegrityError

from billing.ledger import Posting
from controllers.passages import State
from gateway.flows import pay_token, payment
from gateway.flows.charges_books import Asked, By, Money, asked_as, check_money, payment_under, share, take
from gateway.flows.pay_token import stay_of
from gateway.flows.payment import batch_of, vehicle_of
from gateway.flows.reading import Sites, Slice, at_each, named, of_each, older
from gateway.flows.refusals import AmountNotDue, KeyReused, NotFound
from gateway.flows.saving import OutcomeWriter
from gateway.flows.settling import Settling
from gateway.flows.vehicle import Vehicle
from gateway.store import tables as t
from gateway.wiring import Parts

_STAY = t.Stay.__table__.c
# Written out as in the index: a database uses a partial index only where it can see that its condition holds.
OWED = text("stay.state = 'left' AND stay.payable_fen > stay.paid_fen")
EARLIER_MAX = 20


class Owed(msgspec.Struct, frozen=True, kw_only=True):
    """A stay that has ended and still owes something. `plate` as stored: whoever shows it masks it."""

    stay: str
    site: str
    site_name: str
    plate: str
    started_at: datetime
    entry_at: datetime | None
    exit_at: datetime | None
    payable_fen: int
    paid_fen: int
    due_fen: int
    reason: str | None


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """Arrears that were taken: the payment, the stay, and at which site the money is."""

    id: str
    stay: str
    at_site: str
    channel: str
    amount_fen: int


def written_off() -> ColumnElement[int]:
    """What of a stay was written off, out of what is posted for it."""
    found: ColumnElement[int] = func.coalesce(_STAY.posted["written_off_fen"].as_integer(), 0)
    return found


def due() -> ColumnElement[int]:
    """What a stay still owes, in fen."""
    return _STAY.payable_fen - _STAY.paid_fen - written_off()


def owed(
    connection: Connection, allowed: Sites, page: Slice, *, plate: str | None = None, stay: str | None = None
) -> list[tuple[tuple[datetime, str], Owed]]:
    """Stays that owe something, newest first, each with its key for paging. `plate`: only this one (normalised, whole); `stay`: only this."""

    def of(site: str) -> Select[Any]:
        return _owing(site, page, plate).limit(page.limit + 1)

    if stay is not None:
        site = stay.partition(".")[0]
        found = list(
            connection.execute(_owing(site, page, plate).where(_STAY.id == stay, at_each(t.Stay.site_id, allowed)))
        )
    else:
        found = of_each(connection, named(connection, allowed), of)
    found.sort(key=lambda row: (row.started_at, row.id), reverse=True)
    return [((row.started_at, row.id), _owed(row)) for row in found[: page.limit + 1]]


def _owing(site: str, page: Slice, plate: str | None) -> Select[Any]:
    conditions: list[Any] = [_STAY.site_id == site, OWED, due() > 0]
    if plate is not None:
        conditions.append(_STAY.plate == plate)
    conditions += older(page.after, _STAY.started_at, _STAY.id)
    return (
        select(
            _STAY.id,
            _STAY.site_id,
            # Not joined: whatever is joined may be gone through first, and then all that is owed is sorted.
            select(t.Site.name).where(t.Site.id == _STAY.site_id).scalar_subquery().label("name"),
            _STAY.plate,
            _STAY.started_at,
            _STAY.entry_at,
            _STAY.exit_at,
            _STAY.payable_fen,
            _STAY.paid_fen,
            due().label("due_fen"),
            _STAY.exit_reason,
        )
        # SQLite counts nothing of an index in which nothing stands, and would go through every stay for what nobody owes.
        .with_hint(t.Stay, "INDEXED BY ix_stay_owed", "sqlite")
        .where(*conditions)
        .order_by(_STAY.started_at.desc(), _STAY.id.desc())
    )


def earlier(connection: Connection, stay_id: str) -> list[Owed]:
    """What the vehicle of a stay owes for its other visits, at any site of the street; at most `EARLIER_MAX` of them."""
    plate = connection.execute(
        select(_STAY.plate).where(_STAY.site_id == stay_id.partition(".")[0], _STAY.id == stay_id)
    ).scalar()
    if plate is None or plate.startswith("#"):
        return []  # the plate of an old stay is gone
    found = owed(connection, None, Slice(None, EARLIER_MAX), plate=plate)
    return [one for _, one in found if one.stay != stay_id][:EARLIER_MAX]


def offered(parts: Parts, token: str) -> list[dict[str, Any]]:
    """What the pay page offers besides its own stay: what the vehicle owes from other visits, each with its own page. Never demanded."""
    stay_id = stay_of(parts.settings.secret(), token)
    if stay_id is None:
        return []
    with parts.store.reading() as connection:
        found = earlier(connection, stay_id)
    zone, secret = parts.settings.zone, parts.settings.secret()
    return [
        {
            "site": one.site_name,
            "day": one.started_at.astimezone(zone).date().isoformat(),
            "due_fen": one.due_fen,
            "token": pay_token.token(secret, one.stay),
        }
        for one in found
    ]


def collect(
    parts: Parts, stay_id: str, money: Money, by: By, *, at_site: str | None = None, idempotency_key: str | None = None
) -> Collected:
    """Take exactly what a stay that has ended still owes, at its site or at another. One transaction.

    Raises `AmountNotDue`, `NotFound` and what a payment refuses.
    """
    own = stay_id.partition(".")[0]
    where = at_site or own
    if where == own:
        taken = payment.take(
            parts,
            stay_id=stay_id,
            channel=money.channel,
            amount_fen=money.amount_fen,
            reference=money.reference,
            operator=by.operator,
            role=by.role,
            idempotency_key=idempotency_key,
            origin=by.origin,
            ended=True,
        )
        return Collected(id=taken.id, stay=stay_id, at_site=own, channel=taken.channel, amount_fen=taken.amount_fen)
    check_money(parts, money)
    asked = asked_as(idempotency_key, "arrears", stay_id, msgspec.to_builtins(money))
    try:
        return _elsewhere(parts, stay_id, where, money, by, asked)
    except IntegrityError:
        # Two stays were paid under one key at the same instant, and the other came first.
        raise KeyReused from None


def _elsewhere(parts: Parts, stay_id: str, where: str, money: Money, by: By, asked: Asked) -> Collected:
    own = stay_id.partition(".")[0]
    with parts.store.writing() as connection:
        now = parts.clock.now()
        plate, started_at = vehicle_of(connection, own, stay_id)
        # The vehicle is locked, and the books of both sites are shared: never taken alone, so nobody waits in a circle.
        batch = batch_of(parts, connection, (own, plate), started_at, now)
        desk = share(parts, connection, where, by)
        first = payment_under(desk, asked)
        if first is not None:
            return _collected(first.id, stay_id, where, money)
        vehicle = Vehicle(batch, (own, plate))
        stay = next((one for one in vehicle.stays if one.id == stay_id), None)
        if stay is None or stay.state != State.LEFT:
            raise NotFound("there is no such stay that has ended, or not for you")
        if not 0 < stay.due_fen == money.amount_fen:
            raise AmountNotDue(f"due at this moment: {stay.due_fen} fen, not {money.amount_fen}")
        payment_id = take(desk, "arrears", stay_id, money, asked, [Posting(f"clearing:{own}", -money.amount_fen)])
        account = f"clearing:{where}"
        received = stay.posted.received
        stay.paid_fen += money.amount_fen
        Settling(batch, vehicle.key, stay).book(
            now,
            "payment",
            paid={**received, account: received.get(account, 0) + money.amount_fen},
            operator=by.operator,
            cause=("payment", payment_id),
        )
        OutcomeWriter(connection).save(batch.outcome, batch.facts, now, None)
        connection.execute(
            insert(t.ArrearsCredit).values(
                site_id=own,
                id=payment_id,
                stay_id=stay_id,
                collected_at_site=where,
                amount_fen=money.amount_fen,
                at=now,
                operator=by.operator,
            )
        )
        desk.audit("arrears.collect", stay_id, payment=payment_id, channel=money.channel, amount_fen=money.amount_fen)
        connection.commit()
    return _collected(payment_id, stay_id, where, money)


def _collected(payment_id: str, stay_id: str, where: str, money: Money) -> Collected:
    return Collected(id=payment_id, stay=stay_id, at_site=where, channel=money.channel, amount_fen=money.amount_fen)


def _owed(row: Any) -> Owed:
    return Owed(
        stay=row.id,
        site=row.site_id,
        site_name=row.name,
        plate=row.plate,
        started_at=row.started_at,
        entry_at=row.entry_at,
        exit_at=row.exit_at,
        payable_fen=row.payable_fen,
        paid_fen=row.paid_fen,
        due_fen=int(row.due_fen),
        reason=row.exit_reason,
    )
