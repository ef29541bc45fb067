"""One more transaction of a stay: its number, its day, its postings, and what the ledger then has for the stay."""

from __future__ import annotations

from datetime import datetime

from billing.ledger import Posted, Posting, Transaction, check
from gateway.flows.batch import Batch
from gateway.runtime.ids import derive
from gateway.store.records import StayRecord


def post(
    batch: Batch,
    stay: StayRecord,
    posted: Posted,
    postings: tuple[Posting, ...],
    *,
    at: datetime,
    kind: str,
    cause: tuple[str, str],
    operator: str | None,
) -> Transaction:
    """Put it into the batch's outcome. `posted`: what the ledger has for the stay with it; `cause`: what it refers to, as (kind, id)."""
    stay.settlements += 1
    day, belongs_to = batch.business_day(stay.site, at)
    key = f"{stay.id}:{stay.settlements}"
    made = Transaction(
        id=derive("t", stay.site, key),
        site=stay.site,
        business_day=day,
        belongs_to=belongs_to,
        at=at,
        kind=kind,
        reference_kind=cause[0],
        reference=cause[1],
        operator=operator,
        idempotency_key=key,
        reverses=None,
        postings=postings,
    )
    check(made)
    stay.posted = posted
    batch.outcome.transactions.append(made)
    batch.outcome.touched(stay)
    return made
