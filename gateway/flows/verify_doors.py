"""Small gates: what is said of a passage, against its event and the order to open that it led to, as long as these are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import and_, select

from controllers.doors import OPENS, Passage
from gateway.flows.verify_scope import Failure, Look
from gateway.store import tables as t

WHAT = "door"
_PASSED, _EVENT, _COMMAND = t.DoorPassage.__table__.c, t.PlateEventRow.__table__.c, t.CommandRow.__table__.c
_LANE = t.Lane.__table__.c


def failures(look: Look) -> Iterator[Failure]:
    """Passages of these days, and orders of these days that no passage led to."""
    yield from _passages(look)
    yield from _orders(look)


def _passages(look: Look) -> Iterator[Failure]:
    event = and_(
        _EVENT.site_id == _PASSED.site_id,
        _EVENT.device_id == _PASSED.device_id,
        _EVENT.event_id == _PASSED.event_id,
    )
    lane = and_(_LANE.site_id == _PASSED.site_id, _LANE.id == _PASSED.lane_id)
    query = (
        select(
            *_PASSED,
            _EVENT.at.label("event_at"),
            _EVENT.lane_id.label("event_lane"),
            _EVENT.kind.label("event_kind"),
            _LANE.direction,
        )
        .outerjoin(t.PlateEventRow, event)
        .outerjoin(t.Lane, lane)
        .where(*look.scope.instants(_PASSED.at))
        .order_by(_PASSED.site_id, _PASSED.at, _PASSED.event_id)
    )
    for chunk in look.rows(query):
        opened = _opened(look, chunk)
        for one in chunk:
            why = _wrong(one, (one.site_id, one.device_id, one.event_id) in opened)
            if why is not None:
                yield Failure(WHAT, one.event_id, why)
            look.count("doors")


def _opened(look: Look, chunk: Sequence[Any]) -> set[tuple[str, str, str]]:
    query = select(_COMMAND.site_id, _COMMAND.device_id, _COMMAND.event_id).where(
        _COMMAND.site_id.in_({one.site_id for one in chunk}),
        _COMMAND.device_id.in_({one.device_id for one in chunk}),
        _COMMAND.event_id.in_([one.event_id for one in chunk]),
        _COMMAND.action == "open",
    )
    return {(row[0], row[1], row[2]) for row in look.connection.execute(query)}


def _wrong(one: Any, ordered: bool) -> str | None:
    if one.opened != (one.reason in OPENS):
        return "it says both that it opened and that it did not"
    if one.event_kind is not None and (one.event_kind, one.event_at, one.event_lane) != ("door", one.at, one.lane_id):
        return "its event was at another time or lane"
    if (one.reason == Passage.LEAVING and one.direction == "in") or (one.unknown and one.direction == "out"):
        return "nobody is asked who leaves, and somebody came in"
    if ordered and not one.opened:
        return "a command opened it, and it is said to have stayed shut"
    if one.opened and not ordered:
        return "it is said to have opened, and no command opened it"
    return None


def _orders(look: Look) -> Iterator[Failure]:
    """From when on passages are kept at all."""
    first = look.connection.execute(select(_PASSED.at).order_by(_PASSED.at).limit(1)).scalar()
    if first is None:
        return
    mine = and_(
        _PASSED.site_id == _COMMAND.site_id,
        _PASSED.device_id == _COMMAND.device_id,
        _PASSED.event_id == _COMMAND.event_id,
    )
    query = (
        select(_COMMAND.id)
        .outerjoin(t.DoorPassage, mine)
        .where(
            _COMMAND.true_reason.like("door\\_%", escape="\\"), _COMMAND.planned_at > first, _PASSED.event_id.is_(None)
        )
        .where(*look.scope.instants(_COMMAND.planned_at))
        .order_by(_COMMAND.id)
        .limit(1)
    )
    gone = look.connection.execute(query).scalar()
    if gone is not None:
        yield Failure(WHAT, gone, "it opened a door, or told why not, and nothing says for whom")
