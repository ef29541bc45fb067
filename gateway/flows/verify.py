"""Re-derive what can be read off the data: ledger, stays and their bills, allowances, the chain of closes.

Reads only, in one consistent look, a bounded number of rows at a time. Stops at the first thing that does not hold and names it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from datetime import date

import msgspec

from gateway.flows import (
    verify_breaks,
    verify_cash_refunds,
    verify_closes,
    verify_copies,
    verify_doors,
    verify_invoices,
    verify_ledger,
    verify_orders,
    verify_passes,
    verify_reconciliation,
    verify_registers,
    verify_shifts,
    verify_spaces,
    verify_statements,
    verify_stays,
    verify_sums,
    verify_trail,
    verify_vouchers,
    verify_zombies,
)
from gateway.flows.verify_scope import Failure, Look, Scope
from gateway.wiring import Parts

__all__ = ["Failure", "Report", "verify"]

Progress = Callable[[str], object]


class Report(msgspec.Struct, frozen=True):
    """What was checked, by kind, and the first thing that does not hold."""

    ok: bool
    checked: dict[str, int]
    first_failure: Failure | None


def verify(
    parts: Parts, from_day: date | None = None, to_day: date | None = None, progress: Progress | None = None
) -> Report:
    """Check everything, or what touches the business days from `from_day` to `to_day` (both included).

    `progress` is called with a kind (`transactions`, `stays`, `bills`, `allowances`, `closes`) for each thing checked.
    """
    scope = Scope(from_day, to_day, parts.settings.zone)
    with parts.store.reading() as connection:
        if parts.store.postgres:
            # Without this every statement sees its own moment, and a busy street looks broken.
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        look = Look(connection, scope, Counter(), progress or (lambda _: None))
        with closing(failures(look)) as found:
            failure = next(found, None)
    return Report(failure is None, dict(look.checked), failure)


def failures(look: Look) -> Generator[Failure, None, None]:
    """Whatever does not hold, in the order in which it is looked for."""
    yield from verify_ledger.failures(look)
    yield from verify_stays.failures(look)
    yield from verify_orders.failures(look)
    yield from verify_cash_refunds.failures(look)
    yield from verify_invoices.failures(look)
    yield from verify_shifts.failures(look)
    yield from verify_breaks.failures(look)
    yield from verify_spaces.failures(look)
    yield from verify_closes.failures(look)
    yield from verify_reconciliation.failures(look)
    yield from verify_vouchers.failures(look)
    yield from verify_passes.failures(look)
    yield from verify_registers.failures(look)
    yield from verify_statements.failures(look)
    yield from verify_copies.failures(look)
    yield from verify_trail.failures(look)
    yield from verify_zombies.failures(look)
    yield from verify_sums.failures(look)
    yield from verify_doors.failures(look)
