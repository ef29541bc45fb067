"""Whoever leaves owing, on the office of `pass_office`: for tests of arrears."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from controllers.commands import Reason
from gateway.flows import arrears, arrears_write_off
from gateway.flows.charges_books import By
from gateway.flows.reading import Slice
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.pass_office import REGISTRAR, Office

PLATE = "浙B12345"
MANAGER = By(operator="sun", role="manager")


def leaves_owing(office: Office, plate: str = PLATE, *, day: str = "02", hour: int = 9) -> str:
    """An hour at 4 yuan, left without paying. Returns the stay."""
    office.passes("in-1", plate, f"2026-03-{day} {hour:02d}:00")
    assert office.passes("out-1", plate, f"2026-03-{day} {hour + 1:02d}:00").reason is Reason.PAY_LATER
    return str(next(stay.id for stay in reversed(office.stays()) if stay.plate == plate))


def owed(office: Office, **wanted: Any) -> list[int]:
    with office.parts.store.reading() as connection:
        return [one.due_fen for _, one in arrears.owed(connection, None, Slice(None, 100), **wanted)]


def by_site(office: Office) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for row in office._all(select(t.Posting.__table__)):
        head = ":".join(row.account.split(":")[:2]) if row.account.startswith("assets:cash") else row.account
        sums[row.site_id, head] = sums.get((row.site_id, head), 0) + row.amount_fen
    return {key: fen for key, fen in sums.items() if fen}


def pays_first(parts: Parts) -> Office:
    return Office(parts, mode="pay_first")


def proposed(office: Office, stay: str, fen: int | None = None) -> arrears_write_off.WriteOff:
    return arrears_write_off.propose(office.parts, stay, "moved away, no address", REGISTRAR, fen)
