"""Applying a site file: sites, gates, lanes and devices become what it says; what it leaves out is disabled, never deleted."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, and_, bindparam, insert, select, text, update

from billing.invoices import Premises, Seller
from gateway.flows import audit, list_versions
from gateway.flows.device_logins import Login, sealed_logins
from gateway.flows.estate_file import (
    DeviceEntry,
    Estate,
    EstateInvalid,
    GateEntry,
    LaneEntry,
    MerchantEntry,
    SiteEntry,
    parse,
)
from gateway.flows.estate_gaps import gaps
from gateway.flows.passwords import REVOKED, make_hash, matches
from gateway.runtime.ids import random_token
from gateway.store.tables import Base, Device, Gate, Lane, Merchant, Site, SiteBooks
from gateway.wiring import Parts

__all__ = ["Applied", "Credential", "EstateInvalid", "apply"]

_NAMES_AUDITED_MAX = 100

Key = tuple[str, ...]
Row = dict[str, Any]


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A new device's account. The password is known here for the only time."""

    site: str
    device: str
    username: str
    password: str


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What changed. Counts are of merchants, sites, gates, devices and lanes together. `logins`: accounts to set up at devices.

    `gaps`: what the file leaves out though a device is of no use without it.
    """

    credentials: tuple[Credential, ...]
    added: int
    changed: int
    disabled: int
    passwords_changed: tuple[str, ...]
    logins: tuple[Login, ...] = ()
    gaps: tuple[str, ...] = ()


def apply(parts: Parts, text_: str, *, operator: str = "cli", origin: str = "", source: str = "") -> Applied:
    """Make the estate what the file's text says, in one transaction; applying it again changes nothing.

    Raises `EstateInvalid`.
    """
    estate = parse(text_)
    hashes, credentials, renewed = _hashes(parts, estate)
    sealed, logins, logins_renewed = _logins(parts, estate)
    with parts.store.writing() as connection:
        if parts.store.postgres:
            connection.execute(text("LOCK TABLE site IN SHARE ROW EXCLUSIVE MODE"))
        list_versions.forget(connection, _exchanged(connection, estate))
        counts = [_bring(connection, model, rows) for model, rows in _wanted(estate, hashes, sealed)]
        _open_books(connection, parts, [site.id for site in estate.sites])
        applied = Applied(
            credentials=tuple(credentials),
            added=sum(len(added) for added, _, _ in counts),
            changed=sum(len(changed) for _, changed, _ in counts),
            disabled=sum(len(disabled) for _, _, disabled in counts),
            passwords_changed=tuple(sorted({*renewed, *logins_renewed})),
            logins=tuple(logins),
            gaps=gaps(estate),
        )
        if applied.added or applied.changed or applied.disabled:
            audit.record(
                connection,
                at=parts.clock.now(),
                operator=operator,
                action="site.apply",
                subject=source,
                origin=origin,
                detail={
                    "digest": hashlib.sha256(text_.encode()).hexdigest(),
                    **{
                        word: [name for count in counts for name in count[index]][:_NAMES_AUDITED_MAX]
                        for index, word in enumerate(("added", "changed", "disabled"))
                    },
                },
            )
        connection.commit()
    return applied


def _hashes(parts: Parts, estate: Estate) -> tuple[dict[Key, str], list[Credential], list[str]]:
    """Every device's hash: kept, made anew or changed. Before the transaction, since hashing is slow on purpose."""
    with parts.store.reading() as connection:
        stored: dict[Key, str] = {
            (row.site_id, row.id): row.password_hash
            for row in connection.execute(select(Device.site_id, Device.id, Device.password_hash))
        }
    hashes: dict[Key, str] = {}
    credentials: list[Credential] = []
    renewed: list[str] = []
    for device in estate.devices:
        key, known = (device.site, device.id), stored.get((device.site, device.id))
        if known is None:
            credential = _new(device)
            credentials.append(credential)
            hashes[key] = make_hash(credential.password)
        elif device.password is not None and known != REVOKED and not matches(known, device.password):
            renewed.append(f"{device.site}.{device.id}")
            hashes[key] = make_hash(device.password)
        else:
            hashes[key] = known
    return hashes, credentials, renewed


def _logins(parts: Parts, estate: Estate) -> tuple[dict[Key, bytes | None], list[Login], list[str]]:
    """Every device's account for us. The key is only needed where there is any."""
    if not any(device.address for device in estate.devices):
        return {}, [], []
    with parts.store.reading() as connection:
        stored: dict[Key, bytes | None] = {
            (row.site_id, row.id): row.login_sealed
            for row in connection.execute(select(Device.site_id, Device.id, Device.login_sealed))
        }
    return sealed_logins(estate, stored, parts.settings.secret())


