"""A lane commanded by a member of staff: open, close, hold open, release, show. Never without a name and a reason.

An opening is given for the vehicle that stands there, where the lane's newest read says that one does: then it is that vehicle's
passage, what it owes at an exit is a receivable of the stay (`assets:receivable:staff`), and what the queue holds about that read is
done with. Without such a read the barrier opens for nobody known, which the day's close counts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from controllers import decide
from controllers.commands import Action, Reason
from controllers.decide import Verdict
from controllers.passages import Decision
from gateway.flows import audit
from gateway.flows.answer import plan, to_lane
from gateway.flows.at_lane import AtLane, inside_since
from gateway.flows.charges_books import By, reason_of
from gateway.flows.outcome import PlannedCommand
from gateway.flows.passage import Corridor
from gateway.flows.refusals import Invalid, KeyReused, NotForRole, NotFound
from gateway.flows.saving import OutcomeWriter
from gateway.flows.staff_refusals import DeviceAway, NotAtTheLane, NotWhileOpen, OpeningUnderWay
from gateway.flows.taking import content_of, key_of
from gateway.runtime.ids import derive
from gateway.store import tables as t
from gateway.store.records import EventRecord, LaneFacts
from gateway.wiring import Parts

LINES_MAX, LINE_MAX, SAY_MAX = 4, 40, 80
REASON_MAX, NOTE_MAX = 120, 2000
COMMITTEE = "committee"
_BY_STAFF = Verdict(True, Reason.STAFF, "staff")
_LOWERS = frozenset({Action.CLOSE, Action.RELEASE})
_COMMAND, _GIVEN = t.CommandRow.__table__.c, t.StaffCommand.__table__.c


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A command as it stands. `state`: planned, sent, accepted, done, expired, refused or fault; `event`, `stay`: of the vehicle it was given for."""

    id: str
    lane: str
    action: str
    reason: str
    note: str
    operator: str
    event: str | None
    stay: str | None
    state: str
    at: datetime
    expires_at: datetime
    outcome_at: datetime | None = None
    detail: str | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a lane. `show`, `say`: display lines and what is said, of a `show` alone. `event`: the read for whose vehicle alone it opens."""

    action: Action
    reason: str
    note: str = ""
    show: tuple[str, ...] = ()
    say: str | None = None
    event: str | None = None


def command(parts: Parts, lane_id: str, asked: Asked, by: By, idempotency_key: str | None = None) -> Given:
    """Give a command to a lane, `{site}.{lane}`. One transaction. The same key with the same content is one command.

    Raises `NotFound`, `Invalid`, `DeviceAway`, `OpeningUnderWay`, `NotWhileOpen`, `NotAtTheLane`, `NotForRole`, `KeyReused`.
    """
    asked = _checked(asked)
    site, _, lane = lane_id.partition(".")
    key = f"{by.operator}:{key_of(idempotency_key)}"
    content = content_of(
        lane_id, asked.action, asked.reason, asked.note, asked.show, *filter(None, [asked.event, asked.say])
    )
    with parts.store.deciding() as connection:
        work = _Work(parts, connection, site, lane, by)
        if by.role == COMMITTEE and not (work.lane.door and asked.action is Action.OPEN):
            raise NotForRole("a residents' committee opens its small gates, and does nothing else at a lane")
        read = work.waiting() if asked.action is Action.OPEN else None
        # Behind the locks of lane and vehicle: a repeat that waited for them sees the first one's row.
        first = _first(connection, site, key, content)
        if first is not None:
            return given(parts, lane_id, first)
        work.refuse(asked.action)
        if asked.event is not None and (read is None or read.event != asked.event):
            raise NotAtTheLane
        command_id = derive("c", site, lane, "staff", key)
        planned = work.opened(read, command_id) if read is not None else work.told(asked, command_id)
        work.keep(planned, asked, key, content)
        connection.commit()
    parts.outbox.notify()
    return given(parts, lane_id, command_id)


def given(parts: Parts, lane_id: str, command_id: str) -> Given:
    """One command that staff gave, with what became of it. Raises `NotFound`."""
    site, _, lane = lane_id.partition(".")
    with parts.store.reading() as connection:
        found = _commands(connection, site, _GIVEN.lane_id == lane, _GIVEN.command_id == command_id)
    if not found:
        raise NotFound("there is no such command, or not for you")
    return found[0]


def newest(parts: Parts, lane_id: str, limit: int) -> list[Given]:
    """What staff commanded of a lane, the newest first."""
    site, _, lane = lane_id.partition(".")
    with parts.store.reading() as connection:
        return _commands(connection, site, _GIVEN.lane_id == lane, limit=limit)


class _ByHand(Corridor):
    """The corridor, for a read that a person answers."""

    def open(self, read: EventRecord, lane: LaneFacts, command_id: str) -> PlannedCommand:
        if read.decision != Decision.OPEN:
            # What was let through before, and did not move, keeps the reason for which it was.
            read.reason = Reason.STAFF.value if read.decision == Decision.REFUSE else read.reason
            read.decision = Decision.OPEN
            self.outcome.changed(read)
        stay = None
        if read.plate is not None:
            vehicle = self.vehicle((read.site, read.plate))
            vehicle.fold(read.at if lane.inward else self.batch.now)
            stay = vehicle.stay_of(read)
        expires_at = self.batch.now + decide.OPEN_FOR
        return plan(self.batch, self._secret, read, lane, _BY_STAFF, stay, command_id=command_id, expires_at=expires_at)


class _Work(AtLane):
    """A command there."""

    def waiting(self) -> EventRecord | None:
        """The read of the vehicle that stands at the lane, behind the locks of read and vehicle; None where none does."""
        first = self._standing()
        if first is None:
            return None
        self._loader.lock_reads({(first.site, first.device, first.event)})
        if first.plate is not None:
            since = inside_since(self._connection, first.site, first.plate) or first.at
            self.gather(first.plate, min(since, first.at))
        read = self._standing()
        if read is None or (read.device, read.event, read.plate) != (first.device, first.event, first.plate):
            return None  # it has moved meanwhile: the barrier opens for whoever is there
        return self.batch.facts.history.get((read.site, read.plate or ""), {}).get(
            (read.site, read.device, read.event), read
        )

    def _standing(self) -> EventRecord | None:
        read = self.newest()
        return None if read is None or read.buffered else read

    def refuse(self, action: Action) -> None:
        """Raises what stands against it."""
        site, device = self.lane.site, self.lane.device
        online = self._connection.execute(
            select(t.DeviceState.online).where(t.DeviceState.site_id == site, t.DeviceState.device_id == device)
        ).scalar()
        if online is False:
            raise DeviceAway
        if action in _LOWERS and site in self._estate.emergencies:
            raise NotWhileOpen

    def opened(self, read: EventRecord, command_id: str) -> PlannedCommand:
        """Raises `OpeningUnderWay`."""
        under_way = select(_COMMAND.id).where(
            _COMMAND.site_id == read.site,
            _COMMAND.device_id == read.device,
            _COMMAND.event_id == read.event,
            _COMMAND.action == Action.OPEN.value,
            _COMMAND.state.in_(("planned", "sent")),
            _COMMAND.expires_at > self._now,
        )
        if self._connection.execute(under_way).first() is not None:
            raise OpeningUnderWay
        planned = _ByHand(self.batch, self._parts.settings.secret()).open(read, self.lane, command_id)
        self._done_with(read)
        return msgspec.structs.replace(planned, operator=self._by.operator)

    def told(self, asked: Asked, command_id: str) -> PlannedCommand:
        return to_lane(
            self._estate,
            self.lane,
            asked.action,
            Reason.STAFF,
            command_id,
            self._now,
            by=self._by.operator,
            show=asked.show,
            say=asked.say,
        )

    def keep(self, planned: PlannedCommand, asked: Asked, key: str, content: bytes) -> None:
        self.batch.outcome.commands.append(planned)
        OutcomeWriter(self._connection).save(self.batch.outcome, self.batch.facts, self._now, None)
        self._connection.execute(
            insert(t.StaffCommand).values(
                site_id=planned.site,
                command_id=planned.id,
                lane_id=planned.lane,
                action=planned.action,
                at=self._now,
                operator=self._by.operator,
                role=self._by.role,
                reason=asked.reason,
                note=asked.note,
                idempotency_key=key,
                content_hash=content,
            )
        )
        audit.record(
            self._connection,
            at=self._now,
            operator=self._by.operator,
            action=f"lane.{planned.action}",
            site=planned.site,
            subject=f"{planned.site}.{planned.lane}",
            origin=self._by.origin,
            reason=": ".join(part for part in (asked.reason, asked.note) if part),
            detail={"command": planned.id, "event": planned.event, "stay": planned.stay},
        )

    def _done_with(self, read: EventRecord) -> None:
        """What the queue holds about this read has been dealt with by whoever opened."""
        item = t.ExceptionItem.__table__.c
        self._connection.execute(
            update(t.ExceptionItem)
            .where(
                item.site_id == read.site,
                item.state == "open",
                item.lane_id == read.lane,
                item.event_id == read.event,
                item.kind.in_(("unreadable", "blocked", "not_registered", "no_entry", "barrier_fault", "help_call")),
            )
            .values(
                state="resolved", resolved_at=self._now, resolved_by=self._by.operator, resolution="opened by staff"
            )
        )


def _checked(asked: Asked) -> Asked:
    """Raises `Invalid`."""
    reason, note = reason_of(asked.reason), asked.note.strip()
    if len(reason) > REASON_MAX:
        raise Invalid(f"reason: at most {REASON_MAX} characters; the rest belongs into the note")
    if len(note) > NOTE_MAX or any(not line.isprintable() for line in note.splitlines()):
        raise Invalid(f"note: at most {NOTE_MAX} printable characters")
    if (asked.action is Action.SHOW) != bool(asked.show or asked.say):
        raise Invalid("show: the lines to show, or what to say, with the action show and no other")
    if asked.say is not None and not (0 < len(asked.say) <= SAY_MAX and asked.say.isprintable()):
        raise Invalid(f"say: at most {SAY_MAX} printable characters")
    if len(asked.show) > LINES_MAX or any(
        not line or len(line) > LINE_MAX or not line.isprintable() for line in asked.show
    ):
        raise Invalid(f"show: at most {LINES_MAX} lines of at most {LINE_MAX} printable characters")
    return msgspec.structs.replace(asked, reason=reason, note=note)


def _first(connection: Connection, site: str, key: str, content: bytes) -> str | None:
    """The command that was given under this key. Raises `KeyReused` where something else was asked under it."""
    row = connection.execute(
        select(_GIVEN.command_id, _GIVEN.content_hash).where(_GIVEN.site_id == site, _GIVEN.idempotency_key == key)
    ).one_or_none()
    if row is None:
        return None
    if bytes(row.content_hash) != content:
        raise KeyReused
    return str(row.command_id)


def _commands(connection: Connection, site: str, *conditions: Any, limit: int = 1) -> list[Given]:
    rows = connection.execute(
        select(
            _GIVEN.command_id,
            _GIVEN.lane_id,
            _GIVEN.action,
            _GIVEN.reason,
            _GIVEN.note,
            _GIVEN.operator,
            _GIVEN.at,
            _COMMAND.event_id,
            _COMMAND.stay_id,
            _COMMAND.state,
            _COMMAND.expires_at,
            _COMMAND.outcome_at,
            _COMMAND.detail,
        )
        .join(t.CommandRow, (_COMMAND.site_id == _GIVEN.site_id) & (_COMMAND.id == _GIVEN.command_id))
        .where(_GIVEN.site_id == site, *conditions)
        .order_by(_GIVEN.at.desc(), _GIVEN.command_id)
        .limit(limit)
    )
    return [
        Given(
            id=row.command_id,
            lane=f"{site}.{row.lane_id}",
            action=row.action,
            reason=row.reason,
            note=row.note,
            operator=row.operator,
            event=row.event_id,
            stay=row.stay_id,
            state=row.state,
            at=row.at,
            expires_at=row.expires_at,
            outcome_at=row.outcome_at,
            detail=row.detail,
        )
        for row in rows
    ]
