"""How often a secret was tried in vain, counted in the database: what an attacker may try does not grow with the number of web processes."""

from __future__ import annotations

import hmac
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import case, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from gateway.flows.secrecy import derived_key
from gateway.store.engine import Store
from gateway.store.tables import LoginAttempt

_ROW = LoginAttempt.__table__.c


class Attempts:
    """Tries of one kind of secret. A row bears a keyed digest of whose secret was tried from where: no name, no address.

    Rows that are over go with the next try that makes one; there are never more than can be tried within a window, and each try costs
    the work of a password's hash.
    """

    def __init__(
        self, store: Store, secret: str, kind: str, *, failures_max: int = 10, window: timedelta = timedelta(minutes=10)
    ) -> None:
        self._store = store
        self._key = derived_key(secret, b"attempts, digest")
        self._kind = kind
        self._failures_max = failures_max
        self._window = window

    def begin(self, name: str, address: str, now: datetime) -> timedelta | None:
        """Count a try before it is looked at, so that of many at once none is too many. How long to wait where there were too many."""
        while True:
            with suppress(IntegrityError):  # another was the first by a moment
                return self._counted(self._digest(name, address), now)

    def _counted(self, digest: bytes, now: datetime) -> timedelta | None:
        mine, over = _ROW.digest == digest, _ROW.since <= now - self._window
        again = update(LoginAttempt).where(mine, or_(_ROW.count < self._failures_max, over))
        fresh = {"count": case((over, 1), else_=_ROW.count + 1), "since": case((over, now), else_=_ROW.since)}
        with self._store.writing() as connection:
            if not connection.execute(again.values(fresh)).rowcount:
                since: datetime | None = connection.execute(select(_ROW.since).where(mine)).scalar_one_or_none()
                if since is not None:
                    return since + self._window - now
                connection.execute(delete(LoginAttempt).where(over))
                connection.execute(insert(LoginAttempt).values(digest=digest, since=now, count=1))
            connection.commit()
        return None

    def succeeded(self, name: str, address: str) -> None:
        """It was the right one: what was tried before is forgotten."""
        with self._store.writing() as connection:
            connection.execute(delete(LoginAttempt).where(_ROW.digest == self._digest(name, address)))
            connection.commit()

    def _digest(self, name: str, address: str) -> bytes:
        said = f"{self._kind}\x1f{name}\x1f{address}"
        return hmac.digest(self._key, said.encode("utf-8", "surrogatepass"), "sha256")
