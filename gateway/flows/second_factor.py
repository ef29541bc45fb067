"""A second factor of staff: a code of six digits that a phone makes anew every 30 seconds (TOTP, RFC 6238), and recovery codes for a lost phone.

The phone's secret is encrypted at rest, since a code cannot be checked without it; recovery codes are 60 random bits each, kept as keyed
digests. `now` is the wall clock's, as the phone's is, also where gates run in simulated time.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Final

import msgspec
import pyotp
from pyotp.exceptions import OTPVerificationError
from sqlalchemy import Connection, delete, func, insert, select, update

from gateway.flows import audit
from gateway.flows.charges_books import By
from gateway.flows.refusals import NotFound, Refused
from gateway.flows.secrecy import Seals, derived_key
from gateway.runtime.settings import Settings
from gateway.store.tables import RecoveryCode, UserAccount
from gateway.wiring import Parts

RECOVERY_CODES: Final = 10
ISSUER: Final = "Parkgate"
_GROUP, _CHARACTERS = 4, 12
_STEPS_AWAY: Final = 1
"""Codes of the step before and after are taken as well: phones' clocks are off by seconds, and typing takes some."""
_ACCOUNT = UserAccount.__table__.c
_CODE = RecoveryCode.__table__.c


class AlreadyEnrolled(Refused):
    """The account has a second factor already; take that away first."""

    status = 409
    slug = "second-factor-there"


class NotThePhonesCode(Refused):
    """code: not what the phone shows now; see that its clock is right, or begin anew"""

    status = 422
    slug = "code-wrong"


class Proposal(msgspec.Struct, frozen=True):
    """What a phone is told. Nothing of it is stored: `sealed` brings the secret back, and is of no use to anybody else."""

    secret: str
    uri: str
    sealed: str


def proposed(parts: Parts, name: str) -> Proposal:
    """A new secret for a phone. It is the account's once `enrol` has seen a code of it. Raises `AlreadyEnrolled`."""
    with parts.store.reading() as connection:
        if connection.execute(select(_ACCOUNT.second_factor).where(_ACCOUNT.name == name)).scalar_one_or_none():
            raise AlreadyEnrolled
    secret = pyotp.random_base32()
    uri = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)
    return Proposal(secret, uri, _seals(parts.settings).seal(f"{name} {secret}").decode())


def enrol(parts: Parts, name: str, sealed: str, code: str, by: By, now: datetime) -> list[str]:
    """Make a proposed secret the account's: whoever is signed in under that name signs in anew, with a code.

    Returns the recovery codes, known for the only time. Raises `NotThePhonesCode`, `AlreadyEnrolled`.
    """
    owner, _, secret = (_seals(parts.settings).opened(sealed.encode()) or "").partition(" ")
    step = _step(secret, code, now) if owner == name else None
    if step is None:
        raise NotThePhonesCode
    made = [pyotp.random_base32()[:_CHARACTERS] for _ in range(RECOVERY_CODES)]
    with parts.store.writing() as connection:
        taken = connection.execute(
            update(UserAccount)
            .where(_ACCOUNT.name == name, _ACCOUNT.second_factor.is_(None))
            .values(
                second_factor=_seals(parts.settings).seal(secret),
                second_factor_step=step,
                second_factor_at=parts.clock.now(),
                generation=_ACCOUNT.generation + 1,
            )
        ).rowcount
        if not taken:
            raise AlreadyEnrolled
        digests = [_digest(parts.settings, name, one) for one in made]
        connection.execute(insert(RecoveryCode), [{"user_name": name, "digest": one} for one in digests])
        _tell(parts, connection, name, "user.second-factor", by)
        connection.commit()
    return ["-".join(one[at : at + _GROUP] for at in range(0, _CHARACTERS, _GROUP)) for one in made]


def takes(parts: Parts, name: str, code: str, by: By, now: datetime) -> bool:
    """Whether this is a code of the phone, or a recovery code, that was not taken before. What is taken is taken once."""
    typed = "".join(code.split()).replace("-", "").upper()
    with parts.store.writing() as connection:
        sealed = connection.execute(select(_ACCOUNT.second_factor).where(_ACCOUNT.name == name)).scalar_one_or_none()
        if sealed is None:
            return False
        if len(typed) == _CHARACTERS:
            spent = delete(RecoveryCode).where(
                _CODE.user_name == name, _CODE.digest == _digest(parts.settings, name, typed)
            )
            taken = bool(connection.execute(spent).rowcount)
            if taken:
                left = {"left": codes_left(connection, name)}
                _tell(parts, connection, name, "user.recovery-code", by, detail=left)
        else:
            step = _step(_seals(parts.settings).opened(sealed) or "", typed, now) or 0
            later = update(UserAccount).where(_ACCOUNT.name == name, _ACCOUNT.second_factor_step < step)
            taken = bool(connection.execute(later.values(second_factor_step=step)).rowcount)
        connection.commit()
    return taken


def take_away(parts: Parts, connection: Connection, name: str, by: By, reason: str = "") -> None:
    """The account needs no code any more, and whoever is signed in under that name is signed out. Raises `NotFound` where it has none."""
    taken = connection.execute(
        update(UserAccount)
        .where(_ACCOUNT.name == name, _ACCOUNT.second_factor.is_not(None))
        .values(second_factor=None, second_factor_step=0, second_factor_at=None, generation=_ACCOUNT.generation + 1)
    ).rowcount
    if not taken:
        raise NotFound(f"there is no user {name!r:.80} with a second factor")
    connection.execute(delete(RecoveryCode).where(_CODE.user_name == name))
    _tell(parts, connection, name, "user.second-factor-off", by, reason=reason)


def codes_left(connection: Connection, name: str) -> int:
    """How many recovery codes were not used."""
    return int(
        connection.execute(select(func.count()).select_from(RecoveryCode).where(_CODE.user_name == name)).scalar_one()
    )


def _step(secret: str, code: str, now: datetime) -> int | None:
    """Which step's code this is; None for no step's about now."""
    if not secret:
        return None  # the secret key has changed since: docs/operations.md
    try:
        return pyotp.TOTP(secret).verify_and_get_timecode(code.strip(), for_time=now, valid_window=_STEPS_AWAY)
    except OTPVerificationError:
        return None


def _digest(settings: Settings, name: str, code: str) -> bytes:
    key = derived_key(settings.secret(), b"recovery codes, digest")
    return hmac.digest(key, f"{name} {code}".encode(), "sha256")


def _seals(settings: Settings) -> Seals:
    return Seals(settings.secret(), b"second factors, encryption")


def _tell(
    parts: Parts,
    connection: Connection,
    name: str,
    action: str,
    by: By,
    *,
    reason: str = "",
    detail: dict[str, int] | None = None,
) -> None:
    audit.record(
        connection,
        at=parts.clock.now(),
        operator=by.operator,
        action=action,
        subject=name,
        origin=by.origin,
        reason=reason,
        detail=detail,
    )
