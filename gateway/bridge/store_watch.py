"""Whether the database takes what the bridge has: said once when it stops, once when it goes on, and shown all the while."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from gateway.runtime.logs import logger
from gateway.runtime.metrics import Metrics
from gateway.store.trouble import AWAY, BUSY, said, trouble_of

_log = logger(__name__)
_SAID_AGAIN_AFTER_SECONDS = 300.0
_BUSY_IS_TROUBLE_AFTER_SECONDS = 5.0


class StoreWatch:
    """Told by the worker of each refusal, and of each round that went well. `monotonic` gives seconds."""

    def __init__(self, metrics: Metrics, monotonic: Callable[[], float]) -> None:
        self._metrics = metrics
        self._monotonic = monotonic
        self._kind: str | None = None
        self._since: float | None = None
        self._said_at = 0.0

    @property
    def well(self) -> bool:
        """False from when a refusal lasts until something was stored again."""
        return self._kind is None

    def refused(self, problem: SQLAlchemyError) -> None:
        """The database is away, full, read-only. One line for each kind of trouble, and again every five minutes.

        Two that wait for each other's locks are no trouble: they are tried again. Only what lasts is.
        """
        trouble = trouble_of(problem) or AWAY
        now = self._monotonic()
        self._since = now if self._since is None else self._since
        if trouble is BUSY and now - self._since < _BUSY_IS_TROUBLE_AFTER_SECONDS:
            return
        if trouble.kind != self._kind:
            self._show(trouble.kind)
        elif now - self._said_at < _SAID_AGAIN_AFTER_SECONDS:
            return
        self._said_at = now
        _log.error(
            "the database takes nothing; what has no receipt stays with its device and is sent again",
            trouble=trouble.kind,
            what=trouble.words,
            problem=said(problem),
        )

    def stored(self) -> None:
        """A round went well."""
        since, self._since = self._since, None
        if since is None or self._kind is None:
            return
        self._show(None)
        _log.warning("the database takes what comes again", seconds=round(self._monotonic() - since, 1))

    def _show(self, kind: str | None) -> None:
        gauge = self._metrics.store_refusing
        if self._kind is not None:
            gauge.labels(why=self._kind).set(0)
        if kind is not None:
            gauge.labels(why=kind).set(1)
        self._kind = kind
