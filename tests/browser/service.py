"""The web server as a process of its own, on the real clock: it can be killed, and started again on its port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from gateway.cli.ports import free_port
from tests.gateway.trade import Street
from tests.servers import stop, wait_for_port


class Service:
    """`street` is there as well, to let vehicles come; its clock is set to now."""

    def __init__(self, street: Street, folder: Path) -> None:
        self.street = street
        self.port = free_port()
        self._log = (folder / "web.log").open("wb")
        settings = street.parts.settings
        self._settings = {
            "PARKGATE_DATABASE_URL": settings.database_url,
            "PARKGATE_SECRET_KEY": settings.secret(),
            "PARKGATE_HTTP_PORT": str(self.port),
            "PARKGATE_TEST": "true",
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        program = Path(sys.executable).with_name("parkgate")
        environment = {**os.environ, **self._settings}
        self._process = subprocess.Popen([program, "web"], env=environment, stdout=self._log, stderr=self._log)
        wait_for_port(self.port, self._process, 60)

    def is_killed(self) -> None:
        assert self._process is not None
        stop(self._process, signal.SIGKILL)

    def ends(self) -> None:
        if self._process is not None:
            stop(self._process)
        self._log.close()

    def arrives(self, lane: str, plate: str | None) -> None:
        """A vehicle is read at a lane, now."""
        now = datetime.now(UTC)
        self.street.clock.set(now)
        self.street.deliver(self.street.read(lane, plate, now))
