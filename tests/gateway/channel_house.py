"""A street whose drivers pay by phone: the simulated channels over HTTP, and the web application that their callbacks reach."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy import select

from gateway.api.app import create_app
from gateway.channels.accounts import Accounts
from gateway.flows.orders import placing, records
from gateway.flows.verify import verify
from gateway.runtime.settings import Settings
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.channels.keys import Key
from simulators.channels.provider import Provider
from simulators.channels.till import Order, Till
from simulators.channels.wechat import Answer
from tests.gateway.trade import Street, local

PLATE = "浙A12345"


@functools.cache
def _keys() -> tuple[Key, Key]:
    """Made once in a process: a key of 2048 bits takes its time."""
    return Key(), Key()


class Callers:
    """Drivers who scan, of a street (`Street`) whose merchant has accounts at the simulated channels."""

    parts: Parts
    clock: Any
    provider: Provider

    @staticmethod
    def with_channels(parts: Parts, provider: Provider, folder: Path, base_url: str = "http://127.0.0.1:9") -> Parts:
        """The parts of a service whose merchant has those accounts."""
        settings = Settings.model_validate(
            parts.settings.model_dump() | {"channels": provider.accounts(folder), "public_url": base_url}
        )
        return replace(parts, settings=settings, channels=Accounts(settings.channels))

    def orders(self, stay: str, channel: str = "wechat") -> records.Order:
        return placing.place(self.parts, stay, channel)

    def pays_by_phone(self, order: records.Order) -> Order:
        """The driver pays; nobody has been told yet."""
        paid = self.provider.pays(order.channel, order.id, self.clock.now())
        assert paid is not None, "it cannot be paid any more"
        return paid

    def notice(self, order: records.Order, **more: Any) -> Answer:
        return self.provider.paid_notice(order.channel, self.till(order.channel).orders[order.id], **more)

    def hears(self, channel: str, notice: Answer) -> str:
        from gateway.flows.orders.notices import hear

        _, headers, body = notice
        return hear(self.parts, channel, {name.lower(): value for name, value in headers.items()}, body)

    def till(self, channel: str) -> Till:
        return self.provider.till(channel)

    def order(self, order_id: str) -> records.Order:
        return records.order(self.parts, order_id)


class Phones(Callers, Street):
    """The street of the tests with drivers who scan. Without a server callbacks are handed over as bytes (`hears`)."""

    def __init__(self, parts: Parts, provider: Provider, folder: Path, base_url: str = "http://127.0.0.1:9") -> None:
        self.provider = provider
        super().__init__(self.with_channels(parts, provider, folder, base_url))

    def parks(self, at: str = "09:00", plate: str = PLATE) -> str:
        self.passes("in-1", plate, at)
        return str(self.stay(plate).id)

    def waits(self, at: str = "11:10:00", plate: str = PLATE) -> str:
        """At the exit since `at`; not paid."""
        self.arrives("out-1", plate, at, id="out")
        return str(self.stay(plate).id)

    def pays(self, order: records.Order) -> Order:
        return self.pays_by_phone(order)

    def refunds(self) -> list[Any]:
        return list(self._all(select(t.PaymentRefund.__table__).order_by(t.PaymentRefund.proposed_at)))

    def payments(self) -> list[Any]:
        return list(self._all(select(t.Payment.__table__).order_by(t.Payment.at, t.Payment.id)))

    def holds(self) -> None:
        report = verify(self.parts)
        assert report.ok, report.first_failure


@contextmanager
def channels(clock: Any) -> Iterator[Provider]:
    """The simulated channels, answering; with the keys of this process."""
    with Provider(clock.now, keys=_keys()) as opened:
        yield opened


@contextmanager
def served(parts: Parts, port: int) -> Iterator[None]:
    """The web application on a port of loopback."""
    app = create_app(parts, wall=parts.clock)
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, access_log=False, lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    waiting = threading.Event()
    while not server.started:
        assert thread.is_alive()
        waiting.wait(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


__all__ = ["PLATE", "Callers", "Phones", "channels", "local", "served"]
