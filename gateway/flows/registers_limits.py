"""What one row cannot show: a household that has ended, and how many relatives' vehicles a household has at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from gateway.flows.registers_kinds import Key, Register, Row
from gateway.flows.registers_known import policies_in_force
from gateway.store.tables import Household, Relative

_BEGINNING, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_SITES_AT_ONCE = 500


class Objection(NamedTuple):
    """Why the row with this key cannot be."""

    key: Key
    reason: str


def objections(connection: Connection, register: Register, rows: Sequence[Row], now: datetime) -> list[Objection]:
    """Against rows as they would stand, in their order. What stands already and is not touched is never judged again."""
    found: list[Objection] = []
    if register.kind != "households" and "household_id" in register.table.c:
        found += _of_ended_households(connection, register, rows, now)
    if register.kind == "relatives":
        found += _too_many(connection, register, rows, now)
    return found


def _of_ended_households(
    connection: Connection, register: Register, rows: Sequence[Row], now: datetime
) -> Iterable[Objection]:
    sites = sorted({row["site_id"] for row in rows})
    ended: dict[tuple[str, str], datetime] = {}
    for start in range(0, len(sites), _SITES_AT_ONCE):
        for home in connection.execute(
            select(Household.site_id, Household.id, Household.valid_to).where(
                Household.site_id.in_(sites[start : start + _SITES_AT_ONCE]), Household.valid_to <= now
            )
        ):
            ended[home.site_id, home.id] = home.valid_to
    for row in rows:
        end = ended.get((row["site_id"], row["household_id"]))
        if end is not None and (row["valid_to"] or _END) > end:
            yield Objection(
                register.key(row),
                f"household {row['household_id']!r:.64} has ended; register the household again, or give a valid_to "
                f"that is not after {end.isoformat()}",
            )


def _too_many(connection: Connection, register: Register, rows: Sequence[Row], now: datetime) -> Iterable[Objection]:
    """Row by row against what stands and the rows before it: the one that is too many is named, not the household."""
    most = {
        site: policy.relative_allowance.vehicles_max
        for site, policy in policies_in_force(connection, now).items()
        if policy.relative_allowance is not None and policy.relative_allowance.vehicles_max is not None
    }
    judged = [row for row in rows if row["site_id"] in most]
    if not judged:
        return
    touched = {register.key(row) for row in judged}
    homes = {(row["site_id"], row["household_id"]) for row in judged}
    standing: dict[tuple[str, str], list[tuple[datetime, datetime]]] = defaultdict(list)
    for site in sorted({site for site, _ in homes}):
        query = select(*register.columns).where(Relative.site_id == site)
        if len(homes) <= _SITES_AT_ONCE:
            query = query.where(Relative.household_id.in_(sorted({home for _, home in homes})))
        for other in connection.execute(query).mappings():
            home = other["site_id"], other["household_id"]
            if home in homes and register.key(other) not in touched:
                standing[home].append(_period(other))
    for row in judged:
        home, limit = (row["site_id"], row["household_id"]), most[row["site_id"]]
        with_it = [*standing[home], _period(row)]
        if limit is not None and _period(row)[1] > now and peak(with_it, _period(row), now) > limit:
            yield Objection(
                register.key(row),
                f"household {row['household_id']!r:.64} would have more than {limit} relatives' vehicles at once, "
                "the most that the policy allows (relative_allowance.vehicles_max); end another one first",
            )
        else:
            standing[home] = with_it


def _period(row: Mapping[Any, Any]) -> tuple[datetime, datetime]:
    return row["valid_from"] or _BEGINNING, row["valid_to"] or _END


def peak(
    periods: Sequence[tuple[datetime, datetime]], within: tuple[datetime, datetime], since: datetime = _BEGINNING
) -> int:
    """How many half-open periods hold at once, at most, at any instant of `within` that is not before `since`."""
    first = max(within[0], since)
    # The number only grows where one begins.
    instants = {first, *(start for start, _ in periods if first < start < within[1])}
    return max(sum(start <= at < end for start, end in periods) for at in instants)
