"""Keys from the one secret; what is kept encrypted; certificate numbers, with a keyed digest by which the same number is recognised."""

from __future__ import annotations

import base64
import hashlib
import hmac
import unicodedata

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derived_key(secret: str, purpose: bytes) -> bytes:
    """32 bytes for one purpose, from `settings.secret()`: what one key signs, no other can be tried against."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"parkgate " + purpose).derive(secret.encode())


class Seals:
    """Secrets that are needed as they are, encrypted at rest. Made from `settings.secret()`, each purpose with a key of its own."""

    def __init__(self, secret: str, purpose: bytes) -> None:
        self._fernet = Fernet(base64.urlsafe_b64encode(derived_key(secret, purpose)))

    def seal(self, text: str) -> bytes:
        return self._fernet.encrypt(text.encode())

    def opened(self, sealed: bytes) -> str | None:
        """None if it is not ours, or the secret has changed since."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            return None


class CertificateNumbers:
    """Made from `settings.secret()`; each purpose has a key of its own. A number is compared without spaces and case."""

    def __init__(self, secret: str) -> None:
        self._fernet = Fernet(base64.urlsafe_b64encode(derived_key(secret, b"certificate numbers, encryption")))
        self._digest_key = derived_key(secret, b"certificate numbers, digest")

    def digest(self, number: str) -> bytes:
        """32 bytes, the same for the same number; without the key nobody can try numbers against it."""
        plain = "".join(unicodedata.normalize("NFKC", number).upper().split())
        return hmac.new(self._digest_key, plain.encode(), hashlib.sha256).digest()

    def encrypt(self, number: str) -> bytes:
        return self._fernet.encrypt(number.encode())

    def decrypt(self, sealed: bytes) -> str:
        """Raises `cryptography.fernet.InvalidToken` if the secret has changed."""
        return self._fernet.decrypt(sealed).decode()
