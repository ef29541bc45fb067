"""Cards and codes of small gates: known by a digest whose key is not in the database. What comes from a door is sealed before anybody looks at it."""

from __future__ import annotations

import hashlib
import hmac
from typing import TypeVar

import msgspec

from controllers.adapters import native
from controllers.doors import normalised
from gateway.flows.inbound import EventIn, Inbound, Rejected
from gateway.flows.secrecy import derived_key

_Message = TypeVar("_Message", bound=Inbound)


class DoorSecrets:
    """Made from `settings.secret()`: a copy of the database opens no door, and another site's door knows nothing of a card."""

    def __init__(self, secret: str) -> None:
        self._key = derived_key(secret, b"door credentials, digest")

    def digest(self, site: str, credential: str) -> str:
        """Of a card or a code at a site, in hex."""
        said = f"{site}\x1f{normalised(credential)}".encode()
        return hmac.new(self._key, said, hashlib.sha256).hexdigest()

    def sealed(self, message: _Message) -> _Message:
        """The message without what opens a door: in its place the digest, and nothing of it in the bytes for the quarantine."""
        if isinstance(message, EventIn) and message.event.credential is not None:
            event = msgspec.structs.replace(
                message.event, credential=self.digest(message.site, message.event.credential)
            )
            return msgspec.structs.replace(message, event=event, payload=native.without_credential(message.payload))
        if isinstance(message, Rejected):
            payload = native.without_credential(message.payload)
            # The same object where nothing is sealed: whoever waits for it to be stored knows it by that.
            return message if payload == message.payload else msgspec.structs.replace(message, payload=payload)
        return message
