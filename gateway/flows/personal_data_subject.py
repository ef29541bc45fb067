"""Of whom the data is: a plate or a household, named, found, and kept as a digest that only the secret key can make."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import ColumnElement, Connection, and_, or_, select

from controllers.plate import normalise
from gateway.flows.personal_data_holdings import HOLDINGS, Holding
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.secrecy import CertificateNumbers, derived_key
from gateway.store import tables as t

# Shorter than this, a word stands in too many texts that mean something else.
_WORD_CHARACTERS_MIN = 2
_WORDS_MAX = 200
# What is agreed for every site of the street stands under this name; no site has it.
STREET = "street"


class Subject(msgspec.Struct, frozen=True):
    """`about` a plate (normalised; at every site) or a household (`site`, its number)."""

    about: Literal["plate", "household"]
    name: str
    site: str = ""

    def __str__(self) -> str:
        return self.name if self.about == "plate" else f"{self.site}/{self.name}"


def subject_of(plate: str | None, household: str | None) -> Subject:
    """What a person is asked about by. Raises `Invalid` unless exactly one is given and can be read."""
    if (plate is None) == (household is None):
        raise Invalid("give either a plate or a household")
    if plate is not None:
        name = normalise(plate)
        if name is None or not name.isalnum() or len(name) < 4 or len(name) > 16:
            raise Invalid(f"plate {plate!r:.40} is no number plate")
        return Subject("plate", name)
    assert household is not None
    site, slash, number = household.strip().partition("/")
    if not slash or not site or not number or len(site) > 40 or len(number) > 64 or not household.isprintable():
        raise Invalid(f"household {household!r:.60} is not SITE/ID, such as xinyi/3-502")
    return Subject("household", number, site)


class Secrets:
    """A subject as a digest and as sealed bytes; both need `settings.secret()`."""

    def __init__(self, secret: str) -> None:
        self._digest_key = derived_key(secret, b"personal data requests, digest")
        self._fernet = Fernet(base64.urlsafe_b64encode(derived_key(secret, b"personal data requests, encryption")))
        self.numbers = CertificateNumbers(secret)

    def digest(self, subject: Subject) -> bytes:
        """32 bytes, the same for the same subject."""
        return hmac.new(self._digest_key, msgspec.json.encode(subject), hashlib.sha256).digest()

    def seal(self, subject: Subject) -> bytes:
        return self._fernet.encrypt(msgspec.json.encode(subject))

    def opened(self, sealed: bytes) -> Subject | None:
        """None if the secret has changed since: nobody can tell any more of whom it was."""
        try:
            return msgspec.json.decode(self._fernet.decrypt(sealed), type=Subject)
        except (InvalidToken, msgspec.MsgspecError):
            return None

    def unseal(self, sealed: bytes) -> Subject:
        """Raises `Invalid` if the secret has changed since."""
        subject = self.opened(sealed)
        if subject is None:
            raise Invalid("the request was made under another secret_key; reject it and propose again")
        return subject


@dataclass(frozen=True)
class Person:
    """What of the database is of one subject: vehicles by (site, plate), a household, and the words that name the person."""

    subject: Subject
    sites: tuple[str, ...]
    vehicles: tuple[tuple[str, str], ...]
    household: tuple[str, str] | None
    words: tuple[str, ...]

    def rows(self, holding: Holding) -> ColumnElement[bool] | None:
        """Which rows of a register are the person's; None where it cannot have any."""
        table = holding.table.__table__.c
        found: list[ColumnElement[bool]] = []
        if holding.plate is not None:
            found += [and_(table.site_id == site, table[holding.plate] == plate) for site, plate in self.vehicles]
        if holding.household is not None and self.household is not None:
            site, number = self.household
            found.append(and_(table.site_id == site, table[holding.household] == number))
        return or_(*found) if found else None


def find(connection: Connection, subject: Subject, allowed: Collection[str] | None, secrets: Secrets) -> Person:
    """What is held of a subject at the sites that somebody may see (None: all). Raises `NotFound` where there is nothing."""
    known = list(connection.execute(select(t.Site.id).order_by(t.Site.id)).scalars())
    sites = tuple(site for site in [*known, STREET] if allowed is None or site in allowed)
    if subject.about == "plate":
        vehicles = tuple((site, subject.name) for site in sites if _seen(connection, site, subject.name))
        person = Person(subject, sites, vehicles, None, ())
    else:
        sites = tuple(site for site in sites if site in {subject.site, STREET})
        own = t.ResidentVehicle
        plates = connection.execute(
            select(own.plate)
            .where(own.site_id == subject.site, own.household_id == subject.name)
            .order_by(own.plate)
            .distinct()
        ).scalars()
        vehicles = tuple((site, plate) for plate in plates for site in sites)
        own_site = subject.site in sites
        person = Person(
            subject, sites, vehicles if own_site else (), (subject.site, subject.name) if own_site else None, ()
        )
    if not person.vehicles and not any(_holds(connection, person, holding) for holding in HOLDINGS):
        raise NotFound(f"nothing is held of this {subject.about}, or not for you")
    return Person(
        subject, person.sites, person.vehicles, person.household, tuple(_words(connection, person, secrets.numbers))
    )


def _seen(connection: Connection, site: str, plate: str) -> bool:
    """Whether the plate stands anywhere at the site: in what moved or in a register."""
    for table in (t.Presence, t.Stay, t.PlateEventRow):
        columns = table.__table__.c
        query = select(columns.site_id).where(columns.site_id == site, columns.plate == plate).limit(1)
        if connection.execute(query).first() is not None:
            return True
    one = Person(Subject("plate", plate), (site,), ((site, plate),), None, ())
    return any(_holds(connection, one, holding) for holding in HOLDINGS)


def _holds(connection: Connection, person: Person, holding: Holding) -> bool:
    condition = person.rows(holding)
    if condition is None:
        return False
    return connection.execute(select(holding.table.__table__.c.site_id).where(condition).limit(1)).first() is not None


def _words(connection: Connection, person: Person, numbers: CertificateNumbers) -> list[str]:
    """By what a text could name the person: plates, names, numbers of certificates, evidence."""
    found = {plate for _, plate in person.vehicles}
    if person.subject.about == "plate":
        found.add(person.subject.name)
    for holding in HOLDINGS:
        condition = person.rows(holding)
        plain = holding.words + (holding.household_words if person.household is not None else ())
        if condition is None or not (plain or holding.sealed):
            continue
        table = holding.table.__table__.c
        columns = [table[name] for name in (*plain, *holding.sealed)]
        for row in connection.execute(select(*columns).where(condition)):
            found.update(word for word in row[: len(plain)] if isinstance(word, str))
            found.update(opened(numbers, sealed) for sealed in row[len(plain) :] if sealed)
    longest_first = sorted(
        (word for word in found if len(word) >= _WORD_CHARACTERS_MIN), key=lambda one: (-len(one), one)
    )
    return longest_first[:_WORDS_MAX]


def opened(numbers: CertificateNumbers, sealed: bytes) -> str:
    """A number in the clear; empty where the secret has changed since."""
    try:
        return numbers.decrypt(bytes(sealed))
    except InvalidToken:
        return ""
