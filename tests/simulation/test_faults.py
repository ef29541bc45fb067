"""The crash simulation: it accuses nobody who is innocent, finds what is planted, and runs again exactly."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from gateway.cli.simulate.faults.ground import Ground
from gateway.cli.simulate.faults.run import Plant, Run
from simulators.faults.mix import RANGES, Mix, draw
from tests.simulation.plants import PLANTS, without_the_key_of_events

SEEDS = 200
GROUPS = 10
_FOUND_WITHIN = 20


@pytest.mark.slow
@pytest.mark.parametrize("group", range(GROUPS))
def test_no_invariant_breaks(ground: Ground, group: int) -> None:
    """`parkgate simulate faults --first S --seeds 1 --trace` shows what happens in a run that fails here."""
    broken = {}
    for seed in range(group, SEEDS, GROUPS):
        result = Run(ground, seed, draw(seed)).go()
        if result.broken is not None:
            broken[seed] = result.broken
    assert broken == {}


def test_without_faults_nothing_goes_wrong(ground: Ground) -> None:
    result = Run(ground, 1, Mix()).go()
    assert result.broken is None
    assert result.faults == {}
    assert result.events > 20


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_is_found(ground: Ground, name: str) -> None:
    plant, invariant = PLANTS[name]
    assert _first_broken(ground, plant) == invariant


def test_a_missing_unique_key_is_found() -> None:
    with Ground(without_the_key_of_events) as ground:
        assert _first_broken(ground, Plant(), {"rival": 0.3}) == 1


def _first_broken(ground: Ground, plant: Plant, set_to: dict[str, float] | None = None) -> int | None:
    for seed in range(_FOUND_WITHIN):
        result = Run(ground, seed, draw(seed, set_to), plant).go()
        if result.broken is not None:
            return result.broken[0]
    return None


def test_the_same_seed_is_the_same_run(ground: Ground) -> None:
    first, second = (Run(ground, 7, draw(7)).go() for _ in range(2))
    assert first == second
    assert first.digest != Run(ground, 8, draw(8)).go().digest


def test_another_process_with_other_hashes_runs_the_same(ground: Ground) -> None:
    here = Run(ground, 9, draw(9)).go()
    program = (
        "from gateway.cli.simulate.faults.many import quiet, results\n"
        "quiet()\n"
        "print([one.digest for one in results([9], {}, 1)][0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONHASHSEED": "12345", "PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert done.stdout.strip() == here.digest


def test_the_seeds_cover_every_fault(ground: Ground) -> None:
    seen: Counter[str] = Counter()
    boundaries: set[str] = set()
    for seed in range(12):
        run = Run(ground, seed, draw(seed, {"crash": 0.04, "database_spells": 6, "rival": 0.1}), trace=True)
        seen.update(run.go().faults)
        assert run.record.lines is not None
        boundaries |= {line.split("fault crash ")[1] for line in run.record.lines if "fault crash" in line}
    assert seen.keys() >= {
        "loss", "duplication", "reordering", "delay", "crash", "slow_disk", "rival", "gate_partition", "bridge_partition",
        "broker_restart", "clock_step",
    }  # fmt: skip
    assert {kind for kind in seen if kind.startswith("database_")} >= {"database_busy", "database_lost"}
    assert boundaries >= {
        "before load", "after load", "before commit", "after commit", "before publishing a receipt",
        "after publishing a receipt", "before acknowledging", "after acknowledging",
    }  # fmt: skip


def test_every_part_of_a_mix_can_be_set() -> None:
    mix = draw(3, {name: most for name, (_, most) in RANGES.items()})
    assert all(getattr(mix, name) == most for name, (_, most) in RANGES.items())


def parkgate(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("parkgate"))
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=900, check=False)


def test_the_command_counts_what_it_did() -> None:
    done = parkgate("simulate", "faults", "--seeds", "3", "--first", "40", "--loss", "0.3", "--jobs", "2", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["runs"] == 3
    assert document["faults"]["loss"] > 0
    assert document["broken"] is None
    assert done.stderr == ""


@pytest.mark.parametrize(("signal", "ignored"), [("SIGINT", "SIGUSR1"), ("SIGTERM", "SIGINT")])
def test_who_is_interrupted_is_told_what_is_done(signal: str, ignored: str) -> None:
    """A shell starts what is to run behind it with SIGINT ignored."""
    program = (
        "import os, signal\n"
        f"signal.signal(signal.{ignored}, signal.SIG_IGN)\n"
        "from gateway.cli.main import main\n"
        "from gateway.cli.simulate.faults import many\n"
        "def interrupted(seeds, *given):\n"
        "    yield from runs(seeds[:1], *given)\n"
        f"    os.kill(os.getpid(), signal.{signal})\n"
        "    yield from runs(seeds[1:], *given)\n"
        "runs, many.results = many.results, interrupted\n"
        "main(['simulate', 'faults', '--seeds', '100000', '--json'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 130, done.stderr
    assert json.loads(done.stdout)["runs"] == 1
    assert done.stderr == ""


def test_bad_usage_is_one_line() -> None:
    done = parkgate("simulate", "faults", "--loss", "2")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
