"""Storing a batch's outcome. The other of the two places on the event path that touch the database; the caller commits."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, Table, bindparam, delete, insert, or_, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from controllers.events import DeviceStatus
from gateway.flows.inbound import Rejected
from gateway.flows.outcome import Draw, NewEvent, Outcome, Outcomed, PlannedCommand, Situation
from gateway.flows.posting import rows
from gateway.runtime.ids import derive
from gateway.store import tables as t
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
_UNANSWERED = or_(_COMMAND.c.state == "planned", _COMMAND.c.state == "sent")

_INSERT_EVENT = insert(_EVENT)
_CHANGE_EVENT = (
    update(_EVENT)
    .where(
        _EVENT.c.site_id == bindparam("of_site"),
        _EVENT.c.device_id == bindparam("of_device"),
        _EVENT.c.event_id == bindparam("of_event"),
    )
    .values(
        {name: bindparam(f"is_{name}") for name in ("plate", "for_event", "decision", "reason", "completed", "went")}
    )
)
_INSERT_STAY = insert(_STAY)
_DELETE_STAY = delete(_STAY).where(_STAY.c.site_id == bindparam("of_site"), _STAY.c.id == bindparam("of_id"))
_CHANGE_STAY = (
    update(_STAY)
    .where(_STAY.c.site_id == bindparam("of_site"), _STAY.c.id == bindparam("of_id"))
    .values({name: bindparam(f"is_{name}") for name in _STAY_COLUMNS})
)
_REMEMBER_HISTORY = (
    update(_PRESENCE)
    .where(_PRESENCE.c.site_id == bindparam("of_site"), _PRESENCE.c.plate == bindparam("of_plate"))
    .values(history_from=bindparam("since"))
)
_INSERT_BILL, _INSERT_DRAW = insert(_BILL), insert(_DRAW)
_INSERT_LEDGER, _INSERT_POSTING = insert(_LEDGER), insert(_POSTING)
_INSERT_COMMAND = insert(_COMMAND)
_SENT = (
    update(_COMMAND)
    .where(
        _COMMAND.c.site_id == bindparam("of_site"), _COMMAND.c.id == bindparam("of_id"), _COMMAND.c.state == "planned"
    )
    .values(state="sent")
)
_BECAME = (
    update(_COMMAND)
    .where(_COMMAND.c.site_id == bindparam("of_site"), _COMMAND.c.id == bindparam("of_id"), _UNANSWERED)
    .values(state=bindparam("became"), outcome_at=bindparam("became_at"), detail=bindparam("because"))
)
_RESOLVE = (
    update(_ITEM)
    .where(
        _ITEM.c.site_id == bindparam("of_site"),
        _ITEM.c.kind == bindparam("of_kind"),
        _ITEM.c.subject == bindparam("of_subject"),
        _ITEM.c.state == "open",
    )
    .values(
        state="resolved", resolved_at=bindparam("now"), resolved_by="parkgate", resolution="a late event explained it"
    )
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
        self._many(_INSERT_EVENT, [_event(event) for event in outcome.events])
        self._many(_CHANGE_EVENT, [_changed_event(event) for event in outcome.changed_events.values()])
        self._stays(outcome.stays.values())
        self._histories(outcome.histories)
        self._many(_INSERT_BILL, [_bill(bill) for bill in outcome.bills])
        self._balances(facts)
        self._many(_INSERT_DRAW, [_draw(draw) for draw in outcome.draws])
        ledger, postings = rows(outcome.transactions)
        self._many(_INSERT_LEDGER, ledger)
        self._many(_INSERT_POSTING, postings)
        self._many(_INSERT_COMMAND, [_command(one, planner) for one in outcome.commands])
        self._many(_BECAME, [_became(one) for one in outcome.outcomes])
        self.situations(outcome.situations)
        self._many(
            _RESOLVE,
            [
                {"of_site": site, "of_kind": kind, "of_subject": subject, "now": now}
                for site, kind, subject in outcome.resolved
            ],
        )
        self._statuses(outcome)
        self._many(self._upserts.rejected, [_rejected(one) for one in outcome.rejected])

    def sent(self, commands: Collection[tuple[str, str]]) -> None:
        """Published: rides in the next transaction."""
        self._many(_SENT, [{"of_site": site, "of_id": command} for site, command in sorted(commands)])

    def situations(self, situations: Iterable[Situation]) -> None:
        """One item a situation: the same again is counted, and opens it again if it was thought resolved."""
        self._many(self._upserts.situation, [_situation(one) for one in situations])

    def _many(self, statement: Any, rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            prepared(statement, self._connection.dialect, tuple(rows[0])).write(self._connection, rows)

    def _stays(self, stays: Iterable[StayRecord]) -> None:
        """What ends before what begins: a vehicle never has two stays inside, not even between two statements."""
        touched = list(stays)
        if not touched:
            return
        deleted = [one for one in touched if one.gone and not one.new]
        self._many(_DELETE_STAY, [{"of_site": one.site, "of_id": one.id} for one in deleted])
        kept = [one for one in touched if not one.gone]
        for inside in (False, True):
            for new in (False, True):
                found = [_stay(one) for one in kept if one.new is new and (one.state == "inside") is inside]
                if new:
                    self._many(_INSERT_STAY, found)
                else:
                    self._many(_CHANGE_STAY, [_changed_stay(row) for row in found])

    def _histories(self, histories: dict[tuple[str, str], datetime | None]) -> None:
        self._many(
            _REMEMBER_HISTORY,
            [
                {"of_site": site, "of_plate": plate, "since": since}
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
        "of_site": one.site,
        "of_device": one.device,
        "of_event": one.event,
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
        "of_site": one.site,
        "of_id": one.command,
        "became": one.outcome,
        "became_at": one.at,
        "because": one.detail,
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
    return {"of_site": row["site_id"], "of_id": row["id"], **{f"is_{name}": row[name] for name in _STAY_COLUMNS}}


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
