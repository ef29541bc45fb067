"""The lease that elects the one process that schedules: a row, compared and set in one statement."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from gateway.runtime.clock import Clock
from gateway.store.engine import Store
from gateway.store.tables import JobLease

SECONDS = 30
"""How long a holder may be silent before another takes over."""


class Lease:
    """One contender. Instants are the clock's: contenders on several machines need clocks that agree to a few seconds."""

    def __init__(
        self, store: Store, clock: Clock, *, holder: str, name: str = "scheduler", seconds: int = SECONDS
    ) -> None:
        self._store = store
        self._clock = clock
        self._name = name
        self._holder = holder
        self._span = timedelta(seconds=seconds)
        self._until: datetime | None = None

    @property
    def held(self) -> bool:
        """Whether the lease is ours at this instant, as far as we know without asking."""
        return self._until is not None and self._clock.now() < self._until

    def take(self) -> bool:
        """Take the lease if it is free or expired, renew it if it is ours. False if another holds it.

        Raises the database's error; then the lease counts as lost.
        """
        now = self._clock.now()
        until = now + self._span
        taken = False
        try:
            taken = self._compare_and_set(now, until)
        finally:
            self._until = until if taken else None
        return taken

    def _compare_and_set(self, now: datetime, until: datetime) -> bool:
        with self._store.writing() as connection:
            taken = connection.execute(
                update(JobLease)
                .where(JobLease.name == self._name, or_(JobLease.holder == self._holder, JobLease.until <= now))
                .values(holder=self._holder, until=until)
            ).rowcount
            known = select(JobLease.name).where(JobLease.name == self._name)
            if not taken and connection.execute(known).first() is None:
                try:
                    connection.execute(insert(JobLease).values(name=self._name, holder=self._holder, until=until))
                except IntegrityError:  # another was the first by a moment
                    return False
                taken = 1
            connection.commit()
        return bool(taken)

    def release(self) -> None:
        """Give it up, so that another need not wait for it to expire."""
        self._until = None
        with self._store.writing() as connection:
            connection.execute(
                update(JobLease)
                .where(JobLease.name == self._name, JobLease.holder == self._holder)
                .values(until=self._clock.now())
            )
            connection.commit()
