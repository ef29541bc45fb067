"""Small gates (小门), administered by the residents' committee: members, what opens a door for them, and a door's hours.

Cards are entered, codes are made here and shown once: whoever chose one would be told that it is somebody else's. Neither is kept
(`door_secrets`). Every change leaves an audit line, which names a member by number only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from controllers import doors
from gateway.flows import audit, doors_reading
from gateway.flows.charges_books import By, reason_of
from gateway.flows.door_secrets import DoorSecrets
from gateway.flows.reading import Document, Sites
from gateway.flows.refusals import Invalid, NotFound, Refused
from gateway.flows.taking import key_of
from gateway.runtime.ids import derive_in_site, random_digits
from gateway.store import tables as t
from gateway.store.scrub import zeroing
from gateway.wiring import Parts

NAME_MAX = 40
VALID_FOR_MAX = timedelta(days=2 * 366)
MEMBERS_MAX = 5_000
_MADE_AGAIN_MAX = 20
_MEMBER, _CREDENTIAL, _PASSED = t.DoorMember.__table__.c, t.DoorCredential.__table__.c, t.DoorPassage.__table__.c
Hours = Mapping[str, Sequence[Sequence[str]]]


class CardTaken(Refused):
    """card: somebody of this site has it already; end that one first."""

    status = 409
    slug = "card-taken"


class DoorsFull(Refused):
    """The site's small gates have as many members as they may have; end some first."""

    status = 409
    slug = "doors-full"


class NewMember(msgspec.Struct, frozen=True, kw_only=True):
    """`door`: `{site}.{gate}`; None: every small gate of the site. `code`: make one."""

    site: str
    name: str
    valid_to: datetime
    door: str | None = None
    card: str | None = None
    code: bool = False


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """None: as it is. `card` "": none any more. `code` True: a new one; False: none any more."""

    name: str | None = None
    valid_to: datetime | None = None
    blocked: bool | None = None
    card: str | None = None
    code: bool | None = None


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A member as it stands, and the code that was made, which nobody can show again."""

    member: Document
    code: str | None = None


def add(parts: Parts, asked: NewMember, by: By, idempotency_key: str | None = None) -> Kept:
    """A new member. The same key is one member, whose code is not shown twice.

    Raises `Invalid`, `NotFound` for a door that there is not, `CardTaken`, `DoorsFull`.
    """
    member_id = derive_in_site(asked.site, "door member", by.operator, key_of(idempotency_key))
    with parts.store.writing() as connection:
        now = parts.clock.now()
        work = _Work(parts, connection, asked.site, member_id, by, now)
        _lock(connection, asked.site)
        if work.there():
            return Kept(member=doors_reading.member(connection, None, member_id))
        gate = _gate(connection, asked.site, asked.door, now)
        if not asked.card and not asked.code:
            raise Invalid("card: a member has a card, a code or both")
        if work.count() >= MEMBERS_MAX:
            raise DoorsFull
        connection.execute(
            insert(t.DoorMember).values(
                site_id=asked.site,
                id=member_id,
                gate_id=gate,
                name=_name(asked.name),
                valid_to=_end(asked.valid_to, now),
                blocked=False,
                registered_at=now,
                registered_by=by.operator,
            )
        )
        if asked.card:
            work.card(asked.card)
        code = work.code() if asked.code else None
        work.line("added", "", {"card": bool(asked.card), "code": asked.code, "valid_to": asked.valid_to.isoformat()})
        found = doors_reading.member(connection, None, member_id)
        connection.commit()
    return Kept(member=found, code=code)


def change(parts: Parts, allowed: Sites, member_id: str, asked: Change, reason: str, by: By) -> Kept:
    """Another name, end, card or code; blocked or not. Raises `NotFound`, `Invalid`, `CardTaken`."""
    words = reason_of(reason)
    with parts.store.writing() as connection:
        now = parts.clock.now()
        site = doors_reading.member(connection, allowed, member_id)["site"]
        work = _Work(parts, connection, site, member_id, by, now)
        _lock(connection, site)
        changed: dict[str, Any] = {}
        if asked.name is not None:
            changed["name"] = _name(asked.name)
        if asked.valid_to is not None:
            changed["valid_to"] = _end(asked.valid_to, now)
        if asked.blocked is not None:
            changed["blocked"] = asked.blocked
        if changed:
            mine = (_MEMBER.site_id == site, _MEMBER.id == member_id)
            connection.execute(update(t.DoorMember).where(*mine).values(**changed))
        if asked.card is not None:
            work.card(asked.card)
        code = work.code(wanted=asked.code) if asked.code is not None else None
        said = {name: value for name, value in msgspec.to_builtins(asked).items() if value is not None}
        # A name is nobody's business in the trail, a card is a secret.
        work.line("changed", words, {**said, **{one: True for one in ("name", "card") if one in said}})
        found = doors_reading.member(connection, None, member_id)
        connection.commit()
    return Kept(member=found, code=code)


def forget(parts: Parts, allowed: Sites, member_id: str, reason: str, by: By) -> None:
    """Take a member out: the entry, what opened the doors, and whose the passages were. Raises `NotFound`, `Invalid`."""
    words = reason_of(reason)
    with parts.store.writing() as connection:
        zeroing(connection)
        site = doors_reading.member(connection, allowed, member_id)["site"]
        erase(connection, site, [member_id])
        _Work(parts, connection, site, member_id, by, parts.clock.now()).line("erased", words, {})
        connection.commit()


def erase(connection: Connection, site: str, member_ids: Sequence[str]) -> None:
    """In the caller's transaction. That a door was opened stays, for whom goes."""
    mine = (_CREDENTIAL.site_id == site, _CREDENTIAL.member_id.in_(member_ids))
    connection.execute(delete(t.DoorCredential).where(*mine))
    passed = (_PASSED.site_id == site, _PASSED.member_id.in_(member_ids))
    connection.execute(update(t.DoorPassage).where(*passed).values(member_id=None, by=""))
    connection.execute(delete(t.DoorMember).where(_MEMBER.site_id == site, _MEMBER.id.in_(member_ids)))


