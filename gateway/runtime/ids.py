"""The one place that makes ids.

What an event causes has an id derived from (site, device, event id): the same event gives the same ids, on any bridge, at any
speed, delivered any number of times.
"""

from __future__ import annotations

import hashlib
import secrets

_PERSON = b"parkgate"
# Base 32 (RFC 4648) in lower case, two letters at a time: the event path derives several ids for every event.
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]
_PLACES = range(90, -1, -10)


def derive(prefix: str, *parts: str) -> str:
    """A stable id from what caused it: `prefix-` and 20 letters and digits (100 bits)."""
    digest = hashlib.blake2b("\x1f".join(parts).encode(), digest_size=13, person=_PERSON).digest()
    bits = int.from_bytes(digest) >> 4
    return f"{prefix}-{''.join([_PAIRS[bits >> place & 1023] for place in _PLACES])}"


def random_token(size: int = 24) -> str:
    """An unguessable token, for credentials and keys."""
    return secrets.token_urlsafe(size)


def derive_in_site(site: str, *parts: str) -> str:
    """The id of a stay: `{site}.` and 20 letters and digits, so that an id alone says where to look."""
    return f"{site}.{derive('', site, *parts)[1:]}"


def random_digits(count: int) -> str:
    """An unguessable number of so many digits, for a person to type."""
    return f"{secrets.randbelow(10**count):0{count}d}"
