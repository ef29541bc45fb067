"""Bugs of the kind that one might write, each planted in the place of a part of the service."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from controllers.commands import Receipt
from gateway.bridge.link import Raw
from gateway.cli.simulate.faults.run import Plant
from gateway.cli.simulate.faults.service import SimulatedLink, SimulatedWorker
from gateway.flows.inbound import EventIn, Inbound
from gateway.flows.outcome import Outcome, PlannedCommand
from gateway.publish.outbox import Waiting
from gateway.publish.wire import receipt_message

_FOR_EVER = timedelta(days=1)


class AcknowledgesBeforeTheCommit(SimulatedWorker):
    def _serve(self, raws: Sequence[Raw]) -> None:
        assert self._link is not None
        self._link.acknowledge([raw for raw in raws if raw.mid])
        super()._serve(raws)


class ReceiptsBeforeTheCommit(SimulatedWorker):
    def _once(self, messages: Sequence[Inbound]) -> Outcome:
        assert self._link is not None
        for one in messages:
            if isinstance(one, EventIn):
                self._link.publish(*receipt_message(one.site, one.device, Receipt(events=(one.event.id,))))
        return super()._once(messages)


class PublishesLate(SimulatedWorker):
    """Nobody asks any more whether a command is still fresh."""

    def _command(self, one: PlannedCommand | Waiting) -> None:
        later = one.expires_at + _FOR_EVER
        if isinstance(one, Waiting):
            super()._command(one._replace(expires_at=later))
        else:
            super()._command(msgspec.structs.replace(one, expires_at=later))


class ForgetsTheOutbox(SimulatedWorker):
    """What could not be published at once is forgotten."""

    def _outbox(self) -> None:
        return


class Retains(SimulatedLink):
    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int | None:
        return super().publish(topic, payload, retain=retain or topic.endswith("/command"))


def without_the_key_of_events(database: sqlite3.Connection) -> None:
    """The table of events as somebody may make it who forgets that an event is there once."""
    database.row_factory = sqlite3.Row
    (made,) = database.execute("SELECT sql FROM sqlite_master WHERE name = 'plate_event'").fetchone()
    others = [
        row["sql"]
        for row in database.execute("SELECT sql FROM sqlite_master WHERE tbl_name = 'plate_event' AND type = 'index'")
        if row["sql"]
    ]
    lines = [line for line in made.splitlines() if "PRIMARY KEY" not in line]
    text = "\n".join(lines).replace(", \n)", "\n)")
    database.execute("DROP TABLE plate_event")
    database.execute(text)
    for sql in others:
        database.execute(sql)
    database.commit()


PLANTS: dict[str, tuple[Plant, int]] = {
    # name: what is planted, and the invariant that it breaks
    "an acknowledgement before the commit": (Plant(worker=AcknowledgesBeforeTheCommit), 1),
    "a receipt before the commit": (Plant(worker=ReceiptsBeforeTheCommit), 1),
    "a retained command": (Plant(link=Retains), 3),
    "a late publish": (Plant(worker=PublishesLate), 3),
    "a forgotten outbox": (Plant(worker=ForgetsTheOutbox), 3),
}
