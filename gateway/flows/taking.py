"""What is asked of money before it is taken, and of a request that must count once: channel, amount, the caller's key."""

from __future__ import annotations

import hashlib

import msgspec

from billing.statements import CHANNELS
from gateway.flows.refusals import AmountNotDue, ChannelClosed, Invalid
from gateway.runtime.ids import random_token
from gateway.wiring import Parts

_REFERENCE_MAX = 128
_KEY_MAX = 128


def check_money(parts: Parts, channel: str, amount_fen: int, reference: str) -> None:
    """Raises `Invalid`, `ChannelClosed` or `AmountNotDue`."""
    check_channel(parts, channel)
    if amount_fen <= 0:
        raise AmountNotDue("nothing is paid with nothing: an amount is at least 1 fen")
    if len(reference) > _REFERENCE_MAX or not reference.isprintable():
        raise Invalid(f"a reference has at most {_REFERENCE_MAX} printable characters")


def check_channel(parts: Parts, channel: str) -> None:
    """Cash always; the others, of which there are statements, in test mode. Raises `Invalid`, `ChannelClosed`."""
    if channel not in CHANNELS:
        raise Invalid(f"channel {channel!r:.40} is none of {', '.join(CHANNELS)}")
    if channel != "cash" and not parts.settings.test:
        raise ChannelClosed


def key_of(idempotency_key: str | None) -> str:
    """The caller's key; else one that nobody else has: what is sent twice without a key is asked for twice. Raises `Invalid`."""
    if not idempotency_key:
        return f"once:{random_token()}"
    if len(idempotency_key) > _KEY_MAX or not idempotency_key.isascii() or not idempotency_key.isprintable():
        raise Invalid(f"an Idempotency-Key has at most {_KEY_MAX} printable ASCII characters")
    return f"key:{idempotency_key}"


def content_of(*said: object) -> bytes:
    """The hash by which a repeat of a request is told from another one under the same key: SHA-256, 32 bytes."""
    return hashlib.sha256(msgspec.json.encode(said)).digest()
