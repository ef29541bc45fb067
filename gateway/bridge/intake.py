"""From a raw message to what the worker decides: an adapter chosen by topic; what cannot be decoded goes to quarantine."""

from __future__ import annotations

from datetime import timedelta

from controllers.adapters import native
from controllers.events import Undecodable
from gateway.bridge.link import Raw
from gateway.flows.inbound import EventIn, Inbound, Rejected, ResultIn, StatusIn


def topics(share_group: str) -> tuple[str, ...]:
    """What a bridge subscribes to. Retained messages do not reach shared subscriptions: every bridge has its own `status`."""
    prefix = shared_prefix(share_group)
    return (
        f"{prefix}{native.ROOT}/+/+/event",
        f"{prefix}{native.ROOT}/+/+/result",
        f"{native.ROOT}/+/+/status",
    )


def shared_prefix(share_group: str) -> str:
    """What stands before a topic that the bridges of a group share; nothing where there is one bridge."""
    return f"$share/{share_group}/" if share_group else ""


def decode(raw: Raw) -> Inbound:
    """Never raises: whatever a device sends, the street goes on."""
    if raw.inbound is not None:
        return raw.inbound
    site = device = channel = ""
    try:
        address = native.address(raw.topic)
        site, device, channel = address
        if channel == "event":
            event = native.decode_event(address, raw.payload)
            return EventIn(
                site=site, device=device, event=event, received_at=raw.received_at, topic=raw.topic, payload=raw.payload
            )
        if channel == "result":
            result = native.decode_result(raw.payload)
            return ResultIn(
                site=site,
                device=device,
                result=result,
                received_at=raw.received_at,
                topic=raw.topic,
                payload=raw.payload,
            )
        status = native.decode_status(raw.payload)
        offset = (
            None if raw.retained or status.at is None else (status.at - raw.received_at) // timedelta(milliseconds=1)
        )
        return StatusIn(site=site, device=device, status=status, received_at=raw.received_at, offset_ms=offset)
    except Undecodable as problem:
        return _rejected(raw, site, device, channel, problem)
    except Exception as problem:
        return _rejected(
            raw, site, device, channel, Undecodable("not_in_schema", f"{type(problem).__name__}: {problem}")
        )


def _rejected(raw: Raw, site: str, device: str, channel: str, problem: Undecodable) -> Rejected:
    return Rejected(
        site=site,
        device=device,
        topic=raw.topic,
        payload=raw.payload,
        code=problem.code,
        detail=problem.detail[:500],
        received_at=raw.received_at,
        event_id=problem.event_id if channel == "event" else None,
        result_id=problem.event_id if channel == "result" else None,
    )
