"""The tokens of a stay's pay page and of an invoice's: nobody reaches another vehicle's bill, or another's invoice, by guessing."""

from __future__ import annotations

import base64
import hashlib
import hmac


def token(secret: str, stay: str) -> str:
    """The stay's id and a signature of it (100 bits)."""
    return f"{stay}~{_signature(secret, b'pay:', stay)}"


def stay_of(secret: str, presented: str) -> str | None:
    """The stay that a token is for; None if nobody signed it."""
    return _named(secret, b"pay:", presented)


def invoice_token(secret: str, invoice: str) -> str:
    """The same for an invoice: for whoever asked for it, since a stay's page is open to who stood at the exit's display."""
    return f"{invoice}~{_signature(secret, b'invoice:', invoice)}"


def invoice_of(secret: str, presented: str) -> str | None:
    """The invoice that a token is for; None if nobody signed it."""
    return _named(secret, b"invoice:", presented)


def pay_url(base_url: str, secret: str, stay: str) -> str:
    return f"{base_url}/pay/{token(secret, stay)}"


def _named(secret: str, kind: bytes, presented: str) -> str | None:
    name, _, signature = presented.rpartition("~")
    valid = hmac.compare_digest(signature.encode(), _signature(secret, kind, name).encode())
    return name if name and valid else None


def _signature(secret: str, kind: bytes, name: str) -> str:
    digest = hmac.new(secret.encode(), kind + name.encode(), hashlib.sha256).digest()
    return base64.b32encode(digest).decode().lower()[:20]
