"""What tills took by a channel, without an order: the payer's reference is its number."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func

from gateway.flows.shifts import CASH


def number_of(payment: Any) -> ColumnElement[str]:
    """The number of a row of `payment` or `charge_payment`: its own id where nobody wrote the reference down."""
    return func.coalesce(func.nullif(payment.reference, ""), payment.id)


def of_a_till(payment: Any) -> tuple[ColumnElement[bool], ...]:
    """Neither cash, nor what came by an order."""
    return payment.channel != CASH, func.substr(payment.idempotency_key, 1, 6) != "order:"
