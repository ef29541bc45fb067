"""What a household's page shows beside its entry: free hours of this month, who and what is registered for it, its passes, the vouchers it took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection

from gateway.api.context import Context, Staff
from gateway.console.desk import door
from gateway.console.desk import registers_forms as forms
from gateway.flows import allowance, passes_reading, registers_entries
from gateway.flows.passes_reading import SoldFilter
from gateway.flows.reading import Slice
from gateway.flows.registers_kinds import REGISTERS
from gateway.flows.vouchers import register as vouchers

_REGISTERED: Final = ("vehicles", "relatives", "certificates")
_SHOWN: Final = 20


def home_of(staff: Staff, kind: str, document: Mapping[str, Any]) -> str:
    """The page of the household for which an entry stands; empty where there is none, or not for this reader."""
    shown = "household" in forms.columns(kind, staff.role) and door.may(staff, "GET", "/households/{entry}")
    if kind == "households" or not shown or not document.get("household"):
        return ""
    return f"/registers/households/{_id_of(document['site'], document['household'])}"


def seen(context: Context, staff: Staff, document: Mapping[str, Any]) -> dict[str, Any]:
    """As far as the reader may have it: what is not for them is not asked for."""
    site, name = document["site"], document["household"]
    month = allowance.month_of(None, context.parts)
    with context.reports.reading() as connection:
        rule = allowance.rule_of(context.parts, connection, site, month)
        hours = rule is not None and door.may(staff, "GET", "/allowances/months")
        own = hours and rule is not None and rule.per == "household"
        holder = f"household:{name}"
        return {
            "site": site,
            "name": name,
            "month": month,
            "hours": allowance.balance(context.parts, connection, site, holder, month) if own else None,
            "per_vehicle": hours and not own,
            "registered": [
                _registered(context, staff, connection, kind, document)
                for kind in _REGISTERED
                if door.may(staff, "GET", f"/{kind}")
            ],
            "passes": _passes(context, connection, site, name) if door.may(staff, "GET", "/sold-passes") else None,
            "vouchers": _vouchers(context, connection, site, name, month)
            if door.may(staff, "GET", "/vouchers/issues")
            else None,
        }


def _registered(
    context: Context, staff: Staff, connection: Connection, kind: str, household: Mapping[str, Any]
) -> dict[str, Any]:
    """Its entries in one register: what holds first."""
    site = household["site"]
    wanted = registers_entries.Filter(site=site, household=household["household"])
    how = registers_entries.shown(connection, context.parts, kind)
    found = registers_entries.listed(connection, kind, frozenset({site}), wanted, Slice(None, _SHOWN), how)
    entries = [forms.entry_as_seen(context, staff, kind, one) for _, one in found]
    return {
        "kind": kind,
        "columns": [name for name in forms.columns(kind, staff.role) if name != "household"],
        "entries": sorted(entries[:_SHOWN], key=lambda one: not one["valid"]),
        "more": len(entries) > _SHOWN,
        "adds": door.may(staff, "POST", f"/{kind}"),
    }


def _passes(context: Context, connection: Connection, site: str, household: str) -> list[dict[str, Any]]:
    wanted = SoldFilter(household=household)
    part = Slice(None, _SHOWN)
    found = passes_reading.sold_passes(context.parts, connection, frozenset({site}), wanted, part)
    return [one for _, one in found]


def _vouchers(context: Context, connection: Connection, site: str, household: str, month: str) -> tuple[int, int]:
    """How many it took this month, and how many it may; 0 for no bound."""
    return vouchers.taken(connection, site, household, month), context.parts.settings.voucher_household_month_max


def _id_of(site: str, household: str) -> str:
    return REGISTERS["households"].id_of({"site_id": site, "id": household})
