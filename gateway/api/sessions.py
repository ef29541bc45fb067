"""Tokens: signed, short-lived, and ended at once by a new password or a disabled account."""

from __future__ import annotations

import hmac
import threading
from collections import OrderedDict
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Literal

import jwt
import msgspec
from sqlalchemy.exc import InternalError, OperationalError

from gateway.flows.attempts import Attempts
from gateway.flows.secrecy import derived_key
from gateway.flows.users import User
from gateway.runtime.ids import random_token
from gateway.runtime.logs import logger
from gateway.store.trouble import said

LIFETIME = timedelta(hours=12)
COOKIE = "parkgate_session"
FORM_COOKIE = "parkgate_form"
_ALGORITHM = "HS256"
_TOKEN_CHARACTERS_MAX = 4096

# A full disk, a read-only database, a lock: what is there can still be read, so people can still sign in.
_TAKES_NOTHING = (OperationalError, InternalError)
_log = logger(__name__)

Audience = Literal["api", "console", "code"]
"""`code`: the password was right, the code of the second factor is still asked for."""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a valid token says. `csrf` goes with every change that a cookie session asks for.

    `rest`: of a terminal that several people use, how long it may lie unused before the token counts no more.
    """

    name: str
    generation: int
    csrf: str
    rest: timedelta | None = None


class Tokens:
    """Issues and reads tokens. Both are told what time it is; the wall clock's, also where gates run in simulated time."""

    def __init__(self, secret: str) -> None:
        self._key = derived_key(secret, b"session tokens")

    def issue(
        self,
        user: User,
        audience: Audience,
        now: datetime,
        lifetime: timedelta = LIFETIME,
        *,
        rest: timedelta | None = None,
    ) -> str:
        """A token. With `rest` it counts no longer than that after it was last used (`used`)."""
        claims = {
            "sub": user.name,
            "gen": user.generation,
            "aud": audience,
            "csrf": random_token(18),
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
        }
        if rest is not None:
            claims |= {"rest": int(rest.total_seconds()), "used": int(now.timestamp())}
        return self._signed(claims)

    def read(self, token: str, audience: Audience, now: datetime) -> Claims | None:
        """The claims, or None if the token is not ours, not for this audience, over, or locked."""
        claims = self._decoded(token, audience, now)
        if claims is None or _locked(claims, now):
            return None
        rest = claims.get("rest")
        return Claims(
            name=str(claims["sub"]),
            generation=int(claims["gen"]),
            csrf=str(claims["csrf"]),
            rest=None if rest is None else timedelta(seconds=rest),
        )

    def used(self, token: str, now: datetime) -> str:
        """A console's token that `read` took, as one that was used just now."""
        claims = self._decoded(token, "console", now)
        return (
            token if claims is None or "rest" not in claims else self._signed({**claims, "used": int(now.timestamp())})
        )

    def locked(self, token: str, now: datetime) -> str:
        """A console's token as one that counts no more, and still says whose terminal it was."""
        claims = self._decoded(token, "console", now)
        return "" if claims is None else self._signed({**claims, "rest": 0, "used": 0})

    def name_behind_lock(self, token: str, now: datetime) -> str | None:
        """Who has to sign in again where a terminal is locked; None where it is not."""
        claims = self._decoded(token, "console", now)
        return str(claims["sub"]) if claims is not None and _locked(claims, now) else None

    def _signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def _decoded(self, token: str, audience: Audience, now: datetime) -> dict[str, Any] | None:
        if len(token) > _TOKEN_CHARACTERS_MAX:
            return None
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                audience=audience,
                options={"verify_exp": False, "verify_iat": False, "require": ["sub", "gen", "exp", "csrf"]},
            )
        except (jwt.InvalidTokenError, ValueError, TypeError):
            return None
        return claims if isinstance(claims["exp"], int) and claims["exp"] > now.timestamp() else None


def _locked(claims: dict[str, Any], now: datetime) -> bool:
    return "rest" in claims and now.timestamp() >= claims["used"] + claims["rest"]


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, in constant time."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))


class SharedThrottle:
    """A throttle of all web processes together, counted by the database. While that takes nothing, each counts for itself."""

    def __init__(self, counted: Attempts) -> None:
        self._counted = counted
        self._alone = Throttle()

    def begin(self, name: str, address: str, now: datetime) -> timedelta | None:
        """Count a try before it is looked at; how long this name from this address has to wait instead, or None."""
        try:
            return self._counted.begin(name, address, now)
        except _TAKES_NOTHING as error:
            _log.warning("tries are counted by this process alone", problem=said(error))
            wait = self._alone.closed_for(name, address, now)
            if wait is None:
                self._alone.failed(name, address, now)
            return wait

    def succeeded(self, name: str, address: str) -> None:
        self._alone.succeeded(name, address)
        with suppress(*_TAKES_NOTHING):  # then it is over by itself after the window
            self._counted.succeeded(name, address)


class Throttle:
    """Failed logins of a name from an address: after so many within the window, none is tried until it has passed.

    Bounded: when too many are remembered, the oldest is forgotten.
    """

    def __init__(
        self, failures_max: int = 10, window: timedelta = timedelta(minutes=10), entries_max: int = 10_000
    ) -> None:
        self._failures_max = failures_max
        self._window = window
        self._entries_max = entries_max
        self._failures: OrderedDict[tuple[str, str], tuple[datetime, int]] = OrderedDict()
        self._lock = threading.Lock()

    def closed_for(self, name: str, address: str, now: datetime) -> timedelta | None:
        """How long this name from this address has to wait, or None."""
        with self._lock:
            since, count = self._failures.get((name, address), (now, 0))
        left = since + self._window - now
        return left if count >= self._failures_max and left > timedelta(0) else None

    def failed(self, name: str, address: str, now: datetime) -> None:
        key = (name, address)
        with self._lock:
            since, count = self._failures.pop(key, (now, 0))
            self._failures[key] = (since, count + 1) if now - since < self._window else (now, 1)
            if len(self._failures) > self._entries_max:
                self._failures.popitem(last=False)

    def succeeded(self, name: str, address: str) -> None:
        with self._lock:
            self._failures.pop((name, address), None)
