"""One entry of a register, changed by a member of staff: added, changed, ended, lifted, reviewed. Nothing is ever deleted.

Each with a reason, in one transaction with its history and its line in the audit trail. Asking for what stands already changes
nothing, so that a repeated request does no harm.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, or_, select

from gateway.flows import audit
from gateway.flows import registers_change as change
from gateway.flows import registers_history as history
from gateway.flows.reading import Sites
from gateway.flows.refusals import AlreadyRegistered, Invalid, KeyReused
from gateway.flows.registers_entries import document, find, holds, shown
from gateway.flows.registers_history import Step, Who
from gateway.flows.registers_kinds import REGISTERS, Register, Row
from gateway.flows.registers_known import known
from gateway.flows.registers_rows import KINDS, BadRow, column_of, parse_instant, read_row, tells
from gateway.flows.secrecy import CertificateNumbers, derived_key
from gateway.wiring import Parts

# Who registers a relative says whose relative it is, where the proof is, and who has seen it.
_NEEDED = {"relatives": ("resident", "evidence", "approver")}
_OF_A_HOUSEHOLD = ("vehicles", "relatives", "certificates")
ENDABLE = frozenset({"households", "vehicles", "relatives", "certificates", "free-vehicles"})
# What names somebody in the audit trail. A certificate and a pass name nobody there: who reads that a household has the one, or
# that a vehicle has not the other, knows of the first.
_SUBJECT = {
    "households": "id",
    "vehicles": "plate",
    "relatives": "plate",
    "free-vehicles": "plate",
    "blocklist": "plate",
}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks and why; `sites`: those that they may change (None: all)."""

    operator: str
    source: str
    origin: str
    reason: str
    sites: Sites
    idempotency_key: str | None = None


def add(parts: Parts, kind: str, cells: Mapping[str, str], request: Request) -> Row:
    """A new entry, or one that had ended and begins anew. Raises `Invalid`, `AlreadyRegistered`, `KeyReused`."""
    register = REGISTERS[kind]
    numbers = CertificateNumbers(parts.settings.secret()) if kind == "certificates" else None
    with parts.store.writing() as connection:
        change.lock(connection, kind)
        now = parts.clock.now()
        row = _read(connection, parts, kind, cells, request, (*KINDS[kind][0], *_NEEDED.get(kind, ())))
        if numbers is not None:
            row["number_digest"] = numbers.digest(row["number"])
        given = change.content(row)
        before = change.stored(connection, register, [given]).get(register.key(given))
        who = _who(connection, parts.settings.secret(), kind, str(row["site_id"]), "add", cells, request)
        if before is not None and _running(before, now):
            if who is not None and any(before[name] != value for name, value in given.items()):
                raise AlreadyRegistered
        elif who is not None:
            after = change.new_row(register, given, now)
            if before is not None:
                # Between its end and now it did not hold.
                after["valid_from"] = after["valid_from"] or now
            step = Step("add", before, after)
            _check(connection, register, step, now)
            sealed = change.sealed_numbers(register, [row] if before is None else [], numbers)
            change.write(connection, register, [step], who, now, sealed)
            _audit(connection, kind, step, request, now)
        found = change.stored(connection, register, [given])[register.key(given)]
        answer = _answer(connection, parts, kind, found, request)
        connection.commit()
    return answer


def alter(parts: Parts, kind: str, entry_id: str, cells: Mapping[str, str], request: Request) -> Row:
    """Other content for an entry; its key stays. Raises `NotFound`, `Invalid`, `KeyReused`."""
    register = REGISTERS[kind]
    fixed = [name for name in cells if column_of(kind, name) in register.keys]
    if fixed:
        raise Invalid(f"{fixed[0]}: it says which entry this is; end this one and register another")
    with parts.store.writing() as connection:
        change.lock(connection, kind)
        before = find(connection, kind, entry_id, request.sites)
        needed = tuple(name for name in (*KINDS[kind][0], *_NEEDED.get(kind, ())) if name in cells)
        given = _read(connection, parts, kind, cells, request, needed, site=before["site_id"])
        given.pop("lifted", None)
        _not_past(parts, before, given)
        return _apply(connection, parts, Step("change", before, {**before, **given}), kind, entry_id, cells, request)


