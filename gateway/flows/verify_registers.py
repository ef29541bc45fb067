"""Registers: each entry holds from when to when its newest change says, and no change is missing between the first and the newest.

Who parks free hangs on these periods; a period that somebody moved past the history is found here. Entries without a history were
registered before there was one. Names and plates are not compared: they may be taken out of either side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select

from gateway.flows.registers_kinds import REGISTERS, Register, entry_of
from gateway.flows.verify_scope import ROWS_AT_A_TIME, Failure, Look
from gateway.store.tables import RegisterChange, Site

_CHANGE = RegisterChange.__table__.c
_COMPARED = ("valid_from", "valid_to", "lifted")


def failures(look: Look) -> Iterator[Failure]:
    """Site by site and register by register, as they are now: not where only some days are looked at."""
    look.checked["register_entries"] += 0
    if look.scope.from_day is not None or look.scope.to_day is not None:
        return
    sites = look.connection.execute(select(Site.id).order_by(Site.id)).scalars().all()
    for site in sites:
        for register in REGISTERS.values():
            yield from _of_register(look, site, register)


def _of_register(look: Look, site: str, register: Register) -> Iterator[Failure]:
    here = (_CHANGE.site_id == site, _CHANGE.kind == register.kind)
    counts = (
        select(_CHANGE.entry, func.max(_CHANGE.sequence).label("newest"), func.count().label("count"))
        .where(*here)
        .group_by(_CHANGE.entry)
        .subquery()
    )
    query = select(_CHANGE.entry, _CHANGE.after, counts.c.newest, counts.c.count).join(
        counts, and_(counts.c.entry == _CHANGE.entry, counts.c.newest == _CHANGE.sequence)
    )
    said: dict[str, Mapping[str, Any]] = {}
    with look.connection.execute(query.where(*here).execution_options(yield_per=ROWS_AT_A_TIME)) as found:
        for change in found:
            look.count("register_entries")
            if change.newest != change.count:
                yield Failure(
                    register.kind, change.entry, f"{change.count} changes, the newest is number {change.newest}"
                )
            if change.after:
                said[change.entry] = change.after
    if said:
        yield from _rows(look, site, register, said)


def _rows(look: Look, site: str, register: Register, said: Mapping[str, Mapping[str, Any]]) -> Iterator[Failure]:
    table = register.table
    query = select(*register.columns).where(table.c.site_id == site).order_by(*table.primary_key.columns)
    with look.connection.execute(query.execution_options(yield_per=ROWS_AT_A_TIME)) as found:
        for row in found.mappings():
            entry = entry_of(register.kind, row)
            told = said.get(entry, {})
            for name in _COMPARED:
                if name in told and name in row and _plain(row[name]) != _plain(told[name]):
                    yield Failure(register.kind, entry, f"its {name} is not what its newest change says")


def _plain(value: Any) -> Any:
    """The history keeps instants as text."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value
