"""A person's data on request: exported as one file, or erased by two members of staff.

The law: 个人信息保护法 art. 45 (a copy, in a form that can be taken elsewhere), art. 47 (deletion; what a law makes us keep is kept and
no more than kept), art. 50 (an easy way to ask). Who asks is checked by a person: a reference to that check is part of the request.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway.flows import audit
from gateway.flows import personal_data_requests as requests
from gateway.flows import personal_data_words as words
from gateway.flows.personal_data_erase import Erasure, afterwards, take_out
from gateway.flows.personal_data_gather import PICTURES, gather
from gateway.flows.personal_data_holds import Hold, holds, refuse
from gateway.flows.personal_data_subject import Person, Secrets, Subject, find
from gateway.flows.refusals import Refused
from gateway.runtime.ids import derive, random_token
from gateway.wiring import Parts

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


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What an export would hold: (key, title, rows) of each kind that has any; and why it cannot be erased now."""

    kinds: tuple[tuple[str, str, int], ...]
    holds: tuple[Hold, ...]


def held(parts: Parts, subject: Subject, asking: Asking) -> Held:
    """How much is held of a subject, and nothing of what it says. Raises `NotFound`, `Invalid`.

    What stands in an erasure's way tells of passes: only to who sees a low income.
    """
    asking, secrets = _checked(asking), Secrets(parts.settings.secret())
    with parts.store.reading() as connection:
        person = find(connection, subject, asking.sites, secrets)
        found = gather(
            connection,
            person,
            zone=parts.settings.zone,
            numbers=secrets.numbers,
            sees_low_income=asking.sees_low_income,
        )
        why = holds(connection, person, parts.clock.now()) if asking.sees_low_income else []
    kinds = [(sheet.key, sheet.title, len(sheet.rows)) for sheet in found.sheets if sheet.rows]
    if found.pictures:
        kinds.append(("pictures", PICTURES, len(found.pictures)))
    return Held(kinds=tuple(kinds), holds=tuple(why))


def export(parts: Parts, subject: Subject, asking: Asking, out: Path) -> Exported:
    """Write everything held of a subject to one ZIP. Raises `NotFound`, `Invalid`, `OSError`.

    The file is written first, in one consistent look; then the request is on record, or the file must not be handed out.
    """
    from gateway.flows.personal_data_file import write_file  # noqa: PLC0415 - what writes workbooks is large

    asking, secrets = _checked(asking), Secrets(parts.settings.secret())
    now, key = parts.clock.now(), derive("pd", random_token())
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
        _put_on_record(connection, person, secrets, asking, key, now, state="exported", done=counts)
        connection.commit()
    return Exported(id=key, counts=counts)


def propose(parts: Parts, subject: Subject, asking: Asking) -> dict[str, Any]:
    """Ask for an erasure; a second member of staff decides. The request as `requests.document` has it.

    Raises `StillNeeded` where it could not be done now, `NotFound`, `Invalid`. Proposing again while a proposal waits answers that one.
    """
    asking, secrets = _checked(asking), Secrets(parts.settings.secret())
    now, key = parts.clock.now(), derive("pd", random_token())
    with parts.store.writing() as connection:
        person = find(connection, subject, asking.sites, secrets)
        refuse(holds(connection, person, now))
        waiting = requests.waiting(connection, secrets.digest(subject), _limits(asking))
        if waiting is not None:
            return requests.document(waiting, secrets)
        _put_on_record(connection, person, secrets, asking, key, now, state="proposed", done={})
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
    erasure = Erasure(
        key=request,
        subject=subject,
        allowed=allowed,
        action="erase",
        operator=operator,
        origin=origin,
        proposed_by=row.asked_by,
    )
    with parts.store.writing() as connection:
        row = _open(requests.get(connection, request, sites, lock=True), operator)
        person, done = take_out(parts, connection, erasure, secrets, hits)
        requests.decide(connection, row, "erased", operator[:64], parts.clock.now(), dict(done))
        document = requests.document(requests.get(connection, request, sites), None)
        connection.commit()
    afterwards(parts, person, request)
    return document


def reject(
    parts: Parts, request: str, *, operator: str, origin: str, reason: str, sites: Sites = None
) -> dict[str, Any]:
    """Do not erase; whoever proposed it may take it back so, too. Raises `AlreadyDecided`, `NotFound`, `Invalid`.

    One that cannot be read any more ends so as well; its audit line has no words of a person, as nobody can tell whose name is in them.
    """
    secrets = Secrets(parts.settings.secret())
    why, now = requests.checked("reason", reason), parts.clock.now()
    with parts.store.writing() as connection:
        row = _open(requests.get(connection, request, sites, lock=True))
        subject = secrets.opened(bytes(row.sealed))
        named = [subject.name] if subject is not None and subject.about == "plate" else []
        requests.decide(connection, row, "rejected", operator[:64], now, {})
        audit.record(
            connection,
            at=now,
            operator=operator,
            action="personal_data.reject",
            site=row.site_id,
            subject=request,
            origin=origin,
            reason="made under another secret_key" if subject is None else words.without(why, named),
        )
        document = requests.document(requests.get(connection, request, sites), None)
        connection.commit()
    return document


def _open(row: Any, approves: str | None = None) -> Any:
    """A request that waits for a decision, and not for one by whoever proposed it."""
    if row.state != "proposed":
        raise AlreadyDecided(f"the request was {row.state} by {row.decided_by or row.asked_by}")
    if approves is not None and row.asked_by == approves[:64]:
        raise SamePerson
    return row


def _checked(asking: Asking) -> Asking:
    return msgspec.structs.replace(
        asking,
        identity=requests.checked("identity", asking.identity),
        reason=requests.checked("reason", asking.reason),
    )


def _limits(asking: Asking) -> list[str]:
    return [] if asking.sites is None else sorted(asking.sites)


_ACTIONS = {"exported": "export", "proposed": "propose"}


def _put_on_record(
    connection: Connection,
    person: Person,
    secrets: Secrets,
    asking: Asking,
    key: str,
    now: datetime,
    *,
    state: str,
    done: dict[str, int],
) -> None:
    """A request, and a line that does not name the person: the register of requests has the digest."""
    subject = person.subject
    identity, reason = words.without(asking.identity, person.words), words.without(asking.reason, person.words)
    requests.store(
        connection,
        subject,
        secrets,
        id=key,
        sites=_limits(asking),
        identity=identity,
        reason=reason,
        state=state,
        asked_by=asking.operator[:64],
        asked_at=now,
        done=done,
    )
    audit.record(
        connection,
        at=now,
        operator=asking.operator,
        action=f"personal_data.{_ACTIONS[state]}",
        site=subject.site,
        subject=key,
        origin=asking.origin,
        reason=reason,
        detail={"about": subject.about, "identity": identity, **({"rows": done} if done else {})},
    )
