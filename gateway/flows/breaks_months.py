"""What became of differences, month by month and by kind: how many, about how much, what is settled and how old is what is not. Writes nothing."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, func, select

from billing.breaks import KINDS, UNSETTLED
from gateway.flows.breaks_books import BREAK
from gateway.flows.reading import Sites, at_each
from gateway.flows.reports.asking import Period
from gateway.store import tables as t

_PEOPLE: Final = ("matched", "adjusted", "written_off")
BANDS: Final = (7, 30, 90)
"""How old what nobody has settled is, in days: up to each of these, and older."""


class KindMonth(msgspec.Struct, kw_only=True):
    """The breaks of a kind in a month, by their business day. Amounts in fen; of vouchers none.

    `cleared`: by themselves. `matched`, `adjusted`, `written_off`: by people. `open`: what nobody has settled, of which the oldest is
    `oldest_days` old and `open_up_to_…` say how old how many are.
    """

    month: str
    kind: str
    count: int = 0
    amount_fen: int = 0
    cleared: int = 0
    matched: int = 0
    adjusted: int = 0
    written_off: int = 0
    written_off_fen: int = 0
    open: int = 0
    open_fen: int = 0
    open_up_to_7: int = 0
    open_up_to_30: int = 0
    open_up_to_90: int = 0
    open_older: int = 0
    oldest_days: int = 0

    def add(self, row: Any, today: date) -> None:
        fen = 0 if self.kind == "voucher_count" else int(row.fen)
        self.count += row.many
        self.amount_fen += fen
        if row.state in UNSETTLED:
            self._still_open(row.many, fen, (today - row.day).days)
        elif row.resolution in _PEOPLE:
            setattr(self, row.resolution, getattr(self, row.resolution) + row.many)
            self.written_off_fen += fen if row.resolution == "written_off" else 0
        else:
            self.cleared += row.many

    def _still_open(self, many: int, fen: int, age: int) -> None:
        self.open += many
        self.open_fen += fen
        self.oldest_days = max(self.oldest_days, age)
        up_to = next((one for one in BANDS if age <= one), None)
        band = "open_older" if up_to is None else f"open_up_to_{up_to}"
        setattr(self, band, getattr(self, band) + many)


def by_month(connection: Connection, allowed: Sites, days: Period, today: date) -> list[KindMonth]:
    """The newest month first, kinds in the order of the contract."""
    rows = connection.execute(
        select(
            BREAK.day,
            BREAK.kind,
            BREAK.state,
            BREAK.resolution,
            func.count().label("many"),
            func.sum(BREAK.amount_fen).label("fen"),
        )
        .where(at_each(t.ReconciliationBreak.site_id, allowed), BREAK.day >= days.first, BREAK.day <= days.last)
        .group_by(BREAK.day, BREAK.kind, BREAK.state, BREAK.resolution)
    )
    found: defaultdict[str, dict[str, KindMonth]] = defaultdict(dict)
    for row in rows:
        month = row.day.isoformat()[:7]
        found[month].setdefault(row.kind, KindMonth(month=month, kind=row.kind)).add(row, today)
    return [found[month][kind] for month in sorted(found, reverse=True) for kind in KINDS if kind in found[month]]


def summed(rows: list[KindMonth], *, month: str = "", kind: str = "") -> KindMonth:
    """Some of them as one."""
    total = KindMonth(month=month, kind=kind)
    for name in KindMonth.__struct_fields__[2:]:
        values = [getattr(one, name) for one in rows]
        setattr(total, name, max(values, default=0) if name == "oldest_days" else sum(values))
    return total
