"""The embedded broker, for one estate or a laptop: a child process that ends with its parent."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from gateway.bridge.senders import LATE_RATE
from gateway.runtime.ids import random_token
from gateway.runtime.settings import Broker, Settings

_STARTS_WITHIN_SECONDS = 30
_PORT_FREED_WITHIN_SECONDS = 8.0
# Said before standard input ends; without it, the parent has died.
_GOODBYE = "goodbye\n"


class BrokerDidNotStart(Exception):
    """The embedded broker did not start."""


class EmbeddedBroker:
    """MQTT 3.1.1 only, and no shared subscriptions: one bridge. Devices log in with their own accounts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Called with a device's user name, what it tried and how often; from a thread of its own.
        self.refused: Callable[[str, str, int], None] = lambda *_: None
        self._username, self._password = "parkgate-bridge", random_token()
        self._process: subprocess.Popen[str] | None = None
        self.address = settings.broker

    def _begin(self) -> subprocess.Popen[str]:
        where = self.address
        self._refuse_taken(where)
        process = subprocess.Popen(
            # Not as `-m`: amqtt finds the plugins by their module's name, and must find this very module.
            [sys.executable, "-c", "from gateway.bridge.embedded_process import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Ctrl-C goes to the parent alone: the broker stays until the bridge has drained.
            start_new_session=True,
        )
        self._process = process
        told = {
            "host": where.host,
            "port": where.port,
            "database_url": self._settings.database_url,
            "bridge_username": self._username,
            "bridge_password": self._password,
            "goodbye": _GOODBYE,
            # As much as the bridge takes of what a device has kept; it looks more closely at what is live.
            "rate": self._settings.device_rate * LATE_RATE,
            "burst": self._settings.device_burst * 2,
        }
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended already: `start` hears why
            process.stdin.write(json.dumps(told) + "\n")
            process.stdin.flush()
        return process

    def start(self) -> None:
        """Until it takes connections. Raises `BrokerDidNotStart` with the reason, such as a port that is taken."""
        process = self._begin()
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(_STARTS_WITHIN_SECONDS, process.kill)
        timer.start()
        try:
            said = process.stdout.readline().strip()
        finally:
            timer.cancel()
        if said != "READY":
            assert process.stderr is not None
            with contextlib.suppress(OSError):
                process.stdin.close()
            problem = process.stderr.read().strip().splitlines()
            self.stop()
            why = problem[-1] if problem else said
            raise BrokerDidNotStart(f"the embedded broker did not start on {self.address}: {why}")
        # Whatever it says later must not fill the pipe.
        threading.Thread(target=self._swallow, args=(process,), daemon=True).start()
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()

    def for_bridge(self) -> Broker:
        """Where the bridge connects, with the credentials of this run."""
        url = f"embedded://{self._username}:{self._password}@{self.address.host}:{self.address.port}"
        return Broker(url)

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        process = self._process
        if process is None:
            return
        if process.stdin is not None and not process.stdin.closed:
            with contextlib.suppress(OSError):  # it has died already
                process.stdin.write(_GOODBYE)
                process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        self._process = None

    @staticmethod
    def _refuse_taken(where: Broker) -> None:
        """Waits a little: after a kill, the broker of the run before may need a moment to notice that its parent has gone."""
        end = time.monotonic() + _PORT_FREED_WITHIN_SECONDS
        while True:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((where.host, where.port))
                except OSError as problem:
                    if time.monotonic() < end:
                        time.sleep(0.1)
                        continue
                    raise BrokerDidNotStart(
                        f"{where} cannot be used: {problem.strerror}; choose another port in PARKGATE_BROKER_URL"
                    ) from None
                return

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError, OSError):  # closed under us when the broker has been stopped
            for line in process.stdout:
                for username, what, times in json.loads(line)["refused"]:
                    self.refused(username, what, times)

    @staticmethod
    def _swallow(process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with contextlib.suppress(ValueError, OSError):  # closed under us when the broker has been stopped
            for _ in process.stderr:
                pass
