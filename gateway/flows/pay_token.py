"""The token of a stay's pay page: nobody reaches another vehicle's bill by guessing."""

from __future__ import annotations

import base64
import hashlib
import hmac


def token(secret: str, stay: str) -> str:
    """The stay's id and a signature of it (100 bits)."""
    return f"{stay}~{_signature(secret, stay)}"


def stay_of(secret: str, presented: str) -> str | None:
    """The stay that a token is for; None if nobody signed it."""
    stay, _, signature = presented.rpartition("~")
    valid = hmac.compare_digest(signature.encode(), _signature(secret, stay).encode())
    return stay if stay and valid else None


def pay_url(base_url: str, secret: str, stay: str) -> str:
    return f"{base_url}/pay/{token(secret, stay)}"


def _signature(secret: str, stay: str) -> str:
    digest = hmac.new(secret.encode(), b"pay:" + stay.encode(), hashlib.sha256).digest()
    return base64.b32encode(digest).decode().lower()[:20]
