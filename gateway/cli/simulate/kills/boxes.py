"""The supervised process of some virtual gates, as the street sees it: orders go in, what there is to see comes out."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from gateway.cli.simulate.kills.gates import DeviceOrder, Order, Said, Serve
from gateway.cli.simulate.kills.supervised import Supervised, clean_environment

_PROGRAM = "from gateway.cli.simulate.kills.gates import main; main()"


class Heard(NamedTuple):
    """What a box said, or None when it is dead."""

    box: Box
    said: Said | None


class Box:
    """One process of virtual gates. `heard` takes what it says, in order."""

    def __init__(
        self,
        name: str,
        devices: Sequence[DeviceOrder],
        *,
        host: str,
        port: int,
        folder: Path,
        heard: queue.SimpleQueue[Heard],
    ) -> None:
        self.devices = tuple(devices)
        self._serve = Serve(host=host, port=port, folder=str(folder), devices=self.devices)
        self._heard = heard
        self._process: subprocess.Popen[bytes] | None = None
        self._ear: threading.Thread | None = None
        self.process = Supervised(
            name,
            [sys.executable, "-c", _PROGRAM],
            folder=folder,
            environment=clean_environment(),
            piped=True,
            begun=self._begun,
        )

    def tell(self, order: Order) -> None:
        """Lost when the process is dead: then it says nothing about it either."""
        self._send(self._process, order)

    def _begun(self, process: subprocess.Popen[bytes]) -> None:
        if self._ear is not None:
            self._ear.join()  # what the one before said is heard first
        self._process = process
        self._send(process, self._serve)
        self._ear = threading.Thread(target=self._listen, args=(process,), daemon=True)
        self._ear.start()

    @staticmethod
    def _send(process: subprocess.Popen[bytes] | None, what: Order | Serve) -> None:
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                process.stdin.write(msgspec.json.encode(what) + b"\n")
                process.stdin.flush()

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith(b"\n"):
                self._heard.put(Heard(self, msgspec.json.decode(line, type=Said)))
        process.stdout.close()
        self._heard.put(Heard(self, None))
