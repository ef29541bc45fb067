"""A day's match, from what is in the database at one moment. Reads only. Imports Polars: import it where a day is reconciled."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, select

from billing.policy import Policy, in_force
from billing.reconciled import Said, Total
from billing.reconciliation import ARRIVED, RATES, Found, Given, adds_up, reconcile
from gateway.flows.posting import day_bounds
from gateway.flows.reconciliation import around, arrived, money
from gateway.flows.reconciliation.arrived import FUND_FLOW, TRADE, Missing, Party, Stands
from gateway.flows.shifts import CASH
from gateway.store.tables import Site
from gateway.wiring import Parts

_ONE: Final = timedelta(days=1)
_NUMBER: Final = ("kind", "number")


class DoesNotAddUp(Exception):
    """The totals of a match do not come to its rows: a mistake in the program, and nothing is kept of it."""


@dataclass(frozen=True)
class Matched:
    """A site's day as it was matched. `breaks`: rows as `billing.reconciliation.frames.BREAKS`; `account` is the merchant account."""

    site: str
    day: date
    statements: tuple[Said, ...]
    missing: tuple[Missing, ...]
    totals: tuple[Total, ...]
    breaks: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class _Look:
    """What one match is of: sites with their merchant accounts, and the days around it."""

    parts: Parts
    connection: Connection
    merchant_of: Mapping[str, str]
    day: date

    @property
    def merchants(self) -> set[str]:
        return {merchant for merchant in self.merchant_of.values() if merchant}

    @property
    def zone(self) -> str:
        return self.parts.settings.zone.key


def match(parts: Parts, connection: Connection, day: date, sites: Collection[str]) -> list[Matched]:
    """The day of these sites, each with its own breaks and totals, in the order of sites.

    An account may serve other sites, too: all of them are looked at. Raises `DoesNotAddUp`.
    """
    look = _Look(parts, connection, _together(connection, sites), day)
    stands = arrived.standing(connection, look.merchants, day - _ONE, day + _ONE)
    given = _given(look, stands)
    found = reconcile(given)
    if wrong := adds_up(found):
        raise DoesNotAddUp(f"{day}: {wrong[0]}")
    expected = _expected(look, given.books)
    return [_of_site(look, site, found, stands, expected) for site in sorted(sites)]


def _together(connection: Connection, sites: Collection[str]) -> dict[str, str]:
    """The merchant of each of these sites, and of those that share it."""
    every = {row.id: row.merchant_id or "" for row in connection.execute(select(Site.id, Site.merchant_id))}
    theirs = {every[site] for site in sites if site in every} - {""}
    return {site: merchant for site, merchant in every.items() if site in sites or merchant in theirs}


def _given(look: _Look, stands: list[Stands]) -> Given:
    zone, sites = look.parts.settings.zone, look.merchant_of.keys()
    start, end = day_bounds(look.day, zone)
    first, last = day_bounds(look.day - _ONE, zone)[0], day_bounds(look.day + _ONE, zone)[1]
    ours = money.books(look.connection, sites, look.merchants, first, last, look.zone)
    theirs = money.told(look.connection, sites, stands, TRADE)
    ours, theirs = _with_all_of_a_number(look, ours, theirs)
    day = around.Day(look.connection, sites, look.day, start, end)
    shifts, counts = around.shifts(day)
    cash = money.cash(look.connection, list(shifts.select("site", "shift").iter_rows()), look.zone)
    now = look.parts.clock.now()
    whole = [one for one in (look.day - _ONE, look.day, look.day + _ONE) if day_bounds(one, zone)[1] <= now]
    channel = money.placed(theirs, ours)
    return Given(
        days=[look.day],
        book_days=whole,
        books=pl.concat([ours, cash]),
        channel=channel,
        fund_flow=money.placed(money.told(look.connection, sites, stands, FUND_FLOW), ours),
        arrived=_arrived(look, stands, channel),
        rates=_rates(look),
        shifts=shifts,
        counts=counts,
        exits=around.exits(day),
        openings=around.openings(day),
        inside=around.inside(day, _policy_of(look)),
        vouchers=around.vouchers(day),
    )


def _policy_of(look: _Look) -> around.PolicyOf:
    estate = look.parts.estates.known(look.connection)

    def of(site: str, entry: datetime) -> Policy | None:
        facts = estate.sites.get(site)
        versions = estate.policies.get(facts.policy_id) if facts is not None else None
        return in_force(versions, entry) if versions else None

    return of


