"""A simulated street's days as the match takes them: the channels' side through their files and our importers."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import polars as pl

from billing.reconciliation import (
    ARRIVED,
    BOOKS,
    CHANNEL,
    EXITS,
    INSIDE,
    OPENINGS,
    RATES,
    SHIFTS,
    VOUCHERS,
    Found,
    Given,
    counts_of,
    empty,
    frame,
    of_statement,
)
from billing.statements import read_all
from simulators import statements as files
from simulators.discrepancies import PARTIES, RATE_PPM, Street, Truth


def written(channel: str, account: str, day: date, deals: list[files.Deal], *, flow: bool = False) -> bytes:
    if channel == "wechat":
        write = files.wechat_fund_flow(deals, account) if flow else files.wechat_trade(deals, account)
        return b"".join(write)
    if channel == "alipay":
        return files.alipay_zip(deals, account, day, datetime.combine(day, datetime.min.time(), UTC))
    return b"".join(files.unionpay(deals, account))


def statement(channel: str, account: str, day: date, deals: list[files.Deal], *, flow: bool = False) -> pl.DataFrame:
    if not deals:
        return empty(CHANNEL)
    name = files.unionpay_name(account, day) if channel == "unionpay" else ""
    _, rows = read_all(channel, written(channel, account, day, deals, flow=flow), name=name, day=day)
    return of_statement(rows, f"{channel}-{account}-{day}-{'flow' if flow else 'trade'}", day, account, "ne")


def given(street: Street, *, neighbour: bool) -> Given:
    """The middle day. `neighbour`: the next day's statements and books have come."""
    last = street.day + timedelta(days=1 if neighbour else 0)
    days = [street.day + timedelta(days=off) for off in (-1, 0, 1) if street.day + timedelta(days=off) <= last]
    trade = [statement(*key, deals) for key, deals in street.channel.items() if key[2] in days]
    flow = [
        statement(*key, deals, flow=True) for key, deals in street.flow.items() if key[2] in days and key[0] == "wechat"
    ]
    came = [(*party, "trade", day) for party in PARTIES for day in days]
    came += [(*party, "fund_flow", day) for party in PARTIES if party[0] == "wechat" for day in days]
    drawers = read_all("cash", b"".join(files.cash_count(street.drawers)), day=street.day)[1] if street.drawers else []
    rates = [(*party, RATE_PPM, "half_up", "returned") for party in PARTIES]
    return Given(
        days=[street.day],
        book_days=days,
        books=frame((row for row in street.books if row["day"] <= last), BOOKS),
        channel=pl.concat(trade),
        fund_flow=pl.concat(flow),
        arrived=pl.DataFrame(came, schema=dict(ARRIVED), orient="row"),
        rates=pl.DataFrame(rates, schema=dict(RATES), orient="row"),
        shifts=frame(street.shifts, SHIFTS),
        counts=counts_of(drawers, "counts", street.day),
        exits=frame(street.exits, EXITS),
        openings=frame(street.openings, OPENINGS),
        inside=frame(street.inside, INSIDE),
        vouchers=frame(street.vouchers, VOUCHERS),
    )


def told(found: Found) -> Counter[Truth]:
    """The breaks as a simulated street names them."""
    subjects = {"shift", "stay", "opening", "voucher_book"}
    return Counter(
        (
            row["kind"],
            row["about"],
            row["order_number"] or "",
            row["refund_number"] or "",
            row["subject"] if row["about"] in subjects else "",
        )
        for row in found.breaks.iter_rows(named=True)
    )
