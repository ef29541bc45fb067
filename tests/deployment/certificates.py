"""Certificates of a test's own authority: the broker's, and devices'."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)


class Certificates:
    """A folder as `BROKER_CERTIFICATES` names it. `devices`: the broker asks for certificates of this authority."""

    def __init__(self, folder: Path, *, devices: bool = False) -> None:
        self.folder = folder / "certificates"
        self.folder.mkdir()
        self.authority = folder / "authority.crt"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the authority of a test")])
        now = datetime.now(UTC)
        own = self._signed(self._name, self._key.public_key(), now - _DAY, now + _DAY, authority=True)
        self.authority.write_bytes(_pem(own))
        if devices:
            (self.folder / "devices-ca.crt").write_bytes(_pem(own))
        self._write("server", now - _DAY, now + _DAY)

    def files_of(self, name: str, *, expired: bool = False) -> tuple[Path, Path]:
        """A device's certificate, and its key."""
        now = datetime.now(UTC)
        return self._write(name, now - 2 * _DAY, now - _DAY if expired else now + _DAY)

    def of_device(self, name: str, *, expired: bool = False) -> ssl.SSLContext:
        """How a device with this certificate connects, and trusts the broker."""
        certificate, key = self.files_of(name, expired=expired)
        context = self.trusting()
        context.load_cert_chain(certificate, key)
        return context

    def trusting(self) -> ssl.SSLContext:
        """How a device without a certificate connects."""
        return ssl.create_default_context(cafile=str(self.authority))

    def _write(self, name: str, since: datetime, until: datetime) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate, secret = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        certificate.write_bytes(_pem(self._signed(subject, key.public_key(), since, until)))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, secret

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        since: datetime,
        until: datetime,
        *,
        authority: bool = False,
    ) -> x509.Certificate:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(since)
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=authority,
                    crl_sign=authority,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .sign(self._key, hashes.SHA256())
        )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
