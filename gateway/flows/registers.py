"""Importing registers: households, vehicles, relatives, certificates, passes, free vehicles, the blocklist.

All rows or none, in one transaction. Importing the same file again changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, and_, bindparam, insert, select, text, update

from billing.policy import Policy
from gateway.flows import audit, policies
from gateway.flows.refusals import Invalid
from gateway.flows.registers_file import ROWS_MAX, UnreadableFile, read
from gateway.flows.registers_rows import KINDS, BadRow, Known, read_row
from gateway.flows.secrecy import CertificateNumbers
from gateway.store.tables import (
    Base,
    BlockedVehicle,
    Certificate,
    FreeVehicle,
    Household,
    PassHeld,
    Relative,
    ResidentVehicle,
    Site,
)
from gateway.wiring import Parts

__all__ = ["KINDS", "ImportReport", "Problem", "UnreadableFile", "import_file", "import_rows"]

_HOUSEHOLD_KINDS = frozenset({"vehicles", "relatives", "certificates"})

# The columns by which a row is the same row; the other columns of the file are its content.
_TABLES: dict[str, tuple[type[Base], tuple[str, ...]]] = {
    "households": (Household, ("site_id", "id")),
    "vehicles": (ResidentVehicle, ("site_id", "plate")),
    "relatives": (Relative, ("site_id", "plate", "household_id")),
    "certificates": (Certificate, ("site_id", "household_id", "number_digest")),
    "passes": (PassHeld, ("site_id", "plate", "pass_id", "valid_from")),
    "free-vehicles": (FreeVehicle, ("site_id", "plate", "class_id")),
    "blocklist": (BlockedVehicle, ("site_id", "plate")),
}

Row = dict[str, Any]
Key = tuple[Any, ...]


class Problem(msgspec.Struct, frozen=True):
    """A row that cannot be imported: its line in the file (the headings are line 1), and why."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did. With any problem nothing was imported and the counts are 0."""

    kind: str
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


def import_file(
    parts: Parts, kind: str, data: bytes, *, operator: str = "cli", origin: str = "", source: str = ""
) -> ImportReport:
    """Import a file's bytes. Raises `UnreadableFile` if it is no table with the kind's headings, `Invalid` for an unknown kind."""
    needed, optional = _columns(kind)
    headings, rows = read(data)
    _check_headings(kind, headings, needed, optional)
    who = {"operator": operator, "subject": source, "origin": origin}
    return _import(parts, kind, list(rows), who, hashlib.sha256(data).hexdigest())


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
    return _import(parts, kind, numbered, {"operator": operator, "subject": source, "origin": origin}, "")


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
    parts: Parts, kind: str, numbered: list[tuple[int, dict[str, str]]], who: dict[str, str], digest: str
) -> ImportReport:
    numbers = CertificateNumbers(parts.settings.secret()) if kind == "certificates" else None
    model, keys = _TABLES[kind]
    table = model.__table__
    assert isinstance(table, Table)
    with parts.store.writing() as connection:
        if parts.store.postgres:
            connection.execute(text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))
        wanted, problems = _read(kind, numbered, keys, _known(connection, parts, kind), numbers)
        if problems:
            return ImportReport(kind=kind, problems=tuple(problems))
        added, changed = _differences(connection, table, keys, wanted)
        now = parts.clock.now()
        if added:
            if "registered_at" in table.c:
                added = [{**row, "registered_at": now} for row in added]
            connection.execute(insert(table), [_sealed(row, numbers) for row in added])
        _update(connection, table, keys, changed)
        report = ImportReport(
            kind=kind, added=len(added), changed=len(changed), unchanged=len(numbered) - len(added) - len(changed)
        )
        if added or changed:
            audit.record(
                connection,
                at=now,
                operator=who["operator"],
                action=f"registry.import {kind}",
                subject=who["subject"],
                origin=who["origin"],
                detail={"added": report.added, "changed": report.changed, "digest": digest},
            )
            connection.commit()
    return report


