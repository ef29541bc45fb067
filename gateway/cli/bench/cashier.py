"""The drivers' purse in a process of its own: it pays into the same database as a pay page does, by the payment's flow.

The command that opens the lane then comes from the bridge's look at its outbox, as where web and bridge are two processes.
"""

from __future__ import annotations

import itertools

from gateway.cli.bench.child import Child, lines, ready, told
from gateway.cli.main import CheckFailed
from gateway.runtime.settings import Settings

_CHANNELS = ("wechat", "wechat", "alipay", "alipay", "cash")


class CashierProcess:
    """Pays whatever it is told to, one after the other. Raises `DidNotStart`."""

    def __init__(self, settings: Settings) -> None:
        self._child = Child("gateway.cli.bench.cashier", settings.model_dump(mode="json"))

    @property
    def pid(self) -> int:
        return self._child.pid

    def pay(self, site: str, device: str, event_id: str, fen: int) -> None:
        """Hand a payment on; it does not wait for it. Raises `CheckFailed` when that process has died."""
        try:
            self._child.say([site, device, event_id, fen])
        except BrokenPipeError:
            raise CheckFailed(
                "the process that pays has died, and with it the measurement; what it said is above"
            ) from None

    def close(self) -> None:
        """Ends when everything is paid."""
        self._child.close()


def main() -> None:
    """The process that `CashierProcess` starts."""
    from gateway.cli.demo.purse import Purse
    from gateway.wiring import build

    parts = build(Settings.model_construct(**told()))
    purse = Purse(parts)
    ready()
    for channel, (site, device, event_id, fen) in zip(itertools.cycle(_CHANNELS), lines(), strict=False):
        purse.pay(site, device, event_id, fen, channel, parts.clock.now())
    parts.store.close()
