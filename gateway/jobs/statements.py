"""Statements as a job: what should be here and is not is asked for until it is, and somebody is told of what has not come by noon."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from gateway.flows import alarms
from gateway.flows.statements import Who
from gateway.flows.statements_fetch import (
    DAYS_BACK,
    Fetched,
    Outcome,
    Wanted,
    fetch_one,
    for_a_person,
    missing,
    next_day_at,
)
from gateway.jobs.alerting import tell
from gateway.runtime.logs import logger
from gateway.store import statements as store
from gateway.wiring import Parts

KIND: Final = "statement_missing"
AT_ONCE: Final = 40
"""A round: after a long outage the rest follows in the next ones."""
_WHO: Final = Who(operator="service", origin="jobs")
_AGAIN: Final = {
    # As WeChat Pay asks for it.
    Outcome.NOT_READY: timedelta(minutes=30),
    Outcome.AWAY: timedelta(minutes=5),
    Outcome.DAMAGED: timedelta(minutes=5),
    # Nothing changes here by itself: a person has been told.
    Outcome.DECLINED: timedelta(hours=6),
    Outcome.REFUSED: timedelta(hours=6),
}
_AGAIN_AT_MOST: Final = timedelta(hours=1)
_DOUBLES: Final = frozenset({Outcome.AWAY, Outcome.DAMAGED})
_log = logger(__name__)


@dataclass
class _Asked:
    """When one was last asked for, how often in vain, and why."""

    again_at: datetime
    times: int
    why: str


@dataclass
class Statements:
    """The job, which remembers when to ask again. A new process asks at once: that costs a request, and nothing else."""

    parts: Parts
    sleep: Callable[[float], None] = time.sleep
    _asked: dict[Wanted, _Asked] = field(default_factory=dict)

    def run(self) -> str:
        """Fetch what is due, the oldest day first, and keep the alarms. Returns what was done."""
        if not self.parts.channels:
            return ""
        wanted = list(missing(self.parts))
        here = self._fetch(wanted)
        left = [one for one in wanted if one not in here]
        self._asked = {one: asked for one, asked in self._asked.items() if one in set(left)}
        told = self._tell(left, list(for_a_person(self.parts)))
        done = [f"{len(here)} statements fetched"] if here else []
        if told:
            done.append(f"{told} are missed")
        return "; ".join(done)

    def _fetch(self, wanted: list[Wanted]) -> set[Wanted]:
        here: set[Wanted] = set()
        away: set[tuple[str, str]] = set()
        tried = 0
        for one in wanted:
            asked, account = self._asked.get(one), (one.merchant, one.channel)
            if account in away or tried >= AT_ONCE or (asked and self.parts.clock.now() < asked.again_at):
                continue
            tried += 1
            found = fetch_one(self.parts, one, _WHO, sleep=self.sleep)
            if found.here:
                here.add(one)
                continue
            self._note(one, found)
            if found.outcome is Outcome.AWAY:
                away.add(account)  # each would wait for its time-out in vain
        return here

    def _note(self, one: Wanted, found: Fetched) -> None:
        """When to ask for it again, and a line for whoever looks."""
        times = self._asked[one].times + 1 if one in self._asked else 1
        pause = _AGAIN[found.outcome]
        if found.outcome in _DOUBLES:
            pause = min(pause * 2 ** min(times - 1, 10), _AGAIN_AT_MOST)
        self._asked[one] = _Asked(self.parts.clock.now() + pause, times, found.why)
        say = _log.info if found.outcome is Outcome.NOT_READY else _log.warning
        say("a statement did not come", statement=str(one), outcome=found.outcome.value, why=found.why, times=times)

    def _tell(self, left: list[Wanted], by_hand: list[Wanted]) -> int:
        """An item at the account's home site for each that should have come by now; how many there are."""
        missed_at = self.parts.settings.statements_missed_at
        late = [
            one for one in (*left, *by_hand) if self.parts.clock.now() >= next_day_at(self.parts, one.day, missed_at)
        ]
        accounts = (*self.parts.channels.statements(), *self.parts.channels.files())
        for channel in {channel for _, channel, _ in accounts}:
            count = sum(one.channel == channel for one in late)
            self.parts.metrics.statements_missing.labels(channel=channel).set(count)
        with self.parts.store.reading() as connection:
            homes = {one.merchant: store.sites_of_merchant(connection, one.merchant)[0] for one in late}
        words = {one: _by_hand(self.parts, one) for one in by_hand}
        lasting = {(homes[one.merchant], _subject(one)): words.get(one) or self._detail(one) for one in late}
        new, _ = alarms.keep(
            self.parts,
            KIND,
            lasting,
            over=lambda subject: subject not in lasting,
            resolution="it has come, or is not wanted any more",
        )
        for site, subject in new:
            _log.error("a statement is missed; docs/operations.md says what to do", site=site, statement=subject)
        tell(self.parts, "渠道账单未到", [(one, lasting[one]) for one in new])
        return len(late)

    def _detail(self, one: Wanted) -> str:
        asked = self._asked.get(one)
        why = f": {asked.why}" if asked is not None and asked.why else ""
        return f"parkgate statement fetch --day {one.day} --channel {one.channel} --merchant {one.merchant}{why}"[:500]


def _by_hand(parts: Parts, one: Wanted) -> str:
    as_file = (one.merchant, one.channel, one.kind) in set(parts.channels.files())
    why = "it comes as a file" if as_file else f"more than {DAYS_BACK} days ago: it is not handed out any more"
    return f"parkgate statement import --channel {one.channel} --merchant {one.merchant} --day {one.day} FILE: {why}"[
        :500
    ]


def _subject(one: Wanted) -> str:
    return f"{one.merchant} {one.channel} {one.kind} {one.day}"
