"""What every step at a drawer shares: the shift, what the ledger has in it, and the row that says what was done.

A step takes its site's books alone, whoever takes money shares them: between a count and its posting nothing moves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select, text, update

from billing.cash import Place, account_of, code_of, difference, drawer, worth
from billing.ledger import Posting
from gateway.flows import users
from gateway.flows.charges_books import Asked, By, Desk, hold
from gateway.flows.reconciliation.standing import break_id, found_at_a_drawer
from gateway.flows.refusals import Invalid, KeyReused, NotFound
from gateway.flows.shifts_refusals import NotInTheSafe, ShiftClosed
from gateway.store import tables as t
from gateway.wiring import Parts

PLACES: tuple[Place, ...] = ("safe", "bank")
# Who takes money may have a drawer.
TILL_ROLES = frozenset({"cashier", "console", "registrar", "finance"})
COUNTS = ("count", "offer", "force")
_POSTING = t.Posting.__table__.c
_STEP = t.ShiftStep.__table__.c
_SHIFT = t.Shift.__table__.c
# The words of the index `ix_posting_cash`: a database uses a partial index only where it can see that its condition holds.
IN_A_DRAWER = text("substr(account, 1, 12) = 'assets:cash:'")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step as it stands, for ever. `difference_fen` is counted less expected."""

    shift: str
    site: str
    step: int
    kind: str
    at: datetime
    by: str
    other: str | None = None
    place: str | None = None
    amount_fen: int | None = None
    expected_fen: int | None = None
    counted_fen: int | None = None
    difference_fen: int | None = None
    code: str | None = None
    break_id: str | None = None
    pieces: dict[str, int] | None = None
    next_shift: str | None = None
    reason: str = ""


def in_drawers(connection: Connection, site: str, shifts: Collection[str]) -> dict[str, int]:
    """What the ledger has in these drawers of a site, in fen, by shift."""
    accounts = {drawer(shift): shift for shift in shifts}
    found = connection.execute(
        select(_POSTING.account, func.sum(_POSTING.amount_fen))
        .where(_POSTING.site_id == site, IN_A_DRAWER, _POSTING.account.in_(sorted(accounts)))
        .group_by(_POSTING.account)
    )
    return dict.fromkeys(shifts, 0) | {accounts[account]: int(fen) for account, fen in found}


def in_drawer(desk: Desk, shift: str) -> int:
    return in_drawers(desk.connection, desk.site, [shift])[shift]


def site_of(connection: Connection, shift_id: str) -> str:
    """The site of a shift. Raises `NotFound`."""
    site, dot, _ = shift_id.partition(".")
    if dot:
        return site
    # A shift of an earlier version: its id does not say where to look.
    found: str | None = connection.execute(select(_SHIFT.site_id).where(_SHIFT.id == shift_id)).scalar()
    if found is None:
        raise NotFound("there is no such shift, or not for you")
    return found


def hold_shift(parts: Parts, connection: Connection, shift_id: str, by: By) -> tuple[Desk, Any]:
    """Its site's books, alone, and the shift behind them, open or closed. Raises `NotFound`."""
    desk = hold(parts, connection, site_of(connection, shift_id), by)
    return desk, shift_row(desk.connection, desk.site, shift_id)


def shift_row(connection: Connection, site: str, shift_id: str) -> Any:
    """Raises `NotFound`."""
    row = connection.execute(select(*_SHIFT).where(_SHIFT.site_id == site, _SHIFT.id == shift_id)).one_or_none()
    if row is None:
        raise NotFound("there is no such shift, or not for you")
    return row


def own(row: Any, by: By) -> None:
    """A drawer is its cashier's. Raises `NotFound` for another's: what it holds is not for them."""
    if row.cashier != by.operator:
        raise NotFound("there is no such shift, or not for you")


def still_open(row: Any) -> None:
    """Raises `ShiftClosed`."""
    if row.closed_at is not None:
        raise ShiftClosed(f"the shift was closed by {row.closed_by}")


def first_under(desk: Desk, asked: Asked) -> Step | None:
    """The step that was made under this key. Raises `KeyReused` where it was another."""
    row = desk.connection.execute(
        select(*_STEP).where(_STEP.site_id == desk.site, _STEP.idempotency_key == asked.key)
    ).one_or_none()
    if row is None:
        return None
    if bytes(row.content_hash) != asked.content:
        raise KeyReused
    return step_of(row)


