"""What the jobs last did, for those who look after the service; and asking for one to be done now.

An ask is its line in the audit trail: it waits while the job has not begun since. Whoever schedules looks for asks every few seconds, so a job
runs where the lease is, one at a time, whatever process was asked.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from gateway.flows import audit
from gateway.flows.charges_books import By
from gateway.flows.reading import Document
from gateway.flows.refusals import NotFound, Refused
from gateway.store.tables import AuditEntry, JobLease, JobRun
from gateway.wiring import Parts

FAILED = "failed: "
ACTION: Final = "job.run"
VOID_AFTER: Final = timedelta(hours=1)
"""Nobody means by then what was asked while nothing ran."""


class NobodySchedules(Refused):
    """No process does the scheduled work now: look after the service first."""

    status = 409
    slug = "nobody-schedules"


class AskedBefore(Refused):
    """It was asked for already, and begins within seconds, or once the run before has ended."""

    status = 409
    slug = "asked-before"


class Ask(msgspec.Struct, frozen=True):
    """Who wants a job to be done now, and since when."""

    operator: str
    at: datetime


def runs(connection: Connection, now: datetime) -> list[Document]:
    """Every job that has run, by name. `next_at` as it was known when it last ran: None where whoever ran it has ended since."""
    holds, waits = _somebody_schedules(connection, now), asked(connection, now)
    return [
        {
            "name": row.name,
            "started_at": row.started_at,
            "finished_at": row.finished_at,
            "outcome": row.outcome,
            "failed": row.outcome.startswith(FAILED),
            "next_at": row.next_at if holds else None,
            "asked_by": waits[row.name].operator if row.name in waits else None,
            "asked_at": waits[row.name].at if row.name in waits else None,
        }
        for row in connection.execute(select(JobRun).order_by(JobRun.name))
    ]


def asked(connection: Connection, now: datetime) -> dict[str, Ask]:
    """Which jobs somebody waits for."""
    line = AuditEntry.__table__.c
    rows = connection.execute(
        select(line.subject, line.operator, line.at)
        .join(JobRun, JobRun.name == line.subject)
        .where(line.action == ACTION, line.at > now - VOID_AFTER, line.at > JobRun.started_at)
    )
    return {row.subject: Ask(row.operator, row.at) for row in rows}


def ask(parts: Parts, name: str, by: By) -> Ask:
    """Have a job done now. Raises `NotFound`, `NobodySchedules`, `AskedBefore`."""
    now = parts.clock.now()
    with parts.store.writing() as connection:
        known = select(JobRun.name).where(JobRun.name == name).with_for_update()
        if connection.execute(known).first() is None:
            raise NotFound("there is no such job, or it has never run")
        if not _somebody_schedules(connection, now):
            raise NobodySchedules
        if name in asked(connection, now):
            raise AskedBefore
        audit.record(connection, at=now, operator=by.operator, action=ACTION, subject=name, origin=by.origin)
        connection.commit()
    return Ask(by.operator, now)


def _somebody_schedules(connection: Connection, now: datetime) -> bool:
    return connection.execute(select(JobLease.name).where(JobLease.until > now)).first() is not None
