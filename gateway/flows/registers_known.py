"""What rows of registers are judged by: the sites, their households, and what their policies offer."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from billing.policy import Policy, in_force
from gateway.flows import policies
from gateway.flows.registers_rows import Known
from gateway.store.tables import Household, Site
from gateway.wiring import Parts

_OF_A_HOUSEHOLD = frozenset({"vehicles", "relatives", "certificates"})
_OF_A_POLICY = frozenset({"relatives", "passes", "free-vehicles"})


def known(connection: Connection, parts: Parts, kind: str, only: frozenset[str] | None = None) -> Known:
    """`only`: the sites that somebody may change (None: all); the others are as if they were not there."""
    sites = [
        row for row in connection.execute(select(Site.id, Site.name, Site.policy_id)) if only is None or row.id in only
    ]
    names = [row.name for row in sites]
    households: frozenset[tuple[str, str]] = frozenset()
    if kind in _OF_A_HOUSEHOLD:
        query = select(Household.site_id, Household.id)
        if only is not None:
            query = query.where(Household.site_id.in_(sorted(only)))
        households = frozenset((row.site_id, row.id) for row in connection.execute(query))
    stored = policies.versions(connection) if kind in _OF_A_POLICY else {}
    by_site = {row.id: stored[row.policy_id] for row in sites if row.policy_id in stored}
    return Known(
        zone=parts.settings.zone,
        sites=frozenset(row.id for row in sites),
        sites_by_name={row.name: row.id for row in sites if names.count(row.name) == 1},
        households=households,
        relations=frozenset(
            relation
            for versions in stored.values()
            for policy in versions
            if policy.relative_allowance is not None
            for relation in policy.relative_allowance.relations
        ),
        passes={
            site: frozenset(offer.id for policy in versions for offer in policy.passes)
            for site, versions in by_site.items()
        },
        classes={site: classes(versions) for site, versions in by_site.items()},
    )


def classes(versions: list[Policy]) -> frozenset[str]:
    """What a vehicle can be registered as: free classes and discounts with a register, and tariff groups. A class that only plates
    show would take the entry and never look at it.
    """
    found: set[str] = set()
    for policy in versions:
        found |= {entry.id for entry in policy.free_classes if entry.register}
        found |= {entry.id for entry in policy.discounts if entry.register}
        found |= {tariff.who for tariff in policy.tariffs if tariff.who is not None}
    return frozenset(found)


def policies_in_force(connection: Connection, at: datetime) -> dict[str, Policy]:
    """By site, the version that holds at an instant; sites whose policy was never applied are left out."""
    stored = policies.versions(connection)
    rows = connection.execute(select(Site.id, Site.policy_id))
    return {row.id: in_force(stored[row.policy_id], at) for row in rows if stored.get(row.policy_id)}
