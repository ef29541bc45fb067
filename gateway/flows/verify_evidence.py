"""What a break says of itself: its key has its numbers, its evidence comes to its amount, and the records that it names are there and say the same."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, null, select

from billing.breaks import UNSETTLED
from billing.reconciled import in_question
from gateway.flows.verify_scope import Look, chunks
from gateway.store import tables as t

_LINE = t.ChannelStatementRow.__table__.c
_ONE: Final = timedelta(days=1)
_MONEY: Final = frozenset({"payment", "refund"})
_ABOUT: Final = {
    **dict.fromkeys(("unpaid_exit", "missing_exit"), "stay"),
    **dict.fromkeys(("cash_over", "cash_short"), "shift"),
    "opened_without_event": "opening",
    "voucher_count": "voucher_book",
}
_OF_A_CHANNEL: Final = frozenset({*_MONEY, "fund_flow"})
_DESCRIBES: Final = ("book_fen", "channel_fen", "book_status", "channel_status", "expected_millifen", "told_millifen")
# Which further one of its number it is, and of a fund flow the channel's number where no order has one.
_FURTHER: Final = re.compile(r"(:(books|channel|both):\d+)?(#\d+)?")
_FURTHER_FLOW: Final = re.compile(r"(:[^#]*)?(#\d+)?")
_PAID: Final = (
    (t.PaymentOrder, "paid_fen"),
    (t.PaymentRefund, "amount_fen"),
    (t.Payment, "amount_fen"),
    (t.ChargePayment, "amount_fen"),
)


class Said(NamedTuple):
    """What a record says: its fen, and of the books of which stay it is, if of any."""

    fen: int
    stay: str | None = None


Records = dict[str, dict[str, set[Said]]]
"""`books` and `lines` by name."""


def records(look: Look, site: str, rows: Sequence[Row[Any]]) -> Records:
    """What the books and the statements have of what these breaks of a site name."""
    named: dict[str, set[str]] = {side: set() for side in ("books", "lines")}
    for row in rows:
        if row.about in _OF_A_CHANNEL:
            for side, names in named.items():
                names.update(row.evidence.get(side, ()))
    found: Records = {"books": defaultdict(set), "lines": defaultdict(set)}
    for some in chunks(sorted(named["books"])):
        for model, fen in _PAID:
            table = model.__table__.c
            stay = table.get("stay_id", null())
            query = select(table.id, table[fen], stay).where(table.site_id == site, table.id.in_(some))
            for name, amount, of_stay in look.connection.execute(query):
                found["books"][name].add(Said(amount, of_stay))
    for some in chunks(sorted(named["lines"])):
        places = [name.rpartition(":") for name in some]
        # Its rows stand at the sites of its merchant: by site they are found without going through all rows of all days.
        query = select(_LINE.statement_id, _LINE.line, _LINE.amount_fen).where(
            _LINE.site_id.in_(select(t.Site.id)),
            _LINE.statement_id.in_(sorted({statement for statement, _, _ in places})),
            _LINE.line.in_(sorted({int(line) for _, _, line in places if line.isdigit()})),
        )
        for statement, line, amount in look.connection.execute(query):
            found["lines"][f"{statement}:{line}"].add(Said(amount))
    return found


def wrong_words(row: Row[Any], first: Row[Any], there: Records) -> str | None:
    """`first`: its first step."""
    if row.found_by != first.run:
        return f"match {row.found_by} found it, its first step says {first.run}"
    if row.about != _ABOUT.get(row.kind, row.about) or not _keyed(row):
        return "its key is not that of what it is about"
    waits = row.kind == "cut_off" and row.state != "cleared"
    if row.waits_for is not None and (not waits or abs(row.waits_for - row.day) > _ONE):
        return f"it waits for {row.waits_for}"
    if row.kind == "cut_off" and row.state in UNSETTLED and row.waits_for is None:
        return "it waits for no day"
    return _wrong_amount(row) or _wrong_records(row, there)


def _keyed(row: Row[Any]) -> bool:
    """Numbers and names are in the key, which its id follows from."""
    if row.about in _OF_A_CHANNEL:
        parts = [row.kind, row.channel, f"{row.account}/{row.site_id}", row.about]
        further = _FURTHER
        if row.about in _MONEY:
            parts += [row.order_number, row.refund_number]
        else:
            further = _FURTHER_FLOW
            about = "refund" if row.refund_number else "payment" if row.order_number else "no_order"
            parts += [about, *([row.refund_number or row.order_number] if about != "no_order" else ())]
        alone = (row.shift_id, row.subject) == (None, "")
    else:
        subject = row.stay_id or row.shift_id or row.subject
        parts, further = [row.kind, row.site_id, subject], _FURTHER
        alone = [row.stay_id, row.shift_id, row.subject].count(
            subject
        ) == 1 and not row.order_number + row.refund_number
        alone = alone and not row.account and row.channel == ("cash" if row.about == "shift" else "")
    return alone and row.key.startswith(":".join(parts)) and _is(further, row.key[len(":".join(parts)) :])


def _is(pattern: re.Pattern[str], text: str) -> bool:
    return pattern.fullmatch(text) is not None


def _wrong_amount(row: Row[Any]) -> str | None:
    """As its evidence says; what cleared, or was left to people after it cleared, has no difference any more."""
    if not row.evidence:
        # A drawer's is there before anybody has matched its day.
        return None if row.about == "shift" else "it has no evidence"
    said = in_question({"kind": row.kind, "about": row.about, **dict.fromkeys(_DESCRIBES), **row.evidence})
    no_more = said.difference_fen != 0 and row.difference_fen == 0
    if no_more or row.state == "cleared":
        return None
    if (said.amount_fen, said.difference_fen) != (row.amount_fen, row.difference_fen):
        return f"its evidence comes to {said.amount_fen} fen, {said.difference_fen} differ"
    return None


def _wrong_records(row: Row[Any], there: Records) -> str | None:
    """Of the books the stay is the break's, too."""
    if row.about not in _OF_A_CHANNEL:
        return None
    if row.stay_id is not None and not row.evidence.get("books"):
        return "it is of a stay, and nothing in the books is named"
    for side, fen in (("books", row.evidence.get("book_fen")), ("lines", row.evidence.get("channel_fen"))):
        for name in row.evidence.get(side, ()):
            said = there[side].get(name)
            if said is None:
                return f"it names {name}, which is not there"
            if row.about in _MONEY and fen not in {one.fen for one in said}:
                return f"it says {fen} fen of {name}, which has another amount"
            if side == "books" and row.stay_id not in {one.stay for one in said}:
                return f"{name} is of another stay"
    return None
