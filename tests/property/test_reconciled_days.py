"""Breaks of every kind are put into seeded days that run through the whole service, and exactly those are found; the books follow the channels.

`PARKGATE_RECONCILED_DAYS=200` runs as many.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest

from billing.breaks import KINDS
from gateway.flows.reconciliation.run import Reconciled
from gateway.wiring import Parts
from tests.property.reconciled_world import DAY, ONE, Truth, World

DAYS = int(os.environ.get("PARKGATE_RECONCILED_DAYS", "4"))
_HAD: Counter[str] = Counter()


def told(world: World, found: Reconciled) -> Truth:
    rows = {row.id: row for row in world.breaks().values()}
    return Truth((one.kind, about(rows[one.id])) for one in found.breaks)


def about(row: Any) -> str:
    return str(row.order_number or row.subject or row.shift_id or row.stay_id)


def at_channels(world: World) -> dict[str, int]:
    return {name: fen for name, fen in world.accounts().items() if name.startswith("assets:channel:")}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("seed", range(DAYS))
def test_exactly_what_was_put_there_is_found_and_the_books_follow(parts: Parts, seed: int) -> None:
    world = World(parts, seed)
    world.lives()
    world.night()
    world.holds()
    world.morning()
    first = world.reconciles()
    assert told(world, first) == world.truth + world.early, f"seed {seed}"
    assert first.sealed, f"seed {seed}: {first.sites[0].missing}"
    world.holds()
    assert world.reconciles() == first
    world.night(DAY + ONE)
    world.morning(DAY + ONE)
    assert world.reconciles(DAY + ONE).sealed
    second = world.reconciles()
    assert told(world, second) == world.truth + world.late, f"seed {seed}"
    assert at_channels(world) == world.at_channels(DAY, DAY + ONE), f"seed {seed}"
    world.holds()
    _HAD.update(kind for kind, _ in world.truth + world.early + world.late)


@pytest.mark.skipif(DAYS < 100, reason="of a few days not every kind")
def test_every_kind_has_been_there() -> None:
    assert set(_HAD) == set(KINDS)
