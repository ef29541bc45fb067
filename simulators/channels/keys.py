"""The keys of a simulated channel, and the three ways in which channels sign and seal: RSA-SHA256 over bytes, AES-256-GCM."""

from __future__ import annotations

import base64
import secrets

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


class Key:
    """An RSA key of 2048 bits."""

    def __init__(self) -> None:
        self._key: RSAPrivateKey = generate_private_key(public_exponent=65537, key_size=2048)

    def private_pem(self, *, pkcs1: bool = False) -> str:
        form = PrivateFormat.TraditionalOpenSSL if pkcs1 else PrivateFormat.PKCS8
        return self._key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()

    def public_pem(self) -> str:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, message: str) -> str:
        """RSA-SHA256 (PKCS #1 v1.5), in base 64."""
        return base64.b64encode(self._key.sign(message.encode(), PKCS1v15(), SHA256())).decode()

    def holds(self, message: str, signature: str) -> bool:
        """Whether a signature is this key's."""
        try:
            self._key.public_key().verify(base64.b64decode(signature), message.encode(), PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError):
            return False
        return True


def seal(key: str, nonce: str, associated: str, plain: str) -> str:
    """AEAD_AES_256_GCM as WeChat Pay seals the resource of a callback, in base 64. The key has 32 characters."""
    sealed = AESGCM(key.encode()).encrypt(nonce.encode(), plain.encode(), associated.encode())
    return base64.b64encode(sealed).decode()


def word(length: int) -> str:
    """Random letters and digits, as nonces and keys are."""
    return secrets.token_hex(length // 2 + 1)[:length]
