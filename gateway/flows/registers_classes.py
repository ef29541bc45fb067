"""免费车种 in words: who is in a free class, for how long, by which rule; and who drove free in a month, for everybody to read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, func, literal_column, select
from sqlalchemy.orm import aliased

from billing.free_classes import Rule, rule_of
from billing.policy import FreeClass, Policy, in_force
from gateway.flows import policies
from gateway.flows.posting import month_bounds
from gateway.flows.refusals import Invalid, NotFound
from gateway.store.tables import Bill, Site, Stay
from gateway.store.tables.movement import LET_GO
from gateway.wiring import Parts

# Fewer vehicles than this of a register are people whom the neighbours know.
GROUP_MIN = 10
OTHER = "other"


def free_classes(connection: Connection, sites: Iterable[str] | None, at: datetime) -> list[dict[str, Any]]:
    """The classes of each site's policy in force, by site and in the order of the policy."""
    stored = policies.versions(connection)
    rows = connection.execute(select(Site.id, Site.policy_id).order_by(Site.id))
    wanted = None if sites is None else set(sites)
    return [
        {
            "site": row.id,
            "class": one.id,
            "plates": list(one.plates),
            "register": one.register,
            "minutes": one.minutes,
            "rule": msgspec.to_builtins(rule_of(one)),
        }
        for row in rows
        if stored.get(row.policy_id) and (wanted is None or row.id in wanted)
        for one in in_force(stored[row.policy_id], at).free_classes
    ]


class _Group(msgspec.Struct):
    passages: int = 0
    waived_fen: int = 0
    vehicles: set[str] = msgspec.field(default_factory=set)


def free_passages(parts: Parts, connection: Connection, site: str, month: str) -> dict[str, Any]:
    """How many vehicles of each free class left in a local month that is over, and what they would have paid.

    Never a plate. A class that a register alone shows and in which fewer than ten vehicles came is merged with others (`other`);
    where even those together are fewer, their numbers are null. Raises `NotFound` for an unknown site, `Invalid` for a month
    that is none or not over.
    """
    policy_id = connection.execute(select(Site.policy_id).where(Site.id == site, Site.enabled)).scalar()
    if policy_id is None:
        raise NotFound("there is no such site")
    start, end = month_bounds(month, parts.settings.zone)
    if end > parts.clock.now():
        raise Invalid(f"month: {month} is not over; the list of a month is made when it is")
    versions = policies.versions(connection).get(policy_id, [])
    items = list(_in_period(versions, _counted(connection, [site], start, end)[site], end))
    return {"site": site, "month": month, "items": items, "merged_below": GROUP_MIN}


def passages_of(connection: Connection, sites: Iterable[str], start: datetime, end: datetime) -> list[dict[str, Any]]:
    """The same of any stretch of time, for each of these sites."""
    stored = policies.versions(connection)
    rows = connection.execute(select(Site.id, Site.policy_id).where(Site.id.in_(sorted(sites))).order_by(Site.id))
    counted = _counted(connection, sites, start, end)
    return [
        {"site": row.id, **item}
        for row in rows
        if counted[row.id]
        for item in _in_period(stored.get(row.policy_id, []), counted[row.id], end)
    ]


def _in_period(versions: Sequence[Policy], groups: dict[str, _Group], end: datetime) -> Iterable[dict[str, Any]]:
    return _merged(groups, {one.id: one for one in _classes(versions, end)})


def _classes(versions: Sequence[Policy], end: datetime) -> tuple[FreeClass, ...]:
    """Of the version that held when the month ended; a class that it no longer has keeps what an earlier one said."""
    found: dict[str, FreeClass] = {}
    for policy in (one for one in versions if one.effective_from < end):
        found.update({one.id: one for one in policy.free_classes})
    return tuple(found.values())


def _counted(
    connection: Connection, sites: Iterable[str], start: datetime, end: datetime
) -> dict[str, dict[str, _Group]]:
    """By site and class, from the bills that stand."""
    newer = aliased(Bill)
    standing = (
        select(func.max(newer.sequence))
        .where(newer.site_id == Bill.site_id, newer.stay_id == Bill.stay_id)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(Stay.site_id, Stay.plate, Bill.facts, Bill.lines)
        .join(Bill, and_(Bill.site_id == Stay.site_id, Bill.stay_id == Stay.id))
        .where(
            Stay.site_id.in_(sorted(sites)),
            Stay.exit_at >= start,
            Stay.exit_at < end,
            # In the words of the index of those who left without paying.
            literal_column(LET_GO),
            Stay.exit_reason == "free_class",
            Bill.sequence == standing,
            Bill.kind != "void",
        )
        .execution_options(yield_per=500)
    )
    groups: dict[str, dict[str, _Group]] = defaultdict(lambda: defaultdict(_Group))
    for site, plate, facts, lines in rows:
        group = groups[site][(facts.get("benefits") or {}).get("free_class") or OTHER]
        group.passages += 1
        group.waived_fen -= sum(line["fen"] for line in lines if line["kind"] == "free_class")
        # Of those whose plates have been deleted nobody can say how many they were.
        if not plate.startswith("#"):
            group.vehicles.add(plate)
    return groups


def _merged(groups: dict[str, _Group], classes: dict[str, FreeClass]) -> Iterable[dict[str, Any]]:
    """In the order of the policy. What plates show belongs to no household: those numbers may be small."""
    shown: dict[str, _Group] = {}
    other = groups.get(OTHER, _Group())
    for name, group in groups.items():
        one = classes.get(name)
        by_plate_alone = one is not None and not one.register
        if name != OTHER and (by_plate_alone or len(group.vehicles) >= GROUP_MIN):
            shown[name] = group
        elif name != OTHER:
            _join(other, group)
    # A remainder that is small itself takes the smallest of the others with it, else it could be found by subtraction.
    listed = [name for name in shown if classes[name].register] if other.passages else []
    while other.passages and len(other.vehicles) < GROUP_MIN and listed:
        smallest = min(listed, key=lambda name: (shown[name].passages, name))
        listed.remove(smallest)
        _join(other, shown.pop(smallest))
    for name, one in classes.items():
        if name in shown:
            yield _item(name, rule_of(one), shown[name].passages, shown[name].waived_fen)
    if other.passages:
        few = len(other.vehicles) < GROUP_MIN
        rule = Rule(
            "其他登记免费车种（车辆不足十辆的类别合并）", "other classes of the register, merged where they are few"
        )
        yield _item(OTHER, rule, None if few else other.passages, None if few else other.waived_fen)


def _join(into: _Group, group: _Group) -> None:
    into.passages += group.passages
    into.waived_fen += group.waived_fen
    into.vehicles |= group.vehicles


def _item(name: str, rule: Rule, passages: int | None, waived_fen: int | None) -> dict[str, Any]:
    return {
        "class": name,
        "rule": msgspec.to_builtins(rule),
        "passages": passages,
        "waived_fen": waived_fen,
    }
