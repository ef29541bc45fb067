"""`parkgate jobs`: the scheduled work, as a process of its own."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType

import click

from gateway.cli.common import config_option, metrics_of, open_parts, operator_name
from gateway.cli.main import Refusal


@click.command()
@click.option("--now", "name", metavar="JOB", help="Only ask whoever schedules to do this job now, and end.")
@config_option
def jobs(name: str | None, config: Path | None) -> None:
    """Close the days when they are due, fetch statements, reconcile, hand exports on; catch up on what was missed, and look
    after what no event will tell.

    Any number of these may run: a lease in the database elects the one that works, another takes over when it dies.
    """
    if name is not None:
        _ask(name, config)
        return
    from gateway.jobs.runner import start_jobs
    from gateway.runtime import logs
    from gateway.service import periodic

    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    with open_parts(config) as parts:
        logs.configure(parts.settings.log_level, form=parts.settings.log_format)
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, stop)
        with metrics_of(parts):
            running = start_jobs(parts, periodic(parts))
            try:
                stopping.wait()
            finally:
                running.stop()


def _ask(name: str, config: Path | None) -> None:
    from gateway.flows import job_runs
    from gateway.flows.charges_books import By
    from gateway.flows.refusals import Refused

    with open_parts(config) as parts:
        try:
            job_runs.ask(parts, name, By(operator=operator_name(), origin="command line"))
        except Refused as error:
            raise Refusal(str(error)) from None
    click.echo(f"{name}: asked for; it begins within ten seconds")
