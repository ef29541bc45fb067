"""Which devices may log in, with what, and what each may say and hear at a broker."""

from __future__ import annotations

import hashlib
from datetime import tzinfo
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import select, update

from controllers.adapters.port import Fitting, Listens
from controllers.adapters.registry import ADAPTERS
from gateway.flows import audit
from gateway.flows.charges_books import By, reason_of
from gateway.flows.estate import Credential
from gateway.flows.passwords import REVOKED, make_hash
from gateway.flows.reading import Sites, within
from gateway.flows.refusals import NotFound
from gateway.runtime.ids import random_token
from gateway.store.engine import Store
from gateway.store.fittings import NATIVE, load_fittings
from gateway.store.tables import Device, Site
from gateway.wiring import Parts


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A device's account at a broker. `serves`: it may log in. `native`: its client id is its user name, as the protocol says.

    `says`, `hears`: the topics on which it publishes, and is told. Literal, every one. `serial`: its name for itself, which cameras use as client id.
    `stamp` changes with its password. `problem`: why it cannot be given any rights.
    """

    username: str
    serves: bool
    native: bool
    says: tuple[str, ...]
    hears: tuple[str, ...]
    serial: str = ""
    stamp: str = ""
    problem: str = ""


def renew(parts: Parts, allowed: Sites, device_id: str, reason: str, by: By) -> Credential:
    """Give `{site}.{device}` a new password, known here for the only time. The one before ends with this; a revoked device is let in again.

    Raises `NotFound`, `Invalid`.
    """
    password = random_token()
    _put(parts, allowed, device_id, make_hash(password), _Change("device.renew", reason_of(reason), by))
    site, _, device = device_id.partition(".")
    return Credential(site=site, device=device, username=device_id, password=password)


def revoke(parts: Parts, allowed: Sites, device_id: str, reason: str, by: By) -> None:
    """End the password of `{site}.{device}` and put none in its place: `renew` lets it in again, a site file does not.

    Doing it again changes nothing. Raises `NotFound`, `Invalid`.
    """
    _put(parts, allowed, device_id, REVOKED, _Change("device.revoke", reason_of(reason), by))


def accounts(store: Store, zone: tzinfo) -> list[Account]:
    """Every device that a broker has to know, also those out of service, by name."""
    wanted = select(
        Device.site_id, Device.id, Device.vendor, Device.password_hash, Device.enabled, Site.enabled.label("open")
    )
    with store.reading() as connection:
        rows = connection.execute(wanted.join(Site, Site.id == Device.site_id)).all()
        fitted = {who: one.fitting for who, one in load_fittings(connection, zone).items()}
    found = []
    for row in sorted(rows, key=lambda row: (row.site_id, row.id)):
        unfitted = Fitting(site=row.site_id, device=row.id, lanes=(), zone=zone)
        one = _account(row, fitted.get((row.site_id, row.id), unfitted))
        if one.says or one.hears or not one.serves:
            found.append(one)
    return found


def _account(row: Any, fitting: Fitting) -> Account:
    adapter = ADAPTERS.get(row.vendor)
    listens = Listens() if adapter is None else adapter.listens(fitting)
    # A rule with a wildcard would stand for others' topics as well.
    wild = [topic for topic in (*listens.topics, *listens.told) if not {"+", "#"}.isdisjoint(topic)]
    username = f"{row.site_id}.{row.id}"
    problem = f"{username}: its serial makes the topic {wild[0]!r}, which holds a wildcard" if wild else ""
    return Account(
        username=username,
        serves=row.enabled and row.open and row.password_hash != REVOKED and not wild,
        native=row.vendor == NATIVE,
        says=() if wild else listens.topics,
        hears=() if wild else listens.told,
        serial=fitting.serial,
        stamp=hashlib.blake2b(row.password_hash.encode(), digest_size=8).hexdigest(),
        problem=problem,
    )


class _Change(NamedTuple):
    action: str
    reason: str
    by: By


def _put(parts: Parts, allowed: Sites, device_id: str, password_hash: str, change: _Change) -> None:
    site, _, device = device_id.partition(".")
    this = (Device.site_id == site, Device.id == device, within(Device.site_id, allowed))
    with parts.store.writing() as connection:
        stored = connection.execute(select(Device.password_hash).where(*this).with_for_update()).scalar_one_or_none()
        if stored is None:
            raise NotFound("there is no such device, or not for you; a device is named site.device")
        if stored == password_hash:
            return
        connection.execute(update(Device).where(*this).values(password_hash=password_hash))
        audit.record(
            connection,
            at=parts.clock.now(),
            operator=change.by.operator,
            action=change.action,
            site=site,
            subject=device_id,
            origin=change.by.origin,
            reason=change.reason,
        )
        connection.commit()
