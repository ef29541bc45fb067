"""`bench plates`: misread exits find their stay, nothing is decided wrongly, and what a file holds is taken as it is."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from gateway.cli.bench.plates import plates

PAIRS = "file,truth,read\n1,A238EC34,A238EC34\n2,A236EO34,A2?6EO34\n3,H495HY34,None\n4,H495HY34,H495HY34\n"


def test_nothing_is_decided_wrongly(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(PAIRS)
    done = CliRunner().invoke(plates, ["--quick", "--json", "--pairs", str(pairs)])
    assert done.exit_code == 0, done.output
    the_pairs, similar, like_them = json.loads(done.output)
    assert (the_pairs["inside"], the_pairs["misread"], the_pairs["first"], the_pairs["strangers"]) == (3, 1, 1, 2)
    assert the_pairs["right"] == [1, 1, 1]
    for one in (similar, like_them):
        assert one["first"] > 90
        assert one["right"][0] > 50
        assert one["strangers"] == 100
        assert not any(one["wrong"])
        assert not any(one["strangers_decided"])
