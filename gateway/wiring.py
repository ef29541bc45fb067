"""The composition root: builds what every flow is handed. Web, bridge, jobs, command line, tests and simulation all start here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.channels.accounts import Accounts
from gateway.invoicing.accounts import Invoicing
from gateway.runtime.clock import Clock, SystemClock
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Settings
from gateway.runtime.signal import Signal
from gateway.store.engine import Store, open_engine
from gateway.store.estate import Estates


@dataclass(frozen=True)
class Parts:
    """The collaborators of every flow."""

    settings: Settings
    clock: Clock
    store: Store
    metrics: Metrics
    outbox: Signal = field(default_factory=Signal)
    estates: Estates = field(default_factory=Estates)
    channels: Accounts = field(default_factory=Accounts)
    invoicing: Invoicing = field(default_factory=Invoicing)


def build(settings: Settings, *, clock: Clock | None = None, metrics: Metrics | None = None) -> Parts:
    ticking = clock or SystemClock()
    return Parts(
        settings=settings,
        clock=ticking,
        store=Store(open_engine(settings.database_url)),
        metrics=metrics or Metrics(),
        channels=Accounts(settings.channels),
        invoicing=Invoicing(settings.invoicing, now=ticking.now, zone=settings.zone, font=settings.print_font),
    )


@contextmanager
def parts(settings: Settings, *, clock: Clock | None = None) -> Iterator[Parts]:
    """Built for the length of a command, and closed after it."""
    built = build(settings, clock=clock)
    try:
        yield built
    finally:
        built.store.close()
