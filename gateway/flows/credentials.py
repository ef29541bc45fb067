"""Who a device is: its user name `{site}.{device}` and its password, against the stored hash."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import threading
from collections import OrderedDict
from typing import NamedTuple

from sqlalchemy import select

from gateway.flows.passwords import matches
from gateway.runtime.allowance import Allowances
from gateway.store.engine import Store
from gateway.store.tables import Device, Site

_CACHE_MAX = 20_000
# A wrong password costs 19 MiB and tens of milliseconds: whoever guesses must not keep others out.
_GUESSES_A_SECOND, _GUESSES_AT_ONCE = 0.5, 20


class DeviceName(NamedTuple):
    site: str
    device: str


class DeviceCredentials:
    """Verifies devices. A hash takes tens of milliseconds, so answers are remembered by a keyed digest of name, password and
    stored hash: a changed password or a disabled device counts at once, and no password is kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._guesses = Allowances(_GUESSES_A_SECOND, _GUESSES_AT_ONCE)
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, bool] = OrderedDict()
        self._lock = threading.Lock()

    def verify(
        self, username: str | None, password: str | bytes | None, *, origin: str = "", now: float = 0.0
    ) -> DeviceName | None:
        """The device, or None if name or password is wrong or the device is disabled.

        `origin`: the address that asks. After too many wrong passwords it is refused without a look until some time has passed (`now`, in seconds);
        a device whose password was right before is let in all the same. Empty: it may guess as it likes.
        """
        if not username or not password or len(username) > 81 or not (username.isascii() and username.isprintable()):
            return None
        if isinstance(password, bytes):
            try:
                password = password.decode("utf-8")
            except UnicodeDecodeError:
                return None
        site, _, device = username.partition(".")
        stored = self._stored_hash(site, device)
        if not self._matches(username, password, stored, origin, now):
            return None
        return DeviceName(site, device)

    def _stored_hash(self, site: str, device: str) -> str | None:
        with self._store.reading() as connection:
            found: str | None = connection.execute(
                select(Device.password_hash)
                .join(Site, Site.id == Device.site_id)
                .where(Device.site_id == site, Device.id == device, Device.enabled, Site.enabled)
            ).scalar_one_or_none()
        return found

    def _matches(self, username: str, password: str, stored: str | None, origin: str, now: float) -> bool:
        told = "\x00".join((username, stored or "", password)).encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(told, key=self._key, digest_size=32).digest()
        with self._lock:
            known = self._known.get(digest)
            if known is not None:
                self._known.move_to_end(digest)
                return known
            if origin and self._guesses.left((origin, ""), now) < 1:
                return False
        answer = matches(stored, password)
        with self._lock:
            if origin and not answer:
                self._guesses.take({(origin, ""): 1}, now)
            self._known[digest] = answer
            if len(self._known) > _CACHE_MAX:
                self._known.popitem(last=False)
        return answer


def basic(header: str) -> tuple[str, str] | None:
    """The name and password of HTTP Basic, or None."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > 1000:
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, password) if colon else None
