"""The drivers' purse in a process of its own: it pays into the same database as a pay page does, by the payment's flow.

The command that opens the lane then comes from the bridge's look at its outbox, as where web and bridge are two processes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import IO, Any

from gateway.cli.main import CheckFailed
from gateway.runtime.settings import Settings

_ENDS_WITHIN_SECONDS = 30
_CHANNELS = ("wechat", "wechat", "alipay", "alipay", "cash")


class CashierProcess:
    """Pays whatever it is told to, one after the other."""

    def __init__(self, settings: Settings) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from gateway.cli.bench.cashier import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._say(settings.model_dump(mode="json"))
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != b"READY":
            raise RuntimeError("the process that pays did not start")
        self.refused = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    def pay(self, site: str, device: str, event_id: str, fen: int) -> None:
        """Hand a payment on; it does not wait for it. Raises `CheckFailed` when that process has died."""
        try:
            self._say([site, device, event_id, fen])
        except BrokenPipeError:
            raise CheckFailed(
                "the process that pays has died, and with it the measurement; what it said is above"
            ) from None

    def close(self) -> None:
        """Ends when everything is paid; then `refused` says how many payments opened no lane."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_ENDS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        said = process.stdout.read().strip()
        self.refused = int(said) if said.isdigit() else 0
        process.stdout.close()

    def _say(self, what: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        self._process.stdin.flush()


def main() -> None:
    """The process that `CashierProcess` starts."""
    from gateway.cli.demo.purse import Purse
    from gateway.wiring import build

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = Settings.model_construct(**json.loads(sys.stdin.readline()))
    parts = build(settings)
    purse = Purse(parts)
    _answer("READY")
    refused = 0
    for number, line in enumerate(_lines(sys.stdin)):
        site, device, event_id, fen = json.loads(line)
        opened = purse.pay(site, device, event_id, fen, _CHANNELS[number % len(_CHANNELS)], parts.clock.now())
        refused += not opened
    parts.store.close()
    _answer(str(refused))


def _lines(stream: IO[str]) -> Any:
    while line := stream.readline():
        yield line


def _answer(word: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(1, word.encode() + b"\n")
