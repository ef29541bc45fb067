"""What the daily deletion did: a row a day and kind, counts only, for whoever asks whether data really goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from gateway.store import tables as t
from gateway.wiring import Parts

_RUN = t.RetentionRun.__table__.c
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
ROWS_SHOWN_MAX = 2_000


@dataclass
class Report:
    """Of one run: when it began, before when each kind ends, and of which kinds something is left for the next."""

    started_at: datetime
    before: dict[str, datetime]
    left: set[str] = field(default_factory=set)


def ran(connection: Connection, day: date) -> bool:
    """Whether a day's run is done, to the end."""
    rows = connection.execute(select(_RUN.unfinished).where(_RUN.day == day)).scalars().all()
    return bool(rows) and not any(rows)


def record(parts: Parts, report: Report, done: Counter[str]) -> None:
    """Add a run to its day's rows."""
    day = report.started_at.astimezone(parts.settings.zone).date()
    finished_at = parts.clock.now()
    with parts.store.writing() as connection:
        known = set(connection.execute(select(_RUN.kind).where(_RUN.day == day)).scalars())
        for kind in sorted(report.before):
            said = {
                "finished_at": finished_at,
                "older_than": report.before[kind],
                "unfinished": kind in report.left,
            }
            if kind in known:
                connection.execute(
                    update(t.RetentionRun)
                    .where(_RUN.day == day, _RUN.kind == kind)
                    .values(deleted=_RUN.deleted + done[kind], **said)
                )
            else:
                connection.execute(
                    insert(t.RetentionRun).values(
                        day=day, kind=kind, started_at=report.started_at, deleted=done[kind], **said
                    )
                )
        connection.commit()


def origins_done_until(connection: Connection) -> datetime:
    """Up to when no line of the audit trail has an address any more."""
    done = select(func.max(_RUN.older_than)).where(_RUN.kind == "origins", ~_RUN.unfinished)
    return connection.execute(done).scalar() or _LONG_AGO


def runs(connection: Connection, since: date | None, until: date | None, limit: int) -> Sequence[dict[str, Any]]:
    """The rows of the newest days, at most so many."""
    query = select(*_RUN).order_by(_RUN.day.desc(), _RUN.kind).limit(limit)
    if since is not None:
        query = query.where(_RUN.day >= since)
    if until is not None:
        query = query.where(_RUN.day <= until)
    return [
        {
            "day": row.day.isoformat(),
            "kind": row.kind,
            "deleted": row.deleted,
            "older_than": row.older_than,
            "unfinished": row.unfinished,
            "started_at": row.started_at,
            "finished_at": row.finished_at,
        }
        for row in connection.execute(query)
    ]
