"""A recorded day of a street, and policies compared over it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection

from gateway.flows import compare as comparing
from gateway.flows import payment
from gateway.wiring import Parts
from tests.gateway.trade import POLICY, Street, local

OLD = POLICY.format(mode="pay_first")
DEARER = (
    OLD.replace("version = 1", "version = 2").replace("2025-01-01T", "2026-04-01T").replace("fen = 400", "fen = 500")
)
DAYS = {"from_day": date(2026, 3, 2), "to_day": date(2026, 3, 2)}


def pay(street: Street, plate: str) -> None:
    stay = [stay for stay in street.stays() if stay.plate == plate][-1]
    due = stay.payable_fen - stay.paid_fen
    if due:
        payment.take(street.parts, stay_id=stay.id, channel="wechat", amount_fen=due, operator="li", role="cashier")


def visit(street: Street, plate: str, enters: str, leaves: str) -> None:
    """Through the east gate, paying what is due at the exit."""
    street.passes("in-1", plate, enters)
    street.arrives("out-1", plate, leaves)
    street.clock.set(local(leaves) + timedelta(seconds=3))
    pay(street, plate)
    street.goes(
        "out-1", (local(leaves) + timedelta(seconds=8)).strftime("%Y-%m-%d %H:%M:%S"), after=f"e{street._events}"
    )


def a_relative(street: Street, number: int) -> str:
    """A household of its own and a parent's vehicle. Returns the plate."""
    plate = f"浙B1{number:04d}"
    street.register("households", {"household": f"h{number}", "name": "", "area_m2": "80"})
    street.register(
        "relatives",
        {"household": f"h{number}", "plate": plate, "relation": "parent", "valid_from": "", "valid_to": ""},
    )
    return plate


def a_day(street: Street, visitors: int = 12) -> None:
    """Twelve visitors of two hours, twelve short ones, ten relatives of ten households, ten residents, one certificate."""
    for number in range(visitors):
        visit(street, f"浙A1{number:04d}", f"2026-03-02 09:{number:02d}", f"2026-03-02 11:{number:02d}")
        visit(street, f"浙A2{number:04d}", f"2026-03-02 12:{number:02d}", f"2026-03-02 12:{number + 20:02d}")
    for number in range(10):
        a_relative(street, number)
        street.register("vehicles", {"household": f"h{number}", "plate": f"浙C1{number:04d}", "vehicle": "small"})
        street.register(
            "passes",
            {
                "plate": f"浙C1{number:04d}",
                "pass": "resident-monthly",
                "valid_from": "2026-03-01",
                "valid_to": "2026-04-01",
            },
        )
        visit(street, f"浙B1{number:04d}", f"2026-03-02 13:{number:02d}", f"2026-03-02 15:{number:02d}")
        visit(street, f"浙C1{number:04d}", f"2026-03-02 16:{number:02d}", f"2026-03-02 18:{number:02d}")
    street.register("households", {"household": "h99", "name": "", "area_m2": "40"})
    street.register("vehicles", {"household": "h99", "plate": "浙D99999", "vehicle": "small"})
    street.register(
        "certificates",
        {"household": "h99", "number": "DB-7", "issuer": "民政", "valid_from": "2026-01-01", "valid_to": "2027-01-01"},
    )
    visit(street, "浙D99999", "2026-03-02 17:00", "2026-03-02 19:00")


@contextmanager
def reading(parts: Parts) -> Iterator[Connection]:
    with parts.store.reading() as connection:
        yield connection


def compared(parts: Parts, new: str, old: str | None = None, **more: Any) -> dict[str, Any]:
    with reading(parts) as connection:
        before = comparing.of_name(connection, "hushu-residential") if old is None else comparing.of_text("old", old)
        return comparing.compare(parts, connection, before, comparing.of_text("new", new), **{**DAYS, **more})
