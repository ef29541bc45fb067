"""收据: what was paid for a stay and what of it went back, for whoever has its pay page. No invoice, and no name of who took it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select

from gateway.flows import cash_refunds
from gateway.flows.orders import records
from gateway.flows.reading import Slice
from gateway.store import tables as t
from gateway.wiring import Parts

_ROWS_MAX = 200


class Line(msgspec.Struct, frozen=True):
    """Money that came, or that went back (negative), in fen."""

    at: datetime
    channel: str
    amount_fen: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """Of a stay. `paid_fen`: the sum of its lines."""

    number: str
    site: str
    lines: list[Line]
    paid_fen: int


def receipt(parts: Parts, stay_id: str) -> Receipt | None:
    """None where nothing was paid."""
    site, rows = stay_id.partition(".")[0], Slice(None, _ROWS_MAX)
    with parts.store.reading() as connection:
        name: Any = connection.execute(select(t.Site.name).where(t.Site.id == site)).scalar()
        lines = [
            Line(one.at, one.channel, one.amount_fen) for _, one in cash_refunds.payments(connection, stay_id, rows)
        ]
        if not lines:
            return None
        for _, back in cash_refunds.refunds(connection, frozenset({site}), rows, stay=stay_id, state="paid"):
            lines.append(Line(back.paid_at or back.proposed_at, "cash", -back.amount_fen))
        for _, sent in records.refunds(connection, frozenset({site}), rows, stay=stay_id, state="done"):
            channel = records.find_order(connection, sent.order).channel
            lines.append(Line(sent.done_at or sent.proposed_at, channel, -sent.amount_fen))
    lines.sort(key=lambda one: (one.at, one.amount_fen))
    return Receipt(number=stay_id, site=name or site, lines=lines, paid_fen=sum(one.amount_fen for one in lines))
