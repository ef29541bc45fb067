"""Whether more arrives than can be decided: said once when it begins, once when it ends, and shown all the while."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial

from gateway.bridge.inbox import Inbox
from gateway.bridge.link import Raw
from gateway.bridge.senders import Rank
from gateway.runtime.logs import logger
from gateway.runtime.metrics import Metrics

_log = logger(__name__)

_LOOK_EVERY_SECONDS = 1.0
_WAITS_TOO_LONG_SECONDS = 2.0
_OVER_AFTER_SECONDS = 10.0
_SAID_AGAIN_AFTER_SECONDS = 60.0
_DEVICES_SAID_MAX = 20

Who = tuple[str, str]
_STRANGER: Who = ("", "")


class LoadWatch:
    """Looked after by the worker. `monotonic` gives seconds, `arrivals` those in which messages say when they arrived."""

    def __init__(
        self,
        inbox: Inbox[Raw | None],
        metrics: Metrics,
        monotonic: Callable[[], float],
        arrivals: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._inbox, self._metrics = inbox, metrics
        self._monotonic, self._arrivals = monotonic, arrivals
        self._looked_at = monotonic()
        self._since: float | None = None
        self._last = 0.0
        self._shed = 0
        self._unsaid: Counter[tuple[str, str, str]] = Counter()
        self._said_at = -_SAID_AGAIN_AFTER_SECONDS
        self._devices: Collection[Who] = ()
        # Called with site, device, reason and how many messages were left with a device in a minute.
        self.told: Callable[[str, str, str, int], None] = lambda *_: None
        for rank in Rank:
            metrics.queue_depth.labels(rank.name.lower()).set_function(partial(inbox.depth, rank))
        metrics.queue_oldest_seconds.set_function(self.oldest_seconds)

    @property
    def overloaded(self) -> bool:
        return self._since is not None

    def oldest_seconds(self) -> float:
        """How long the oldest message has waited; 0 if none does."""
        oldest = self._inbox.oldest()
        return 0.0 if oldest is None else max(self._arrivals() - oldest, 0.0)

    def is_device(self, site: str, device: str) -> bool:
        """Whether it is configured, as far as that is known yet."""
        return (site, device) in self._devices

    def turned_away(self, site: str, device: str, messages: int) -> None:
        """They found no room in the quarantine."""
        self._left(site, device, "quarantine", messages)

    def look(self, devices: Collection[Who] | None) -> None:
        """Called every round; it does something once a second. `devices`: those configured, where that is known."""
        now = self._monotonic()
        if now - self._looked_at < _LOOK_EVERY_SECONDS:
            return
        self._looked_at = now
        if devices is not None:
            self._devices = devices
            self._inbox.configured(devices)
        no_room = 0
        for site, device, reason, messages in self._inbox.left_behind():
            self._left(site, device, reason, messages)
            no_room += messages if reason == "room" else 0
        waits = self.oldest_seconds()
        if no_room or (waits > _WAITS_TOO_LONG_SECONDS and self._inbox.depth(Rank.LIVE)):
            self._begins_or_goes_on(now, waits)
        elif self._since is not None and now - self._last > _OVER_AFTER_SECONDS:
            self._ends(now)
        self._shed += no_room
        if self._unsaid and now - self._said_at >= _SAID_AGAIN_AFTER_SECONDS:
            self._say_who(now)

    def _left(self, site: str, device: str, reason: str, messages: int) -> None:
        # Names that nobody has configured are not for labels: whoever invents them would fill the memory.
        who = (site, device) if (site, device) in self._devices else _STRANGER
        self._metrics.shed.labels(*who, reason).inc(messages)
        self._unsaid[*who, reason] += messages

    def _begins_or_goes_on(self, now: float, waits: float) -> None:
        self._last = now
        if self._since is not None:
            return
        self._since, self._shed = now, 0
        self._metrics.overloaded.set(1)
        _log.warning(
            "overload: more arrives than can be decided; what is too much stays with its device and is sent again",
            waiting={rank.name.lower(): self._inbox.depth(rank) for rank in Rank},
            oldest_seconds=round(waits, 1),
        )

    def _ends(self, now: float) -> None:
        assert self._since is not None
        _log.warning("the overload is over", seconds=round(now - self._since, 1), left_with_devices=self._shed)
        self._since = None
        self._metrics.overloaded.set(0)

    def _say_who(self, now: float) -> None:
        """Once a minute a line for each device, those with the most first."""
        self._said_at = now
        for (site, device, reason), messages in self._unsaid.most_common(_DEVICES_SAID_MAX):
            self.told(site, device, reason, messages)
            _log.warning(
                "messages stay with a device, which sends them again",
                site=site,
                device=device,
                reason=reason,
                messages=messages,
            )
        self._unsaid.clear()
