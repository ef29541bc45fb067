"""交接班: a drawer goes from one cashier to the next, by both names; or a manager takes it from one who has left (强制交接).

Who hands over has counted; who takes over says what they counted, and only the same amount is taken over. The money moves by one
ledger transaction from drawer to drawer, and the first shift ends with it.
"""

from __future__ import annotations

from typing import Any

from billing.cash import HANDOVER, drawer, move
from gateway.flows.charges_books import Asked, By, Desk, another, asked_as, reason_of
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
    who_takes_over,
    write,
)
from gateway.flows.shifts_refusals import AmountNotCounted, NotCounted, NotOffered
from gateway.flows.shifts_work import Pieces, audit_end, begin, bring, holds, none_open
from gateway.runtime.ids import derive_in_site
from gateway.wiring import Parts


def offer(parts: Parts, shift_id: str, to: str, by: By, idempotency_key: str | None = None) -> Step:
    """Hand the drawer over as it was last counted. The other one confirms; until then the shift goes on.

    A further count takes it back. Raises `NotCounted`, `ShiftClosed`, `KeyReused`, `NotFound`, `Invalid`.
    """
    asked = asked_as(idempotency_key, "offer", shift_id, to, by.operator)
    with parts.store.writing() as connection:
        desk, row = hold_shift(parts, connection, shift_id, by)
        own(row, by)
        if (first := first_under(desk, asked)) is not None:
            return first
        still_open(row)
        incoming = _incoming(desk, row, to)
        last = newest_count(connection, desk.site, shift_id)
        fen = holds(desk, row, last)
        said = {"expected_fen": last.expected_fen, "counted_fen": fen, "pieces": last.pieces}
        made = write(desk, shift_id, "offer", asked, other=incoming, **said)
        desk.audit("shift.offer", shift_id, to=incoming, counted_fen=fen)
        connection.commit()
    return made


def take_over(parts: Parts, shift_id: str, amount_fen: int, by: By, idempotency_key: str | None = None) -> Step:
    """The one named confirms the amount: the first shift ends, theirs begins with it at the same drawer.

    Raises `NotOffered`, `AmountNotCounted`, `NotCounted` where money has moved since, `ShiftOpen`, `ShiftClosed`, `KeyReused`.
    """
    asked = asked_as(idempotency_key, "take over", shift_id, amount_fen, by.operator)
    with parts.store.writing() as connection:
        desk, row = hold_shift(parts, connection, shift_id, by)
        if (first := first_under(desk, asked)) is not None:
            return first
        still_open(row)
        last = newest_count(connection, desk.site, shift_id)
        if last is None or last.kind == "count" or last.other != by.operator:
            raise NotOffered
        if last.expected_fen != in_drawer(desk, shift_id):
            raise NotCounted
        if last.counted_fen != amount_fen:
            raise AmountNotCounted
        none_open(desk, by.operator)
        made = _hand_over(desk, row, amount_fen, asked)
        audit_end(desk, "shift.hand_over", made, cashier=row.cashier, to=by.operator, next=made.next_shift)
        connection.commit()
    return made


def force(
    parts: Parts,
    shift_id: str,
    pieces: Pieces,
    reason: str,
    by: By,
    *,
    to: str | None = None,
    into: str | None = None,
    idempotency_key: str | None = None,
) -> Step:
    """A manager counts the drawer of a cashier who has left. `into` safe or bank closes the shift; `to` hands it to a cashier, who confirms.

    Raises `SecondPersonNeeded` for the cashier's own, `ShiftClosed`, `KeyReused`, `NotFound`, `Invalid`.
    """
    if (to is None) == (into is None):
        raise Invalid("to, into: name either who takes over, or safe or bank")
    words = reason_of(reason)
    place = place_of(into, "into") if into is not None else None
    fen, kept = counted(pieces)
    asked = asked_as(idempotency_key, "force", shift_id, kept, words, to, place, by.operator)
    with parts.store.writing() as connection:
        desk, row = hold_shift(parts, connection, shift_id, by)
        if (first := first_under(desk, asked)) is not None:
            return first
        another(row.cashier, by)
        still_open(row)
        if place is not None:
            said = settle(desk, row, fen)
            moved = bring(desk, shift_id, place, fen, asked.key)
            end(desk, row)
            said |= {"other": row.cashier, "place": place, "pieces": kept, "transaction_id": moved, "reason": words}
            made = write(desk, shift_id, "close", asked, **said)
        else:
            incoming = _incoming(desk, row, to or "")
            said = {"expected_fen": in_drawer(desk, shift_id), "counted_fen": fen, "pieces": kept, "reason": words}
            made = write(desk, shift_id, "force", asked, other=incoming, **said)
        audit_end(desk, "shift.force", made, words, cashier=row.cashier, to=to or place)
        connection.commit()
    return made


def _incoming(desk: Desk, row: Any, name: str) -> str:
    """Raises `Invalid`."""
    incoming = who_takes_over(desk, name)
    if incoming == row.cashier:
        raise Invalid("to: the drawer is theirs already")
    return incoming


def _hand_over(desk: Desk, row: Any, fen: int, asked: Asked) -> Step:
    said = settle(desk, row, fen)
    end(desk, row)
    following = derive_in_site(desk.site, "shift", asked.key)
    begin(desk, following, drawer=row.drawer, float_fen=fen, from_shift=row.id)
    moved = post(desk, HANDOVER, row.id, f"{row.id}:handover", move(drawer(following), drawer(row.id), fen))
    both = {"other": row.cashier, "transaction_id": moved}
    write(desk, following, "open", amount_fen=fen, **both)
    return write(desk, row.id, "handover", asked, next_shift=following, **both, **said)