def set_hours(parts: Parts, allowed: Sites, door_id: str, hours: Hours | None, reason: str, by: By) -> Document:
    """When a door opens for its members; None: always. Holds within seconds. Raises `NotFound`, `Invalid`."""
    words = reason_of(reason)
    if hours is not None:
        try:
            doors.hours_of(hours)
        except doors.BadHours as why:
            raise Invalid(str(why)) from None
    with parts.store.writing() as connection:
        now = parts.clock.now()
        before = doors_reading.door(connection, allowed, door_id, now)
        site, _, gate = door_id.partition(".")
        own = (t.Gate.site_id == site, t.Gate.id == gate)
        connection.execute(update(t.Gate).where(*own).values(hours=hours))
        audit.record(
            connection,
            at=now,
            operator=by.operator,
            action="door.hours",
            site=site,
            subject=door_id,
            origin=by.origin,
            reason=words,
            detail={"before": before["hours"], "after": hours},
        )
        found = doors_reading.door(connection, allowed, door_id, now)
        connection.commit()
    parts.estates.forget()
    return found


class _Work:
    """One change of one member's entry, in its transaction."""

    def __init__(self, parts: Parts, connection: Connection, site: str, member: str, by: By, now: datetime) -> None:
        self._secrets = DoorSecrets(parts.settings.secret())
        self._connection, self._site, self._member, self._by, self._now = connection, site, member, by, now

    def there(self) -> bool:
        own = select(_MEMBER.id).where(_MEMBER.site_id == self._site, _MEMBER.id == self._member)
        return self._connection.execute(own).first() is not None

    def count(self) -> int:
        """As many as need be counted."""
        some = select(_MEMBER.id).where(_MEMBER.site_id == self._site).limit(MEMBERS_MAX)
        return len(self._connection.execute(some).all())

    def card(self, number: str) -> None:
        """Raises `Invalid`, `CardTaken`."""
        plain = doors.normalised(number)
        if plain and not (
            doors.CARD_CHARACTERS_MIN <= len(plain) <= doors.CARD_CHARACTERS_MAX and plain.isascii() and plain.isalnum()
        ):
            raise Invalid(
                f"card: {doors.CARD_CHARACTERS_MIN} to {doors.CARD_CHARACTERS_MAX} letters and digits, as its reader says it"
            )
        self._drop("card")
        if plain and not self._keep("card", plain):
            raise CardTaken

    def code(self, *, wanted: bool = True) -> str | None:
        """A code that is nobody else's, in the place of the one before; or none any more."""
        self._drop("code")
        for _ in range(_MADE_AGAIN_MAX if wanted else 0):
            made = random_digits(doors.CODE_DIGITS)
            if self._keep("code", made):
                return made
        return None

    def _drop(self, kind: str) -> None:
        mine = (_CREDENTIAL.site_id == self._site, _CREDENTIAL.member_id == self._member, _CREDENTIAL.kind == kind)
        self._connection.execute(delete(t.DoorCredential).where(*mine))

    def _keep(self, kind: str, credential: str) -> bool:
        """Whether it was nobody's. Behind the site's lock."""
        digest = self._secrets.digest(self._site, credential)
        known = select(_CREDENTIAL.digest).where(_CREDENTIAL.site_id == self._site, _CREDENTIAL.digest == digest)
        if self._connection.execute(known).first() is not None:
            return False
        row = {"site_id": self._site, "digest": digest, "member_id": self._member, "kind": kind}
        self._connection.execute(insert(t.DoorCredential).values(**row))
        return True

    def line(self, what: str, reason: str, detail: dict[str, Any]) -> None:
        audit.record(
            self._connection,
            at=self._now,
            operator=self._by.operator,
            action=f"door_member.{what}",
            site=self._site,
            subject=self._member,
            origin=self._by.origin,
            reason=reason,
            detail=detail,
        )


def _lock(connection: Connection, site: str) -> None:
    """One change of a site's members at a time. Raises `NotFound`."""
    row = connection.execute(select(t.Site.id).where(t.Site.id == site).with_for_update()).first()
    if row is None:
        raise NotFound("there is no such site, or not for you")


def _gate(connection: Connection, site: str, door_id: str | None, now: datetime) -> str | None:
    """Raises `NotFound`."""
    if door_id is None:
        return None
    doors_reading.door(connection, {site}, door_id, now)
    return door_id.partition(".")[2]


def _name(text: str) -> str:
    """Raises `Invalid`."""
    name = text.strip()
    if not name or len(name) > NAME_MAX or not name.isprintable():
        raise Invalid(f"name: 1 to {NAME_MAX} printable characters, as short as the committee can do with")
    return name


def _end(valid_to: datetime, now: datetime) -> datetime:
    """Raises `Invalid`."""
    if abs(valid_to - now) > VALID_FOR_MAX:
        raise Invalid("valid_to: at most two years from now; whoever still lives here then is entered again")
    return valid_to
