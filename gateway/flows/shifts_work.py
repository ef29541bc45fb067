"""班次: a cashier opens a drawer with a counted float, counts it, brings money to the safe or the bank, and closes it.

A count is blind: what the ledger expects is told only once it is made. At the end the books follow the count, and what differs stands
in suspense (`cash_over`, `cash_short`). One transaction a step; the same key with the same content is the same step.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select

from billing.cash import DEPOSIT, FLOAT, SAFE, Place, account_of, drawer, move
from gateway.flows.charges_books import By, Desk, asked_as, hold, reason_of
from gateway.flows.refusals import Invalid
from gateway.flows.shifts_books import (
    Step,
    counted,
    end,
    first_under,
    hold_shift,
    in_drawer,
    newest_count,
    own,
    place_of,
    post,
    settle,
    still_open,
    take_from,
    write,
)
from gateway.flows.shifts_refusals import DrawerTaken, NotCounted, ShiftOpen
from gateway.runtime.ids import derive_in_site
from gateway.store import tables as t
from gateway.wiring import Parts

_DRAWER = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_SHIFT = t.Shift.__table__.c
Pieces = Mapping[str, int]


def open_at(
    parts: Parts, site: str, at_drawer: str, pieces: Pieces, source: str, by: By, idempotency_key: str | None = None
) -> Step:
    """Open a shift at a drawer with the float that was counted into it, out of the safe or the bank. Nothing may be in it.

    Raises `ShiftOpen`, `DrawerTaken`, `NotInTheSafe`, `KeyReused`, `NotFound`, `Invalid`.
    """
    if _DRAWER.fullmatch(at_drawer) is None:
        raise Invalid("drawer: a word of a-z, 0-9 and '-', at most 40, such as the gate's name")
    place = place_of(source, "source")
    fen, kept = counted(pieces)
    asked = asked_as(idempotency_key, "open", site, at_drawer, kept, place, by.operator)
    with parts.store.writing() as connection:
        desk = hold(parts, connection, site, by)
        if (first := first_under(desk, asked)) is not None:
            return first
        none_open(desk, by.operator, at_drawer)
        origin = take_from(desk, place, fen)
        shift = derive_in_site(site, "shift", asked.key)
        begin(desk, shift, drawer=at_drawer, float_fen=fen)
        moved = post(desk, FLOAT, shift, f"{shift}:float", move(drawer(shift), origin, fen))
        made = write(desk, shift, "open", asked, amount_fen=fen, place=place, pieces=kept, transaction_id=moved)
        desk.audit("shift.open", shift, drawer=at_drawer, float_fen=fen, source=place)
        connection.commit()
    return made


def none_open(desk: Desk, cashier: str, at_drawer: str | None = None) -> None:
    """Raises `ShiftOpen` where the cashier has one, `DrawerTaken` where the drawer has one."""
    for row in desk.connection.execute(
        select(_SHIFT.cashier, _SHIFT.drawer).where(_SHIFT.site_id == desk.site, _SHIFT.closed_at.is_(None))
    ):
        if row.cashier == cashier:
            raise ShiftOpen
        if at_drawer is not None and row.drawer == at_drawer:
            raise DrawerTaken(f"the shift of {row.cashier} is open at this drawer: it is handed over or closed first")


def begin(desk: Desk, shift: str, *, drawer: str | None, float_fen: int, from_shift: str | None = None) -> None:
    """Put the shift's row."""
    desk.connection.execute(
        insert(t.Shift).values(
            site_id=desk.site,
            id=shift,
            cashier=desk.by.operator,
            drawer=drawer,
            opened_at=desk.now,
            float_fen=float_fen,
            from_shift=from_shift,
        )
    )


def count(parts: Parts, shift_id: str, pieces: Pieces, by: By, idempotency_key: str | None = None) -> Step:
    """Count what is in the drawer, and learn what should be. Every count is kept; the last one holds until money moves.

    Raises `ShiftClosed`, `KeyReused`, `NotFound`, `Invalid`.
    """
    fen, kept = counted(pieces)
    asked = asked_as(idempotency_key, "count", shift_id, kept, by.operator)
    with parts.store.writing() as connection:
        desk, row = hold_shift(parts, connection, shift_id, by)
        own(row, by)
        if (first := first_under(desk, asked)) is not None:
            return first
        still_open(row)
        expected = in_drawer(desk, shift_id)
        made = write(desk, shift_id, "count", asked, expected_fen=expected, counted_fen=fen, pieces=kept)
        desk.audit("shift.count", shift_id, expected_fen=expected, counted_fen=fen)
        connection.commit()
    return made


