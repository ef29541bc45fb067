"""Steps of vouchers: the rows locked, the states looked at, the new ones written, each step on record. The caller commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, insert, select, update

from billing.vouchers import BOOK_MAX, MOVES, SERIAL_MAX, number
from gateway.flows.charges_books import By, share
from gateway.flows.posting import closed_through
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.secrecy import derived_key
from gateway.flows.vouchers.refusals import VoucherState
from gateway.store.tables import Voucher, VoucherMovement
from gateway.wiring import Parts

# How long after a code was handed over without a network it is still taken.
COLLECTED_WITHIN = timedelta(hours=48)

_VOUCHER = Voucher.__table__.c
_MOVE = (
    update(Voucher)
    .where(Voucher.site_id == bindparam("of_site"), Voucher.serial == bindparam("of_serial"))
    .values(
        state=bindparam("is_state"),
        movements=bindparam("is_movements"),
        issue_id=bindparam("is_issue"),
        redemption_id=bindparam("is_redemption"),
    )
)


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """What goes with a step: when, by whom and why, and the rows that it belongs to."""

    at: datetime
    operator: str | None = None
    reason: str = ""
    issue: str | None = None
    redemption: str | None = None


def signing_key(parts: Parts) -> bytes:
    """The key of codes. Raises `SettingsError` if there is no secret."""
    return derived_key(parts.settings.secret(), b"visitor vouchers")


def check_range(first: int, last: int) -> None:
    """Raises `Invalid` for what is no range of serials, or too long for one go."""
    if not 1 <= first <= last <= SERIAL_MAX:
        raise Invalid(f"serials: from 1 to {SERIAL_MAX}, the first not after the last")
    if last - first >= BOOK_MAX:
        raise Invalid(f"serials: at most {BOOK_MAX} at once")


def lock(connection: Connection, site: str, first: int, last: int) -> list[Row[Any]]:
    """The vouchers of a range, locked in the order of their serials, after the books, as on the event path.

    Raises `NotFound` naming the first that is missing.
    """
    closed_through(connection, [site])
    rows = connection.execute(
        select(*_VOUCHER)
        .where(_VOUCHER.site_id == site, _VOUCHER.serial >= first, _VOUCHER.serial <= last)
        .order_by(_VOUCHER.serial)
        .with_for_update()
    ).all()
    there = {row.serial for row in rows}
    for serial in range(first, last + 1):
        if serial not in there:
            raise NotFound(f"there is no voucher {number(serial)} at {site}")
    return list(rows)


def move(connection: Connection, parts: Parts, rows: Sequence[Row[Any]], kind: str, why: Why) -> None:
    """One step of each of these vouchers of one site, which are locked. Raises `VoucherState` naming the first that cannot go it.

    A voucher of a stay is not moved here: its bill depends on it, and its vehicle's lock guards it.
    """
    from_states, to_state = MOVES[kind]
    for row in rows:
        if row.state not in from_states or row.stay_id is not None:
            raise VoucherState(f"voucher {number(row.serial)} is {row.state}: it cannot be moved by {kind!r}")
    if not rows:
        return
    site = rows[0].site_id
    day, _ = share(parts, connection, site, By(operator=why.operator or "")).day(why.at)
    connection.execute(
        _MOVE,
        [
            {
                "of_site": site,
                "of_serial": row.serial,
                "is_state": to_state,
                "is_movements": row.movements + 1,
                "is_issue": why.issue or row.issue_id,
                "is_redemption": why.redemption,
            }
            for row in rows
        ],
    )
    connection.execute(
        insert(VoucherMovement),
        [
            {
                "site_id": site,
                "serial": row.serial,
                "sequence": row.movements + 1,
                "book_id": row.book_id,
                "kind": kind,
                "from_state": row.state,
                "to_state": to_state,
                "at": why.at,
                "business_day": day,
                "fen": 0,
                "stay_id": None,
                "issue_id": why.issue or row.issue_id,
                "redemption_id": why.redemption,
                "operator": why.operator,
                "reason": why.reason,
            }
            for row in rows
        ],
    )


def words(name: str, value: str, most: int, *, needed: bool = False) -> str:
    """Text that a person wrote, in one line. Raises `Invalid` naming the field."""
    found = " ".join(value.split())
    if needed and not found:
        raise Invalid(f"{name}: must not be empty")
    if len(found) > most or not found.isprintable():
        raise Invalid(f"{name}: at most {most} printable characters")
    return found
