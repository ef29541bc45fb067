"""What the bridges under test spend their time on, as they say themselves: the worker's seconds by stage, read off their metrics."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from gateway.runtime.laps import IDLE, STAGES

_METRIC = "parkgate_worker_seconds"
_WITHIN_SECONDS = 30


class Profile:
    """Sums up stretches of load over all bridges."""

    def __init__(self, metrics: Sequence[str]) -> None:
        self._metrics = metrics
        self._before: dict[str, float] = {}
        self._seconds = dict.fromkeys(STAGES, 0.0)

    def begin(self) -> None:
        self._before = self._now()

    def end(self) -> None:
        for stage, seconds in self._now().items():
            self._seconds[stage] += seconds - self._before[stage]

    def shares(self) -> dict[str, float]:
        """Of the time in which the worker did not wait for messages. Empty if nothing was measured."""
        busy = {stage: seconds for stage, seconds in self._seconds.items() if stage != IDLE}
        total = sum(busy.values())
        return {stage: round(seconds / total, 4) for stage, seconds in busy.items()} if total else {}

    def _now(self) -> dict[str, float]:
        found = dict.fromkeys(STAGES, 0.0)
        for address in self._metrics:
            with urlopen(address, timeout=_WITHIN_SECONDS) as answer:  # noqa: S310 - the loopback
                text = answer.read().decode()
            for family in text_string_to_metric_families(text):
                if family.name == _METRIC:
                    for sample in family.samples:
                        if sample.name == f"{_METRIC}_total":
                            found[sample.labels["stage"]] += sample.value
        return found
