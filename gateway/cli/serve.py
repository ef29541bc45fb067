"""`parkgate serve` and `parkgate bridge`: the service in one process, or the bridge alone."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import click

from gateway.bridge.embedded import BrokerDidNotStart
from gateway.cli.common import config_option, metrics_of, open_parts
from gateway.cli.main import CheckFailed, Refusal
from gateway.runtime import collector, logs
from gateway.service import Service

_LOOK_SECONDS = 1.0


@click.command()
@config_option
def serve(config: Path | None) -> None:
    """Everything in one process: broker (where embedded), bridge, jobs, API and console."""
    from gateway.cli.web import WebServer

    with open_parts(config) as parts:
        logs.configure(parts.settings.log_level, form=parts.settings.log_format)
        parts.settings.secret()
        service = Service(parts)
        web = WebServer(parts, health=service.health)
        _run(service, before=web.start, after=web.stop, where=f"{web.url}, broker {parts.settings.broker}")


@click.command()
@config_option
def bridge(config: Path | None) -> None:
    """The bridge alone: any number of them with PARKGATE_SHARE_GROUP and a PARKGATE_BRIDGE_ID each."""
    with open_parts(config) as parts:
        logs.configure(parts.settings.log_level, form=parts.settings.log_format)
        settings = parts.settings
        settings.secret()
        if settings.broker.embedded:
            raise Refusal(
                f"PARKGATE_BROKER_URL is {settings.broker}: an embedded broker runs inside `parkgate serve`; "
                "give the bridge mqtt://… or mqtts://…"
            )
        with metrics_of(parts):
            _run(Service(parts, jobs=False), where=f"broker {settings.broker}")


def _run(
    service: Service,
    *,
    where: str,
    before: Callable[[], None] = lambda: None,
    after: Callable[[], None] = lambda: None,
) -> None:
    """Until a signal; then drain and stop. Ends by itself, for a supervisor to start it again, if a part has died."""
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, stop)
    log = logs.logger(__name__)
    well = True
    try:
        service.start()
        before()
        collector.started_up()
        click.echo(f"parkgate: serving {where}", err=True)
        while not stopping.wait(_LOOK_SECONDS):
            service.health()
            if not service.well():
                log.critical("a part of the service has died; ending, to be started again")
                well = False
                break
    except BrokerDidNotStart as problem:
        raise Refusal(str(problem)) from None
    finally:
        after()
        service.stop()
        log.info("stopped")
    if not well:
        raise CheckFailed("a part of the service has died; see the log, and start it again")