def _exchanged(connection: Connection, estate: Estate) -> list[tuple[str, str]]:
    """Devices in whose place the file names another machine."""
    rows = connection.execute(select(Device.site_id, Device.id, Device.vendor, Device.serial))
    stored = {(row.site_id, row.id): (row.vendor, row.serial) for row in rows}
    found = {(one.site, one.id): (one.vendor, one.serial) for one in estate.devices}
    return [key for key, machine in found.items() if stored.get(key, machine) != machine]


def _wanted(
    estate: Estate, hashes: dict[Key, str], sealed: dict[Key, bytes | None]
) -> list[tuple[type[Base], dict[Key, Row]]]:
    """Each table's rows as the file says; a table stands after those that it refers to."""
    return [
        (Merchant, {(entry.id,): _merchant_row(entry) for entry in estate.merchants}),
        (Site, {(entry.id,): _site_row(entry) for entry in estate.sites}),
        (Gate, {(entry.site, entry.id): _gate_row(entry) for entry in estate.gates}),
        (Device, {(entry.site, entry.id): _device_row(entry, hashes, sealed) for entry in estate.devices}),
        (Lane, {(entry.site, entry.id): _lane_row(entry) for entry in estate.lanes}),
    ]


def _new(device: DeviceEntry) -> Credential:
    return Credential(
        site=device.site,
        device=device.id,
        username=f"{device.site}.{device.id}",
        password=device.password or random_token(),
    )


def _merchant_row(entry: MerchantEntry) -> Row:
    return {"name": entry.name, "seller": _document(entry.seller)}


def _site_row(entry: SiteEntry) -> Row:
    return {
        "name": entry.name,
        "capacity": entry.capacity,
        "policy_id": entry.policy,
        "merchant_id": entry.merchant,
        "premises": _document(entry.premises),
        "zombie_days": entry.zombie_days,
    }


def _document(said: Seller | Premises | None) -> Row | None:
    return None if said is None else msgspec.to_builtins(said)


def _gate_row(entry: GateEntry) -> Row:
    return {"tier": entry.tier, "residents_only": entry.residents_only, "staffed": entry.staffed}


def _device_row(entry: DeviceEntry, hashes: dict[Key, str], sealed: dict[Key, bytes | None]) -> Row:
    return {
        "vendor": entry.vendor,
        "password_hash": hashes[entry.site, entry.id],
        "serial": entry.serial,
        "features": " ".join(entry.features),
        "address": entry.address,
        "login": entry.login,
        "login_sealed": sealed.get((entry.site, entry.id)),
    }


def _lane_row(entry: LaneEntry) -> Row:
    return {
        "gate_id": entry.gate,
        "device_id": entry.device,
        "direction": entry.direction,
        "loop": entry.loop,
        "passage_sensor": entry.passage_sensor,
        "offline_exit": entry.offline_exit,
        "channel": entry.channel,
        "relay": entry.relay,
        "close_relay": entry.close_relay,
    }


def _bring(connection: Connection, model: type[Base], wanted: dict[Key, Row]) -> tuple[list[str], list[str], list[str]]:
    """Make one table what the file says. Returns the names of what was added, changed and disabled."""
    table = model.__table__
    assert isinstance(table, Table)
    keys = [column.name for column in table.primary_key]
    stored = {tuple(row[key] for key in keys): dict(row) for row in connection.execute(select(table)).mappings()}
    added = [key for key in wanted if key not in stored]
    changed = [
        key
        for key, row in wanted.items()
        if key in stored and any(stored[key][name] != value for name, value in {**row, "enabled": True}.items())
    ]
    disabled = [key for key, row in stored.items() if key not in wanted and row["enabled"]]
    if added:
        connection.execute(
            insert(table), [{**dict(zip(keys, key, strict=True)), **wanted[key], "enabled": True} for key in added]
        )
    here = and_(*(table.c[key] == bindparam(f"key_{key}") for key in keys))
    if changed:
        connection.execute(
            update(table).where(here), [{**_bound(keys, key), **wanted[key], "enabled": True} for key in changed]
        )
    if disabled:
        connection.execute(update(table).where(here), [{**_bound(keys, key), "enabled": False} for key in disabled])
    return _named(table, added), _named(table, changed), _named(table, disabled)


def _bound(keys: list[str], key: Key) -> Row:
    return {f"key_{name}": value for name, value in zip(keys, key, strict=True)}


def _named(table: Table, keys: list[Key]) -> list[str]:
    return [f"{table.name} {'.'.join(key)}" for key in keys]


def _open_books(connection: Connection, parts: Parts, sites: list[str]) -> None:
    """A site's books open on the local day on which it is first applied."""
    have = set(connection.execute(select(SiteBooks.site_id)).scalars())
    today = parts.clock.now().astimezone(parts.settings.zone).date()
    missing = [{"site_id": site, "opened_on": today, "closed_through": None} for site in sites if site not in have]
    if missing:
        connection.execute(insert(SiteBooks), missing)
