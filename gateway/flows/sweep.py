"""What no event will tell: an opening that nobody passed through, a late read whose vehicle has long gone."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update

from controllers.decide import CONFIRM_WITHIN
from controllers.passages import Decision
from gateway.flows.batch import Batch
from gateway.flows.gather import gather_vehicles
from gateway.flows.outcome import Outcome, Situation
from gateway.flows.saving import OutcomeWriter
from gateway.flows.vehicle import Vehicle
from gateway.store import tables as t
from gateway.store.facts import FactLoader
from gateway.wiring import Parts

_AT_ONCE = 500
_LOOK_BACK = timedelta(days=14)


def sweep(parts: Parts) -> int:
    """One round. Returns how many reads it dealt with. Does nothing on a quiet street."""
    return _unconfirmed(parts) + _gone(parts)


def _unconfirmed(parts: Parts) -> int:
    """Opened, and neither passed nor reversed within 3 minutes: an exception, once."""
    event = t.PlateEventRow
    before = parts.clock.now() - CONFIRM_WITHIN
    statement = (
        select(event.site_id, event.device_id, event.event_id, event.lane_id, event.at)
        .where(event.decision == "open", ~event.completed, event.at < before)
        .order_by(event.at)
        .limit(_AT_ONCE)
    )
    with parts.store.reading() as connection:
        if not connection.execute(statement.limit(1)).first():
            return 0
    with parts.store.writing() as connection:
        rows = connection.execute(statement.with_for_update(skip_locked=True)).fetchall()
        writer = OutcomeWriter(connection)
        writer.situations(
            Situation(
                site=row.site_id,
                kind="not_confirmed",
                subject=f"{row.device_id}:{row.event_id}",
                at=row.at + CONFIRM_WITHIN,
                lane=row.lane_id,
                event=row.event_id,
            )
            for row in rows
        )
        for row in rows:
            connection.execute(
                update(event)
                .where(event.site_id == row.site_id, event.device_id == row.device_id, event.event_id == row.event_id)
                .values(completed=True)
            )
        connection.commit()
    return len(rows)


def _gone(parts: Parts) -> int:
    """A late read at an exit with something due, and nothing more of the vehicle for 3 minutes: it has gone, and owes it."""
    now = parts.clock.now()
    event, stay = t.PlateEventRow, t.Stay
    statement = (
        select(event.site_id, event.plate, event.device_id, event.event_id, event.at)
        .join(
            stay,
            (stay.site_id == event.site_id)
            & (stay.exit_device == event.device_id)
            & (stay.exit_event == event.event_id),
        )
        .where(
            stay.state == "inside",
            stay.exit_at < now - CONFIRM_WITHIN,
            stay.exit_at > now - _LOOK_BACK,
            event.buffered,
            event.decision == "refuse",
            event.reason == "payment_due",
        )
        .order_by(event.at)
        .limit(_AT_ONCE)
    )
    with parts.store.reading() as connection:
        found = connection.execute(statement).fetchall()
    for row in found:
        _leaves(parts, (row.site_id, row.plate), (row.site_id, row.device_id, row.event_id))
    return len(found)


def _leaves(parts: Parts, key: tuple[str, str], name: tuple[str, str, str]) -> None:
    now = parts.clock.now()
    with parts.store.writing() as connection:
        estate = parts.estates.known(connection)
        facts = gather_vehicles(FactLoader(connection), estate, {key: now}, now, parts.settings.zone)
        read = facts.events.get(name)
        newest = max((event.at for event in facts.history[key].values()), default=now)
        if read is None or read.decision != Decision.REFUSE or now - newest < CONFIRM_WITHIN:
            return
        batch = Batch(estate=estate, facts=facts, now=now, zone=parts.settings.zone, base_url="", outcome=Outcome())
        read.decision, read.reason = Decision.OPEN, "offline"
        batch.outcome.changed(read)
        Vehicle(batch, key).fold(read.at)
        OutcomeWriter(connection).save(batch.outcome, facts, now, None)
        connection.commit()
