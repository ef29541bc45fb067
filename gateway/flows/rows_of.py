"""What a flow decided, as rows of the tables."""

from __future__ import annotations

import hashlib
from typing import Any, cast

import msgspec
from sqlalchemy import Table

from controllers.events import DeviceStatus
from gateway.flows.inbound import Rejected
from gateway.flows.outcome import Draw, NewEvent, Outcomed, PlannedCommand, Situation, VoucherStep
from gateway.runtime.ids import derive
from gateway.store import tables as t
from gateway.store.records import BillRecord, CorrectedRead, DoorPassed, EventRecord, StayRecord, VoucherRecord

STAY_COLUMNS = tuple(
    column.name for column in cast("Table", t.Stay.__table__).columns if column.name not in {"site_id", "id"}
)

_QUARANTINED_BYTES_MAX = 256 * 1024
_to_builtins = msgspec.to_builtins


def changed_event(one: EventRecord) -> dict[str, Any]:
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


def shifted_event(one: EventRecord) -> dict[str, Any]:
    return {"of_site_id": one.site, "of_device_id": one.device, "of_event_id": one.event, "is_at": one.at}


def corrected_read(one: CorrectedRead) -> dict[str, Any]:
    return {
        "site_id": one.site,
        "correction_id": one.correction,
        "device_id": one.device,
        "event_id": one.event,
        "sequence": one.sequence,
        "anchor": one.anchor,
        "plate": one.plate,
        "at": one.at,
        "from_plate": one.from_plate,
        "to_plate": one.to_plate,
        "to_at": one.to_at,
    }


def command(one: PlannedCommand, planner: str | None) -> dict[str, Any]:
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


def door_passage(one: DoorPassed) -> dict[str, Any]:
    return {
        "site_id": one.site,
        "device_id": one.device,
        "event_id": one.event,
        "lane_id": one.lane,
        "at": one.at,
        "member_id": one.member,
        "by": one.by,
        "opened": one.opened,
        "reason": one.reason,
        "unknown": one.unknown,
    }


def became(one: Outcomed) -> dict[str, Any]:
    return {
        "of_site_id": one.site,
        "of_id": one.command,
        "is_state": one.outcome,
        "is_outcome_at": one.at,
        "is_detail": one.detail,
    }


def situation(one: Situation) -> dict[str, Any]:
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


def rejected(one: Rejected) -> dict[str, Any]:
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


def status(status: DeviceStatus) -> dict[str, Any]:
    return {
        "online": status.online,
        "barrier": {lane[:40]: state.value for lane, state in list(status.barrier.items())[:64]},
        "buffered": max(0, min(status.buffered, 2**31 - 1)),
        "list_version": max(0, min(status.list_version, 2**31 - 1)),
        "firmware": status.firmware[:100],
    }


def event(one: NewEvent) -> dict[str, Any]:
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
        "buffered": record.buffered,
        "digest": record.digest,
        "decision": record.decision,
        "reason": record.reason,
        "completed": record.completed,
        "went": record.went,
        "certainties": bytes(round(100 * one) for one in said.certainties) or None,
    }


def stay(one: StayRecord) -> dict[str, Any]:
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
        "corrections": one.corrections,
    }


def changed_stay(row: dict[str, Any]) -> dict[str, Any]:
    return {"of_site_id": row["site_id"], "of_id": row["id"], **{f"is_{name}": row[name] for name in STAY_COLUMNS}}


def bill(one: BillRecord) -> dict[str, Any]:
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


def draw(one: Draw) -> dict[str, Any]:
    return {
        "site_id": one.site,
        "stay_id": one.stay,
        "sequence": one.sequence,
        "holder": one.holder,
        "month": one.month,
        "minutes": one.minutes,
        "at": one.at,
    }


def voucher(one: VoucherRecord) -> dict[str, Any]:
    return {
        "of_site_id": one.site,
        "of_serial": one.serial,
        "is_state": one.state,
        "is_movements": one.movements,
        "is_stay_id": one.stay,
        "is_presented_at": one.presented_at,
    }


def voucher_step(one: VoucherStep) -> dict[str, Any]:
    return {
        "site_id": one.site,
        "serial": one.serial,
        "sequence": one.sequence,
        "book_id": one.book,
        "kind": one.kind,
        "from_state": one.from_state,
        "to_state": one.to_state,
        "at": one.at,
        "business_day": one.business_day,
        "fen": one.fen,
        "stay_id": one.stay,
        "operator": one.operator,
        "reason": "",
    }
