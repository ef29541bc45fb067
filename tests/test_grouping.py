"""How tests are shared out: together what shares something, and no rule for a file that is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("xdist", reason="tests are shared out only by pytest-xdist")

from tests.grouping import _APART, _SECONDS, group_of, seconds

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("start", [*_APART, *(start for start, _ in _SECONDS)])
def test_a_rule_is_for_files_that_are_there(start: str) -> None:
    file, _, test = start.partition("::")
    found = [path for path in ROOT.glob("tests/**/*.py") if str(path.relative_to(ROOT)).startswith(file)]
    assert found
    assert not test or any(f"def {test}" in path.read_text(encoding="utf-8") for path in found)


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("tests/gateway/test_demo.py::test_a", "tests/gateway/test_demo.py"),
        ("tests/gateway/test_api.py::TestA::test_b[None-sqlite]", "tests/gateway/test_api.py"),
        ("tests/gateway/test_api.py::TestA::test_b[a-b-postgresql]", "tests/gateway/test_api.py postgresql"),
        ("tests/acceptance/test_books.py::test_a[street]", "tests/acceptance/ street"),
        ("tests/deployment/test_overload.py::test_a[laptop]", "tests/deployment/test_overload.py laptop"),
        ("tests/simulation/test_faults.py::test_a[3]", "tests/simulation/test_faults.py::test_a[3]"),
    ],
)
def test_what_shares_something_is_together(nodeid: str, group: str) -> None:
    assert group_of(nodeid) == group


def test_the_longest_come_first() -> None:
    kills = seconds("tests/deployment/test_kills.py::test_whatever_is_killed[street]", 1)
    assert kills > seconds("tests/gateway/test_api.py", 100) > seconds("tests/billing/test_golden.py", 238)
