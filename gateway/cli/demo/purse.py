"""The simulated drivers' purse: pays into the service as a pay page or a cashier would, exactly what is asked."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from gateway.flows import payment, quote
from gateway.flows.refusals import Invalid, Refused
from gateway.runtime.ids import derive
from gateway.store import tables as t
from gateway.wiring import Parts


class Purse:
    """Called on the conductor's thread; the clock stands at the instant of paying, or a few seconds after."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def pay(self, site: str, device: str, event_id: str, fen: int, channel: str, at: datetime) -> bool:
        """Pay what a display asks. True: an open command follows at the lane."""
        del at
        event = t.PlateEventRow
        statement = select(event.plate).where(
            event.site_id == site, event.device_id == device, event.event_id == event_id
        )
        with self._parts.store.reading() as connection:
            plate = connection.execute(statement).scalar_one_or_none()
        stay = self._inside(site, plate) if plate else None
        if stay is None:
            return False
        try:
            return self._take(stay, channel, fen, derive("ref", site, device, event_id)).opens
        except Refused:
            return False

    def pay_early(self, site: str, plate: str, channel: str, at: datetime) -> int | None:
        """Pay by phone while still parking. None if nothing is due."""
        stay = self._inside(site, plate)
        if stay is None:
            return None
        try:
            due = int(quote.bill_document(self._parts, stay)["payable_fen"])
        except Invalid:
            return None
        if due <= 0:
            return None
        self._take(stay, channel, due, derive("ref", stay, at.isoformat()))
        return due

    def _inside(self, site: str, plate: str) -> str | None:
        stay = t.Stay
        statement = select(stay.id).where(stay.site_id == site, stay.plate == plate, stay.state == "inside")
        with self._parts.store.reading() as connection:
            return connection.execute(statement).scalar_one_or_none()

    def _take(self, stay: str, channel: str, fen: int, reference: str) -> payment.Taken:
        return payment.take(
            self._parts,
            stay_id=stay,
            channel=channel,
            amount_fen=fen,
            reference=reference,
            idempotency_key=reference,
            operator="demo-cashier" if channel == "cash" else None,
            role="cashier" if channel == "cash" else "",
        )
