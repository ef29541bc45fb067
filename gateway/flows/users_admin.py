"""Staff accounts as a manager keeps them: within their own sites, never their own account, and every change with a reason on record."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, select, update

from gateway.flows import audit, second_factor, users
from gateway.flows.charges_books import By, reason_of
from gateway.flows.reading import Sites
from gateway.flows.refusals import Invalid, NotForRole, NotFound, Refused
from gateway.flows.users import ROLES, User
from gateway.store.tables import Site, UserAccount
from gateway.wiring import Parts

_ACCOUNT = UserAccount.__table__.c


class OwnAccount(Refused):
    """Nobody changes their own account: ask another manager."""

    status = 409
    slug = "own-account"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What an account becomes; None leaves it as it is. `sites` empty: all sites."""

    role: str | None = None
    sites: tuple[str, ...] | None = None
    enabled: bool | None = None


def accounts(parts: Parts, allowed: Sites) -> list[User]:
    """The accounts that somebody with these sites looks after, by name. Who has all sites sees all."""
    return [one for one in users.listed(parts) if _within(one.sites, allowed)]


def hire(parts: Parts, allowed: Sites, name: str, role: str, sites: list[str], by: By) -> str:
    """A new account with a password that is made here and known for the only time. Raises `Invalid`, `NotForRole`."""
    _may_give(sites, allowed)
    made = users.add(parts, name, role, sites, operator=by.operator, origin=by.origin)
    assert made is not None
    return made


def change(parts: Parts, allowed: Sites, name: str, asked: Change, reason: str, by: By) -> User:
    """Another role, other sites, disabled or enabled again: whoever is signed in under that name is signed out.

    What changes nothing leaves nothing. Raises `NotFound`, `OwnAccount`, `Invalid`, `NotForRole`.
    """
    words = reason_of(reason)
    if asked.role is not None and asked.role not in ROLES:
        raise Invalid(f"role: choose one of {', '.join(ROLES)}")
    if asked.sites is not None:
        _may_give(asked.sites, allowed)
    with parts.store.writing() as connection:
        user = _other(connection, allowed, name, by)
        wanted = {
            "role": user.role if asked.role is None else asked.role,
            "sites": list(user.sites) if asked.sites is None else _known(connection, asked.sites),
            "enabled": user.enabled if asked.enabled is None else asked.enabled,
        }
        if wanted == {"role": user.role, "sites": list(user.sites), "enabled": user.enabled}:
            return user
        connection.execute(
            update(UserAccount).where(_ACCOUNT.name == name).values(**wanted, generation=_ACCOUNT.generation + 1)
        )
        audit.record(
            connection,
            at=parts.clock.now(),
            operator=by.operator,
            action="user.change",
            subject=name,
            origin=by.origin,
            reason=words,
            detail=wanted,
        )
        found = users.find(connection, name)
        connection.commit()
    assert found is not None
    return found


def reset(parts: Parts, allowed: Sites, name: str, by: By) -> str:
    """A new password, made here and known for the only time. Raises `NotFound`, `OwnAccount`."""
    with parts.store.reading() as connection:
        _other(connection, allowed, name, by)
    made = users.reset(parts, name, operator=by.operator, origin=by.origin)
    assert made is not None
    return made


def without_code(parts: Parts, allowed: Sites, name: str, reason: str, by: By) -> None:
    """Take the second factor off an account whose phone and recovery codes are lost. Raises `NotFound`, `OwnAccount`, `Invalid`."""
    words = reason_of(reason)
    with parts.store.writing() as connection:
        _other(connection, allowed, name, by)
        second_factor.take_away(parts, connection, name, by, words)
        connection.commit()


def _other(connection: Connection, allowed: Sites, name: str, by: By) -> User:
    """Raises `NotFound` also for an account that has more than these sites, `OwnAccount`."""
    connection.execute(select(_ACCOUNT.name).where(_ACCOUNT.name == name).with_for_update())
    user = users.find(connection, name)
    if user is None or not _within(user.sites, allowed):
        raise NotFound("there is no such account, or not for you")
    if name == by.operator:
        raise OwnAccount
    return user


def _within(sites: tuple[str, ...], allowed: Sites) -> bool:
    return allowed is None or (bool(sites) and set(sites) <= set(allowed))


def _may_give(sites: list[str] | tuple[str, ...], allowed: Sites) -> None:
    """Raises `NotForRole` for more sites than one's own."""
    if not _within(tuple(sites), allowed):
        raise NotForRole("sites: an account that you make has some of your own sites, and no others")


def _known(connection: Connection, sites: tuple[str, ...]) -> list[str]:
    """Raises `Invalid` for a site that there is not."""
    known = set(connection.execute(select(Site.id)).scalars())
    if unknown := sorted(set(sites) - known):
        raise Invalid(f"sites: there is no site {unknown[0]:.60}")
    return sorted(set(sites))
