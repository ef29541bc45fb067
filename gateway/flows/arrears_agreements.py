"""先离场后付费 by agreement: a vehicle that may leave first at a site, or at every site of the street, up to a limit.

Proposed with its evidence by one, approved by a second person. It changes what a gate does, never what is owed: beyond the limit the
vehicle is asked to pay its stay before leaving, as everybody is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from billing.money import FEN_MAX
from gateway.flows import audit
from gateway.flows.charges_books import By, reason_of
from gateway.flows.charges_refusals import AlreadyDecided
from gateway.flows.passes_terms import plate_of
from gateway.flows.reading import Sites, Slice, older
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.two_people import undecided
from gateway.runtime.ids import derive_in_site, random_token
from gateway.store import tables as t
from gateway.store.records import STREET
from gateway.wiring import Parts

__all__ = ["STREET", "Agreement", "Wanted", "agreements", "approve", "end", "propose", "refuse"]

_AGREEMENT = t.PayLaterAgreement.__table__.c


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """An agreement to make. `site` is a site or `street`; `[valid_from, valid_to)`, None for now and for no end."""

    site: str
    plate: str
    limit_fen: int
    evidence: str
    valid_from: datetime | None = None
    valid_to: datetime | None = None


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """As it stands."""

    id: str
    site: str
    plate: str
    limit_fen: int
    valid_from: datetime
    valid_to: datetime | None
    evidence: str
    state: str
    proposed_at: datetime
    proposed_by: str
    decided_at: datetime | None
    decided_by: str | None
    ended_at: datetime | None
    ended_by: str | None
    reason: str | None


def propose(parts: Parts, wanted: Wanted, by: By) -> Agreement:
    """Raises `NotFound` for an unknown site, `Invalid`."""
    plate, evidence = plate_of(wanted.plate), reason_of(wanted.evidence, "evidence")
    if not 0 <= wanted.limit_fen <= FEN_MAX:
        raise Invalid(f"limit_fen: from 0 to {FEN_MAX}")
    with parts.store.writing() as connection:
        now = parts.clock.now()
        if wanted.site != STREET and wanted.site not in parts.estates.known(connection).sites:
            raise NotFound(f"there is no site {wanted.site:.60} in service")
        since = wanted.valid_from or now
        if wanted.valid_to is not None and wanted.valid_to <= since:
            raise Invalid("valid_to: before valid_from")
        row = {
            "site_id": wanted.site,
            "id": derive_in_site(wanted.site, "agreement", plate, now.isoformat(), random_token()),
            "plate": plate,
            "limit_fen": wanted.limit_fen,
            "valid_from": since,
            "valid_to": wanted.valid_to,
            "evidence": evidence,
            "state": "proposed",
            "proposed_at": now,
            "proposed_by": by.operator,
            "decided_at": None,
            "decided_by": None,
            "ended_at": None,
            "ended_by": None,
            "reason": "",
        }
        connection.execute(insert(t.PayLaterAgreement).values(**row))
        _audit(connection, "agreement.propose", row, by, now)
        connection.commit()
    return _document(row)


def approve(parts: Parts, agreement_id: str, by: By) -> Agreement:
    """From now on gates know of it. Raises `SecondPersonNeeded`, `AlreadyDecided`, `NotFound`."""
    return _decide(parts, agreement_id, by, "approved", "")


def refuse(parts: Parts, agreement_id: str, reason: str, by: By) -> Agreement:
    """Raises `SecondPersonNeeded`, `AlreadyDecided`, `NotFound`, `Invalid`."""
    return _decide(parts, agreement_id, by, "refused", reason_of(reason))


def end(parts: Parts, agreement_id: str, reason: str, by: By) -> Agreement:
    """It holds no more from now on; one person suffices, for it takes a favour back. Ending again changes nothing."""
    words = reason_of(reason)
    with parts.store.writing() as connection:
        now = parts.clock.now()
        row = _locked(connection, agreement_id)
        if row.state == "ended":
            return _document(row._asdict())
        if row.state != "approved":
            raise AlreadyDecided(f"the agreement is {row.state}; only an approved one is ended")
        return _change(connection, row, by, now, state="ended", ended_at=now, ended_by=by.operator, reason=words)


def agreements(
    connection: Connection, allowed: Sites, page: Slice, *, plate: str | None = None, state: str | None = None
) -> list[tuple[tuple[datetime, str], Agreement]]:
    """Newest first, each with its key for paging. Whoever has some sites sees those of the street for them too."""
    conditions: list[Any] = []
    if allowed is not None:
        conditions.append(_AGREEMENT.site_id.in_([*sorted(allowed), STREET]))
    if plate is not None:
        conditions.append(_AGREEMENT.plate == plate)
    if state is not None:
        conditions.append(_AGREEMENT.state == state)
    conditions += older(page.after, _AGREEMENT.proposed_at, _AGREEMENT.id)
    rows = connection.execute(
        select(*_AGREEMENT)
        .where(*conditions)
        .order_by(_AGREEMENT.proposed_at.desc(), _AGREEMENT.id.desc())
        .limit(page.limit + 1)
    )
    return [((row.proposed_at, row.id), _document(row._asdict())) for row in rows]


def _decide(parts: Parts, agreement_id: str, by: By, state: str, reason: str) -> Agreement:
    with parts.store.writing() as connection:
        now = parts.clock.now()
        row = undecided(_locked(connection, agreement_id), by, "agreement")
        return _change(connection, row, by, now, state=state, decided_at=now, decided_by=by.operator, reason=reason)


def _change(connection: Connection, row: Any, by: By, now: datetime, **changed: Any) -> Agreement:
    connection.execute(
        update(t.PayLaterAgreement)
        .where(t.PayLaterAgreement.site_id == row.site_id, t.PayLaterAgreement.id == row.id)
        .values(**changed)
    )
    after = {**row._asdict(), **changed}
    _audit(connection, f"agreement.{changed['state']}", after, by, now)
    connection.commit()
    return _document(after)


def _locked(connection: Connection, agreement_id: str) -> Any:
    row = connection.execute(
        select(*_AGREEMENT)
        .where(_AGREEMENT.site_id == agreement_id.partition(".")[0], _AGREEMENT.id == agreement_id)
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise NotFound("there is no such agreement, or not for you")
    return row


def _audit(connection: Connection, action: str, row: dict[str, Any], by: By, now: datetime) -> None:
    audit.record(
        connection,
        at=now,
        operator=by.operator,
        action=action,
        site="" if row["site_id"] == STREET else row["site_id"],
        subject=row["id"],
        origin=by.origin,
        reason=row["reason"],
        detail={
            "limit_fen": row["limit_fen"],
            "valid_from": row["valid_from"].isoformat(),
            "valid_to": row["valid_to"].isoformat() if row["valid_to"] is not None else None,
        },
    )


def _document(row: dict[str, Any]) -> Agreement:
    return Agreement(
        id=row["id"],
        site=row["site_id"],
        **{
            name: row[name]
            for name in (
                "plate",
                "limit_fen",
                "valid_from",
                "valid_to",
                "evidence",
                "state",
                "proposed_at",
                "proposed_by",
                "decided_at",
                "decided_by",
                "ended_at",
                "ended_by",
            )
        },
        reason=row["reason"] or None,
    )