def newest_count(connection: Connection, site: str, shift_id: str) -> Any:
    """The last count of a drawer, with the handover that was asked for by it; None if there was none."""
    return connection.execute(
        select(*_STEP)
        .where(_STEP.site_id == site, _STEP.shift_id == shift_id, _STEP.kind.in_(COUNTS))
        .order_by(_STEP.sequence.desc())
        .limit(1)
    ).one_or_none()


def counted(pieces: Mapping[str, int]) -> tuple[int, dict[str, int]]:
    """What a count comes to, and the count without what is not there. Raises `Invalid`."""
    try:
        return worth(pieces), {name: pieces[name] for name in sorted(pieces, key=int) if pieces[name]}
    except ValueError as problem:
        raise Invalid(f"pieces: {problem}") from None


def place_of(name: str, what: str) -> Place:
    """Raises `Invalid`."""
    for place in PLACES:
        if name == place:
            return place
    raise Invalid(f"{what}: safe or bank")


def take_from(desk: Desk, place: Place, fen: int) -> str:
    """The account that money comes from. Raises `NotInTheSafe`."""
    if place == "safe" and fen > in_drawer(desk, "safe"):
        raise NotInTheSafe
    return account_of(place)


def who_takes_over(desk: Desk, name: str) -> str:
    """A member of staff who takes money at this site, and is not the one who asks. Raises `Invalid`."""
    user = users.find(desk.connection, name)
    serves = user is not None and user.enabled and user.role in TILL_ROLES
    if user is None or not serves or (user.sites and desk.site not in user.sites):
        raise Invalid("to: nobody of that name takes money at this site")
    return user.name


def write(desk: Desk, shift_id: str, kind: str, asked: Asked | None = None, **said: Any) -> Step:
    """Put a step into the books."""
    last = desk.connection.execute(
        select(func.max(_STEP.sequence)).where(_STEP.site_id == desk.site, _STEP.shift_id == shift_id)
    ).scalar()
    row: dict[str, Any] = {
        "site_id": desk.site,
        "shift_id": shift_id,
        "sequence": (last or 0) + 1,
        "kind": kind,
        "at": desk.now,
        "operator": desk.by.operator,
        "reason": "",
        **{name: value for name, value in said.items() if value is not None},
    }
    if asked is not None:
        row |= {"idempotency_key": asked.key, "content_hash": asked.content}
    desk.connection.execute(insert(t.ShiftStep).values(**row))
    return step_of(row)


def post(desk: Desk, kind: str, shift_id: str, key: str, postings: tuple[Posting, ...]) -> str | None:
    """Book what a step moves. Returns the transaction; None where nothing moves."""
    return desk.post(kind, ("shift", shift_id), f"shift:{key}", postings, operator=desk.by.operator)


def settle(desk: Desk, row: Any, counted_fen: int) -> dict[str, Any]:
    """At the end of a shift the books follow the count; what differs stands in suspense under its own name. What the step says of it."""
    expected = in_drawer(desk, row.id)
    code = code_of(counted_fen, expected)
    found: dict[str, Any] = {"expected_fen": expected, "counted_fen": counted_fen, "amount_fen": counted_fen}
    if code is None:
        return found
    name = break_id(desk.site, code, row.id)
    lines = difference(row.id, name, counted_fen - expected)
    moved = desk.post(code, ("break", name), f"break:{name}", lines, operator=desk.by.operator)
    found_at_a_drawer(desk, row.id, code, counted_fen - expected, moved)
    return found | {"code": code, "break_id": name}


def end(desk: Desk, row: Any) -> None:
    """Close the shift's row. Whoever holds the books does it once."""
    desk.connection.execute(
        update(t.Shift)
        .where(_SHIFT.site_id == desk.site, _SHIFT.id == row.id)
        .values(closed_at=desk.now, closed_by=desk.by.operator)
    )


def step_of(row: Any) -> Step:
    """A row of `shift_step`, read or about to be written."""
    found = dict(row) if isinstance(row, dict) else row._asdict()
    expected, came = found.get("expected_fen"), found.get("counted_fen")
    return Step(
        shift=found["shift_id"],
        site=found["site_id"],
        step=found["sequence"],
        kind=found["kind"],
        at=found["at"],
        by=found["operator"],
        other=found.get("other"),
        place=found.get("place"),
        amount_fen=found.get("amount_fen"),
        expected_fen=expected,
        counted_fen=came,
        difference_fen=None if expected is None or came is None else came - expected,
        code=found.get("code"),
        break_id=found.get("break_id"),
        pieces=found.get("pieces"),
        next_shift=found.get("next_shift"),
        reason=found["reason"],
    )
