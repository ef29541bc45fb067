"""`parkgate serve` and `parkgate bridge`: the service in one process, or the bridge alone."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from gateway.bridge.door_server import DoorDidNotOpen
from gateway.bridge.embedded import BrokerDidNotStart
from gateway.cli.common import config_option, metrics_of, open_parts
from gateway.cli.main import CheckFailed, Refusal
from gateway.runtime import collector, logs
from gateway.service import Service

if TYPE_CHECKING:
    from gateway.cli.web import WebServer

_LOOK_SECONDS = 0.2


@click.command()
@config_option
def serve(config: Path | None) -> None:
    """Everything in one process: broker (where embedded), bridge, jobs, API and console."""
    with open_parts(config) as parts:
        logs.configure(parts.settings.log_level, form=parts.settings.log_format)
        parts.settings.secret()
        service = Service(parts)

        def web() -> WebServer:
            # Imported late: after a kill the gates are answered first, and the console comes up a second later.
            from gateway.cli.web import WebServer

            return WebServer(parts, health=service.health)

        _run(service, front=web, where=f"broker {parts.settings.broker}")


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


def _run(service: Service, *, where: str, front: Callable[[], WebServer] | None = None) -> None:
    """Until a signal; then drain and stop. Ends by itself, for a supervisor to start it again, if a part has died."""
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, stop)
    log = logs.logger(__name__)
    well = True
    web: WebServer | None = None
    try:
        service.start()
        if front is not None:
            web = front()
            web.start()
            where = f"{web.url}, {where}"
        collector.started_up()
        click.echo(f"parkgate: serving {where}", err=True)
        while not stopping.wait(_LOOK_SECONDS):
            service.health()
            service.mend()
            if not service.well():
                log.critical("a part of the service has died; ending, to be started again")
                well = False
                break
    except (BrokerDidNotStart, DoorDidNotOpen) as problem:
        raise Refusal(str(problem)) from None
    finally:
        if web is not None:
            web.stop()
        service.stop()
        log.info("stopped")
    if not well:
        raise CheckFailed("a part of the service has died; see the log, and start it again")
