"""Reconciliation (对账): the books held against what channels said, drawers against counts, exits against the ledger. Pure.

Polars does the work. It is imported with this package and by nothing that starts with a bridge or the service: import it where it is used.
"""

from billing.reconciliation.frames import (
    ARRIVED,
    BOOKS,
    BREAKS,
    CASH,
    CHANNEL,
    COUNTS,
    EXITS,
    INSIDE,
    OPENINGS,
    RATES,
    SHIFTS,
    VOUCHERS,
    BadFrame,
    Schema,
    counts_of,
    empty,
    frame,
    of_statement,
)
from billing.reconciliation.match import MARGINS, Found, Given, adds_up, reconcile

__all__ = [
    "ARRIVED",
    "BOOKS",
    "BREAKS",
    "CASH",
    "CHANNEL",
    "COUNTS",
    "EXITS",
    "INSIDE",
    "MARGINS",
    "OPENINGS",
    "RATES",
    "SHIFTS",
    "VOUCHERS",
    "BadFrame",
    "Found",
    "Given",
    "Schema",
    "adds_up",
    "counts_of",
    "empty",
    "frame",
    "of_statement",
    "reconcile",
]
