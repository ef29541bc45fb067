"""The simulated drivers' purse: pays into the service as a pay page or a cashier would, exactly what is asked."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import bindparam, select

from controllers.adapters import native
from controllers.commands import Action
from gateway.flows import payment, quote, staff_commands
from gateway.flows.charges_books import By
from gateway.flows.refusals import Invalid, Refused
from gateway.runtime.ids import derive
from gateway.store import tables as t
from gateway.store.prepared import find
from gateway.wiring import Parts
from simulators.statement_day import fee_of
from simulators.statements import Deal
from simulators.transport import Key

_GUARD = By(operator="demo-guard", origin="simulation", role="guard")
_EVENT, _STAY, _COMMAND = t.PlateEventRow, t.Stay, t.CommandRow
_ASKED = (
    select(_COMMAND.payload)
    .where(
        _COMMAND.site_id == bindparam("site"),
        _COMMAND.device_id == bindparam("device"),
        _COMMAND.event_id == bindparam("event"),
        _COMMAND.reason == "payment_due",
    )
    .order_by(_COMMAND.planned_at.desc())
    .limit(1)
)
_INSIDE = select(_STAY.id).where(
    _STAY.site_id == bindparam("site"), _STAY.plate == bindparam("plate"), _STAY.state == "inside"
)
_WAITING = select(_STAY.id).where(
    _EVENT.site_id == bindparam("site"),
    _EVENT.device_id == bindparam("device"),
    _EVENT.event_id == bindparam("event"),
    _STAY.site_id == _EVENT.site_id,
    _STAY.plate == _EVENT.plate,
    _STAY.state == "inside",
)


class Purse:
    """Called on the conductor's thread; the clock stands at the instant of paying, or a few seconds after."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._deals: dict[str, Deal] = {}

    def deals(self, day: date) -> dict[str, list[Deal]]:
        """What the channels took on a day, by channel; told once, and then forgotten with all before it."""
        found: dict[str, list[Deal]] = {}
        for deal in self._deals.values():
            if deal.local.date() == day:
                found.setdefault(deal.attach, []).append(deal)
        self._deals = {name: deal for name, deal in self._deals.items() if deal.local.date() > day}
        return found

    def asked(self, key: Key, event: str) -> int:
        """As a read was answered, whether its device could show it or not."""
        with self._parts.store.reading() as connection:
            told = find(connection, _ASKED, site=key.site, device=key.device, event=event)
        pay = native.decode_command(told[0].payload).pay if told else None
        return 0 if pay is None else pay.fen

    def opens(self, key: Key, lane: str, event: str | None, at: datetime) -> bool:
        """For whoever stands there: what it owes is a receivable."""
        given = derive("staff", key.site, lane, event or "", at.isoformat())
        asked = staff_commands.Asked(action=Action.OPEN, reason="抬杆放行")
        try:
            staff_commands.command(self._parts, f"{key.site}.{lane}", asked, _GUARD, given)
        except Refused:
            return False
        return True

    def pay(self, site: str, device: str, event_id: str, fen: int, channel: str, at: datetime) -> bool:
        """Pay what a display asks. True: an open command follows at the lane."""
        del at
        with self._parts.store.reading() as connection:
            waiting = find(connection, _WAITING, site=site, device=device, event=event_id)
        if not waiting:
            return False
        try:
            return self._take(waiting[0].id, channel, fen, derive("ref", site, device, event_id)).opens
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
        with self._parts.store.reading() as connection:
            return next((row.id for row in find(connection, _INSIDE, site=site, plate=plate)), None)

    def _take(self, stay: str, channel: str, fen: int, reference: str) -> payment.Taken:
        at = self._parts.clock.now()
        taken = payment.take(
            self._parts,
            stay_id=stay,
            channel=channel,
            amount_fen=fen,
            reference=reference,
            idempotency_key=reference,
            operator="demo-cashier" if channel == "cash" else None,
            role="cashier" if channel == "cash" else "",
        )
        if channel != "cash":
            # A repeat is answered with what was taken first, and the channel has it once.
            deal = Deal(
                order=reference, number=f"42{reference}", at=at, amount_fen=fen, fee_fen=fee_of(fen), attach=channel
            )
            self._deals.setdefault(reference, deal)
        return taken
