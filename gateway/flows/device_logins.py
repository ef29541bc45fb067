"""The accounts with which we sign in at devices that are asked by HTTP: encrypted at rest, since digest needs the secret itself.

They are not the devices' own accounts (`credentials`): what a camera sends of itself, anybody on its network may read.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.flows.estate_file import Estate
from gateway.flows.secrecy import Seals
from gateway.runtime.ids import random_token

Key = tuple[str, ...]
# Hikvision takes 8 to 16 characters.
_MADE_BYTES = 12


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """An account to set up at a device. The password is known here for the only time."""

    site: str
    device: str
    login: str
    password: str


class LoginSeals(Seals):
    """Made from `settings.secret()`."""

    def __init__(self, secret: str) -> None:
        super().__init__(secret, b"device logins, encryption")


def sealed_logins(
    estate: Estate, stored: Mapping[Key, bytes | None], secret: str
) -> tuple[dict[Key, bytes | None], list[Login], list[str]]:
    """What is to be stored of every device: kept, made anew or changed; which were made, and whose were changed.

    A device without an address loses its own: nobody asks it any more.
    """
    seals = LoginSeals(secret)
    sealed: dict[Key, bytes | None] = {}
    made: list[Login] = []
    renewed: list[str] = []
    for device in estate.devices:
        key = (device.site, device.id)
        known = stored.get(key)
        if not device.address:
            sealed[key] = None
        elif device.login_password is not None:
            if known is not None and seals.opened(known) == device.login_password:
                sealed[key] = known
            else:
                sealed[key] = seals.seal(device.login_password)
                renewed += [f"{device.site}.{device.id}"] if known is not None else []
        elif known is not None:
            sealed[key] = known
        else:
            password = random_token(_MADE_BYTES)
            sealed[key] = seals.seal(password)
            made.append(Login(site=device.site, device=device.id, login=device.login, password=password))
    return sealed, made, renewed
