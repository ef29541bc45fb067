"""The reference policy, and stays written as the street speaks of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from billing.benefits import Benefits, parse_voucher
from billing.bill import Bill, PassPeriod, StayToPrice, price
from billing.calendar import parse_instant
from billing.policy import Policy, parse

RULES = Path(__file__).parents[2] / "rules"
ZONE = "Asia/Shanghai"

PLAIN = """
[policy]
id = "test"
version = 1
effective_from = 2026-01-01T00:00:00+08:00
timezone = "Asia/Shanghai"

[[tariff]]
vehicles = ["small"]
{tariff}
{bands}
{rest}
"""
HOURLY = """
  [[tariff.band]]
  from = "00:00"
  to = "00:00"
  unit = { minutes = 60, fen = 100 }
"""


@pytest.fixture(scope="session")
def hushu_text() -> str:
    return (RULES / "hushu.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def hushu(hushu_text: str) -> Policy:
    return parse(hushu_text)


@pytest.fixture(scope="session")
def policy_of() -> Callable[..., Policy]:
    """A policy of one tariff: `tariff` its own keys, `bands` its bands (default: one yuan an hour), `rest` the rest."""

    def build(tariff: str = "", bands: str = HOURLY, rest: str = "") -> Policy:
        return parse(PLAIN.format(tariff=tariff, bands=bands, rest=rest))

    return build


@pytest.fixture(scope="session")
def bill_of() -> Callable[..., Bill]:
    """Price a stay from local times: `bill_of(policy, "2026-11-20T09:00", "2026-11-20T11:10", vouchers=["minutes:30"])`."""

    def build(
        policy: Policy,
        entry: str,
        exit_: str,
        *,
        vouchers: tuple[str, ...] = (),
        allowance: dict[str, int] | None = None,
        passes: tuple[tuple[str, str, str], ...] = (),
        free_class: str | None = None,
        low_income: bool = False,
        discounts: frozenset[str] = frozenset(),
        **stay: object,
    ) -> Bill:
        benefits = Benefits(
            free_class=free_class,
            low_income=low_income,
            passes=tuple(
                PassPeriod(one, parse_instant(since, ZONE), parse_instant(until, ZONE)) for one, since, until in passes
            ),
            allowance=allowance,
            vouchers=tuple(parse_voucher(text) for text in vouchers),
            discount_registers=discounts,
        )
        facts = StayToPrice(parse_instant(entry, ZONE), parse_instant(exit_, ZONE), **stay)  # type: ignore[arg-type]
        return price(policy, facts, benefits)

    return build
