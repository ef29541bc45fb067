"""`bench reconcile`: its document has its shape, and it does not pass over a break that is missed or invented. No times."""

from __future__ import annotations

import json
import subprocess

import pytest

from billing.reconciliation import reconcile
from gateway.cli.bench import servers
from gateway.cli.bench.reconcile import _check
from gateway.cli.bench.reconcile_rows import make
from gateway.cli.main import CheckFailed


@pytest.mark.slow
def test_it_prints_both_and_their_ratio() -> None:
    done = subprocess.run(
        servers.parkgate("bench", "--json", "reconcile", "--quick", "--payments", "5000"),
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    found = json.loads(done.stdout)
    assert set(found) == {
        *(
            "payments",
            "rows",
            "breaks",
            "rounds",
            "join_s",
            "match_s",
            "ratio",
            "join_peak_mib",
            "match_peak_mib",
            "polars",
        )
    }
    assert found["breaks"] == 25 + 50, "one in 200, and around them"
    assert found["match_peak_mib"] > 0


def test_a_break_that_is_missed_or_invented_ends_it() -> None:
    made = make(4800, seed=3)
    found = reconcile(made.given)
    _check(found, made.truth)
    kinds = set(made.truth["kind"])
    assert len(kinds) == 13, "all but a drawer that lacks something"
    with pytest.raises(CheckFailed, match="0 breaks were missed and 1 invented"):
        _check(found, made.truth[1:])
    with pytest.raises(CheckFailed, match="1 breaks were missed and 0 invented"):
        _check(type(found)(found.breaks[:-1], found.totals, found.sums), made.truth)
