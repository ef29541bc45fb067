"""What the jobs last did, for those who look after the service. Writes nothing."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from gateway.flows.reading import Document
from gateway.store.tables import JobLease, JobRun

FAILED = "failed: "


def runs(connection: Connection, now: datetime) -> list[Document]:
    """Every job that has run, by name. `next_at` as it was known when it last ran: None where whoever ran it has ended since."""
    holds = connection.execute(select(JobLease.name).where(JobLease.until > now)).first() is not None
    return [
        {
            "name": row.name,
            "started_at": row.started_at,
            "finished_at": row.finished_at,
            "outcome": row.outcome,
            "failed": row.outcome.startswith(FAILED),
            "next_at": row.next_at if holds else None,
        }
        for row in connection.execute(select(JobRun).order_by(JobRun.name))
    ]
