"""Storing a batch's outcome. The other of the two places on the event path that touch the database; the caller commits."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, Table, delete, or_, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from controllers.events import DeviceStatus
from gateway.flows.inbound import Rejected
from gateway.flows.outcome import Draw, NewEvent, Outcome, Outcomed, PlannedCommand, Situation
from gateway.flows.posting import rows
from gateway.runtime.ids import derive
from gateway.store import tables as t
from gateway.store.bulk import Bulk, BulkInsert
from gateway.store.facts import Facts
from gateway.store.prepared import prepared
from gateway.store.records import BillRecord, EventRecord, StayRecord

_QUARANTINED_BYTES_MAX = 256 * 1024
_to_builtins = msgspec.to_builtins


# Statements are built once: building one costs more than running it. On tables, not on mapped classes, for the same reason.
_EVENT = cast("Table", t.PlateEventRow.__table__)
_STAY = cast("Table", t.Stay.__table__)
_BILL = cast("Table", t.Bill.__table__)
_COMMAND = cast("Table", t.CommandRow.__table__)
_ITEM = cast("Table", t.ExceptionItem.__table__)
_PRESENCE = cast("Table", t.Presence.__table__)
_DRAW = cast("Table", t.AllowanceDraw.__table__)
_LEDGER = cast("Table", t.LedgerTransaction.__table__)
_POSTING = cast("Table", t.Posting.__table__)

_STAY_COLUMNS = tuple(column.name for column in _STAY.columns if column.name not in {"site_id", "id"})
_EVENT_CHANGES = ("plate", "for_event", "decision", "reason", "completed", "went")
_UNANSWERED = or_(_COMMAND.c.state == "planned", _COMMAND.c.state == "sent")
_OPEN_TO_ANSWERS = or_(_UNANSWERED, _COMMAND.c.state == "expired")

_NEW_EVENTS, _NEW_STAYS, _NEW_COMMANDS = BulkInsert(_EVENT), BulkInsert(_STAY), BulkInsert(_COMMAND)
_NEW_BILLS, _NEW_DRAWS = BulkInsert(_BILL), BulkInsert(_DRAW)
_NEW_TRANSACTIONS, _NEW_POSTINGS = BulkInsert(_LEDGER), BulkInsert(_POSTING)
_CHANGED_EVENTS = Bulk(
    _EVENT,
    lambda given: (
        update(_EVENT)
        .where(
            _EVENT.c.site_id == given("of_site_id"),
            _EVENT.c.device_id == given("of_device_id"),
            _EVENT.c.event_id == given("of_event_id"),
        )
        .values({name: given(f"is_{name}") for name in _EVENT_CHANGES})
    ),
)
_DELETED_STAYS = Bulk(
    _STAY, lambda given: delete(_STAY).where(_STAY.c.site_id == given("of_site_id"), _STAY.c.id == given("of_id"))
)
_CHANGED_STAYS = Bulk(
    _STAY,
    lambda given: (
        update(_STAY)
        .where(_STAY.c.site_id == given("of_site_id"), _STAY.c.id == given("of_id"))
        .values({name: given(f"is_{name}") for name in _STAY_COLUMNS})
    ),
)
_HISTORIES = Bulk(
    _PRESENCE,
    lambda given: (
        update(_PRESENCE)
        .where(_PRESENCE.c.site_id == given("of_site_id"), _PRESENCE.c.plate == given("of_plate"))
        .values(history_from=given("is_history_from"))
    ),
)
_SENT = Bulk(
    _COMMAND,
    lambda given: (
        update(_COMMAND)
        .where(
            _COMMAND.c.site_id == given("of_site_id"), _COMMAND.c.id == given("of_id"), _COMMAND.c.state == "planned"
        )
        .values(state="sent")
    ),
)
_BECAME = Bulk(
    _COMMAND,
    lambda given: (
        update(_COMMAND)
        .where(_COMMAND.c.site_id == given("of_site_id"), _COMMAND.c.id == given("of_id"), _OPEN_TO_ANSWERS)
        .values({name: given(f"is_{name}") for name in ("state", "outcome_at", "detail")})
    ),
)
_RESOLVED = Bulk(
    _ITEM,
    lambda given: (
        update(_ITEM)
        .where(
            _ITEM.c.site_id == given("of_site_id"),
            _ITEM.c.kind == given("of_kind"),
            _ITEM.c.subject == given("of_subject"),
            _ITEM.c.state == "open",
        )
        .values(
            state="resolved",
            resolved_at=given("is_resolved_at"),
            resolved_by="parkgate",
            resolution="a late event explained it",
        )
    ),
)


class _Upserts:
    """The statements whose words differ between the two databases."""

    def __init__(self, insert_: Any) -> None:
        item = insert_(_ITEM)
        self.situation = item.on_conflict_do_update(
            index_elements=["site_id", "kind", "subject"],
            set_={"count": _ITEM.c.count + 1, "state": "open", "detail": item.excluded.detail},
        )
        balance = insert_(t.AllowanceBalance.__table__)
        self.balance = balance.on_conflict_do_update(
            index_elements=["site_id", "holder", "month"],
            set_={"limit_minutes": balance.excluded.limit_minutes, "drawn_minutes": balance.excluded.drawn_minutes},
        )
        state = insert_(t.DeviceState.__table__)
        said = ("online", "seen_at", "clock_offset_ms", "barrier", "buffered", "list_version", "firmware")
        self.alive = state.on_conflict_do_update(
            index_elements=["site_id", "device_id"], set_={name: state.excluded[name] for name in said}
        )
        # The last will says only that the device is gone: what it said of itself before still stands.
        self.gone = state.on_conflict_do_update(
            index_elements=["site_id", "device_id"], set_={"online": False, "seen_at": state.excluded.seen_at}
        )
        quarantine = insert_(t.Quarantine.__table__)
        self.rejected = quarantine.on_conflict_do_update(
            index_elements=["site_id", "device_id", "digest"],
            set_={"count": t.Quarantine.__table__.c.count + 1, "received_at": quarantine.excluded.received_at},
        )


@cache
def _upserts(dialect: str) -> _Upserts:
    return _Upserts(postgres_insert if dialect == "postgresql" else sqlite_insert)


class OutcomeWriter:
    """Writes on one connection, inside the transaction that read the facts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._upserts = _upserts(connection.dialect.name)

    def save(self, outcome: Outcome, facts: Facts, now: datetime, planner: str | None) -> None:
        write = self._write
        write(_NEW_EVENTS, [_event(event) for event in outcome.events])
        write(_CHANGED_EVENTS, [_changed_event(event) for event in outcome.changed_events.values()])
        self._stays(outcome.stays.values())
        self._histories(outcome.histories)
        write(_NEW_BILLS, [_bill(bill) for bill in outcome.bills])
        self._balances(facts)
        write(_NEW_DRAWS, [_draw(draw) for draw in outcome.draws])
        ledger, postings = rows(outcome.transactions)
        write(_NEW_TRANSACTIONS, ledger)
        write(_NEW_POSTINGS, postings)
        write(_NEW_COMMANDS, [_command(one, planner) for one in outcome.commands])
        write(_BECAME, [_became(one) for one in outcome.outcomes])
        self.situations(outcome.situations)
        write(
            _RESOLVED,
            [
                {"of_site_id": site, "of_kind": kind, "of_subject": subject, "is_resolved_at": now}
                for site, kind, subject in outcome.resolved
            ],
        )
        self._statuses(outcome)
        self._many(self._upserts.rejected, [_rejected(one) for one in outcome.rejected])

    def sent(self, commands: Collection[tuple[str, str]]) -> None:
        """Published: rides in the next transaction."""
        self._write(_SENT, [{"of_site_id": site, "of_id": command} for site, command in sorted(commands)])

    def situations(self, situations: Iterable[Situation]) -> None:
        """One item a situation: the same again is counted, and opens it again if it was thought resolved."""
        self._many(self._upserts.situation, [_situation(one) for one in situations])

    def _write(self, bulk: Bulk, rows: Sequence[dict[str, Any]]) -> None:
        bulk.write(self._connection, rows)

    def _many(self, statement: Any, rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            prepared(statement, self._connection.dialect, tuple(rows[0])).write(self._connection, rows)

    def _stays(self, stays: Iterable[StayRecord]) -> None:
        """What ends before what begins: a vehicle never has two stays inside, not even between two statements."""
        touched = list(stays)
        if not touched:
            return
        deleted = [one for one in touched if one.gone and not one.new]
        self._write(_DELETED_STAYS, [{"of_site_id": one.site, "of_id": one.id} for one in deleted])
        kept = [one for one in touched if not one.gone]
        for inside in (False, True):
            for new in (False, True):
                found = [_stay(one) for one in kept if one.new is new and (one.state == "inside") is inside]
                if new:
                    self._write(_NEW_STAYS, found)
                else:
                    self._write(_CHANGED_STAYS, [_changed_stay(row) for row in found])

    def _histories(self, histories: dict[tuple[str, str], datetime | None]) -> None:
        self._write(
            _HISTORIES,
            [
                {"of_site_id": site, "of_plate": plate, "is_history_from": since}
                for (site, plate), since in sorted(histories.items())
            ],
        )

    def _balances(self, facts: Facts) -> None:
        self._many(
            self._upserts.balance,
            [
                {
                    "site_id": site,
                    "holder": holder,
                    "month": month,
                    "limit_minutes": balance.limit,
                    "drawn_minutes": balance.drawn,
                }
                for (site, holder, month), balance in sorted(facts.balances.items())
                if balance.dirty
            ],
        )

    def _statuses(self, outcome: Outcome) -> None:
        newest = {(one.site, one.device): one for one in outcome.statuses}
        for one in newest.values():
            row = {
                "site_id": one.site,
                "device_id": one.device,
                "seen_at": one.received_at,
                "clock_offset_ms": one.offset_ms or 0,
                **_status(one.status),
            }
            self._many(self._upserts.alive if one.status.online else self._upserts.gone, [row])


def _changed_event(one: EventRecord) -> dict[str, Any]:
    return {
        "of_site_id": one.site,
        "of_device_id": one.device,
        "of_event_id": one.event,
        "is_plate": one.plate,
        "is_for_event": one.for_event,
        "is_decision": one.decision,
        "is_reason": one.reason,
        "is_completed": one.completed,
        "is_went": one.went,
    }


def _command(one: PlannedCommand, planner: str | None) -> dict[str, Any]:
    return {
        "site_id": one.site,
        "id": one.id,
        "device_id": one.device,
        "lane_id": one.lane,
        "event_id": one.event,
        "stay_id": one.stay,
        "action": one.action,
        "reason": one.reason,
        "true_reason": one.true_reason,
        "payload": one.payload,
        "planned_at": one.planned_at,
        "expires_at": one.expires_at,
        "state": "planned",
        "operator": one.operator,
        "planner": planner,
    }


def _became(one: Outcomed) -> dict[str, Any]:
    return {
        "of_site_id": one.site,
        "of_id": one.command,
        "is_state": one.outcome,
        "is_outcome_at": one.at,
        "is_detail": one.detail,
    }


def _situation(one: Situation) -> dict[str, Any]:
    return {
        "site_id": one.site,
        "id": derive("x", one.site, one.kind, one.subject),
        "kind": one.kind,
        "subject": one.subject[:120],
        "state": "open",
        "opened_at": one.at,
        "count": 1,
        "lane_id": one.lane,
        "stay_id": one.stay,
        "event_id": one.event,
        "detail": one.detail,
    }


def _rejected(one: Rejected) -> dict[str, Any]:
    return {
        "site_id": one.site,
        "device_id": one.device,
        "topic": one.topic[:300],
        "payload": one.payload[:_QUARANTINED_BYTES_MAX],
        "digest": hashlib.blake2b(one.topic.encode() + b"\0" + one.payload, digest_size=16).digest(),
        "code": one.code,
        "detail": one.detail,
        "event_id": (one.event_id or one.result_id or "")[:64] or None,
        "count": 1,
        "received_at": one.received_at,
    }


def _status(status: DeviceStatus) -> dict[str, Any]:
    return {
        "online": status.online,
        "barrier": {lane[:40]: state.value for lane, state in list(status.barrier.items())[:64]},
        "buffered": max(0, min(status.buffered, 2**31 - 1)),
        "list_version": max(0, min(status.list_version, 2**31 - 1)),
        "firmware": status.firmware[:100],
    }


def _event(one: NewEvent) -> dict[str, Any]:
    record, said = one.record, one.said
    return {
        "site_id": record.site,
        "device_id": record.device,
        "event_id": record.event,
        "lane_id": record.lane,
        "kind": record.kind,
        "at": record.at,
        "device_at": said.at,
        "received_at": one.received_at,
        "plate": record.plate,
        "plate_raw": said.plate_raw,
        "plate_colour": record.plate_colour,
        "confidence": said.confidence,
        "vehicle": record.vehicle,
        "for_event": record.for_event,
        "opening": record.opening,
        "image": said.image,
        # A card or code at a small door is never kept as it is.
        "credential_digest": hashlib.sha256(said.credential.encode()).digest() if said.credential else None,
        "buffered": record.buffered,
        "digest": record.digest,
        "decision": record.decision,
        "reason": record.reason,
        "completed": record.completed,
        "went": record.went,
    }


def _stay(one: StayRecord) -> dict[str, Any]:
    return {
        "site_id": one.site,
        "id": one.id,
        "plate": one.plate,
        "vehicle": one.vehicle,
        "plate_colour": one.plate_colour,
        "state": str(one.state),
        "started_at": one.started_at,
        "entry_at": one.entry_at,
        "exit_at": one.exit_at,
        "entry_lane": one.entry_lane,
        "exit_lane": one.exit_lane,
        "entry_device": one.entry_device,
        "entry_event": one.entry_event,
        "exit_device": one.exit_device,
        "exit_event": one.exit_event,
        "confirmed": one.confirmed,
        "exit_reason": one.exit_reason,
        "household_id": one.household,
        "holds_space": one.holds_space,
        "policy_id": one.policy_id,
        "policy_version": one.policy_version,
        "gross_fen": one.gross_fen,
        "payable_fen": one.payable_fen,
        "paid_fen": one.paid_fen,
        "bills": one.bills,
        "settlements": one.settlements,
        "posted": _to_builtins(one.posted),
    }


def _changed_stay(row: dict[str, Any]) -> dict[str, Any]:
    return {"of_site_id": row["site_id"], "of_id": row["id"], **{f"is_{name}": row[name] for name in _STAY_COLUMNS}}


def _bill(one: BillRecord) -> dict[str, Any]:
    return {
        "site_id": one.site,
        "stay_id": one.stay,
        "sequence": one.sequence,
        "kind": one.kind,
        "fixed_at": one.fixed_at,
        "until": one.until,
        "policy_id": one.bill.policy,
        "policy_version": one.bill.version,
        "minutes": one.bill.minutes,
        "gross_fen": one.bill.gross_fen,
        "payable_fen": one.bill.payable_fen,
        "holder": one.holder,
        "drawn": one.bill.drawn,
        "facts": one.facts,
        "lines": _to_builtins(one.bill.lines),
    }


def _draw(one: Draw) -> dict[str, Any]:
    return {
        "site_id": one.site,
        "stay_id": one.stay,
        "sequence": one.sequence,
        "holder": one.holder,
        "month": one.month,
        "minutes": one.minutes,
        "at": one.at,
    }
