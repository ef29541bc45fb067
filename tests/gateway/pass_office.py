"""The office where passes are sold and charges made, for tests: in the words of the trade, on the street of `trade`."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlalchemy import select

from gateway.flows import (
    arrears,
    charges,
    charges_money,
    estate,
    pass_income,
    passes,
    passes_changes,
    passes_refund,
    policies,
)
from gateway.flows.charges_books import By, Money
from gateway.flows.close import close_day
from gateway.flows.passes_terms import Wanted
from gateway.flows.verify import verify
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.trade import POLICY, SITE, Street, local

TILL = By(operator="li", role="cashier")
REGISTRAR = By(operator="wang", role="registrar")
FINANCE = By(operator="zhao", role="finance")
MONTH_FEN = 20000


def second_site() -> str:
    """The same estate once more, as `moganshan`."""
    head, _, site = SITE.format(capacity=100).partition("[[site]]")
    other = site.replace('id = "xinyi"', 'id = "moganshan"').replace("信义坊", "莫干山")
    return f"{head}[[site]]{site}\n[[site]]{other}"


class Office(Street):
    """Site xinyi; household 101 with two vehicles, 102 with one and a certificate, 103 without anything."""

    def __init__(self, parts: Parts, *, mode: str = "pay_first") -> None:
        super().__init__(parts, mode=mode)
        fee = "\n[property_fee]\nfen_per_square_metre_month = 55\n"
        text = POLICY.format(mode=mode).replace("version = 1", "version = 2").replace("2025-01-01", "2025-06-01")
        policies.apply(parts, text + fee)
        estate.apply(parts, second_site())
        self.register("households", {"household": "101", "name": "", "area_m2": "59.9"})
        self.register("households", {"household": "102", "name": "", "area_m2": "40"})
        self.register("households", {"household": "103", "name": "", "area_m2": ""})
        self.register("vehicles", {"household": "101", "plate": "浙A10101", "vehicle": "small"})
        self.register("vehicles", {"household": "101", "plate": "浙A10102", "vehicle": "small"})
        self.register("vehicles", {"household": "102", "plate": "浙A10201", "vehicle": "small"})
        self.register("certificates", {"household": "102", "number": "HZ-0102", "issuer": "x"})
        parts.estates.__init__()  # type: ignore[misc] - the policy is new

    # ------------------------------------------------------------------ passes

    def sells(self, plate: str = "浙A10101", fen: int | None = MONTH_FEN, by: By = TILL, **more: Any) -> passes.SoldNow:
        key = more.pop("key", None)
        channel = more.pop("channel", "cash")
        wanted = Wanted(site="xinyi", plate=plate, offer=more.pop("offer", "resident-monthly"), **more)
        return passes.sell(self.parts, wanted, self._money(fen, channel), by, key)

    def renews(self, pass_id: str, months: int = 1, fen: int | None = MONTH_FEN, by: By = TILL) -> passes.SoldNow:
        return passes.renew(self.parts, pass_id, months, self._money(fen, "cash"), by)

    def transfers(self, pass_id: str, to: str) -> None:
        passes_changes.transfer(self.parts, pass_id, to, "a new car", REGISTRAR)

    def gives_back(self, pass_id: str, from_day: date | None = None) -> passes_refund.Refund:
        """Proposed by the registrar, approved by finance."""
        proposed = passes_refund.propose(self.parts, pass_id, "moved away", REGISTRAR, from_day)
        return passes_refund.approve(self.parts, proposed.id, proposed.amount_fen, FINANCE)

    @staticmethod
    def _money(fen: int | None, channel: str) -> Money | None:
        return None if fen is None else Money(channel=channel, amount_fen=fen)

    # ------------------------------------------------------------------ charges

    def charges(self, month: str = "2026-03", **more: Any) -> charges.SiteRun:
        (found,) = charges.run(self.parts, month, FINANCE, "xinyi", **more)
        return found

    def pays(self, charge: str, fen: int, key: str | None = None) -> charges_money.Paid:
        return charges_money.pay(self.parts, charge, Money(channel="cash", amount_fen=fen), TILL, key)

    # ------------------------------------------------------------------ arrears

    def collects(self, stay: str, fen: int, at_site: str | None = None, key: str | None = None) -> arrears.Collected:
        money = Money(channel="cash", amount_fen=fen)
        return arrears.collect(self.parts, stay, money, TILL, at_site=at_site, idempotency_key=key)

    # ------------------------------------------------------------------ days

    def at(self, text: str) -> None:
        self.clock.set(local(text))

    def goes_on(self, days: int = 1) -> None:
        self.clock.advance(days=days)

    def earns(self) -> None:
        pass_income.earn_due(self.parts)

    def closes_through(self, day: date) -> None:
        first = date(2026, 3, 1)
        while first <= day:
            close_day(self.parts, first)
            first += timedelta(days=1)

    def books_hold(self) -> None:
        """Every transaction of every site sums to zero, and everything that can be re-derived is what it says."""
        report = verify(self.parts)
        assert report.ok, report.first_failure
        assert sum(self.accounts().values()) == 0

    def held(self) -> list[tuple[str, str, str, bool]]:
        """What the gates read: plate, from, to (local), whether it ends exactly."""
        rows = self._all(select(t.PassHeld.__table__).order_by(t.PassHeld.plate, t.PassHeld.valid_from))
        zone = self.parts.settings.zone
        return [
            (
                row.plate,
                f"{row.valid_from.astimezone(zone):%m-%d %H:%M}",
                f"{row.valid_to.astimezone(zone):%m-%d %H:%M}",
                row.exact,
            )
            for row in rows
        ]

    def drawer(self) -> int:
        return sum(fen for account, fen in self.accounts().items() if account.startswith("assets:cash:"))
