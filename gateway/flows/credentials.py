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
from gateway.store.engine import Store
from gateway.store.tables import Device, Site

_CACHE_MAX = 20_000


class DeviceName(NamedTuple):
    site: str
    device: str


class DeviceCredentials:
    """Verifies devices. A hash takes tens of milliseconds, so answers are remembered by a keyed digest of name, password and
    stored hash: a changed password or a disabled device counts at once, and no password is kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, bool] = OrderedDict()
        self._lock = threading.Lock()

    def verify(self, username: str | None, password: str | bytes | None) -> DeviceName | None:
        """The device, or None if name or password is wrong or the device is disabled."""
        if not username or not password or len(username) > 81 or not (username.isascii() and username.isprintable()):
            return None
        if isinstance(password, bytes):
            try:
                password = password.decode("utf-8")
            except UnicodeDecodeError:
                return None
        site, _, device = username.partition(".")
        stored = self._stored_hash(site, device)
        if not self._matches(username, password, stored):
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

    def _matches(self, username: str, password: str, stored: str | None) -> bool:
        told = "\x00".join((username, stored or "", password)).encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(told, key=self._key, digest_size=32).digest()
        with self._lock:
            known = self._known.get(digest)
            if known is not None:
                self._known.move_to_end(digest)
                return known
        answer = matches(stored, password)
        with self._lock:
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
