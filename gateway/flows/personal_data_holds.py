"""Why a person's data cannot be erased yet: the vehicle is inside, something is owed, a matter is open, somebody was just here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta

import msgspec
from sqlalchemy import Connection, Select, and_, func, or_, select, text

from gateway.flows.arrears import due
from gateway.flows.personal_data_subject import Person
from gateway.flows.refusals import Refused
from gateway.store import tables as t
from gateway.store.tables.invoices import ASKED_ABOUT as INVOICES_ASKED_ABOUT

# A device sends again what it got no receipt for; whoever stood at a gate a moment ago may still be waiting there.
JUST_SEEN = timedelta(minutes=10)

_STAY = t.Stay.__table__.c
_ITEM = t.ExceptionItem.__table__.c
_PRESENCE = t.Presence.__table__.c
_BLOCKED = t.BlockedVehicle.__table__.c
_EVENT = t.PlateEventRow.__table__.c
_INVOICE = t.Invoice.__table__.c


class Hold(msgspec.Struct, frozen=True):
    """`why`: inside, owes, dispute, blocklist, just_seen, prepaid. `words` say it to staff, without naming the person."""

    site: str
    why: str
    words: str


class StillNeeded(Refused):
    """The data is still needed."""

    status = 409
    slug = "still-needed"

    def __init__(self, holds: list[Hold]) -> None:
        self.holds = holds
        super().__init__(f"cannot be erased yet: {'; '.join(f'{hold.site}: {hold.words}' for hold in holds)}")


def holds(connection: Connection, person: Person, now: datetime) -> list[Hold]:
    """All reasons, site by site; empty where the data can go."""
    found: list[Hold] = []
    for site, plate in person.vehicles:
        for look in _OF_A_VEHICLE:
            found += look(connection, site, plate, now)
    if person.household is not None:
        for look_at in _OF_A_HOUSEHOLD:
            found += look_at(connection, *person.household, now)
    return list(dict.fromkeys(found))


def _inside(connection: Connection, site: str, plate: str, _now: datetime) -> Iterator[Hold]:
    inside = select(_STAY.started_at).where(_STAY.site_id == site, _STAY.plate == plate, _STAY.state == "inside")
    if connection.execute(inside.limit(1)).first() is not None:
        yield Hold(site, "inside", "the vehicle is inside; ask again when it has left")


def _owes(connection: Connection, site: str, plate: str, _now: datetime) -> Iterator[Hold]:
    owed = select(func.sum(due())).where(_STAY.site_id == site, _STAY.plate == plate, _STAY.state != "void", due() > 0)
    fen = connection.execute(owed).scalar()
    if fen:
        yield Hold(site, "owes", f"{int(fen)} fen are owed for parking; they are paid or written off first")


def _disputed(connection: Connection, site: str, plate: str, _now: datetime) -> Iterator[Hold]:
    own = (_STAY.site_id == site, _STAY.plate == plate)
    if connection.execute(select(_STAY.id).where(*own, _STAY.state == "exception").limit(1)).first() is not None:
        yield Hold(site, "dispute", "a stay waits for a person to look at it")
    open_items = (_ITEM.site_id == site, _ITEM.state == "open")
    mine = select(_STAY.id).where(*own)
    events = select(_EVENT.event_id).where(_EVENT.site_id == site, _EVENT.plate == plate)
    about = or_(_ITEM.stay_id.in_(mine), _ITEM.event_id.in_(events), _ITEM.detail.contains(plate, autoescape=True))
    # What merely was not confirmed by a passage, or opened by hand, is nobody's dispute: it can be settled without the plate.
    kinds = connection.execute(
        select(_ITEM.kind).where(*open_items, about, _ITEM.kind.not_in(_NO_DISPUTE)).distinct().order_by(_ITEM.kind)
    ).scalars()
    for kind in kinds:
        yield Hold(site, "dispute", f"an open exception ({kind}) is about it; resolve it first")


def _undecided(connection: Connection, site: str, plate: str, _now: datetime) -> Iterator[Hold]:
    off = t.ArrearsWriteOff.__table__.c
    mine = select(_STAY.id).where(_STAY.site_id == site, _STAY.plate == plate)
    proposed = select(off.id).where(off.site_id == site, off.state == "proposed", off.stay_id.in_(mine))
    if connection.execute(proposed.limit(1)).first() is not None:
        yield Hold(site, "dispute", "a write-off is proposed and not decided")


def _passes(connection: Connection, site: str, passes: Select[str], today: date) -> Iterator[Hold]:
    """Sold passes: what was paid for days to come would be lost, and a refund needs somebody to pay it to."""
    period, refund = t.PassPeriod.__table__.c, t.PassRefund.__table__.c
    ends = func.max(func.coalesce(period.ended_day, period.end_day))
    until = connection.execute(
        select(ends).where(period.site_id == site, period.pass_id.in_(passes), period.gross_fen > period.waived_fen)
    ).scalar()
    if until is not None and until > today:
        yield Hold(site, "prepaid", f"a sold pass runs until {until}; it is refunded or ends first")
    open_refund = select(refund.id).where(
        refund.site_id == site, refund.pass_id.in_(passes), refund.state.in_(["proposed", "approved"])
    )
    if connection.execute(open_refund.limit(1)).first() is not None:
        yield Hold(site, "dispute", "a refund of a pass is not paid out yet")


def _pass_of_vehicle(connection: Connection, site: str, plate: str, now: datetime) -> Iterator[Hold]:
    vehicle = t.PassVehicle.__table__.c
    now_on = or_(vehicle.until.is_(None), vehicle.until > now)
    passes = select(vehicle.pass_id).where(vehicle.site_id == site, vehicle.plate == plate, now_on)
    yield from _passes(connection, site, passes, now.date())


def _pass_of_household(connection: Connection, site: str, number: str, now: datetime) -> Iterator[Hold]:
    sold = t.ParkingPass.__table__.c
    passes = select(sold.id).where(sold.site_id == site, sold.household_id == number)
    yield from _passes(connection, site, passes, now.date())


def _charges(connection: Connection, site: str, number: str, _now: datetime) -> Iterator[Hold]:
    charge = t.Charge.__table__.c
    left = charge.gross_fen - charge.waived_fen - charge.credited_fen - charge.paid_fen
    own = (charge.site_id == site, charge.household_id == number, charge.reversed_at.is_(None))
    fen = connection.execute(select(func.sum(left)).where(*own, left > 0)).scalar()
    if fen:
        yield Hold(site, "owes", f"{int(fen)} fen of monthly charges are owed")


def _blocked(connection: Connection, site: str, plate: str, now: datetime) -> Iterator[Hold]:
    listed = select(_BLOCKED.plate).where(
        _BLOCKED.site_id == site,
        _BLOCKED.plate == plate,
        ~_BLOCKED.lifted,
        or_(_BLOCKED.valid_to.is_(None), _BLOCKED.valid_to > now),
    )
    if connection.execute(listed.limit(1)).first() is not None:
        yield Hold(site, "blocklist", "the vehicle is on the blocklist; lift that first")


def _just_seen(connection: Connection, site: str, plate: str, now: datetime) -> Iterator[Hold]:
    seen = select(_PRESENCE.plate).where(
        and_(_PRESENCE.site_id == site, _PRESENCE.plate == plate, _PRESENCE.newest_at > now - JUST_SEEN)
    )
    if connection.execute(seen.limit(1)).first() is not None:
        minutes = JUST_SEEN // timedelta(minutes=1)
        yield Hold(site, "just_seen", f"the vehicle was at a gate within the last {minutes} minutes; ask again later")


def _invoice(connection: Connection, site: str, plate: str, _now: datetime) -> Iterator[Hold]:
    own = select(_INVOICE.id).where(_INVOICE.site_id == site, _INVOICE.plate == plate, text(INVOICES_ASKED_ABOUT))
    if connection.execute(own.limit(1)).first() is not None:
        yield Hold(site, "dispute", "an invoice of the vehicle is with the provider; ask again when it is there")


_NO_DISPUTE = ("not_confirmed", "opened_by_hand")
_OF_A_VEHICLE: tuple[Callable[[Connection, str, str, datetime], Iterator[Hold]], ...] = (
    _inside,
    _owes,
    _disputed,
    _blocked,
    _just_seen,
    _undecided,
    _invoice,
    _pass_of_vehicle,
)
_OF_A_HOUSEHOLD: tuple[Callable[[Connection, str, str, datetime], Iterator[Hold]], ...] = (_charges, _pass_of_household)


def refuse(found: list[Hold]) -> None:
    """Raises `StillNeeded` unless there is no reason left."""
    if found:
        raise StillNeeded(found)
