"""What a device that is asked is asked with, and what may become of it: without the client library, which is loaded with the first such device."""

from __future__ import annotations

from typing import NamedTuple

REFUSED = 401
"""403 may only say that this model has no such thing."""


class NotReached(Exception):
    """It did not get to the device, or the device let nobody in yet: nothing of it has been carried out."""


class NoAnswer(Exception):
    """It may have been carried out: no answer has come."""


class Stale(Exception):
    """It was fresh when it was begun, and is not any more: nothing of it has been carried out."""


class SignedOut(Exception):
    """The device does not take our account: devices lock accounts after a few tries, so that nobody may try again at once."""


class Account(NamedTuple):
    """`address`: scheme, host and port, as the site file has it."""

    address: str
    login: str
    password: str

    def __repr__(self) -> str:
        """Without the password: a traceback may show it."""
        return f"Account({self.address}, {self.login})"
