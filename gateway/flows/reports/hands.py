"""Barriers raised by hand: by which member of staff, and by nobody that we know."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, func, literal_column, or_, select

from gateway.flows.reading import Sites
from gateway.flows.reports.asking import Period, sites_of
from gateway.store.tables import CommandRow, PlateEventRow, StaffCommand
from gateway.store.tables.movement import BY_HAND

_GIVEN, _COMMAND, _EVENT = StaffCommand.__table__.c, CommandRow.__table__.c, PlateEventRow.__table__.c


def openings(connection: Connection, allowed: Sites, asked: Period) -> list[dict[str, Any]]:
    """Manual openings by site, lane and person: how many were asked for, and how many the barrier obeyed.

    `operator` null: the barrier rose by a button, a remote or a switch, and no command of ours raised it. Commands are kept for the
    `records` of the retention settings; of older ones it is not known any more what became of them (`done` counts what is known).
    """
    sites = sorted(sites_of(connection, allowed))
    given = connection.execute(
        select(
            _GIVEN.site_id,
            _GIVEN.lane_id,
            _GIVEN.operator,
            _GIVEN.action,
            func.count(),
            func.count().filter(_COMMAND.state == "done"),
        )
        .join_from(
            StaffCommand,
            CommandRow,
            and_(_COMMAND.site_id == _GIVEN.site_id, _COMMAND.id == _GIVEN.command_id),
            isouter=True,
        )
        .where(
            _GIVEN.site_id.in_(sites),
            _GIVEN.at >= asked.start,
            _GIVEN.at < asked.end,
            _GIVEN.action.in_(("open", "hold_open")),
        )
        .group_by(_GIVEN.site_id, _GIVEN.lane_id, _GIVEN.operator, _GIVEN.action)
    )
    found = [
        {"lane": f"{row[0]}.{row[1]}", "operator": row[2], "action": row[3], "asked": row[4], "done": row[5]}
        for row in given
    ]
    by_hand = connection.execute(
        select(_EVENT.site_id, _EVENT.lane_id, func.count())
        .where(
            _EVENT.site_id.in_(sites),
            _EVENT.at >= asked.start,
            _EVENT.at < asked.end,
            # In the words of the index of those few.
            literal_column(BY_HAND),
            # Whoever leaves by a small gate presses its button.
            or_(_EVENT.kind != "opened_by_hand", _EVENT.reason.is_(None)),
        )
        .group_by(_EVENT.site_id, _EVENT.lane_id)
    )
    found += [
        {"lane": f"{site}.{lane}", "operator": None, "action": "hand", "asked": 0, "done": count}
        for site, lane, count in by_hand
    ]
    return sorted(found, key=lambda one: (one["lane"], one["operator"] or "", one["action"]))
