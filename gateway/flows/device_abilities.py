"""What one device can do as it is fitted, and what it cannot: for whoever wonders why a barrier shows nothing or is never seen to move."""

from __future__ import annotations

from datetime import tzinfo
from typing import NamedTuple

from sqlalchemy import Connection

from controllers.adapters.port import Fitting
from controllers.adapters.registry import ADAPTERS
from controllers.commands import Action
from gateway.store.fittings import NATIVE, load_fittings


class Abilities(NamedTuple):
    """`can`, `cannot`: an action, or what `Capabilities` calls it. `delivery`: how it is told."""

    can: tuple[str, ...]
    cannot: tuple[str, ...]
    delivery: str


_BESIDE = ("display", "voice", "position", "passage", "offline_list", "replies")


def of(connection: Connection, site: str, device: str, vendor: str, zone: tzinfo) -> Abilities | None:
    """None: of a device that is out of service, or whose vendor has no adapter."""
    adapter = ADAPTERS.get(vendor)
    if adapter is None:
        return None
    fitting = Fitting(site=site, device=device, lanes=(), zone=zone)
    if vendor != NATIVE:
        fitted = load_fittings(connection, zone).get((site, device))
        if fitted is None:
            return None
        fitting = fitted.fitting
    has = adapter.capabilities(fitting)
    told = {action.value: action in has.actions for action in Action}
    all_of_it = told | {name: bool(getattr(has, name)) for name in _BESIDE}
    return Abilities(
        can=tuple(name for name, there in all_of_it.items() if there),
        cannot=tuple(name for name, there in all_of_it.items() if not there),
        delivery=has.delivery.value,
    )
