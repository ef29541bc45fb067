"""Passwords of staff and devices: argon2id, and the same work for a name that does not exist."""

from __future__ import annotations

import threading

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

PASSWORD_CHARACTERS_MAX = 200
REVOKED = "revoked"
"""In the place of a device's hash: no password fits it, and a site file does not replace it."""

# OWASP's second recommendation: 19 MiB, two passes, one lane. A flood of logins must not take the machine's memory,
# so few are worked on at once.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
_at_once = threading.BoundedSemaphore(4)
_NOBODY = _hasher.hash("nobody has this password")


def make_hash(password: str) -> str:
    """The hash to store."""
    with _at_once:
        return _hasher.hash(password)


def matches(stored: str | None, password: str) -> bool:
    """Whether the password is the stored one. None (nobody has that name) costs the same time and is never true."""
    if len(password) > PASSWORD_CHARACTERS_MAX:
        password, stored = "", None
    with _at_once:
        try:
            found = _hasher.verify(stored if stored is not None else _NOBODY, password)
        except (VerificationError, InvalidHashError):
            return False
    return found and stored is not None
