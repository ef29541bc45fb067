"""Drivers who pay while the database may be dying: the same payment is tried until it is answered, and counts once."""

from __future__ import annotations

import queue
import threading
import time

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from gateway.flows import payment
from gateway.flows.refusals import Refused
from gateway.runtime.ids import derive
from gateway.store import tables as t
from gateway.wiring import Parts

_HANDS = 3
_TRIES_MAX = 120
_PAUSE_SECONDS = 0.25


class Till:
    """Pays on threads of its own. `taken`: the payments that were answered, their sum in fen by id."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._orders: queue.SimpleQueue[tuple[str, str, str, int] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self.taken: dict[str, int] = {}
        self.tried_again = 0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._serve, name=f"till-{n}", daemon=True) for n in range(_HANDS)]
        for thread in self._threads:
            thread.start()

    def pay(self, site: str, device: str, event: str, fen: int, *, twice: bool) -> None:
        """What a display asks for. `twice`: the driver presses the button again."""
        for _ in range(1 + twice):
            self._orders.put((site, device, event, fen))

    def close(self) -> None:
        """Every payment under way is answered."""
        for _ in self._threads:
            self._orders.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                self._pay(*order)
            except Exception as problem:
                self.failures.append(f"{' '.join(map(str, order))}: {type(problem).__name__}: {problem}"[:300])

    def _pay(self, site: str, device: str, event: str, fen: int) -> None:
        reference = derive("ref", site, device, event)
        for _ in range(_TRIES_MAX):
            try:
                stay = self._stay(site, device, event)
                if stay is None:
                    return
                taken = payment.take(
                    self._parts,
                    stay_id=stay,
                    channel="wechat",
                    amount_fen=fen,
                    reference=reference,
                    idempotency_key=reference,
                )
            except SQLAlchemyError:
                self.tried_again += 1
                time.sleep(_PAUSE_SECONDS)
                continue
            except Refused:
                return  # paid at an earlier read, or gone
            with self._lock:
                self.taken[taken.id] = taken.amount_fen
            return
        self.failures.append(f"a payment was not answered {_TRIES_MAX} times: {reference}")

    def _stay(self, site: str, device: str, event: str) -> str | None:
        """The newest stay of the vehicle that was read there."""
        read, stay = t.PlateEventRow, t.Stay
        statement = (
            select(stay.id)
            .join(read, (read.site_id == stay.site_id) & (read.plate == stay.plate))
            .where(read.site_id == site, read.device_id == device, read.event_id == event, stay.state != "void")
            .order_by(stay.started_at.desc())
            .limit(1)
        )
        with self._parts.store.reading() as connection:
            found: str | None = connection.execute(statement).scalar()
        return found