def end(parts: Parts, kind: str, entry_id: str, at: str | None, request: Request) -> Row:
    """An entry holds until an instant (default now), and no longer; a household's vehicles, relatives and certificates with it.

    Raises `NotFound`; `Invalid` for an instant that is past or later than the end that it has.
    """
    if kind not in ENDABLE:
        raise Invalid(f"{kind} do not end so")
    with parts.store.writing() as connection:
        change.lock(connection, kind, *(_OF_A_HOUSEHOLD if kind == "households" else ()))
        now = parts.clock.now()
        before = find(connection, kind, entry_id, request.sites)
        last = before["valid_to"]
        if last is not None and last <= now:
            return _answer(connection, parts, kind, before, request)
        until = _until(parts, at, now)
        if last is not None and last < until:
            raise Invalid(f"at: it ends on {last.isoformat()} already; change valid_to for a later end")
        # What has not begun yet never begins.
        until = max(until, before["valid_from"] or until)
        step = Step("end", before, {**before, "valid_to": until})
        return _apply(connection, parts, step, kind, entry_id, {"valid_to": until.isoformat()}, request)


def lift(parts: Parts, entry_id: str, request: Request) -> Row:
    """A blocked vehicle may enter again. Raises `NotFound`."""
    with parts.store.writing() as connection:
        change.lock(connection, "blocklist")
        before = find(connection, "blocklist", entry_id, request.sites)
        step = Step("lift", before, {**before, "lifted": True})
        return _apply(connection, parts, step, "blocklist", entry_id, {}, request)


def review(parts: Parts, entry_id: str, valid_to: str | None, request: Request) -> Row:
    """Somebody has looked at a certificate and it still holds, with `valid_to` until another end. Raises `NotFound`, `Invalid`."""
    with parts.store.writing() as connection:
        change.lock(connection, "certificates")
        now = parts.clock.now()
        before = find(connection, "certificates", entry_id, request.sites)
        if not holds(before, now):
            raise Invalid("the certificate does not hold now; change its validity or register the new one")
        after = {**before, "reviewed_at": now}
        if valid_to is not None:
            after["valid_to"] = _until(parts, valid_to, now, "valid_to")
        cells = {"valid_to": valid_to or ""}
        return _apply(connection, parts, Step("review", before, after), "certificates", entry_id, cells, request)


def _apply(
    connection: Connection,
    parts: Parts,
    step: Step,
    kind: str,
    entry_id: str,
    cells: Mapping[str, str],
    request: Request,
) -> Row:
    """Write what changes, commit, and answer with the entry."""
    register, now = REGISTERS[kind], parts.clock.now()
    site = str(step.after["site_id"])
    asked = {"id": entry_id, **cells}
    who = _who(connection, parts.settings.secret(), kind, site, step.action, asked, request)
    assert step.before is not None
    if who is None or step.after == step.before:
        return _answer(connection, parts, kind, dict(step.before), request)
    if step.action != "end":
        _check(connection, register, step, now)
    change.write(connection, register, [step], who, now)
    if kind == "households" and step.action == "end":
        _end_household(connection, step.after, who, now)
    _audit(connection, kind, step, request, now)
    answer = _answer(connection, parts, kind, dict(step.after), request)
    connection.commit()
    return answer


def _end_household(connection: Connection, home: Mapping[str, Any], who: Who, now: datetime) -> None:
    """What hangs on a household ends with it, at the latest."""
    until = home["valid_to"]
    for kind in _OF_A_HOUSEHOLD:
        register = REGISTERS[kind]
        table = register.table.c
        rows = connection.execute(
            select(register.table).where(
                table.site_id == home["site_id"],
                table.household_id == home["id"],
                or_(table.valid_to.is_(None), table.valid_to > until),
            )
        ).mappings()
        steps = [Step("end", dict(row), {**row, "valid_to": max(until, row["valid_from"] or until)}) for row in rows]
        change.write(connection, register, steps, msgspec.structs.replace(who, request_key=None), now)


