"""Saying whose vehicle it is that stands at a lane and shows no plate: its driver's phone, or a member of staff.

Only while such a vehicle stands there: the lane's newest `plate` event has no plate, is under five minutes old, has not passed, backed
away or been opened for, and nobody else has claimed it. Its read gets the vehicle's name in the place of a plate, and is decided as any
other read is, with the deadline of any other: where that is over, the next read of the same vehicle, which the device sends while it
stands there, is answered instead (`unlicensed`). A claim never opens twice, and opens nothing for whoever is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from controllers import decide
from controllers.passages import Decision
from controllers.unlicensed import is_unlicensed
from gateway.flows import audit, unlicensed
from gateway.flows.at_lane import AtLane, inside_since
from gateway.flows.charges_books import By
from gateway.flows.lane_pass.refusals import ClaimedBefore, NobodyWaits, NoStay, ScanOver
from gateway.flows.passage import Corridor
from gateway.flows.refusals import NotFound
from gateway.flows.saving import OutcomeWriter
from gateway.store.records import EventRecord, StayRecord
from gateway.wiring import Parts

DRIVER = By(operator="driver")


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """How a claimed vehicle stands at its lane. `reason`: the word of the decision; `unreadable` while nothing is decided yet.

    `opened`: an opening was given for it. `stay`: once it has one; `due_fen`: what that stay owes at its exit.
    """

    plate: str
    inward: bool
    opened: bool
    reason: str
    stay: str | None = None
    due_fen: int = 0


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What stands at a lane. `waits`: a vehicle without a plate that nobody has claimed. `mine`: the one asked about."""

    inward: bool
    waits: bool
    mine: Claimed | None = None


class _Claim(Corridor):
    """The corridor, for a read that has just been given a name."""

    because = ("claimed",)

    def decide(self, read: EventRecord, plate: str) -> None:
        self.outcome.resolved.append((read.site, "unreadable", unlicensed.subject(read)))
        read.plate = plate
        self.outcome.changed(read)
        if decide.expiry(self.batch.now, read.at) > self.batch.now:
            self._plate(read)
            return
        # Too late to be answered: known by its name from now on, and decided when it is read again.
        vehicle = self.vehicle((read.site, plate))
        vehicle.events[read.site, read.device, read.event] = read
        vehicle.fold(read.at)


def enter(parts: Parts, site: str, lane: str, plate: str, by: By = DRIVER) -> Claimed:
    """Let a vehicle in under a name that no other has had. Raises `NobodyWaits`, `ClaimedBefore`, `ScanOver`, `NotFound`."""
    with parts.store.deciding() as connection:
        work = _Work(parts, connection, site, lane, by)
        if not work.lane.inward:
            raise NotFound("this lane leads out")
        read = work.waiting(plate, None)
        if read.plate == plate:
            return work.standing(read)  # asked again: an answer got lost
        before = work.batch.facts.history[site, plate].values()
        if not work.anew(plate) and unlicensed.still_there(read, before) != plate:
            raise ScanOver
        return work.claim(read, plate, "lane.enter")


def leave(
    parts: Parts,
    site: str,
    lane: str,
    plate: str,
    by: By = DRIVER,
    reason: str = "",
    then: Callable[[Connection], object] = lambda _: None,
) -> Claimed:
    """Bring the vehicle of a stay to the exit where it stands. `by`: its driver, or staff who know whose it is.

    `then`: what else is true once it is there, in the same transaction.

    Raises `NobodyWaits`, `ClaimedBefore`, `NoStay`, `NotFound`.
    """
    with parts.store.deciding() as connection:
        work = _Work(parts, connection, site, lane, by)
        if work.lane.inward:
            raise NotFound("this lane leads in")
        read = work.waiting(plate, _inside(connection, site, plate))
        then(connection)
        if read.plate == plate:
            connection.commit()
            return work.standing(read)
        return work.claim(read, plate, "lane.leave", reason)


def look(parts: Parts, site: str, lane: str, *plates: str) -> Seen:
    """What stands at a lane now, and whether it is one of these. Writes nothing. Raises `NotFound`."""
    with parts.store.reading() as connection:
        work = _Work(parts, connection, site, lane, DRIVER, locking=False)
        read = work.newest()
        if read is None:
            return Seen(inward=work.lane.inward, waits=False)
        if read.plate is not None and read.plate in plates:
            work.gather(read.plate, read.at)
            return Seen(inward=work.lane.inward, waits=False, mine=work.standing(read))
        return Seen(inward=work.lane.inward, waits=read.plate is None and not read.buffered)


def inside(parts: Parts, site: str, plate: str) -> datetime | None:
    """Since when a vehicle without a plate is inside; None if it is not."""
    with parts.store.reading() as connection:
        try:
            return _inside(connection, site, plate)
        except NoStay:
            return None


class _Work(AtLane):
    """A claim there."""

    def waiting(self, plate: str, since: datetime | None) -> EventRecord:
        """The read of the vehicle that waits, behind the locks of read and vehicle, in the order in which everybody takes them."""
        first = self._wanted(plate)
        self._loader.lock_reads({(first.site, first.device, first.event)})
        self.gather(plate, first.at if since is None else since)
        read = self._wanted(plate)
        if (read.device, read.event) != (first.device, first.event):
            raise NobodyWaits("the vehicle has moved meanwhile; try again")
        return read

    def _wanted(self, plate: str) -> EventRecord:
        read = self.newest()
        if read is None or (read.plate is not None and not is_unlicensed(read.plate)):
            raise NobodyWaits
        if read.plate is not None and read.plate != plate:
            raise ClaimedBefore
        if read.plate is None and (read.buffered or read.decision == Decision.OPEN):
            raise NobodyWaits
        return read

    def anew(self, plate: str) -> bool:
        """Whether no read of this site has had the name before. Known once its facts are gathered."""
        return (self.lane.site, plate) in self._loader.strangers

    def claim(self, read: EventRecord, plate: str, action: str, reason: str = "") -> Claimed:
        corridor = _Claim(self.batch, self._parts.settings.secret())
        corridor.decide(read, plate)
        done = self.standing(read)
        audit.record(
            self._connection,
            at=self._now,
            operator=self._by.operator,
            action=action,
            site=read.site,
            subject=done.stay or f"{read.site}.{read.lane}",
            origin=self._by.origin,
            reason=reason,
            detail={"lane": read.lane, "event": read.event, "opened": done.opened, "reason": done.reason},
        )
        OutcomeWriter(self._connection).save(self.batch.outcome, self.batch.facts, self._now, None)
        self._connection.commit()
        if self.batch.outcome.commands:
            self._parts.outbox.notify()
        return done

    def standing(self, read: EventRecord) -> Claimed:
        assert read.plate is not None
        stays = self.batch.facts.stays.get((read.site, read.plate), [])
        stay: StayRecord | None = next((one for one in reversed(stays) if not one.gone), None)
        return Claimed(
            plate=read.plate,
            inward=self.lane.inward,
            opened=read.decision == Decision.OPEN,
            reason=read.reason or "unreadable",
            stay=stay.id if stay is not None else None,
            due_fen=stay.due_fen if stay is not None else 0,
        )


def _inside(connection: Connection, site: str, plate: str) -> datetime:
    """When the stay of a vehicle that is inside began. Raises `NoStay`."""
    found = inside_since(connection, site, plate)
    if found is None or not is_unlicensed(plate):
        raise NoStay
    return found
