"""Every adapter of the registry passes the same suite, with its vendor's tables."""

from __future__ import annotations

import os
from importlib import import_module
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.adapters.registry import ADAPTERS
from tests.controllers.conformance.cases import ADAPTERS as FOLDER
from tests.controllers.conformance.cases import Cases
from tests.controllers.conformance.checks import CHECKS
from tests.controllers.conformance.fuzzing import try_damaged

# Of each decoder: what its proof asks for, on CI; by hand a few say as much.
DAMAGED = 100_000 if "PARKGATE_REQUIRE_SERVERS" in os.environ else 3_000


def cases_of(vendor: str) -> Cases:
    """An adapter without tables is no adapter."""
    cases = import_module(f"tests.controllers.adapters.{vendor}.cases").CASES
    assert isinstance(cases, Cases)
    assert cases.vendor == vendor
    return cases


@pytest.mark.parametrize("vendor", sorted(path.parent.name for path in FOLDER.glob("*/cases.py")))
def test_whoever_has_tables_is_registered(vendor: str) -> None:
    """Otherwise nothing here would try it, and nothing would say so."""
    assert vendor in ADAPTERS, f"{vendor} has tables, and no line in controllers/adapters/registry.py"
    assert ADAPTERS[vendor].vendor == vendor


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("vendor", ADAPTERS)
def test_conforms(vendor: str, check) -> None:
    check(ADAPTERS[vendor], cases_of(vendor))


@pytest.mark.parametrize("vendor", ADAPTERS)
def test_survives_what_hypothesis_finds(vendor: str) -> None:
    cases = cases_of(vendor)

    @settings(max_examples=50)
    @given(random=st.randoms(use_true_random=False))
    def survives(random: Random) -> None:
        try_damaged(ADAPTERS[vendor], cases, random)

    survives()


@pytest.mark.parametrize("vendor", ADAPTERS)
def test_survives_damage(vendor: str, record_property) -> None:
    cases, tried, seed = cases_of(vendor), 0, 0
    while tried < DAMAGED:
        try:
            tried += try_damaged(ADAPTERS[vendor], cases, Random(seed))
        except Exception as problem:
            raise AssertionError(f"seed {seed}: {type(problem).__name__}: {problem}") from problem
        seed += 1
    record_property("damaged", tried)  # what left its message as it was is not counted
    assert seed < 2 * DAMAGED
