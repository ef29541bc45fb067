"""Staff accounts: who may log in, as what, for which sites."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, get_args

import msgspec
from sqlalchemy import Connection, Select, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.flows import audit
from gateway.flows.passwords import PASSWORD_CHARACTERS_MAX, make_hash, matches
from gateway.flows.refusals import Invalid, NotFound
from gateway.runtime.ids import random_token
from gateway.runtime.settings import Role
from gateway.store.engine import Store
from gateway.store.tables import Site, UserAccount
from gateway.wiring import Parts

ROLES: tuple[str, ...] = get_args(Role)
PASSWORD_CHARACTERS_MIN = 8
_NAME = re.compile(r"[a-z0-9._-]{1,64}")


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A member of staff. `sites` empty means all sites; `generation` goes up when every token must end.

    `second_factor_at`: since when a code is asked for with the password; None: it is not.
    """

    name: str
    role: str
    sites: tuple[str, ...]
    generation: int
    enabled: bool
    created_at: datetime
    second_factor_at: datetime | None = None


def add(
    parts: Parts,
    name: str,
    role: str,
    sites: list[str],
    password: str | None = None,
    *,
    operator: str,
    origin: str = "",
) -> str | None:
    """A new account. Returns the password if it was made here. Raises `Invalid`."""
    if _NAME.fullmatch(name) is None:
        raise Invalid(f"{name!r:.80} is not a user name of a-z, 0-9, '.', '_' and '-', at most 64")
    if role not in ROLES:
        raise Invalid(f"{role!r:.40} is no role; choose one of {', '.join(ROLES)}")
    made = None if password is not None else random_token(15)
    stored = make_hash(_usable(password) if password is not None else str(made))
    with parts.store.writing() as connection:
        known = set(connection.execute(select(Site.id)).scalars())
        if unknown := [site for site in sites if site not in known]:
            raise Invalid(f"there is no site {unknown[0]!r:.60}; apply its site file first")
        try:
            connection.execute(
                insert(UserAccount).values(
                    name=name,
                    role=role,
                    sites=sorted(set(sites)),
                    password_hash=stored,
                    generation=1,
                    enabled=True,
                    created_at=parts.clock.now(),
                )
            )
        except IntegrityError:
            raise Invalid(
                f"there is a user {name!r} already; `parkgate user reset {name}` gives a new password"
            ) from None
        audit.record(
            connection,
            at=parts.clock.now(),
            operator=operator,
            action="user.add",
            subject=name,
            origin=origin,
            detail={"role": role, "sites": sorted(set(sites))},
        )
        connection.commit()
    return made


def reset(
    parts: Parts,
    name: str,
    password: str | None = None,
    *,
    operator: str,
    origin: str = "",
    action: str = "user.reset",
) -> str | None:
    """A new password; every token of the user ends. Returns the password if it was made here. Raises `NotFound`, `Invalid`."""
    made = None if password is not None else random_token(15)
    stored = make_hash(_usable(password) if password is not None else str(made))
    with parts.store.writing() as connection:
        changed = connection.execute(
            update(UserAccount)
            .where(UserAccount.name == name)
            .values(password_hash=stored, generation=UserAccount.generation + 1)
        ).rowcount
        if not changed:
            raise NotFound(f"there is no user {name!r:.80}; `parkgate user list` shows all")
        audit.record(connection, at=parts.clock.now(), operator=operator, action=action, subject=name, origin=origin)
        connection.commit()
    return made


def listed(parts: Parts) -> list[User]:
    """All accounts, by name."""
    with parts.store.reading() as connection:
        rows = connection.execute(_columns().order_by(UserAccount.name)).all()
    return [_user(row) for row in rows]


def find(connection: Connection, name: str) -> User | None:
    """The account as it is now, or None."""
    row = connection.execute(_columns().where(UserAccount.name == name)).one_or_none()
    return None if row is None else _user(row)


def authenticate(store: Store, name: str, password: str) -> User | None:
    """The user if name and password are right and the account is enabled. An unknown name costs the same work."""
    with store.reading() as connection:
        user = find(connection, name)
        stored = connection.execute(
            select(UserAccount.password_hash).where(UserAccount.name == name)
        ).scalar_one_or_none()
    right = matches(stored, password)
    return user if right and user is not None and user.enabled else None


def _usable(password: str) -> str:
    if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
        raise Invalid(f"a password has {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters")
    return password


def _columns() -> Select[str, str, list[str], int, bool, datetime, datetime | None]:
    return select(
        UserAccount.name,
        UserAccount.role,
        UserAccount.sites,
        UserAccount.generation,
        UserAccount.enabled,
        UserAccount.created_at,
        UserAccount.second_factor_at,
    )


def _user(row: Any) -> User:
    return User(
        name=row.name,
        role=row.role,
        sites=tuple(row.sites),
        generation=row.generation,
        enabled=row.enabled,
        created_at=row.created_at,
        second_factor_at=row.second_factor_at,
    )
