"""The one path by which a register changes: rows as wanted against rows as stored, the differences written with their history.

An import, a preview of one and a single entry of the API all come through here, inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, and_, bindparam, insert, or_, select, text, update

from gateway.flows import registers_history as history
from gateway.flows.registers_history import Step, Who
from gateway.flows.registers_kinds import REGISTERS, Key, Register, Row
from gateway.flows.registers_limits import objections
from gateway.flows.secrecy import CertificateNumbers

_SITES_AT_ONCE = 500
_LOOKED_UP_MAX = 50


class Problem(msgspec.Struct, frozen=True):
    """A row that cannot be imported: its line in the file (the headings are line 1), and why."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class Wanted(NamedTuple):
    """A row as somebody wants it, its columns given or not; a certificate has its number in the clear."""

    line: int
    row: Row


class Differences(NamedTuple):
    """What would change, in the order of the wanted rows: the line and the step."""

    steps: list[tuple[int, Step]]
    problems: list[Problem]


def lock(connection: Connection, *kinds: str) -> None:
    """Nobody else changes these registers until the transaction ends; reading goes on. SQLite's writer is alone anyway."""
    if connection.dialect.name == "postgresql":
        for kind in sorted(kinds, key=list(REGISTERS).index):
            connection.execute(text(f"LOCK TABLE {REGISTERS[kind].table.name} IN SHARE ROW EXCLUSIVE MODE"))


def differences(connection: Connection, register: Register, wanted: Sequence[Wanted], now: datetime) -> Differences:
    """What the wanted rows would change, and what is wrong with that. Writes nothing."""
    there = stored(connection, register, [one.row for one in wanted])
    steps: list[tuple[int, Step]] = []
    for line, row in wanted:
        before, given = there.get(register.key(row)), content(row)
        if before is None:
            steps.append((line, Step("add", None, new_row(register, given, now))))
        elif any(before[name] != value for name, value in given.items()):
            steps.append((line, Step("change", before, {**before, **given})))
    return Differences(steps, judged(connection, register, steps, now))


def judged(
    connection: Connection, register: Register, steps: Sequence[tuple[int, Step]], now: datetime
) -> list[Problem]:
    """What is wrong with rows as they would stand, by line."""
    problems: list[Problem] = []
    rows: list[Row] = []
    lines: dict[Key, int] = {}
    for line, step in steps:
        row = dict(step.after)
        start, end = row.get("valid_from"), row.get("valid_to")
        if start is not None and end is not None and start >= end:
            problems.append(Problem(line, f"it would end ({end.isoformat()}) before it begins ({start.isoformat()})"))
            continue
        rows.append(row)
        lines[register.key(row)] = line
    problems += [Problem(lines[key], reason) for key, reason in objections(connection, register, rows, now)]
    return sorted(problems, key=lambda problem: problem.line)


def new_row(register: Register, given: Row, now: datetime) -> Row:
    """A row of what was given and, for the rest, of what stands where nothing was."""
    row = {**_blank(register), **given}
    if "registered_at" in register.table.c:
        row["registered_at"] = now
    return row


def write(
    connection: Connection,
    register: Register,
    steps: Sequence[Step],
    who: Who,
    now: datetime,
    numbers: Mapping[Key, bytes] | None = None,
) -> None:
    """Store the steps and their history. `numbers`: the sealed numbers of new certificates, by key."""
    added = [dict(step.after) for step in steps if step.before is None]
    if added:
        rows = [_insertable(register, row, numbers) for row in added]
        connection.execute(insert(register.table), rows)
    _update(connection, register, [step for step in steps if step.before is not None])
    history.record(connection, register.kind, steps, who, now)


def sealed_numbers(register: Register, wanted: Iterable[Row], numbers: CertificateNumbers | None) -> dict[Key, bytes]:
    """What is stored of the certificates' numbers. Sealed anew each time, so only for rows that are added."""
    if numbers is None:
        return {}
    return {register.key(row): numbers.encrypt(row["number"]) for row in wanted}


def content(row: Row) -> Row:
    """What is compared. A certificate's number is compared by its digest, which is its key."""
    return {name: value for name, value in row.items() if name != "number"}


def _blank(register: Register) -> Row:
    """What stands where nothing was given."""
    blank: Row = {}
    for column in register.columns:
        default = column.default.arg if column.default is not None and column.default.is_scalar else None  # type: ignore[attr-defined]
        blank[column.name] = default
    if register.kind == "certificates":
        blank.pop("id")  # the database counts
    return blank


def _insertable(register: Register, row: Row, numbers: Mapping[Key, bytes] | None) -> Row:
    values = {name: value for name, value in row.items() if name in register.table.c}
    if register.kind == "certificates":
        assert numbers is not None
        values["number_encrypted"] = numbers[register.key(row)]
    return values


def stored(connection: Connection, register: Register, rows: Sequence[Row]) -> dict[Key, Row]:
    """What stands of these rows, by key."""
    if not rows:
        return {}
    query = select(*register.columns)
    table = register.table.c
    if len(rows) <= _LOOKED_UP_MAX:
        each = [and_(*(table[name] == row[name] for name in register.keys)) for row in rows]
        return {register.key(row): dict(row) for row in connection.execute(query.where(or_(*each))).mappings()}
    wanted = {register.key(row) for row in rows}
    sites = sorted({row["site_id"] for row in rows})
    found: dict[Key, Row] = {}
    for start in range(0, len(sites), _SITES_AT_ONCE):
        there = query.where(table.site_id.in_(sites[start : start + _SITES_AT_ONCE]))
        for row in connection.execute(there).mappings():
            key = register.key(row)
            if key in wanted:
                found[key] = dict(row)
    return found


def _update(connection: Connection, register: Register, steps: Sequence[Step]) -> None:
    """Rows in the order of their keys: two that change several wait for each other, and never in a circle."""
    if not steps:
        return
    here = and_(*(register.table.c[name] == bindparam(f"key_{name}") for name in register.keys))
    values = [name for name in _blank(register) if name not in register.keys]
    connection.execute(
        update(register.table).where(here).values({name: bindparam(f"to_{name}") for name in values}),
        [
            {f"key_{name}": step.after[name] for name in register.keys}
            | {f"to_{name}": step.after[name] for name in values}
            for step in sorted(steps, key=lambda step: register.key(step.after))
        ],
    )
