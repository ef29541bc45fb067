"""The records that a break is about, or is matched with: whether they are there, and what they say. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from gateway.flows.breaks_books import Record
from gateway.flows.refusals import Invalid, NotFound
from gateway.store import tables as t

# Where a record of a kind stands; a payment and a refund may be of a stay or of something else.
_TABLES: dict[str, tuple[Any, ...]] = {
    "break": (t.ReconciliationBreak,),
    "stay": (t.Stay,),
    "payment": (t.Payment, t.ChargePayment, t.ArrearsCredit),
    "order": (t.PaymentOrder,),
    "refund": (t.PaymentRefund, t.PassRefund),
    "shift": (t.Shift,),
    "exception": (t.ExceptionItem,),
    "command": (t.CommandRow,),
    "voucher_book": (t.VoucherBook,),
}
KINDS = (*_TABLES, "line")


def check_records(connection: Connection, site: str, records: Sequence[Record]) -> None:
    """Raises `Invalid` for a kind that is none, `NotFound` for what is not there at this site."""
    for one in records:
        if one.kind not in KINDS:
            raise Invalid(f"with: {one.kind:.20} is no kind of record; there are {', '.join(KINDS)}")
        queries = [_line(site, one.id)] if one.kind == "line" else [_known(m, site, one.id) for m in _TABLES[one.kind]]
        if not any(connection.execute(query).first() for query in queries):
            raise NotFound(f"with: there is no {one.kind} {one.id:.80} at this site")


def _known(model: Any, site: str, record_id: str) -> Select[Any]:
    return select(model.id).where(model.site_id == site, model.id == record_id)


def _line(site: str, name: str) -> Select[Any]:
    """A line of a statement: `statement:line`. Raises `Invalid`."""
    statement, _, line = name.rpartition(":")
    if not (line.isascii() and line.isdecimal() and len(line) <= 9):
        raise Invalid("with: a line is named by its statement and number, statement:line")
    row = t.ChannelStatementRow
    return select(row.line).where(row.site_id == site, row.statement_id == statement, row.line == int(line))
