"""Cashiers and their drawers, for tests: in the words of the trade, on the office of `pass_office`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from gateway.flows import passes_refund, shifts_handover, shifts_reading, shifts_work, users
from gateway.flows.charges_books import By
from gateway.flows.reading import Slice
from gateway.flows.shifts_books import Step, in_drawers
from gateway.flows.shifts_reading import Seen, ShiftState
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.pass_office import MONTH_FEN, Office

PASSWORD = "nine barriers in a row"
LI, WU = By(operator="li", role="cashier"), By(operator="wu", role="cashier")
CHEN = By(operator="chen", role="cashier")
BOSS = By(operator="zhou", role="manager")
MONEY = By(operator="zhao", role="finance")
CASHIERS = {by.operator: by for by in (LI, WU, CHEN)}


def pieces(fen: int) -> dict[str, int]:
    """An amount in as few coins and notes as can be."""
    found: dict[str, int] = {}
    for worth in (10000, 5000, 2000, 1000, 500, 100, 50, 10):
        many, fen = divmod(fen, worth)
        if many:
            found[str(worth)] = many
    assert fen == 0
    return found


class Till(Office):
    """Site xinyi with three cashiers, a manager and finance; 1000 yuan in the safe."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.sold = 0
        for by in (LI, WU, CHEN, BOSS, MONEY):
            users.add(parts, by.operator, by.role, ["xinyi"], PASSWORD, operator="test")
        shifts_work.move_safe(parts, "xinyi", "safe", 100_000, "换零钱", MONEY)

    def opens(self, by: By = LI, fen: int = 20_000, drawer: str = "east", **more: Any) -> str:
        source = more.pop("source", "safe")
        return shifts_work.open_at(self.parts, "xinyi", drawer, pieces(fen), source, by, more.get("key")).shift

    def takes(self, by: By = LI) -> str:
        """Cash for a pass of a month, 200 yuan. The pass."""
        self.sold += 1
        return self.sells(f"浙C{self.sold:05d}", MONTH_FEN, by).id

    def pays_back(self, pass_id: str, by: By = LI) -> int:
        refund = self.gives_back(pass_id)
        return passes_refund.pay_out(self.parts, refund.id, "cash", by).amount_fen

    def counts(self, shift: str, fen: int, by: By = LI, key: str | None = None) -> Step:
        return shifts_work.count(self.parts, shift, pieces(fen), by, key)

    def brings(self, shift: str, fen: int, to: str = "safe", by: By = LI, key: str | None = None) -> Step:
        return shifts_work.deposit(self.parts, shift, pieces(fen), to, by, key)

    def closes(self, shift: str, to: str = "safe", by: By = LI, key: str | None = None) -> Step:
        return shifts_work.close(self.parts, shift, to, by, key)

    def offers(self, shift: str, to: By = WU, by: By = LI, key: str | None = None) -> Step:
        return shifts_handover.offer(self.parts, shift, to.operator, by, key)

    def takes_over(self, shift: str, fen: int, by: By = WU, key: str | None = None) -> Step:
        return shifts_handover.take_over(self.parts, shift, fen, by, key)

    def forces(self, shift: str, fen: int, by: By = BOSS, **more: Any) -> Step:
        reason = more.pop("reason", "突然离岗")
        return shifts_handover.force(self.parts, shift, pieces(fen), reason, by, **more)

    def lies(self, shift: str) -> int:
        """What the ledger has in a drawer, or in the safe."""
        with self.parts.store.reading() as connection:
            return in_drawers(connection, "xinyi", [shift])[shift]

    def shift(self, shift: str) -> Any:
        (row,) = self._all(select(t.Shift.__table__).where(t.Shift.id == shift))
        return row

    def shows(self, shift: str, by: By, *, supervises: bool = False) -> ShiftState:
        with self.parts.store.reading() as connection:
            found = shifts_reading.shifts(connection, None, Seen(by.operator, supervises), Slice(None, 100))
        return next(one for _, one in found if one.id == shift)

    def in_suspense(self) -> int:
        return sum(fen for account, fen in self.accounts().items() if account.startswith("suspense:"))

    def audited(self, action: str) -> list[Any]:
        return list(self._all(select(t.AuditEntry.__table__).where(t.AuditEntry.action == action)))
