"""The register of requests about personal data: who asked, why, on what proof of identity, who decided, what was done."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select, true, update

from gateway.flows import audit
from gateway.flows.personal_data_subject import Secrets, Subject
from gateway.flows.reading import older
from gateway.flows.refusals import Invalid, NotFound
from gateway.store import tables as t
from gateway.wiring import Parts

# A proposal that nobody decides names somebody for nothing.
PROPOSAL_LASTS = timedelta(days=30)
_TEXT_MAX = 300
_OF = t.PersonalDataRequest.__table__.c
_RUN = t.RetentionRun.__table__.c
_SCRUB = "freed_pages"

Sites = Collection[str] | None


def checked(name: str, text: str) -> str:
    """A reason or a reference that a person gave. Raises `Invalid`."""
    said = text.strip()
    if not said:
        raise Invalid(f"{name}: say it; it stands in the register of requests")
    if len(said) > _TEXT_MAX or not said.isprintable():
        raise Invalid(f"{name}: at most {_TEXT_MAX} printable characters")
    return said


def store(connection: Connection, subject: Subject, secrets: Secrets, **values: Any) -> None:
    """A new row. `sealed` only for a proposal."""
    sealed = secrets.seal(subject) if values["state"] == "proposed" else None
    connection.execute(
        insert(t.PersonalDataRequest).values(
            site_id=subject.site, about=subject.about, digest=secrets.digest(subject), sealed=sealed, **values
        )
    )


def get(connection: Connection, request: str, allowed: Sites, *, lock: bool = False) -> Any:
    """A request's row. Raises `NotFound`, also where somebody may not see all of its sites."""
    query = select(*_OF).where(_OF.id == request)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None or not _for(row, allowed):
        raise NotFound("there is no such request, or not for you")
    return row


def waiting(connection: Connection, digest: bytes, sites: list[str]) -> Any:
    """The proposal about the same subject that nobody has decided yet; None if there is none."""
    rows = connection.execute(select(*_OF).where(_OF.state == "proposed", _OF.digest == digest))
    return next((row for row in rows if list(row.sites) == sites), None)


def _for(row: Any, allowed: Sites) -> bool:
    return allowed is None or (bool(row.sites) and set(row.sites) <= set(allowed))


def decide(connection: Connection, row: Any, state: str, operator: str, now: datetime, done: dict[str, int]) -> None:
    """It is over, and nobody is named in it any more."""
    connection.execute(
        update(t.PersonalDataRequest)
        .where(_OF.site_id == row.site_id, _OF.id == row.id)
        .values(state=state, decided_by=operator, decided_at=now, done=done, sealed=None)
    )


def document(row: Any, secrets: Secrets | None) -> dict[str, Any]:
    """A request as answered; whom it is about is shown only as long as it waits for a decision.

    `unreadable`: it waits, and was made under another secret key; it can be rejected, and proposed again.
    """
    waits = secrets is not None and row.sealed is not None
    subject = secrets.opened(bytes(row.sealed)) if secrets is not None and waits else None
    return {
        "id": row.id,
        "about": row.about,
        "subject": None if subject is None else str(subject),
        "unreadable": waits and subject is None,
        "sites": list(row.sites),
        "identity": row.identity,
        "reason": row.reason,
        "state": row.state,
        "asked_by": row.asked_by,
        "asked_at": row.asked_at,
        "decided_by": row.decided_by,
        "decided_at": row.decided_at,
        "done": dict(row.done),
    }


def listed(
    parts: Parts, allowed: Sites, state: str | None, after: tuple[datetime, str] | None, limit: int
) -> list[tuple[tuple[datetime, str], dict[str, Any]]]:
    """The newest first, each with its key for paging; one more than `limit`, if there is one."""
    secrets = Secrets(parts.settings.secret())
    query = select(*_OF).where(true() if state is None else _OF.state == state, *older(after, _OF.asked_at, _OF.id))
    found = []
    with parts.store.reading() as connection:
        for row in connection.execute(query.order_by(_OF.asked_at.desc(), _OF.id.desc())):
            if _for(row, allowed):
                found.append(((row.asked_at, row.id), document(row, secrets)))
            if len(found) > limit:
                break
    return found


def erased(connection: Connection) -> dict[bytes, str]:
    """The digests of all who were erased, with the request's id."""
    rows = connection.execute(select(_OF.digest, _OF.id).where(_OF.state == "erased"))
    return {bytes(digest): key for digest, key in rows}


def expire(parts: Parts) -> int:
    """Proposals that nobody decided in time: they end, and name nobody any more. How many."""
    now = parts.clock.now()
    with parts.store.writing() as connection:
        waiting = (_OF.state == "proposed", _OF.asked_at < now - PROPOSAL_LASTS)
        rows = connection.execute(select(_OF.site_id, _OF.id).where(*waiting).with_for_update()).all()
        for row in rows:
            decide(connection, row, "expired", "service", now, {})
            audit.record(
                connection, at=now, operator="service", action="personal_data.expire", site=row.site_id, subject=row.id
            )
        connection.commit()
    return len(rows)


def erased_since_the_last_scrub(connection: Connection) -> int:
    """How many erasures a file of SQLite may still hold in its free pages."""
    last = connection.execute(select(func.max(_RUN.older_than)).where(_RUN.kind == _SCRUB, ~_RUN.unfinished)).scalar()
    query = select(func.count()).where(_OF.state == "erased")
    if last is not None:
        query = query.where(_OF.decided_at > last)
    return int(connection.execute(query).scalar_one())


def scrubbed(parts: Parts, at: datetime, erasures: int, *, whole: bool) -> None:
    """The file was written anew at this moment, after so many erasures."""
    day = at.astimezone(parts.settings.zone).date()
    said = {"finished_at": parts.clock.now(), "older_than": at, "unfinished": not whole}
    with parts.store.writing() as connection:
        mine = update(t.RetentionRun).where(_RUN.day == day, _RUN.kind == _SCRUB)
        if not connection.execute(mine.values(deleted=_RUN.deleted + erasures, **said)).rowcount:
            connection.execute(
                insert(t.RetentionRun).values(day=day, kind=_SCRUB, started_at=at, deleted=erasures, **said)
            )
        connection.commit()