def _read(
    connection: Connection,
    parts: Parts,
    kind: str,
    cells: Mapping[str, str],
    request: Request,
    needed: tuple[str, ...],
    *,
    site: str | None = None,
) -> Row:
    only = frozenset({site}) if site is not None else None if request.sites is None else frozenset(request.sites)
    try:
        return read_row(kind, cells, known(connection, parts, kind, only), needed=needed, site=site)
    except BadRow as error:
        raise Invalid(str(error)) from None


def _check(connection: Connection, register: Register, step: Step, now: datetime) -> None:
    problems = change.judged(connection, register, [(0, step)], now)
    if problems:
        raise Invalid(problems[0].reason)


def _running(row: Mapping[str, Any], now: datetime) -> bool:
    """Whether it holds or will."""
    return (row["valid_to"] is None or row["valid_to"] > now) and not row.get("lifted", False)


def _until(parts: Parts, text: str | None, now: datetime, name: str = "at") -> datetime:
    """An end that is not past: what a bill was told by then stays as it was."""
    if text is None or not text.strip():
        return now
    try:
        until = parse_instant(text.strip(), parts.settings.zone, end=True)
    except ValueError:
        raise Invalid(f"{name}: neither an instant (RFC 3339) nor a day (YYYY-MM-DD)") from None
    if until < now:
        raise Invalid(f"{name}: {until.astimezone(parts.settings.zone):%F %T} is past; an entry ends now or later")
    return until


def _not_past(parts: Parts, before: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raises `Invalid` where an entry that holds would end before now: bills have been told by it."""
    now, until = parts.clock.now(), given.get("valid_to")
    if until is not None and until < now and holds(before, now):
        raise Invalid(f"valid_to: {until.astimezone(parts.settings.zone):%F %T} is past; an entry ends now or later")


def _who(
    connection: Connection,
    secret: str,
    kind: str,
    site: str,
    action: str,
    cells: Mapping[str, str],
    request: Request,
) -> Who | None:
    """Who changes, for the history; None where this very request was answered before. Raises `Invalid`, `KeyReused`."""
    reason = request.reason.strip()
    if not reason:
        raise Invalid("reason: say why")
    if kind != "certificates" and tells(reason):
        raise Invalid("reason: it speaks of a low income; that stands in a certificate and nowhere else: leave it out")
    # Keyed: a plate or a certificate's number is short enough to be tried against a digest that anybody can make.
    content = msgspec.json.encode([kind, action, sorted(cells.items()), reason])
    digest = hmac.new(derived_key(secret, b"register requests"), content, hashlib.sha256).digest()
    if request.idempotency_key is not None:
        earlier = history.repeated(connection, site, request.idempotency_key)
        if earlier is not None:
            if earlier != (kind, digest):
                raise KeyReused
            return None
    return Who(
        operator=request.operator,
        source=request.source,
        origin=request.origin,
        reason=reason,
        digest=digest,
        request_key=request.idempotency_key,
    )


def _audit(connection: Connection, kind: str, step: Step, request: Request, now: datetime) -> None:
    named = _SUBJECT.get(kind)
    audit.record(
        connection,
        at=now,
        operator=request.operator,
        action=f"registry.{step.action} {kind}",
        site=str(step.after["site_id"]) if named is not None else "",
        subject=str(step.after[named]) if named is not None else "",
        origin=request.origin,
        reason=request.reason.strip() if named is not None else "",
    )


def _answer(connection: Connection, parts: Parts, kind: str, row: Row, request: Request) -> Row:
    register = REGISTERS[kind]
    if kind == "certificates":
        row = find(connection, kind, register.id_of(row), request.sites)
    return document(register, row, shown(connection, parts, kind))
