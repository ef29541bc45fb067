"""Reconciliation as a job: days that are closed and not sealed as reconciled are matched again whenever something of them has come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from importlib import import_module
from typing import Final

from sqlalchemy import Connection

from gateway.runtime.logs import logger
from gateway.store import books
from gateway.store import statements as store
from gateway.wiring import Parts

AT_ONCE: Final = 10
"""Days a round: after a long outage the rest follows in the next ones."""
_DAYS_MAX: Final = 400
_ONE: Final = timedelta(days=1)
_log = logger(__name__)

State = tuple[object, ...]
"""What a day's match depends on, as far as a change of it is worth another one."""


@dataclass
class Reconciling:
    """The job, which remembers what each day was last matched with. A new process matches once more: that changes nothing."""

    parts: Parts
    _matched: dict[date, State] = field(default_factory=dict)

    def run(self) -> str:
        """Match what has something new, the oldest day first; at least once a day what is not sealed. Returns what was done.

        A day that cannot be matched does not hold the others up: its refusal is raised at the end.
        """
        with self.parts.store.reading() as connection:
            due = list(self._due(connection))
        kept = {day for day, _ in due}
        self._matched = {day: state for day, state in self._matched.items() if day in kept}
        problem: Exception | None = None
        sealed = matched = 0
        for day, state in [one for one in due if self._matched.get(one[0]) != one[1]][:AT_ONCE]:
            try:
                sealed += self._reconcile(day)
                matched += 1
            except Exception as why:
                _log.warning("a day was not matched", day=str(day), why=f"{type(why).__name__}: {why}")
                problem = problem or why
            else:
                self._matched[day] = state
        if problem is not None:
            raise problem
        return f"{matched} days matched, {sealed} of them sealed" if matched else ""

    def _reconcile(self, day: date) -> bool:
        # By name, so that nothing that serves gates has the engine that matches even in sight.
        run = import_module("gateway.flows.reconciliation.run")
        return bool(run.reconcile_day(self.parts, day).sealed)

    def _due(self, connection: Connection) -> Iterator[tuple[date, State]]:
        """Days from the oldest that is not sealed everywhere to the newest that is closed somewhere, with what they are now."""
        since = store.not_reconciled_since(connection)
        closed = {
            site: through for site, (_, through) in books.books_of(connection).items() if through and site in since
        }
        if not closed:
            return
        newest = max(closed.values())
        day = max(min(since[site] for site in closed), newest - timedelta(days=_DAYS_MAX))
        stands: dict[date, list[str]] = {}
        for on, statement in store.standing_ids(connection, day - _ONE):
            stands.setdefault(on, []).append(statement)
        today = self.parts.clock.now().astimezone(self.parts.settings.zone).date()
        while day <= newest:
            sites = sorted(site for site, through in closed.items() if through >= day)
            near = sorted(one for on in (day - _ONE, day, day + _ONE) for one in stands.get(on, ()))
            yield day, (today, *sites, *near)
            day += _ONE
