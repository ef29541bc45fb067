"""Importing registers: households, vehicles, relatives, certificates, passes, free vehicles, the blocklist.

All rows or none, in one transaction. Importing the same file again changes nothing. A preview is the same, rolled back.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from gateway.flows import audit
from gateway.flows import registers_change as change
from gateway.flows.refusals import Invalid
from gateway.flows.registers_change import Problem, Wanted
from gateway.flows.registers_file import ROWS_MAX, UnreadableFile, read
from gateway.flows.registers_history import Who
from gateway.flows.registers_kinds import REGISTERS, Key, Register
from gateway.flows.registers_known import known
from gateway.flows.registers_rows import KINDS, BadRow, Known, read_row, tells
from gateway.flows.secrecy import CertificateNumbers, derived_key
from gateway.wiring import Parts

__all__ = ["KINDS", "ImportReport", "Problem", "Shown", "UnreadableFile", "import_file", "import_rows"]

CHANGES_SHOWN_MAX = 200


class Shown(msgspec.Struct, frozen=True):
    """A change that an import would make, as a preview shows it."""

    line: int
    action: str
    before: dict[str, Any] | None
    after: dict[str, Any]


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did, or with `preview` would do. With any problem nothing was imported and the counts are 0.

    `changes`: the first of them, only where it is a preview.
    """

    kind: str
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    preview: bool = False
    problems: tuple[Problem, ...] = ()
    changes: tuple[Shown, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


def import_file(
    parts: Parts,
    kind: str,
    data: bytes,
    *,
    operator: str = "cli",
    origin: str = "",
    source: str = "",
    reason: str = "",
    preview: bool = False,
    only: frozenset[str] | None = None,
    unpacked_max: int | None = None,
) -> ImportReport:
    """Import a file's bytes. Raises `UnreadableFile` if it is no table with the kind's headings, `Invalid` for an unknown kind.

    `source` is the file's name; `only`: the sites that the operator may change (None: all); `unpacked_max`: what a workbook may
    unpack to, in bytes.
    """
    needed, optional = _columns(kind)
    headings, rows = read(data) if unpacked_max is None else read(data, unpacked_max=unpacked_max)
    _check_headings(kind, headings, needed, optional)
    who = Who(
        operator=operator,
        source="file",
        origin=origin,
        reason=reason,
        file=source if kind == "certificates" or not tells(source) else "",
        digest=_digest(parts, kind, data),
    )
    return _import(parts, kind, list(rows), who, preview=preview, only=only)


def import_rows(
    parts: Parts,
    kind: str,
    rows: Iterable[Mapping[str, str]],
    *,
    operator: str = "cli",
    origin: str = "",
    source: str = "",
) -> ImportReport:
    """Import rows with the English column names; row 1 counts as line 2, as under a heading. Raises `Invalid`."""
    _columns(kind)
    numbered = [(line, dict(row)) for line, row in enumerate(rows, 2)]
    if len(numbered) > ROWS_MAX:
        raise Invalid(f"more than {ROWS_MAX} rows")
    return _import(parts, kind, numbered, Who(operator=operator, source="system", origin=origin, file=source))


def _digest(parts: Parts, kind: str, data: bytes) -> bytes:
    """By which a file is known again. Of certificates keyed: a number alone in a file could be found by trying."""
    if kind == "certificates":
        return hmac.new(derived_key(parts.settings.secret(), b"certificate files"), data, hashlib.sha256).digest()
    return hashlib.sha256(data).digest()


def _columns(kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        return KINDS[kind]
    except KeyError:
        raise Invalid(f"{kind!r:.40} is no register; choose one of {', '.join(KINDS)}") from None


def _check_headings(kind: str, here: list[str], needed: tuple[str, ...], optional: tuple[str, ...]) -> None:
    if missing := [name for name in needed if name not in here]:
        raise UnreadableFile(f"line 1: no column {missing[0]!r}; {kind} has {', '.join((*needed, *optional))}")
    if strange := [name for name in here if name not in needed and name not in optional]:
        raise UnreadableFile(
            f"line 1: column {strange[0]!r} is none of {kind}, which has {', '.join((*needed, *optional))}"
        )


def _import(
    parts: Parts,
    kind: str,
    numbered: list[tuple[int, dict[str, str]]],
    who: Who,
    *,
    preview: bool = False,
    only: frozenset[str] | None = None,
) -> ImportReport:
    if kind != "certificates" and tells(who.reason):
        raise Invalid("reason: it speaks of a low income; that stands in a certificate and nowhere else: leave it out")
    numbers = CertificateNumbers(parts.settings.secret()) if kind == "certificates" else None
    register = REGISTERS[kind]
    with parts.store.writing() as connection:
        change.lock(connection, kind)
        now = parts.clock.now()
        wanted, problems = _read(register, numbered, known(connection, parts, kind, only), numbers)
        found = change.differences(connection, register, wanted, now)
        problems = sorted([*problems, *found.problems], key=lambda problem: problem.line)
        if problems:
            return ImportReport(kind=kind, preview=preview, problems=tuple(problems))
        new = {register.key(step.after) for _, step in found.steps if step.before is None}
        sealed = change.sealed_numbers(register, (row for _, row in wanted if register.key(row) in new), numbers)
        change.write(connection, register, [step for _, step in found.steps], who, now, sealed)
        report = ImportReport(
            kind=kind,
            added=len(new),
            changed=len(found.steps) - len(new),
            unchanged=len(numbered) - len(found.steps),
            preview=preview,
            changes=_shown(register, found) if preview else (),
        )
        if found.steps and not preview:
            audit.record(
                connection,
                at=now,
                operator=who.operator,
                action=f"registry.import {kind}",
                subject=who.file,
                origin=who.origin,
                reason=who.reason if kind != "certificates" else "",
                detail={
                    "added": report.added,
                    "changed": report.changed,
                    "digest": who.digest.hex() if who.digest is not None else "",
                },
            )
            connection.commit()
    return report


def _shown(register: Register, found: change.Differences) -> tuple[Shown, ...]:
    return tuple(
        Shown(
            line,
            step.action,
            register.fields(step.before) if step.before is not None else None,
            register.fields(step.after),
        )
        for line, step in found.steps[:CHANGES_SHOWN_MAX]
    )


def _read(
    register: Register,
    numbered: list[tuple[int, dict[str, str]]],
    known_: Known,
    numbers: CertificateNumbers | None,
) -> tuple[list[Wanted], list[Problem]]:
    """The rows, and what is wrong. A row that stands twice with the same content is one row."""
    wanted: dict[Key, Wanted] = {}
    problems: list[Problem] = []
    for line, cells in numbered:
        try:
            row = read_row(register.kind, cells, known_)
        except BadRow as error:
            problems.append(Problem(line, str(error)))
            continue
        if numbers is not None:
            row["number_digest"] = numbers.digest(row["number"])
        key = register.key(row)
        if key in wanted and change.content(wanted[key].row) != change.content(row):
            problems.append(Problem(line, f"says other than line {wanted[key].line}, which is the same entry"))
            continue
        wanted.setdefault(key, Wanted(line, row))
    return list(wanted.values()), problems
