"""公开数据 of a site: prices, what came in and what was waived month by month, and the hash of every close. Never a plate, a name or a household.

Amounts are those of sealed closes, so that whoever has a close can compare. What a benefit waived is told apart only where ten households
or more had it (invariant 10); the rest stands together, and never so that it could be found by subtraction.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, case, func, select

from billing.close import Document, Record
from billing.explain import RESIDENT
from billing.exports.audience import MERGED, merge_benefits
from billing.ledger import WAIVED
from billing.policy import in_force
from billing.price_board import price_board
from gateway.flows import policies
from gateway.flows.refusals import NotFound
from gateway.flows.registers_classes import GROUP_MIN, OTHER
from gateway.store import books
from gateway.store.tables import LedgerTransaction, Payment, Posting, Site, Stay
from gateway.wiring import Parts

MONTHS = 12
_LEDGER, _LINE = LedgerTransaction.__table__.c, Posting.__table__.c
_STAY, _PAID = Stay.__table__.c, Payment.__table__.c


def site_figures(parts: Parts, connection: Connection, site: str) -> dict[str, Any]:
    """What is in force, and the last twelve months that have closed days, the newest first. Raises `NotFound`."""
    row = connection.execute(
        select(Site.id, Site.name, Site.capacity, Site.policy_id).where(Site.id == site, Site.enabled)
    ).one_or_none()
    if row is None:
        raise NotFound("there is no such site")
    versions = policies.versions(connection).get(row.policy_id, [])
    policy = in_force(versions, parts.clock.now()) if versions else None
    return {
        "site": site,
        "name": row.name,
        "capacity": row.capacity,
        "policy": None if policy is None else {"id": policy.id, "version": policy.version},
        "prices": None
        if policy is None
        else {language: msgspec.to_builtins(price_board(policy, language)) for language in ("zh", "en")},
        "months": _months(connection, site, f"{parts.clock.now().astimezone(parts.settings.zone):%Y-%m}"),
        "merged_below": GROUP_MIN,
    }


def _months(connection: Connection, site: str, present: str) -> list[dict[str, Any]]:
    by_month: defaultdict[str, list[Record]] = defaultdict(list)
    newest = books.newest_close(connection, site)
    if newest is None:
        return []
    year, month = divmod(newest.day.year * 12 + newest.day.month - MONTHS, 12)
    since = date(year, month + 1, 1)
    for record in books.records_since(connection, site, "close", since):
        by_month[f"{record.day:%Y-%m}"].append(record)
    return [
        {**_month(connection, site, name, by_month[name]), "over": name < present}
        for name in sorted(by_month, reverse=True)
    ]


def _month(connection: Connection, site: str, month: str, records: list[Record]) -> dict[str, Any]:
    sums: Counter[str] = Counter()
    waived: Counter[str] = Counter()
    for record in records:
        document = msgspec.json.decode(record.canonical, type=Document)
        sums.update(msgspec.to_builtins(document.totals.sums))
        sums.update(entries=document.passages.entries, exits=document.passages.exits)
        waived.update(merge_benefits(_waived(document.totals.accounts)))
    had = _households(connection, site, records[0].day, records[-1].day)
    return {
        "month": month,
        "days": len(records),
        **{name: sums[name] for name in ("entries", "exits")},
        **{f"{name}_fen": sums[f"{name}_fen"] for name in ("earned", "waived", "received", "owed", "disputed")},
        "waived_by_fen": told_apart(waived, had),
        "closes": [
            {"day": record.day.isoformat(), "sequence": record.sequence, "hash": record.hash.hex()}
            for record in records
        ],
    }


def told_apart(waived: Mapping[str, int], had: Mapping[str, int]) -> dict[str, int]:
    """What each benefit waived in fen, where enough households had it; all others together as `other`, of enough households as well.

    `had`: how many households (or vehicles of none) each benefit was for. Empty where even all together are too few.
    """
    shown = {name: fen for name, fen in waived.items() if fen and had.get(name, 0) >= GROUP_MIN}
    rest = {name: fen for name, fen in waived.items() if fen and name not in shown}
    if not rest:
        return dict(sorted(shown.items()))
    # Households may have several benefits: the largest group is what is certain of all of them together.
    while max(had.get(name, 0) for name in rest) < GROUP_MIN and shown:
        smallest = min(shown, key=lambda name: (had.get(name, 0), name))
        rest[smallest] = shown.pop(smallest)
    if max(had.get(name, 0) for name in rest) < GROUP_MIN:
        return {}
    return {**dict(sorted(shown.items())), OTHER: sum(rest.values())}


def _waived(accounts: Mapping[str, int]) -> dict[str, int]:
    return {name.removeprefix(WAIVED): fen for name, fen in accounts.items() if name.startswith(WAIVED)}


def _households(connection: Connection, site: str, first: date, last: date) -> dict[str, int]:
    """By benefit, for how many households, or vehicles of none, it waived something. Of those whose plates are gone nobody can say."""
    someone = func.coalesce(_STAY.household_id, case((_STAY.plate.not_like("#%"), _STAY.plate)))
    benefit = func.substr(_LINE.account, len(WAIVED) + 1)
    merged = case((benefit.in_(sorted(RESIDENT)), next(iter(MERGED.values()))), else_=benefit)
    rows = connection.execute(
        select(merged, func.count(someone.distinct()))
        .join(LedgerTransaction, and_(_LEDGER.site_id == _LINE.site_id, _LEDGER.id == _LINE.transaction_id))
        .outerjoin(
            Payment,
            and_(_LEDGER.reference_kind == "payment", _PAID.site_id == _LEDGER.site_id, _PAID.id == _LEDGER.reference),
        )
        .join(Stay, and_(_STAY.site_id == _LEDGER.site_id, _STAY.id == func.coalesce(_PAID.stay_id, _LEDGER.reference)))
        .where(
            _LEDGER.site_id == site,
            _LEDGER.business_day >= first,
            _LEDGER.business_day <= last,
            _LINE.account.startswith(WAIVED),
        )
        .group_by(merged)
    )
    return {name: int(count) for name, count in rows}
