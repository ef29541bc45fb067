"""The door's own socket, in a thread of the bridge: what devices reach is not what browsers reach."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.applications import Starlette

_BACKLOG = 512
_CONNECTIONS_MAX = 400
_KEEP_ALIVE_SECONDS = 90  # devices poll over one connection, every 5 to 60 s
_START_SECONDS = 15.0
_DRAIN_SECONDS = 5


class DoorDidNotOpen(Exception):
    """The address for devices that speak HTTP cannot be had."""


class DoorServer:
    """Port 0 takes a free one; `port` says which, once it is open."""

    def __init__(self, app: Starlette, host: str, port: int) -> None:
        import uvicorn  # noqa: PLC0415 - who only asks for the exception needs no web server

        self.host, self.port = host, port
        self._socket: socket.socket | None = None
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,  # an address may have a password in it
                server_header=False,
                timeout_graceful_shutdown=_DRAIN_SECONDS,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                limit_concurrency=_CONNECTIONS_MAX,
                lifespan="on",
            )
        )
        self._thread = threading.Thread(target=self._run, name="device-door", daemon=True)

    def start(self) -> None:
        """Returns when it answers. Raises `DoorDidNotOpen`."""
        try:
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            self._socket = socket.create_server((self.host, self.port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise DoorDidNotOpen(
                f"cannot listen for devices on {self.host}:{self.port}: {error.strerror or error}; set PARKGATE_DEVICES_HTTP"
            ) from None
        self.port = int(self._socket.getsockname()[1])
        self._thread.start()
        waiting = threading.Event()
        for _ in range(int(_START_SECONDS * 100)):
            if self._server.started:
                return
            if not self._thread.is_alive():
                break
            waiting.wait(0.01)
        raise DoorDidNotOpen("the door for devices did not open; the log says why")

    def stop(self) -> None:
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(_DRAIN_SECONDS * 2)
        if self._socket is not None:
            self._socket.close()

    def healthy(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        assert self._socket is not None
        self._server.run(sockets=[self._socket])
