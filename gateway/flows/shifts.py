"""班次: the shift into which a cashier's cash goes.

Money is taken also where nobody has opened a shift: one opens by itself, without a float and at no drawer, and is counted and closed
like any other (`shifts_work`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gateway.runtime.ids import derive_in_site
from gateway.store import tables as t
from gateway.store.prepared import find, put

CASH = "cash"
_OPEN_SHIFT = select(t.Shift.id).where(
    t.Shift.site_id == bindparam("site"), t.Shift.cashier == bindparam("cashier"), t.Shift.closed_at.is_(None)
)
# Of two that open the first one at the same instant the second waits for the first, and then finds its shift.
_UNLESS_OPEN: dict[str, Any] = {
    "postgresql": postgres_insert(t.Shift).on_conflict_do_nothing(),
    "sqlite": sqlite_insert(t.Shift).on_conflict_do_nothing(),
}


def open_shift(connection: Connection, site: str, cashier: str, now: datetime) -> str:
    """The cashier's open shift at a site; one without gets one."""
    found = find(connection, _OPEN_SHIFT, site=site, cashier=cashier)
    if not found:
        row = {
            "site_id": site,
            "id": derive_in_site(site, "shift", cashier, now.isoformat()),
            "cashier": cashier,
            "opened_at": now,
        }
        put(connection, _UNLESS_OPEN[connection.dialect.name], row)
        found = find(connection, _OPEN_SHIFT, site=site, cashier=cashier)
    opened: str = found[0].id
    return opened


def account(channel: str, shift: str | None) -> str:
    """The account on which money of a channel stands; cash in a cashier's shift."""
    return f"assets:cash:{shift}" if channel == CASH else f"assets:channel:{channel}"


def account_of(connection: Connection, site: str, channel: str, cashier: str, now: datetime) -> tuple[str, str | None]:
    """Where money of a channel goes, as (account, shift). A cashier without a shift gets one."""
    shift = open_shift(connection, site, cashier, now) if channel == CASH else None
    return account(channel, shift), shift
