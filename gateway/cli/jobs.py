"""`parkgate jobs`: the scheduled work, as a process of its own."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType

import click

from gateway.cli.common import config_option, open_parts


@click.command()
@config_option
def jobs(config: Path | None) -> None:
    """Close the days when they are due, and catch up on what was missed.

    Any number of these may run: a lease in the database elects the one that works, another takes over when it dies.
    """
    from gateway.jobs import start_jobs
    from gateway.runtime import logs

    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    with open_parts(config) as parts:
        logs.configure(parts.settings.log_level, form=parts.settings.log_format)
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, stop)
        running = start_jobs(parts)
        try:
            stopping.wait()
        finally:
            running.stop()
