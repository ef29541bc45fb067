"""A person's data on request: exported as one file, or erased by two members of staff.

The law: 个人信息保护法 art. 45 (a copy, in a form that can be taken elsewhere), art. 47 (deletion; what a law makes us keep is kept and
no more than kept), art. 50 (an easy way to ask). Who asks is checked by a person: a reference to that check is part of the request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.flows import audit
from gateway.flows import personal_data_erase as erasing
from gateway.flows import personal_data_requests as requests
from gateway.flows import personal_data_words as words
from gateway.flows.offline_list import current_lists
from gateway.flows.personal_data_door import door
from gateway.flows.personal_data_file import write_file
from gateway.flows.personal_data_holds import holds, refuse
from gateway.flows.personal_data_subject import Person, Secrets, Subject, find
from gateway.flows.refusals import Refused
from gateway.runtime.ids import derive, random_token
from gateway.runtime.logs import logger
from gateway.store import scrub as file
from gateway.wiring import Parts

_log = logger(__name__)
Sites = Collection[str] | None


class SamePerson(Refused):
    """Who proposed an erasure cannot approve it; ask a second member of staff."""

    status = 409
    slug = "second-person-needed"


class AlreadyDecided(Refused):
    """The request has been decided."""

    status = 409
    slug = "already-decided"


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """Who of the staff asks, from where, and on what grounds. `sites` None: all. `sees_low_income`: registrar and finance."""

    operator: str
    origin: str
    sites: frozenset[str] | None
    identity: str
    reason: str
    sees_low_income: bool = False


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """`counts`: rows of each kind in the file."""

    id: str
    counts: dict[str, int]


def export(parts: Parts, subject: Subject, asking: Asking, out: Path) -> Exported:
    """Write everything held of a subject to one ZIP. Raises `NotFound`, `Invalid`, `OSError`.

    The file is written first, in one consistent look; then the request is on record, or the file must not be handed out.
    """
    secrets = Secrets(parts.settings.secret())
    identity, reason = requests.checked("identity", asking.identity), requests.checked("reason", asking.reason)
    now = parts.clock.now()
    key = derive("pd", random_token())
    with parts.store.reading() as connection:
        if parts.store.postgres:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        person = find(connection, subject, asking.sites, secrets)
        counts = write_file(
            connection,
            person,
            out,
            now=now,
            zone=parts.settings.zone,
            request=key,
            numbers=secrets.numbers,
            sees_low_income=asking.sees_low_income,
        )
    with parts.store.writing() as connection:
        requests.store(
            connection,
            subject,
            secrets,
            id=key,
            sites=_limits(asking),
            identity=words.without(identity, person.words),
            reason=words.without(reason, person.words),
            state="exported",
            asked_by=asking.operator[:64],
            asked_at=now,
            done=counts,
        )
        _note(parts, connection, "export", key, asking, person, detail={"rows": counts})
        connection.commit()
    return Exported(id=key, counts=counts)


def propose(parts: Parts, subject: Subject, asking: Asking) -> dict[str, Any]:
    """Ask for an erasure; a second member of staff decides. The request as `requests.document` has it.

    Raises `StillNeeded` where it could not be done now, `NotFound`, `Invalid`. Proposing again while a proposal waits answers that one.
    """
    secrets = Secrets(parts.settings.secret())
    identity, reason = requests.checked("identity", asking.identity), requests.checked("reason", asking.reason)
    now = parts.clock.now()
    key = derive("pd", random_token())
    with parts.store.writing() as connection:
        person = find(connection, subject, asking.sites, secrets)
        refuse(holds(connection, person, now))
        waiting = requests.waiting(connection, secrets.digest(subject), _limits(asking))
        if waiting is not None:
            return requests.document(waiting, secrets)
        requests.store(
            connection,
            subject,
            secrets,
            id=key,
            sites=_limits(asking),
            identity=words.without(identity, person.words),
            reason=words.without(reason, person.words),
            state="proposed",
            asked_by=asking.operator[:64],
            asked_at=now,
            done={},
        )
        _note(parts, connection, "propose", key, asking, person, detail={})
        document = requests.document(requests.get(connection, key, asking.sites), secrets)
        connection.commit()
    return document


def approve(parts: Parts, request: str, *, operator: str, origin: str, sites: Sites = None) -> dict[str, Any]:
    """Erase, as a second member of staff. Raises `SamePerson`, `AlreadyDecided`, `StillNeeded`, `NotFound`.

    Texts are read through beforehand and afterwards, so that what was written meanwhile is found too.
    """
    secrets = Secrets(parts.settings.secret())
    with parts.store.reading() as connection:
        row = _open(requests.get(connection, request, sites), operator)
        subject, allowed = secrets.unseal(bytes(row.sealed)), frozenset(row.sites) or None
        hits = words.find(connection, find(connection, subject, allowed, secrets))
    with parts.store.writing() as connection:
        row = _open(requests.get(connection, request, sites, lock=True), operator)
        now = parts.clock.now()
        person, done = take_out(parts, connection, subject, allowed, secrets, request, hits)
        requests.decide(connection, row, "erased", operator[:64], now, dict(done))
        audit.record(
            connection,
            at=now,
            operator=operator,
            action="personal_data.erase",
            site=subject.site,
            subject=request,
            origin=origin,
            detail={"about": subject.about, "proposed_by": row.asked_by, "rows": dict(done)},
        )
        document = requests.document(requests.get(connection, request, sites), None)
        connection.commit()
    afterwards(parts, person, request)
    return document


def take_out(
    parts: Parts,
    connection: Connection,
    subject: Subject,
    allowed: Sites,
    secrets: Secrets,
    key: str,
    hits: words.Hits,
) -> tuple[Person, Counter[str]]:
    """Erase in the transaction of the caller; what was erased, by table. Raises `StillNeeded`, `NotFound`.

    `hits` are the texts that were found beforehand. `key` names the door, and nothing else.
    """
    file.zeroing(connection)
    erasing.lock(connection, find(connection, subject, allowed, secrets))
    # Behind the vehicles' locks: what has come meanwhile belongs to it.
    person = find(connection, subject, allowed, secrets)
    now = parts.clock.now()
    refuse(holds(connection, person, now))
    with door(connection, key, now):
        done = erasing.erase(parts, connection, person)
        done.update(words.take_out(connection, hits, person))
    return person, done


def reject(
    parts: Parts, request: str, *, operator: str, origin: str, reason: str, sites: Sites = None
) -> dict[str, Any]:
    """Do not erase; whoever proposed it may take it back so, too. Raises `AlreadyDecided`, `NotFound`, `Invalid`."""
    secrets = Secrets(parts.settings.secret())
    why, now = requests.checked("reason", reason), parts.clock.now()
    with parts.store.writing() as connection:
        row = requests.get(connection, request, sites, lock=True)
        if row.state != "proposed":
            raise AlreadyDecided(f"the request was {row.state} by {row.decided_by or row.asked_by}")
        subject = secrets.unseal(bytes(row.sealed))
        requests.decide(connection, row, "rejected", operator[:64], now, {})
        audit.record(
            connection,
            at=now,
            operator=operator,
            action="personal_data.reject",
            site=row.site_id,
            subject=request,
            origin=origin,
            reason=words.without(why, [subject.name] if subject.about == "plate" else []),
        )
        document = requests.document(requests.get(connection, request, sites), None)
        connection.commit()
    return document


def _open(row: Any, operator: str) -> Any:
    if row.state != "proposed":
        raise AlreadyDecided(f"the request was {row.state} by {row.decided_by or row.asked_by}")
    if row.asked_by == operator[:64]:
        raise SamePerson
    return row


def _limits(asking: Asking) -> list[str]:
    return [] if asking.sites is None else sorted(asking.sites)


def _note(
    parts: Parts,
    connection: Connection,
    what: str,
    key: str,
    asking: Asking,
    person: Person,
    *,
    detail: dict[str, Any],
) -> None:
    """A line that does not name the person: the register of requests has the digest."""
    audit.record(
        connection,
        at=parts.clock.now(),
        operator=asking.operator,
        action=f"personal_data.{what}",
        site=person.subject.site,
        subject=key,
        origin=asking.origin,
        reason=words.without(asking.reason.strip(), person.words),
        detail={
            "about": person.subject.about,
            "identity": words.without(asking.identity.strip(), person.words),
            **detail,
        },
    )


def afterwards(parts: Parts, person: Person, request: str) -> None:
    """The gates' lists without the vehicles, and what was written about the person while they were being erased."""
    try:
        current_lists(parts)
    except SQLAlchemyError as problem:
        # A bridge does it as well, within seconds.
        _log.warning("the gates' lists are not renewed yet", problem=type(problem).__name__)
    with parts.store.reading() as connection:
        hits = words.find(connection, person)
    if not hits:
        return
    with parts.store.writing() as connection:
        file.zeroing(connection)
        with door(connection, f"{request} again", parts.clock.now()):
            words.take_out(connection, hits, person)
        connection.commit()
