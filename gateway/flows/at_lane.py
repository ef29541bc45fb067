"""One transaction at one lane: what stands there now, and what is known of its vehicle. For whoever answers a read by hand."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from controllers import decide
from controllers.passages import State
from gateway.flows.batch import Batch
from gateway.flows.charges_books import By
from gateway.flows.gather import gather_vehicles
from gateway.flows.refusals import NotFound
from gateway.store import tables as t
from gateway.store.facts import FactLoader, Facts
from gateway.store.records import EventRecord, LaneFacts
from gateway.wiring import Parts


class AtLane:
    """`batch` has no facts until `gather` has been asked for those of a vehicle."""

    def __init__(
        self, parts: Parts, connection: Connection, site: str, lane: str, by: By, *, locking: bool = True
    ) -> None:
        """Raises `NotFound`."""
        self._parts, self._connection, self._by = parts, connection, by
        self._loader = FactLoader(connection, locking=locking)
        self._estate = parts.estates.known(connection, {(site, lane)})
        found = self._estate.lanes.get((site, lane))
        if found is None:
            raise NotFound("there is no such lane, or not for you")
        self.lane: LaneFacts = found
        self._now = parts.clock.now()
        self.batch = self._batch_of(Facts())

    def _batch_of(self, facts: Facts) -> Batch:
        settings = self._parts.settings
        return Batch(estate=self._estate, facts=facts, now=self._now, zone=settings.zone, base_url=settings.base_url)

    def newest(self) -> EventRecord | None:
        """The read of what stands at the lane; None where nothing does, or nothing that could still be answered."""
        lane = (self.lane.site, self.lane.lane)
        read = self._loader.newest_reads({lane}, self._now + decide.FUTURE_MAX).get(lane)
        if read is None or read.completed or read.opening is not None or read.device != self.lane.device:
            return None
        return None if self._now - read.at >= decide.PAYMENT_OPENS_WITHIN else read

    def gather(self, plate: str, since: datetime) -> None:
        """The facts of a vehicle that stands at the lane, from an instant on, behind its lock."""
        key, zone = (self.lane.site, plate), self._parts.settings.zone
        facts = gather_vehicles(self._loader, self._estate, {key: since}, self._now, zone, seen=True)
        facts.inside = self._loader.inside({self.lane.site})()
        self.batch = self._batch_of(facts)


def inside_since(connection: Connection, site: str, plate: str) -> datetime | None:
    """When the stay of a vehicle that is inside began; None where it is not inside."""
    stay = t.Stay
    found: datetime | None = connection.execute(
        select(stay.started_at).where(stay.site_id == site, stay.plate == plate, stay.state == State.INSIDE.value)
    ).scalar()
    return found
