"""Runs the jobs in the one process that holds the lease.

APScheduler 3.11, as read in its source: it goes by the system's clock; a run later than `misfire_grace_time` (1 s by default) is
dropped, so it is off here; `coalesce` makes one run of several missed; its job stores must not be shared between schedulers, so
each has its own in memory, and the lease decides which scheduler there is.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import insert, update
from sqlalchemy.exc import SQLAlchemyError

from gateway.flows.job_runs import FAILED, asked
from gateway.jobs.daily_close import close_due_days, closing_time
from gateway.jobs.lease import SECONDS, Lease
from gateway.runtime.clock import SystemClock
from gateway.runtime.ids import random_token
from gateway.runtime.logs import logger
from gateway.store.tables import JobRun
from gateway.wiring import Parts

Periodic = tuple[str, float, Callable[[], object]]
"""A sweep: its name, how many seconds from one run to the next, and what it does. What it returns is its outcome."""

RENEW_SECONDS = SECONDS / 3
CATCH_UP_SECONDS = 300
_CATCH_UP = "close-catch-up"
_RECORDED_EVERY_SECONDS = 60
_OUTCOME_MAX = 500
_log = logger(__name__)


class Jobs:
    """Contends for the lease, and schedules while it holds it. `stop()` ends it and waits for what runs."""

    def __init__(
        self,
        parts: Parts,
        periodic: Sequence[Periodic] = (),
        *,
        holder: str | None = None,
        renew_seconds: float = RENEW_SECONDS,
    ) -> None:
        self._parts = parts
        self._periodic = tuple(periodic)
        self._lease = Lease(parts.store, parts.clock, holder=holder or _own_name())
        self._renew_seconds = renew_seconds
        self._scheduler: BackgroundScheduler | None = None
        self._stopping = threading.Event()
        self._closing = threading.Lock()
        self._recorded: dict[str, datetime] = {}
        self._triggers: dict[str, list[Any]] = {}
        self._thread = threading.Thread(target=self._contend, name="jobs", daemon=True)

    @property
    def leads(self) -> bool:
        """Whether this process schedules now."""
        return self._scheduler is not None and self._lease.held

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End, let running jobs finish, and give the lease to whoever is next."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        leading = self._scheduler is not None
        self._stand_down(wait=True)
        if leading:
            with suppress(SQLAlchemyError):  # then it expires by itself
                self._lease.release()

    def tick(self) -> None:
        """Take or renew the lease, and be what that makes us. What cannot be renewed is lost: stop scheduling at once."""
        try:
            leads = self._lease.take()
        except SQLAlchemyError as error:
            _log.warning("lease not renewed", error=type(error).__name__)
            leads = False
        if leads and self._scheduler is None:
            self._stand_up()
        elif not leads and self._scheduler is not None:
            _log.warning("lease lost")
            self._stand_down(wait=False)
        if self._scheduler is not None:
            self._hurry(self._scheduler)

    def _hurry(self, scheduler: BackgroundScheduler) -> None:
        """Begin what somebody asked for. One that runs already is not begun beside itself: it is found again at the next tick."""
        try:
            with self._parts.store.reading() as connection:
                waited_for = asked(connection, self._parts.clock.now())
        except SQLAlchemyError as error:
            _log.warning("asks not read", error=type(error).__name__)
            return
        for name in waited_for:
            entry = scheduler.get_job(_CATCH_UP if name == "close" else name)
            if entry is not None:
                self._recorded.pop(name, None)  # whatever it does, even nothing, is told
                entry.modify(next_run_time=SystemClock().now())

    def _contend(self) -> None:
        while not self._stopping.is_set():
            try:
                self.tick()
            except Exception:
                # Whatever it was, the next round tries again: nobody else may be there to close the day.
                _log.exception("scheduling failed")
                self._stand_down(wait=False)
            self._stopping.wait(self._renew_seconds)

    def _stand_up(self) -> None:
        zone = self._parts.settings.zone
        at = closing_time(self._parts.settings.close_at)
        scheduler = BackgroundScheduler(
            timezone=zone,
            executors={"default": ThreadPoolExecutor(max_workers=4)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        close = [scheduler.add_job(self._close, "cron", id="close", hour=at.hour, minute=at.minute, second=1)]
        # What was missed while nobody scheduled, at once; and again and again, for a database that was away at the hour. No
        # "date" job: one that is due while the scheduler shuts down ends its thread with an error.
        now = SystemClock().now()
        close.append(
            scheduler.add_job(self._close, "interval", id=_CATCH_UP, seconds=CATCH_UP_SECONDS, next_run_time=now)
        )
        entries = {"close": close}
        for name, seconds, work in self._periodic:
            entries[name] = [scheduler.add_job(self._run, "interval", (name, work), id=name, seconds=seconds)]
        self._triggers = {name: [entry.trigger for entry in some] for name, some in entries.items()}
        scheduler.start()
        self._scheduler = scheduler
        self._parts.metrics.leader.set(1)
        _log.info("scheduling", close_at=self._parts.settings.close_at, timezone=zone.key, periodic=len(self._periodic))

    def _stand_down(self, *, wait: bool) -> None:
        scheduler, self._scheduler = self._scheduler, None
        self._parts.metrics.leader.set(0)
        if scheduler is not None:
            scheduler.shutdown(wait=wait)

    def _close(self) -> None:
        if not self._closing.acquire(blocking=False):
            return  # the run in progress closes everything that is due
        try:
            self._run("close", lambda: close_due_days(self._parts))
        finally:
            self._closing.release()

    def _run(self, name: str, work: Callable[[], object]) -> None:
        """Run a job if the lease is still ours, and leave on record what it did."""
        if not self._lease.held:
            return
        started_at = self._parts.clock.now()
        try:
            outcome = str(work() or "")
        except Exception as error:
            self._parts.metrics.job_failures.labels(job=name).inc()
            _log.exception("job failed", job=name)
            outcome = f"{FAILED}{type(error).__name__}: {error}"
        self._record(name, started_at, outcome)

    def _record(self, name: str, started_at: datetime, outcome: str) -> None:
        """A row for whoever asks what a job last did. One that did nothing is recorded once a minute."""
        last = self._recorded.get(name)
        if not outcome and last is not None and (started_at - last).total_seconds() < _RECORDED_EVERY_SECONDS:
            return
        said: dict[str, Any] = {
            "started_at": started_at,
            "finished_at": self._parts.clock.now(),
            "outcome": (outcome or "nothing to do")[:_OUTCOME_MAX],
            "next_at": self._next(name),
        }
        try:
            with self._parts.store.writing() as connection:
                known = connection.execute(update(JobRun).where(JobRun.name == name).values(**said)).rowcount
                if not known:
                    connection.execute(insert(JobRun).values(name=name, **said))
                connection.commit()
            self._recorded[name] = started_at
        except SQLAlchemyError as error:
            _log.warning("job not recorded", job=name, error=type(error).__name__)

    def _next(self, name: str) -> datetime | None:
        """When it runs again. By its triggers: the scheduler itself cannot be asked while it waits for a job to end."""
        now = SystemClock().now()
        return min(
            (at for one in self._triggers.get(name, ()) if (at := one.get_next_fire_time(None, now))), default=None
        )


def start_jobs(parts: Parts, periodic: Sequence[Periodic] = ()) -> Jobs:
    """Start contending for the lease in a thread of its own. Returns the handle with `stop()`."""
    jobs = Jobs(parts, periodic)
    jobs.start()
    return jobs


def _own_name() -> str:
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{random_token(8)}"
