"""一位多车: by the bills that stand, no household ever had more vehicles on its spaces than it has spaces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import and_, select

from gateway.flows.verify_scope import ROWS_AT_A_TIME, Failure, Look
from gateway.store.tables import Bill, Stay

_STAY = Stay.__table__.c
_BILL = Bill.__table__.c


def failures(look: Look) -> Iterator[Failure]:
    """By (site, household)."""
    look.checked["households"] += 0
    query = (
        select(_STAY.site_id, _STAY.household_id, _STAY.plate, _BILL.facts)
        .join(Bill, and_(_BILL.site_id == _STAY.site_id, _BILL.stay_id == _STAY.id, _BILL.sequence == _STAY.bills))
        .where(_STAY.holds_space, _STAY.household_id.is_not(None), *look.scope.instants(_BILL.until))
        .order_by(_STAY.site_id, _STAY.household_id)
    )
    with look.connection.execute(query.execution_options(yield_per=ROWS_AT_A_TIME)) as found:
        for (site, household), rows in groupby(found, key=itemgetter(0, 1)):
            minute = _overfull([(row.plate, row.facts["space"]) for row in rows if "space" in row.facts])
            if minute is not None:
                yield Failure(
                    "household",
                    f"{site}:{household}",
                    f"in minute {minute} since 1970 more vehicles stood on its spaces",
                )
            look.count("households")


def _overfull(said: Iterable[tuple[str, dict[str, Any]]]) -> int | None:
    """The first minute in which more vehicles stood on spaces than there were by any of their bills.

    A vehicle takes nothing from itself: two stays of one that overlap stood on one space (ADR 0013).
    """
    changes: dict[int, list[tuple[int, tuple[str, int]]]] = {}
    for plate, one in said:
        for start, end in one["held"]:
            changes.setdefault(start, []).append((1, (plate, one["of"])))
            changes.setdefault(end, []).append((-1, (plate, one["of"])))
    there: Counter[tuple[str, int]] = Counter()
    for minute in sorted(changes):
        for change, stood in changes[minute]:
            there[stood] += change
        there += Counter()  # without those that have left
        if there and len({plate for plate, _ in there}) > max(of for _, of in there):
            return minute
    return None
