"""How the simulated drivers pay: through the real flow, again after every failure, with the same key."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import bindparam, select
from sqlalchemy.exc import SQLAlchemyError

from controllers.commands import PayPrompt
from gateway.cli.simulate.faults.ground import SITE
from gateway.cli.simulate.faults.service import Died, Service
from gateway.flows import payment, quote
from gateway.flows.refusals import Refused
from gateway.runtime.ids import derive
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.faults.record import Record
from simulators.faults.schedule import Schedule

_AGAIN_AFTER_SECONDS = 4.0
_TRIES_MAX = 12
_EVENT, _STAY = t.PlateEventRow, t.Stay
_WAITING = select(_STAY.id).where(
    _EVENT.site_id == SITE,
    _EVENT.device_id == bindparam("device"),
    _EVENT.event_id == bindparam("event"),
    _STAY.site_id == _EVENT.site_id,
    _STAY.plate == _EVENT.plate,
    _STAY.state == "inside",
)
_INSIDE = select(_STAY.id).where(_STAY.site_id == SITE, _STAY.plate == bindparam("plate"), _STAY.state == "inside")


class SimulatedPurse:
    """What was taken is written into the world's record, so that the books can be held against it."""

    def __init__(self, service: Service, schedule: Schedule, record: Record) -> None:
        self._service, self._schedule, self._record = service, schedule, record

    def pay(self, device: str, event: str, prompt: PayPrompt) -> None:
        """What a display at an exit asks."""
        key = derive("ref", device, event, str(prompt.fen))

        def work(parts: Parts) -> payment.Taken | None:
            with parts.store.reading() as connection:
                stay = connection.execute(_WAITING, {"device": device, "event": event}).scalar()
            return None if stay is None else self._take(parts, stay, prompt.fen, key)

        self._try(work, key, _TRIES_MAX)

    def pay_early(self, plate: str) -> None:
        """By phone, before going to the exit."""
        key = derive("ref", plate, self._schedule.now().isoformat())

        def work(parts: Parts) -> payment.Taken | None:
            with parts.store.reading() as connection:
                stay = connection.execute(_INSIDE, {"plate": plate}).scalar()
            if stay is None:
                return None
            due = int(quote.bill_document(parts, stay)["payable_fen"])
            return self._take(parts, stay, due, key) if due > 0 else None

        self._try(work, key, 1)

    def _try(self, work: Callable[[Parts], payment.Taken | None], key: str, tries: int) -> None:
        service = self._service
        if service.alive and not service.disk.held:
            try:
                taken = service.same_process(work)
            except (Refused, Died, SQLAlchemyError) as problem:
                self._record.note(self._schedule.now(), f"payment {key}: {type(problem).__name__}")
                if isinstance(problem, Refused):
                    return
            else:
                if taken is not None:
                    self._record.paid[key] = taken.amount_fen
                    self._record.note(self._schedule.now(), f"payment {key} taken: {taken.amount_fen} fen")
                return
        if tries > 1:
            self._schedule.after(_AGAIN_AFTER_SECONDS, lambda: self._try(work, key, tries - 1))

    def _take(self, parts: Parts, stay: str, fen: int, key: str) -> payment.Taken:
        self._record.tried.add(key)
        return payment.take(parts, stay_id=stay, channel="wechat", amount_fen=fen, idempotency_key=key)
