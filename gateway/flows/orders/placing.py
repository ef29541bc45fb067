"""Placing an order: for exactly what the stay owes at this moment, one at a time.

The row is committed before the channel hears of the order, so no callback can come before it. A bill that has moved closes the order
and makes another one; an order that was paid all the same before the channel had closed it counts (`receiving`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from gateway.channels.port import ChannelError, Declined, OrderState, ToPay
from gateway.flows import audit
from gateway.flows.charges_books import By
from gateway.flows.orders import within
from gateway.flows.orders.looking import settle_unpaid
from gateway.flows.orders.records import ORDER, Order, account_of, next_look, order_document
from gateway.flows.orders.refusals import ChannelAway, ChannelNotOffered
from gateway.flows.payment import batch_of, close_orders_of, vehicle_of, what_is_due
from gateway.flows.refusals import AmountNotDue, NotFound
from gateway.flows.settling import Settling
from gateway.flows.vehicle import Vehicle
from gateway.runtime.ids import derive
from gateway.runtime.logs import logger
from gateway.store import tables as t
from gateway.wiring import Parts

# WeChat Pay takes no order that ends within a minute; and a driver needs the time to pay.
_LEFT_AT_LEAST = timedelta(seconds=70)
_TRIES = 3
# More than the bill of one stay moves in days; whoever clicks on and on makes no more.
ORDERS_MAX = 200
_log = logger(__name__)


def offered(parts: Parts, site: str) -> tuple[str, ...]:
    """The channels through which a stay of a site can be paid."""
    if not parts.channels:
        return ()
    with parts.store.reading() as connection:
        merchant = connection.execute(select(t.Site.merchant_id).where(t.Site.id == site)).scalar()
    return parts.channels.channels_of(merchant or "")


def place(
    parts: Parts, stay_id: str, channel: str, by: By | None = None, payer_address: str = "", payer: str = ""
) -> Order:
    """An order that can be paid now: the one that is open, where it still says what is due, else a new one.

    `payer`: whose phone pays it inside the channel's app (`within`); empty: whoever scans.
    Raises `AmountNotDue` where nothing is due, `ChannelNotOffered`, `ChannelAway`, `NotFound`.
    """
    for _ in range(_TRIES):
        wanted, moved = _order(parts, stay_id, channel, by, payer)
        if wanted.state == "open":
            return order_document(wanted)
        # Before the new one can be paid: else two could be paid at once.
        states = [settle_unpaid(parts, one) for one in moved]
        if OrderState.PAID not in states:
            return _open(parts, wanted, payer_address, payer)
    raise ChannelAway("the bill changes while it is being ordered; try again")


def _order(parts: Parts, stay_id: str, channel: str, by: By | None, payer: str) -> tuple[Any, list[Any]]:
    """The order for what is due, as committed, and those that it replaces."""
    site = stay_id.partition(".")[0]
    with parts.store.deciding() as connection:
        now = parts.clock.now()
        plate, started_at = vehicle_of(connection, site, stay_id)
        merchant = connection.execute(select(t.Site.merchant_id).where(t.Site.id == site)).scalar_one()
        if channel not in parts.channels.channels_of(merchant):
            raise ChannelNotOffered
        batch = batch_of(parts, connection, (site, plate), started_at, now)
        vehicle = Vehicle(batch, (site, plate))
        stay = next((one for one in vehicle.stays if one.id == stay_id), None)
        if stay is None:
            raise NotFound("the stay is too old to be paid here, or void; ask the street office")
        due, _ = what_is_due(Settling(batch, vehicle.key, stay), now)
        before = _unpaid(connection, site, stay_id)
        for row in before if due > 0 else ():
            if row.state == "closing":
                continue
            same = row.amount_fen == due and (row.merchant_id, row.channel) == (merchant, channel)
            if same and row.expires_at - now >= _LEFT_AT_LEAST and within.is_for(parts, row.code, payer):
                return row, []
        close_orders_of(connection, site, stay_id, now)
        wanted = None
        if due > 0:
            wanted = _insert(parts, connection, (site, stay_id, merchant, channel), due, now, by)
        connection.commit()
    if wanted is None:
        raise AmountNotDue("nothing is due at this moment")
    return wanted, before


def _orders_before(connection: Connection, site: str, stay_id: str) -> int:
    """How many a stay has had. Raises `ChannelAway` where that is enough."""
    query = select(func.count()).select_from(t.PaymentOrder).where(ORDER.site_id == site, ORDER.stay_id == stay_id)
    count: int = connection.execute(query).scalar_one()
    if count >= ORDERS_MAX:
        raise ChannelAway("too many orders were placed for this stay; pay at the booth, or press the help button")
    return count


def _unpaid(connection: Connection, site: str, stay_id: str) -> list[Any]:
    return list(
        connection.execute(
            select(*ORDER)
            .where(
                ORDER.site_id == site,
                ORDER.stay_id == stay_id,
                ORDER.state.in_(("created", "open", "closing")),
            )
            .with_for_update()
        )
    )


def _insert(
    parts: Parts, connection: Connection, whose: tuple[str, str, str, str], due: int, now: datetime, by: By | None
) -> Any:
    site, stay_id, merchant, channel = whose
    before = _orders_before(connection, site, stay_id)
    # Letters and digits only, at most 32: what every channel takes. With the instant, so that a restored database gives out no number
    # that the channel knows already.
    number = derive("pg", site, stay_id, channel, now.isoformat(), str(due), str(before)).replace("-", "")
    operator = by.operator if by is not None else None
    connection.execute(
        insert(t.PaymentOrder).values(
            site_id=site,
            id=number,
            stay_id=stay_id,
            merchant_id=merchant,
            channel=channel,
            amount_fen=due,
            state="created",
            quoted_at=now,
            expires_at=now + timedelta(minutes=parts.settings.payment_order_minutes),
            look_at=next_look(now, 1),
            looks=0,
            paid_fen=0,
            applied_fen=0,
            refunded_fen=0,
            ordered_by=operator,
        )
    )
    audit.record(
        connection,
        at=now,
        operator=operator or "service",
        action="order.place",
        site=site,
        subject=stay_id,
        origin=by.origin if by is not None else "",
        detail={"order": number, "channel": channel, "amount_fen": due},
    )
    return connection.execute(select(*ORDER).where(ORDER.site_id == site, ORDER.id == number)).one()


def _open(parts: Parts, wanted: Any, payer_address: str, payer: str) -> Order:
    """Tell the channel of an order. Asked twice for the same one, it opens it once. Raises `ChannelAway`."""
    account = account_of(parts, wanted.merchant_id, wanted.channel)
    with parts.store.reading() as connection:
        name = connection.execute(select(t.Site.name).where(t.Site.id == wanted.site_id)).scalar()
    asked = ToPay(
        number=wanted.id,
        amount_fen=wanted.amount_fen,
        description=f"停车费 {name}"[:40],
        expires_at=wanted.expires_at,
        notify_url=f"{parts.settings.base_url}/pay/{wanted.channel}/notify",
        payer_address=payer_address,
        payer=payer,
    )
    try:
        code = account.create(asked)
    except ChannelError as problem:
        _log.warning("an order was not opened", order=wanted.id, channel=wanted.channel, problem=str(problem))
        if isinstance(problem, Declined):
            _change(parts, wanted, "created", state="closing", look_at=parts.clock.now())
        raise ChannelAway from None
    _change(parts, wanted, "created", state="open", code=within.code_for(parts, payer, code) if payer else code)
    mine = select(*ORDER).where(ORDER.site_id == wanted.site_id, ORDER.id == wanted.id)
    with parts.store.reading() as connection:
        row = connection.execute(mine).one()
    if row.state in {"closing", "closed"}:
        # Replaced while the channel opened it: closed there before it was known there, it would stay open with nobody to look after it.
        settle_unpaid(parts, row)
    return order_document(row)


def _change(parts: Parts, wanted: Any, only: str, **changed: Any) -> None:
    """Only from one state: a callback may have been faster."""
    with parts.store.writing() as connection:
        connection.execute(
            update(t.PaymentOrder)
            .where(
                t.PaymentOrder.site_id == wanted.site_id, t.PaymentOrder.id == wanted.id, t.PaymentOrder.state == only
            )
            .values(**changed)
        )
        connection.commit()
