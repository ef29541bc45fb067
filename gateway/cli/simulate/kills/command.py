"""`parkgate simulate kills`."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from random import Random

import click
import msgspec
from tqdm import tqdm

from gateway.cli.main import CheckFailed, Refusal

_ON = ("mosquitto+postgresql", "embedded+sqlite")


@click.command()
@click.option(
    "--count", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="Kills and stops, in all."
)
@click.option("--seed", type=click.IntRange(0), help="Who is struck, when and how; default: another each time.")
@click.option("--on", "where", type=click.Choice([*_ON, "both"]), default="both", show_default=True)
@click.option("--within", type=click.FloatRange(0.1, 60), default=5.0, show_default=True, help="Seconds to recover in.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def kills(count: int, seed: int | None, where: str, within: float, as_json: bool) -> None:
    """Real processes, killed and stopped at random moments while vehicles come and go.

    A private deployment on the loopback is started in a temporary folder. Bridge, broker, database and virtual gates get
    SIGKILL, or SIGSTOP for 0.1 to 3 s; a supervisor starts again what has died. Then nothing may be lost or doubled, no barrier
    may have risen for an expired command, and every gate must have been answered again in time. Exit 1 if something broke.
    """
    if not Path("/proc/self/task").is_dir():
        raise Refusal("kills finds the processes it strikes in /proc, which this system does not have; run it on Linux")
    from gateway.cli.simulate.kills.deployments import DEPLOYMENTS
    from gateway.cli.simulate.kills.run import Run, line
    from gateway.cli.simulate.kills.servers import mosquitto_program, postgres_programs

    names = [name for name in _ON if where in {name, "both"}]
    if _ON[0] in names:
        mosquitto_program()
        postgres_programs()
    seed = seed if seed is not None else Random().randrange(1_000_000)  # noqa: S311 - which one does not matter, only that it is told
    # Whoever ends this ends what it started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = []
    folder = Path(tempfile.mkdtemp(prefix="parkgate-kills-"))
    with tqdm(total=count, unit=" blows", file=sys.stderr, disable=None, leave=False) as bar:
        for place, name in enumerate(names):
            part = count // len(names) + (place < count % len(names))
            home = folder / name
            home.mkdir(parents=True)
            run = Run(DEPLOYMENTS[name](home), count=part, seed=seed, within_seconds=within)
            try:
                results.append(run.to_the_end(lambda _: bar.update()))
            except CheckFailed as problem:
                raise CheckFailed(f"seed {seed}: {problem.format_message()}; logs are in {folder}") from None
    broken = [f"{result.on}: {problem}" for result in results for problem in result.broken]
    if as_json:
        document = {
            "ok": not broken,
            "seed": seed,
            "runs": [
                msgspec.to_builtins(result)
                | {"counts": result.counts(), "recovery_seconds": _spread(result.recoveries())}
                for result in results
            ],
        }
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        click.echo(
            f"{line(results)}; {'something broke' if broken else 'nothing lost, nothing doubled, nothing stale'}"
        )
    if broken:
        raise CheckFailed(f"seed {seed}: {'; '.join(broken[:5])}; {len(broken)} in all, logs are in {folder}")
    shutil.rmtree(folder, ignore_errors=True)


def _spread(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {}
    return {"p50": seconds[len(seconds) // 2], "p95": seconds[len(seconds) * 95 // 100], "max": seconds[-1]}