def _known(connection: Connection, parts: Parts, kind: str) -> Known:
    sites = connection.execute(select(Site.id, Site.name, Site.policy_id)).all()
    names = [row.name for row in sites]
    households: frozenset[tuple[str, str]] = frozenset()
    if kind in _HOUSEHOLD_KINDS:
        households = frozenset(
            (row.site_id, row.id) for row in connection.execute(select(Household.site_id, Household.id))
        )
    stored = policies.versions(connection) if kind in {"relatives", "passes", "free-vehicles"} else {}
    by_site = {row.id: stored[row.policy_id] for row in sites if row.policy_id in stored}
    return Known(
        zone=parts.settings.zone,
        sites=frozenset(row.id for row in sites),
        sites_by_name={row.name: row.id for row in sites if names.count(row.name) == 1},
        households=households,
        relations=frozenset(
            relation
            for versions in stored.values()
            for policy in versions
            if policy.relative_allowance is not None
            for relation in policy.relative_allowance.relations
        ),
        passes={
            site: frozenset(offer.id for policy in versions for offer in policy.passes)
            for site, versions in by_site.items()
        },
        classes={site: _classes(versions) for site, versions in by_site.items()},
    )


def _classes(versions: list[Policy]) -> frozenset[str]:
    """What a vehicle can be registered as: free classes, discounts and tariff groups."""
    found: set[str] = set()
    for policy in versions:
        found |= {entry.id for entry in policy.free_classes}
        found |= {entry.id for entry in policy.discounts}
        found |= {tariff.who for tariff in policy.tariffs if tariff.who is not None}
    return frozenset(found)


def _read(
    kind: str,
    numbered: list[tuple[int, dict[str, str]]],
    keys: tuple[str, ...],
    known: Known,
    numbers: CertificateNumbers | None,
) -> tuple[dict[Key, Row], list[Problem]]:
    """The rows by their keys, and what is wrong. A row that stands twice with the same content is one row."""
    wanted: dict[Key, Row] = {}
    lines: dict[Key, int] = {}
    problems: list[Problem] = []
    for line, cells in numbered:
        try:
            row = read_row(kind, cells, known)
        except BadRow as error:
            problems.append(Problem(line, str(error)))
            continue
        if numbers is not None:
            row["number_digest"] = numbers.digest(row["number"])
        key = tuple(row[name] for name in keys)
        if key in wanted and _content(wanted[key]) != _content(row):
            problems.append(Problem(line, f"says other than line {lines[key]}, which is the same entry"))
            continue
        wanted.setdefault(key, row)
        lines.setdefault(key, line)
    return wanted, problems


def _content(row: Row) -> Row:
    """What is compared. A certificate's number is compared by its digest, which is its key."""
    return {name: value for name, value in row.items() if name != "number"}


def _differences(
    connection: Connection, table: Table, keys: tuple[str, ...], wanted: dict[Key, Row]
) -> tuple[list[Row], list[Row]]:
    """The rows to add and the rows to change."""
    if not wanted:
        return [], []
    names = list(_content(next(iter(wanted.values()))))
    columns = [table.c[name] for name in names]
    sites = sorted({row["site_id"] for row in wanted.values()})
    stored: dict[Key, Row] = {}
    for start in range(0, len(sites), 500):
        found = connection.execute(select(*columns).where(table.c.site_id.in_(sites[start : start + 500])))
        for values in found:
            row = dict(zip(names, values, strict=True))
            stored[tuple(row[name] for name in keys)] = row
    added = [row for key, row in wanted.items() if key not in stored]
    changed = [row for key, row in wanted.items() if key in stored and stored[key] != _content(row)]
    return added, changed


def _sealed(row: Row, numbers: CertificateNumbers | None) -> Row:
    if numbers is None:
        return row
    return {**_content(row), "number_encrypted": numbers.encrypt(row["number"])}


def _update(connection: Connection, table: Table, keys: tuple[str, ...], changed: list[Row]) -> None:
    if not changed:
        return
    here = and_(*(table.c[name] == bindparam(f"key_{name}") for name in keys))
    connection.execute(
        update(table).where(here),
        [
            {
                **{f"key_{name}": row[name] for name in keys},
                **{name: value for name, value in _content(row).items() if name not in keys},
            }
            for row in changed
        ],
    )