def _with_all_of_a_number(look: _Look, ours: pl.DataFrame, theirs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Numbers that stand on one side alone may have their other side on another day: both sides of them, whenever that was."""
    sites = look.merchant_of.keys()
    here, there = (side.filter(pl.col("channel") != CASH).select("order_number", *_number()) for side in (ours, theirs))
    alone = [here.join(there, on=_NUMBER, how="anti"), there.join(here, on=_NUMBER, how="anti")]
    numbers = set(pl.concat(alone)["order_number"]) - {""}
    refunds = set(pl.concat(alone).filter(pl.col("kind") == "refund")["number"]) - {""}
    if not numbers | refunds:
        return ours, theirs
    more = money.with_numbers(look.connection, sites, numbers | refunds, look.zone)
    told = money.told_of(look.connection, sites, numbers, look.merchants)
    return (
        pl.concat([ours, more.join(ours, on=["id", "site"], how="anti")]),
        pl.concat([theirs, told.join(theirs, on=["statement", "line"], how="anti")]),
    )


def _number() -> list[pl.Expr]:
    refund = (pl.col("kind") == "refund") & (pl.col("refund_number") != "")
    return [
        pl.col("kind"),
        pl.when(refund).then(pl.col("refund_number")).otherwise(pl.col("order_number")).alias("number"),
    ]


def _arrived(look: _Look, stands: list[Stands], channel: pl.DataFrame) -> pl.DataFrame:
    """Each statement for every site that has, or may have, rows of it."""
    sites = set(look.merchant_of) | set(channel["site"])
    rows = [
        {"channel": one.party.channel, "account": f"{one.party.merchant}/{site}", "kind": one.role, "day": one.day}
        for one in stands
        for site in sorted(sites)
    ]
    return pl.DataFrame(rows, schema=dict(ARRIVED), orient="row").unique()


def _rates(look: _Look) -> pl.DataFrame:
    """What the settings say was agreed with the channels."""
    rows = []
    for merchant in sorted(look.merchants):
        offered = look.parts.settings.channels.get(merchant)
        for channel in type(offered).model_fields if offered is not None else ():
            agreed = getattr(getattr(offered, channel), "fee", None)
            if agreed is None:
                continue
            said = {"rate_ppm": agreed.rate_ppm, "rounding": agreed.rounding, "refunds": agreed.refunds}
            rows += [{"channel": channel, "account": f"{merchant}/{site}", **said} for site in look.merchant_of]
    return pl.DataFrame(rows, schema=dict(RATES), orient="row")


def _expected(look: _Look, books: pl.DataFrame) -> set[Party]:
    """The accounts whose statements of the day are expected."""
    of_day = books.filter((pl.col("day") == look.day) & (pl.col("channel") != CASH))
    parties = of_day.select(pl.col("account").str.split("/").list.first().alias("merchant"), "channel").unique()
    found = {Party(*row) for row in parties.iter_rows()}
    for merchant in look.merchants:
        offered = look.parts.settings.channels.get(merchant)
        fields = type(offered).model_fields if offered is not None else ()
        found |= {Party(merchant, channel) for channel in fields if getattr(offered, channel) is not None}
    return found


def _of_site(look: _Look, site: str, found: Found, stands: list[Stands], expected: set[Party]) -> Matched:
    merchant = look.merchant_of[site]
    theirs = [one for one in stands if one.day == look.day and one.party.merchant == merchant]
    wanted = {party for party in expected if party.merchant == merchant}
    missing = arrived.missing(look.connection, theirs, wanted, {merchant}, look.day) if merchant else []
    own = found.breaks.filter((pl.col("site") == site) & (pl.col("day") == look.day))
    return Matched(
        site=site,
        day=look.day,
        statements=tuple(one.said() for one in theirs),
        missing=tuple(missing),
        totals=tuple(_totals(found, site)),
        breaks=tuple({**row, "account": (row["account"] or "").partition("/")[0]} for row in own.iter_rows(named=True)),
    )


def _totals(found: Found, site: str) -> list[Total]:
    of_site = pl.col("account").is_in([site]) | pl.col("account").str.ends_with(f"/{site}")
    rows = found.totals.filter(of_site & ((pl.col("rows") != 0) | (pl.col("fen") != 0))).iter_rows(named=True)
    return sorted(
        Total(
            row["side"],
            row["channel"],
            "" if row["channel"] == CASH else row["account"].partition("/")[0],
            row["state"],
            row["rows"],
            row["fen"],
        )
        for row in rows
    )
