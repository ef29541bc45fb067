"""One batch from the doors to the database: load, decide, store, commit. What is to be published comes back, committed."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gateway.flows.batch import Batch
from gateway.flows.clocks import Clocks, remember_offset
from gateway.flows.door_secrets import DoorSecrets
from gateway.flows.gather import gather
from gateway.flows.inbound import EventIn, Inbound
from gateway.flows.outcome import Outcome
from gateway.flows.passage import Corridor
from gateway.flows.quarantine import Quarantine
from gateway.flows.saving import OutcomeWriter
from gateway.runtime.laps import Stages, Untimed
from gateway.store.facts import FactLoader
from gateway.store.prepared import in_one_go
from gateway.store.records import Estate
from gateway.wiring import Parts


class EventPath:
    """Used by one worker. Keeps the estate in memory, and loads it again when it may have changed."""

    def __init__(self, parts: Parts, *, planner: str, stages: Stages | None = None) -> None:
        self._parts = parts
        self._stages: Stages = stages or Untimed()
        self._planner = planner
        self._secret = parts.settings.secret()
        self._zone = parts.settings.zone
        self._base_url = parts.settings.base_url
        self._estates = parts.estates
        self._clocks = Clocks()
        self._doors = DoorSecrets(self._secret)
        self._quarantine = Quarantine(parts.settings.quarantine_per_hour)
        self.devices: Collection[tuple[str, str]] | None = None  # those configured, once something was decided

    def run(self, messages: Sequence[Inbound], sent: Collection[tuple[str, str]] = ()) -> Outcome:
        """Decide and store a batch in one transaction. `sent`: commands published since the last one.

        Raises whatever the database raises; then nothing of the batch is stored.
        """
        now = self._parts.clock.now()
        done = self._stages.done
        with self._parts.store.deciding() as connection:
            done("lock")
            estate = self._estates.known(connection, _lanes(messages))
            messages = [self._doors.sealed(self._clocks.believed(message, estate)) for message in messages]
            with in_one_go(connection):
                facts = gather(FactLoader(connection), estate, messages, now, self._zone)
                done("gather")
                room = self._quarantine.room(estate.devices, now)
                batch = Batch(estate=estate, facts=facts, now=now, zone=self._zone, base_url=self._base_url, room=room)
                Corridor(batch, self._secret).run(messages)
                done("decide")
                writer = OutcomeWriter(connection)
                writer.save(batch.outcome, facts, now, self._planner)
                writer.sent(sent)
                done("store")
                connection.commit()
        done("commit")
        room.stored()
        self.devices = estate.devices
        self._remember_offsets(estate, batch.outcome)
        return batch.outcome

    def mark_sent(self, sent: Collection[tuple[str, str]]) -> None:
        """When no next transaction comes soon."""
        with self._parts.store.deciding() as connection:
            OutcomeWriter(connection).sent(sent)
            connection.commit()

    @staticmethod
    def _remember_offsets(estate: Estate, outcome: Outcome) -> None:
        """A device's clock offset counts from its next event on."""
        for status in outcome.statuses:
            remember_offset(estate, status)


def _lanes(messages: Sequence[Inbound]) -> set[tuple[str, str]]:
    return {(one.site, one.event.lane) for one in messages if isinstance(one, EventIn)}
