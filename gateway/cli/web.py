"""`parkgate web`: the API and the console; also in a thread of `parkgate serve`."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import uvicorn

from gateway.api.app import create_app
from gateway.api.live import Hub, LiveSource
from gateway.api.ports import Flows
from gateway.cli.common import config_option, open_parts
from gateway.cli.main import Refusal
from gateway.runtime import logs
from gateway.runtime.settings import Settings
from gateway.wiring import Parts

Health = Callable[[], dict[str, Any]]

_DRAIN_SECONDS = 5
_START_SECONDS = 30
_BACKLOG = 512
_CONNECTIONS_MAX = 1_000


class _Server(uvicorn.Server):
    """Ends the live streams first: a server that waits for its connections would wait for them for ever."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._hub.close()
        await super().shutdown(sockets)


class WebServer:
    """The web application on its own socket. `run` blocks, `start` and `stop` run it in a thread.

    Port 0 takes a free one; `port` says which. Raises `Refusal` if the address cannot be had.
    """

    def __init__(
        self, parts: Parts, health: Health | None = None, live: LiveSource | None = None, flows: Flows | None = None
    ) -> None:
        settings = parts.settings
        self._app = create_app(parts, health=health, live=live, flows=flows)
        self._socket = _listen(settings)
        self.host, self.port = settings.http_host, int(self._socket.getsockname()[1])
        self._server = _Server(
            uvicorn.Config(
                self._app,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_DRAIN_SECONDS,
                timeout_keep_alive=30,
                limit_concurrency=_CONNECTIONS_MAX,
                lifespan="off",
            ),
            self._app.state.context.hub,
        )
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def run(self) -> None:
        """Serve until a signal or `stop`; open streams are ended, requests in progress are finished."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()

    def start(self) -> None:
        """Serve in a thread; returns when it answers. Raises `Refusal` if it does not come up."""
        self._thread = threading.Thread(target=self.run, name="web", daemon=True)
        self._thread.start()
        waiting = threading.Event()
        for _ in range(_START_SECONDS * 100):
            if self._server.started:
                return
            if not self._thread.is_alive():
                break
            waiting.wait(0.01)
        raise Refusal("the web server did not start; its log says why")

    def stop(self) -> None:
        """End streams, finish what is in progress, and leave. May be called twice, and from any thread."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(_DRAIN_SECONDS * 2)


def serve_web(parts: Parts, health: Health | None = None, live: LiveSource | None = None) -> None:
    """Serve on the main thread until SIGINT or SIGTERM. Raises `Refusal` if the address cannot be had."""
    server = WebServer(parts, health, live)
    click.echo(f"parkgate web: {server.url}", err=True)
    # uvicorn raises the signal that ended it once more, for whoever handled it before: a clean stop exits 0.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    server.run()


def broker_health(settings: Settings) -> Health:
    """Readiness of a web process without a bridge of its own: whether the broker takes connections."""
    broker = settings.broker

    def look() -> dict[str, Any]:
        try:
            with socket.create_connection((broker.host, broker.port), timeout=1):
                return {"broker": True}
        except OSError:
            return {"broker": False}

    return look


def _listen(settings: Settings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.http_host else socket.AF_INET
        return socket.create_server((settings.http_host, settings.http_port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise Refusal(
            f"cannot listen on {settings.http_host}:{settings.http_port}: {error.strerror or error}; "
            "set PARKGATE_HTTP_HOST and PARKGATE_HTTP_PORT"
        ) from None


@click.command()
@config_option
def web(config: Path | None) -> None:
    """The API and the console, and nothing else: the bridge and the jobs are other processes."""
    with open_parts(config) as parts:
        logs.configure(parts.settings.log_level, form=parts.settings.log_format)
        serve_web(parts, broker_health(parts.settings))
