"""Storing a batch's outcome. The other of the two places on the event path that touch the database; the caller commits."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from controllers.events import DeviceStatus
from gateway.flows.outcome import NewEvent, Outcome, Outcomed, PlannedCommand, Situation
from gateway.flows.posting import rows
from gateway.runtime.ids import derive
from gateway.store import tables as t
from gateway.store.facts import Facts
from gateway.store.records import BillRecord, EventRecord, StayRecord

_QUARANTINED_BYTES_MAX = 256 * 1024
_to_builtins = msgspec.to_builtins


class OutcomeWriter:
    """Writes on one connection, inside the transaction that read the facts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._insert: Any = postgres_insert if connection.dialect.name == "postgresql" else sqlite_insert

    def save(self, outcome: Outcome, facts: Facts, now: datetime, planner: str | None) -> None:
        self._events(outcome.events)
        self._changed_events(outcome.changed_events.values())
        self._stays(outcome.stays.values())
        self._histories(outcome.histories)
        self._many(insert(t.Bill), [_bill(bill) for bill in outcome.bills])
        self._balances(facts)
        self._many(insert(t.AllowanceDraw), [_draw(draw) for draw in outcome.draws])
        ledger, postings = rows(outcome.transactions)
        self._many(insert(t.LedgerTransaction), ledger)
        self._many(insert(t.Posting), postings)
        self.commands(outcome.commands, planner)
        self._outcomes(outcome.outcomes)
        self.situations(outcome.situations)
        self._resolved(outcome.resolved, now)
        self._statuses(outcome)
        self._rejected(outcome)

    def sent(self, commands: Collection[tuple[str, str]]) -> None:
        """Published: rides in the next transaction."""
        command = t.CommandRow
        self._many(
            update(command)
            .where(
                command.site_id == bindparam("of_site"), command.id == bindparam("of_id"), command.state == "planned"
            )
            .values(state="sent"),
            [{"of_site": site, "of_id": command_id} for site, command_id in sorted(commands)],
        )

    def commands(self, commands: Iterable[PlannedCommand], planner: str | None) -> None:
        self._many(
            insert(t.CommandRow),
            [
                {
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
                for one in commands
            ],
        )

    def situations(self, situations: Iterable[Situation]) -> None:
        """One item a situation: the same again is counted, and opens it again if it was thought resolved."""
        item = t.ExceptionItem
        statement = self._insert(item)
        statement = statement.on_conflict_do_update(
            index_elements=["site_id", "kind", "subject"],
            set_={"count": item.count + 1, "state": "open", "detail": statement.excluded.detail},
        )
        self._many(
            statement,
            [
                {
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
                for one in situations
            ],
        )

    def _many(self, statement: Any, rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            self._connection.execute(statement, rows)

    def _events(self, events: Iterable[NewEvent]) -> None:
        self._many(insert(t.PlateEventRow), [_event(event) for event in events])

    def _changed_events(self, events: Iterable[EventRecord]) -> None:
        event = t.PlateEventRow
        self._many(
            update(event)
            .where(
                event.site_id == bindparam("of_site"),
                event.device_id == bindparam("of_device"),
                event.event_id == bindparam("of_event"),
            )
            .values(
                plate=bindparam("is_plate"),
                decision=bindparam("is_decision"),
                completed=bindparam("is_completed"),
                went=bindparam("is_went"),
            ),
            [
                {
                    "of_site": one.site,
                    "of_device": one.device,
                    "of_event": one.event,
                    "is_plate": one.plate,
                    "is_decision": one.decision,
                    "is_completed": one.completed,
                    "is_went": one.went,
                }
                for one in events
            ],
        )

    def _stays(self, stays: Iterable[StayRecord]) -> None:
        """What ends before what begins: a vehicle never has two stays inside, not even between two statements."""
        touched = list(stays)
        stay = t.Stay
        self._many(
            delete(stay).where(stay.site_id == bindparam("of_site"), stay.id == bindparam("of_id")),
            [{"of_site": one.site, "of_id": one.id} for one in touched if one.gone and not one.new],
        )
        kept = [one for one in touched if not one.gone]
        columns = [column.name for column in stay.__table__.columns if column.name not in {"site_id", "id"}]
        change = (
            update(stay)
            .where(stay.site_id == bindparam("of_site"), stay.id == bindparam("of_id"))
            .values({name: bindparam(f"is_{name}") for name in columns})
        )
        for inside in (False, True):
            for new in (False, True):
                rows = [_stay(one) for one in kept if one.new is new and (one.state == "inside") is inside]
                if new:
                    self._many(insert(stay), rows)
                else:
                    self._many(change, [_change(row, columns) for row in rows])

    def _histories(self, histories: dict[tuple[str, str], datetime | None]) -> None:
        presence = t.Presence
        self._many(
            update(presence)
            .where(presence.site_id == bindparam("of_site"), presence.plate == bindparam("of_plate"))
            .values(history_from=bindparam("since")),
            [
                {"of_site": site, "of_plate": plate, "since": since}
                for (site, plate), since in sorted(histories.items())
            ],
        )

    def _balances(self, facts: Facts) -> None:
        statement = self._insert(t.AllowanceBalance)
        statement = statement.on_conflict_do_update(
            index_elements=["site_id", "holder", "month"],
            set_={
                "limit_minutes": statement.excluded.limit_minutes,
                "drawn_minutes": statement.excluded.drawn_minutes,
            },
        )
        self._many(
            statement,
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

    def _outcomes(self, outcomes: Iterable[Outcomed]) -> None:
        command = t.CommandRow
        self._many(
            update(command)
            .where(
                command.site_id == bindparam("of_site"),
                command.id == bindparam("of_id"),
                command.state.in_(["planned", "sent"]),
            )
            .values(state=bindparam("became"), outcome_at=bindparam("became_at"), detail=bindparam("because")),
            [
                {
                    "of_site": one.site,
                    "of_id": one.command,
                    "became": one.outcome,
                    "became_at": one.at,
                    "because": one.detail,
                }
                for one in outcomes
            ],
        )

    def _resolved(self, resolved: Iterable[tuple[str, str, str]], now: datetime) -> None:
        item = t.ExceptionItem
        self._many(
            update(item)
            .where(
                item.site_id == bindparam("of_site"),
                item.kind == bindparam("of_kind"),
                item.subject == bindparam("of_subject"),
                item.state == "open",
            )
            .values(state="resolved", resolved_at=now, resolved_by="parkgate", resolution="a late event explained it"),
            [{"of_site": site, "of_kind": kind, "of_subject": subject} for site, kind, subject in resolved],
        )

    def _statuses(self, outcome: Outcome) -> None:
        state = t.DeviceState
        statement = self._insert(state)
        excluded = statement.excluded
        # The last will says only that the device is gone: what it said of itself before still stands.
        gone = statement.on_conflict_do_update(
            index_elements=["site_id", "device_id"], set_={"online": False, "seen_at": excluded.seen_at}
        )
        alive = statement.on_conflict_do_update(
            index_elements=["site_id", "device_id"],
            set_={
                name: getattr(excluded, name)
                for name in ("online", "seen_at", "clock_offset_ms", "barrier", "buffered", "list_version", "firmware")
            },
        )
        newest = {(one.site, one.device): one for one in outcome.statuses}
        for one in newest.values():
            row = {
                "site_id": one.site,
                "device_id": one.device,
                "seen_at": one.received_at,
                "clock_offset_ms": one.offset_ms or 0,
                **_status(one.status),
            }
            self._connection.execute(alive if one.status.online else gone, row)

    def _rejected(self, outcome: Outcome) -> None:
        statement = self._insert(t.Quarantine)
        statement = statement.on_conflict_do_update(
            index_elements=["site_id", "device_id", "digest"],
            set_={"count": t.Quarantine.count + 1, "received_at": statement.excluded.received_at},
        )
        self._many(
            statement,
            [
                {
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
                for one in outcome.rejected
            ],
        )


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


def _change(row: dict[str, Any], columns: Iterable[str]) -> dict[str, Any]:
    return {"of_site": row["site_id"], "of_id": row["id"], **{f"is_{name}": row[name] for name in columns}}


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


def _draw(one: Any) -> dict[str, Any]:
    return {
        "site_id": one.site,
        "stay_id": one.stay,
        "sequence": one.sequence,
        "holder": one.holder,
        "month": one.month,
        "minutes": one.minutes,
        "at": one.at,
    }
