"""Storing a batch's outcome. The other of the two places on the event path that touch the database; the caller commits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Table, delete, or_, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gateway.flows import rows_of
from gateway.flows.inbound import StatusIn
from gateway.flows.outcome import Outcome, Situation
from gateway.flows.posting import rows
from gateway.flows.sums.marks import late_changes
from gateway.store import tables as t
from gateway.store.bulk import Bulk, BulkInsert, Given
from gateway.store.facts import Corrected, Facts
from gateway.store.prepared import prepared
from gateway.store.records import StayRecord

# Statements are built once: building one costs more than running it. On tables, not on mapped classes, for the same reason.
_EVENT = cast("Table", t.PlateEventRow.__table__)
_STAY = cast("Table", t.Stay.__table__)
_BILL = cast("Table", t.Bill.__table__)
_COMMAND = cast("Table", t.CommandRow.__table__)
_ITEM = cast("Table", t.ExceptionItem.__table__)
_PRESENCE = cast("Table", t.Presence.__table__)
_DRAW = cast("Table", t.AllowanceDraw.__table__)
_VOUCHER = cast("Table", t.Voucher.__table__)
_LEDGER = cast("Table", t.LedgerTransaction.__table__)
_POSTING = cast("Table", t.Posting.__table__)

_EVENT_CHANGES = ("plate", "for_event", "decision", "reason", "completed", "went")
_SAID = ("online", "seen_at", "barrier", "buffered", "list_version", "firmware")
_UNANSWERED = or_(_COMMAND.c.state == "planned", _COMMAND.c.state == "sent")
_OPEN_TO_ANSWERS = or_(_UNANSWERED, _COMMAND.c.state == "expired", _COMMAND.c.state == "accepted")


def _of_event(given: Given) -> tuple[ColumnElement[bool], ...]:
    return (
        _EVENT.c.site_id == given("of_site_id"),
        _EVENT.c.device_id == given("of_device_id"),
        _EVENT.c.event_id == given("of_event_id"),
    )


_NEW_EVENTS, _NEW_STAYS, _NEW_COMMANDS = BulkInsert(_EVENT), BulkInsert(_STAY), BulkInsert(_COMMAND)
_NEW_BILLS, _NEW_DRAWS = BulkInsert(_BILL), BulkInsert(_DRAW)
_NEW_STEPS = BulkInsert(cast("Table", t.VoucherMovement.__table__))
_NEW_TRANSACTIONS, _NEW_POSTINGS = BulkInsert(_LEDGER), BulkInsert(_POSTING)
_CHANGED_EVENTS = Bulk(
    _EVENT,
    lambda given: (
        update(_EVENT).where(*_of_event(given)).values({name: given(f"is_{name}") for name in _EVENT_CHANGES})
    ),
)
_SHIFTED_EVENTS = Bulk(
    _EVENT,
    lambda given: update(_EVENT).where(*_of_event(given)).values(at=given("is_at")),
)
_NEW_DOOR_PASSAGES = BulkInsert(cast("Table", t.DoorPassage.__table__))
_NEW_CORRECTED = BulkInsert(cast("Table", t.StayCorrectionRead.__table__))
_LOOKS_OUT = Bulk(
    _PRESENCE,
    lambda given: (
        update(_PRESENCE)
        .where(
            _PRESENCE.c.site_id == given("of_site_id"),
            _PRESENCE.c.plate == given("of_plate"),
            or_(_PRESENCE.c.corrected_until.is_(None), _PRESENCE.c.corrected_until < given("is_corrected_until")),
        )
        .values(corrected_until=given("is_corrected_until"))
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
        .values({name: given(f"is_{name}") for name in rows_of.STAY_COLUMNS})
    ),
)
_LATE_CHANGES = BulkInsert(cast("Table", t.LateChange.__table__))
_HISTORIES = Bulk(
    _PRESENCE,
    lambda given: (
        update(_PRESENCE)
        .where(_PRESENCE.c.site_id == given("of_site_id"), _PRESENCE.c.plate == given("of_plate"))
        .values(history_from=given("is_history_from"))
    ),
)
_CHANGED_VOUCHERS = Bulk(
    _VOUCHER,
    lambda given: (
        update(_VOUCHER)
        .where(_VOUCHER.c.site_id == given("of_site_id"), _VOUCHER.c.serial == given("of_serial"))
        .values({name: given(f"is_{name}") for name in ("state", "movements", "stay_id", "presented_at")})
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

        @cache
        def alive(names: tuple[str, ...]) -> Any:
            changed = {name: state.excluded[name] for name in names}
            return state.on_conflict_do_update(index_elements=["site_id", "device_id"], set_=changed)

        self.alive = alive
        # The last will says only that the device is gone: what it said of itself before still stands.
        self.gone = state.on_conflict_do_update(
            index_elements=["site_id", "device_id"], set_={"online": False, "seen_at": state.excluded.seen_at}
        )
        quarantine = insert_(t.Quarantine.__table__)
        self.rejected = quarantine.on_conflict_do_update(
            index_elements=["site_id", "device_id", "digest"],
            set_={"count": t.Quarantine.__table__.c.count + 1, "received_at": quarantine.excluded.received_at},
        )


def _told_by(one: StatusIn) -> tuple[str, ...]:
    """The columns that a status says something of; what else is known of its device still stands.

    A retained one says nothing of the clock; of a heartbeat counts what it says besides that it beats.
    """
    said: tuple[str, ...] = _SAID
    if one.heartbeat:
        more = {"barrier": one.status.barrier, "firmware": one.status.firmware}
        said = ("online", "seen_at", *(name for name, value in more.items() if value))
    return said if one.offset_ms is None else (*said, "clock_offset_ms")


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
        write(_NEW_EVENTS, [rows_of.event(event) for event in outcome.events])
        write(_CHANGED_EVENTS, [rows_of.changed_event(event) for event in outcome.changed_events.values()])
        if facts.corrected is not None:
            self._corrected(facts.corrected)
        self._stays(outcome.stays.values(), now)
        self._histories(outcome.histories)
        write(_NEW_BILLS, [rows_of.bill(bill) for bill in outcome.bills])
        self._balances(facts)
        write(_NEW_DRAWS, [rows_of.draw(draw) for draw in outcome.draws])
        if outcome.voucher_steps:
            write(_CHANGED_VOUCHERS, [rows_of.voucher(one) for _, one in sorted(outcome.vouchers.items())])
            write(_NEW_STEPS, [rows_of.voucher_step(one) for one in outcome.voucher_steps])
        ledger, postings = rows(outcome.transactions)
        write(_NEW_TRANSACTIONS, ledger)
        write(_NEW_POSTINGS, postings)
        write(_NEW_COMMANDS, [rows_of.command(one, planner) for one in outcome.commands])
        write(_NEW_DOOR_PASSAGES, [rows_of.door_passage(one) for one in outcome.doors])
        write(_BECAME, [rows_of.became(one) for one in outcome.outcomes])
        self.situations(outcome.situations)
        write(
            _RESOLVED,
            [
                {"of_site_id": site, "of_kind": kind, "of_subject": subject, "is_resolved_at": now}
                for site, kind, subject in outcome.resolved
            ],
        )
        self._statuses(outcome)
        self._many(self._upserts.rejected, [rows_of.rejected(one) for one in outcome.rejected])

    def sent(self, commands: Collection[tuple[str, str]]) -> None:
        """Published: rides in the next transaction."""
        self._write(_SENT, [{"of_site_id": site, "of_id": command} for site, command in sorted(commands)])

    def situations(self, situations: Iterable[Situation]) -> None:
        """One item a situation: the same again is counted, and opens it again if it was thought resolved."""
        self._many(self._upserts.situation, [rows_of.situation(one) for one in situations])

    def _write(self, bulk: Bulk, rows: Sequence[dict[str, Any]]) -> None:
        bulk.write(self._connection, rows)

    def _many(self, statement: Any, rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            prepared(statement, self._connection.dialect, tuple(rows[0])).write(self._connection, rows)

    def _stays(self, stays: Iterable[StayRecord], now: datetime) -> None:
        """What ends before what begins: a vehicle never has two stays inside, not even between two statements."""
        touched = list(stays)
        if not touched:
            return
        deleted = [one for one in touched if one.gone and not one.new]
        self._write(_DELETED_STAYS, [{"of_site_id": one.site, "of_id": one.id} for one in deleted])
        kept = [one for one in touched if not one.gone]
        for inside in (False, True):
            for new in (False, True):
                found = [rows_of.stay(one) for one in kept if one.new is new and (one.state == "inside") is inside]
                if new:
                    self._write(_NEW_STAYS, found)
                else:
                    self._write(_CHANGED_STAYS, [rows_of.changed_stay(row) for row in found])
        self._write(_LATE_CHANGES, late_changes(touched, now))

    def _corrected(self, corrected: Corrected) -> None:
        """Events that count at another instant, and what was read."""
        self._write(_SHIFTED_EVENTS, [rows_of.shifted_event(one) for one in corrected.shifted.values() if not one.new])
        self._write(_NEW_CORRECTED, [rows_of.corrected_read(one) for one in corrected.reads[corrected.known :]])
        corrected.known = len(corrected.reads)
        self._write(
            _LOOKS_OUT,
            [
                {"of_site_id": site, "of_plate": plate, "is_corrected_until": until}
                for (site, plate), until in sorted(corrected.until.items())
            ],
        )

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
                **rows_of.status(one.status),
            }
            upserts = self._upserts
            self._many(upserts.alive(_told_by(one)) if one.status.online else upserts.gone, [row])
