"""The command that answers a read: what the barrier does, what the display shows, until when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from controllers import decide
from controllers.commands import Action, Command, PayPrompt, Reason
from controllers.decide import Verdict
from controllers.wording import lines, voice
from gateway.flows.batch import Batch
from gateway.flows.outcome import PlannedCommand
from gateway.flows.pay_token import pay_url
from gateway.publish.wire import command_message
from gateway.store.records import Estate, EventRecord, LaneFacts, StayRecord


def plan(
    batch: Batch,
    secret: str,
    read: EventRecord,
    lane: LaneFacts,
    verdict: Verdict,
    stay: StayRecord | None,
    *,
    command_id: str,
    expires_at: datetime,
) -> PlannedCommand:
    """A planned command for a read. `expires_at` is in our clock; the payload is in the device's."""
    now = batch.now
    offset = timedelta(milliseconds=batch.estate.offsets_ms.get((read.site, read.device), 0))
    due = stay.due_fen if stay is not None and verdict.reason is Reason.PAYMENT_DUE else None
    command = Command(
        id=command_id,
        action=verdict.action,
        lane=read.lane,
        event=read.event,
        reason=verdict.reason,
        show=lines(
            verdict.reason,
            read.plate,
            minutes=_minutes(stay) if not lane.inward else None,
            fen=due,
            left_minutes=_left(batch, verdict, read, stay),
        ),
        say=voice(verdict.reason, fen=due),
        pay=PayPrompt(url=pay_url(batch.base_url, secret, stay.id), fen=due) if stay is not None and due else None,
        expires_at=expires_at + offset,
        ttl_ms=max(0, (expires_at - now) // timedelta(milliseconds=1)),
    )
    topic, payload = command_message(read.site, read.device, command)
    return PlannedCommand(
        site=read.site,
        id=command.id,
        device=read.device,
        lane=read.lane,
        event=read.event,
        stay=stay.id if stay is not None else None,
        action=command.action.value,
        reason=command.reason.value,
        true_reason=verdict.true_reason,
        topic=topic,
        payload=payload,
        planned_at=now,
        expires_at=expires_at,
    )


def to_lane(
    estate: Estate,
    lane: LaneFacts,
    action: Action,
    reason: Reason,
    command_id: str,
    now: datetime,
    *,
    by: str | None,
    show: Sequence[str] = (),
    say: str | None = None,
    event: str | None = None,
    true_reason: str | None = None,
    expires_at: datetime | None = None,
) -> PlannedCommand:
    """A command for a lane, whoever stands there. It acts until `expires_at`, within 8 s where nothing is said, or not at all.

    `event`: what led to it; the device is not told, for it compares that with its newest read of a plate.
    """
    offset = timedelta(milliseconds=estate.offsets_ms.get((lane.site, lane.device), 0))
    expires_at = expires_at or now + decide.OPEN_FOR
    said = tuple(show) or (lines(reason, None) if action in {Action.OPEN, Action.HOLD_OPEN} else ())
    topic, payload = command_message(
        lane.site,
        lane.device,
        Command(
            id=command_id,
            action=action,
            lane=lane.lane,
            reason=reason,
            show=said,
            say=say or (voice(reason) if action in {Action.OPEN, Action.HOLD_OPEN} else None),
            expires_at=expires_at + offset,
            ttl_ms=max(0, (expires_at - now) // timedelta(milliseconds=1)),
        ),
    )
    return PlannedCommand(
        site=lane.site,
        id=command_id,
        device=lane.device,
        lane=lane.lane,
        event=event,
        stay=None,
        action=action.value,
        reason=reason.value,
        true_reason=true_reason or reason.value,
        topic=topic,
        payload=payload,
        planned_at=now,
        expires_at=expires_at,
        operator=by,
    )


def _left(batch: Batch, verdict: Verdict, read: EventRecord, stay: StayRecord | None) -> int | None:
    """Minutes left of this month's allowance, for the display."""
    if verdict.reason is not Reason.RELATIVE_ALLOWANCE or read.plate is None:
        return None
    since = stay.entry_at if stay is not None and stay.entry_at is not None else read.at
    what = batch.standing((read.site, read.plate), read.plate_colour, since)
    return batch.allowance_left(read.site, what.holders, batch.policy(read.site, since), read.at)


def _minutes(stay: StayRecord | None) -> int | None:
    """Whole minutes of the stay, entry and exit cut to the minute as on the bill."""
    if stay is None or stay.entry_at is None or stay.exit_at is None:
        return None
    cut = [at.replace(second=0, microsecond=0) for at in (stay.entry_at, stay.exit_at)]
    return max(0, int((cut[1] - cut[0]).total_seconds()) // 60)