def deposit(parts: Parts, shift_id: str, pieces: Pieces, to: str, by: By, idempotency_key: str | None = None) -> Step:
    """Bring money out of the drawer into the safe or to the bank while the shift goes on.

    What was brought is booked as it was counted, also where the drawer should not hold so much: the next count tells. Raises
    `ShiftClosed`, `KeyReused`, `NotFound`, `Invalid`.
    """
    place = place_of(to, "to")
    fen, kept = counted(pieces)
    if fen == 0:
        raise Invalid("pieces: nothing is brought")
    asked = asked_as(idempotency_key, "deposit", shift_id, kept, place, by.operator)
    with parts.store.writing() as connection:
        desk, row = hold_shift(parts, connection, shift_id, by)
        own(row, by)
        if (first := first_under(desk, asked)) is not None:
            return first
        still_open(row)
        moved = bring(desk, shift_id, place, fen, asked.key)
        made = write(desk, shift_id, "deposit", asked, amount_fen=fen, place=place, pieces=kept, transaction_id=moved)
        desk.audit("shift.deposit", shift_id, amount_fen=fen, to=place)
        connection.commit()
    return made


def bring(desk: Desk, shift_id: str, place: Place, fen: int, key: str) -> str | None:
    """Out of a drawer into the safe or to the bank. Returns the transaction."""
    name = derive_in_site(desk.site, "deposit", shift_id, key)
    return post(desk, DEPOSIT, shift_id, f"{name}:deposit", move(account_of(place), drawer(shift_id), fen))


def close(parts: Parts, shift_id: str, to: str, by: By, idempotency_key: str | None = None) -> Step:
    """Close the shift by its last count: all that was counted goes into the safe or to the bank, the drawer is empty.

    Raises `NotCounted`, `ShiftClosed`, `KeyReused`, `NotFound`, `Invalid`.
    """
    place = place_of(to, "to")
    asked = asked_as(idempotency_key, "close", shift_id, place, by.operator)
    with parts.store.writing() as connection:
        desk, row = hold_shift(parts, connection, shift_id, by)
        own(row, by)
        if (first := first_under(desk, asked)) is not None:
            return first
        still_open(row)
        fen = holds(desk, row, newest_count(connection, desk.site, shift_id))
        said = settle(desk, row, fen)
        moved = bring(desk, shift_id, place, fen, asked.key)
        end(desk, row)
        made = write(desk, shift_id, "close", asked, place=place, transaction_id=moved, **said)
        audit_end(desk, "shift.close", made)
        connection.commit()
    return made


def holds(desk: Desk, row: Any, last: Any) -> int:
    """What the cashier's own last count came to, if nothing has moved since, in fen. Raises `NotCounted`."""
    if last is None or last.operator != row.cashier or last.expected_fen != in_drawer(desk, row.id):
        raise NotCounted
    return int(last.counted_fen)


def audit_end(desk: Desk, action: str, made: Step, reason: str = "", **more: Any) -> None:
    """Who ended it, with what in it."""
    desk.audit(
        action,
        made.shift,
        reason=reason,
        expected_fen=made.expected_fen,
        counted_fen=made.counted_fen,
        **({"code": made.code, "break": made.break_id} if made.code else {}),
        **more,
    )


def move_safe(
    parts: Parts, site: str, to: str, amount_fen: int, reason: str, by: By, idempotency_key: str | None = None
) -> Step:
    """Finance brings money from the safe to the bank (`to` = `bank`), or from the bank into the safe.

    Raises `NotInTheSafe`, `KeyReused`, `NotFound`, `Invalid`.
    """
    place, words = place_of(to, "to"), reason_of(reason)
    if amount_fen <= 0:
        raise Invalid("amount_fen: at least 1 fen")
    asked = asked_as(idempotency_key, "safe", site, place, amount_fen, words, by.operator)
    with parts.store.writing() as connection:
        desk = hold(parts, connection, site, by)
        if (first := first_under(desk, asked)) is not None:
            return first
        name = derive_in_site(site, "safe", asked.key)
        if place == "bank":
            lines = move(account_of("bank"), take_from(desk, "safe", amount_fen), amount_fen)
        else:
            lines = move(account_of("safe"), account_of("bank"), amount_fen)
        moved = post(desk, DEPOSIT if place == "bank" else FLOAT, SAFE, f"{name}:safe", lines)
        signed = -amount_fen if place == "bank" else amount_fen
        made = write(desk, SAFE, "safe", asked, amount_fen=signed, place="bank", transaction_id=moved, reason=words)
        desk.audit("safe.move", site, reason=words, to=place, amount_fen=amount_fen)
        connection.commit()
    return made
