"""Alarms that nobody's event raises: an item in the exception queue while something lasts, told once, taken back once it is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import func, select, update

from gateway.flows.outcome import Situation
from gateway.flows.saving import OutcomeWriter
from gateway.store.tables import ExceptionItem
from gateway.wiring import Parts

Subject = tuple[str, str]
"""A site, and what it is about there."""


def keep(
    parts: Parts,
    kind: str,
    lasting: Mapping[Subject, str],
    *,
    over: Callable[[Subject], bool],
    resolution: str,
) -> tuple[list[Subject], list[Subject]]:
    """Tell of what lasts and was never told, with its detail; take back what is open and `over`. Returns both. One transaction, or none.

    Who resolved an item is not told again.
    """
    with parts.store.reading() as connection:
        rows = connection.execute(
            select(ExceptionItem.site_id, ExceptionItem.subject, func.min(ExceptionItem.state))
            .where(ExceptionItem.kind == kind)
            .group_by(ExceptionItem.site_id, ExceptionItem.subject)
        )
        told: dict[Subject, str] = {(site, subject): state for site, subject, state in rows}
    new = [one for one in lasting if one not in told]
    settled = [one for one, state in told.items() if state == "open" and over(one)]
    if not new and not settled:
        return [], []
    now = parts.clock.now()
    with parts.store.writing() as connection:
        OutcomeWriter(connection).situations(
            Situation(site=site, kind=kind, subject=subject, at=now, detail=lasting[site, subject])
            for site, subject in new
        )
        for site, subject in settled:
            connection.execute(
                update(ExceptionItem)
                .where(
                    ExceptionItem.site_id == site,
                    ExceptionItem.kind == kind,
                    ExceptionItem.subject == subject,
                    ExceptionItem.state == "open",
                )
                .values(state="resolved", resolved_at=now, resolved_by="parkgate", resolution=resolution)
            )
        connection.commit()
    return new, settled
