"""The registers by kind: the table of each, the key of an entry, its name in the API, and its fields as documents have them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec
from sqlalchemy import Column, Table

from gateway.flows.refusals import NotFound
from gateway.flows.registers_rows import KINDS
from gateway.runtime.ids import derive
from gateway.store.tables import (
    Base,
    BlockedVehicle,
    Certificate,
    FreeVehicle,
    Household,
    PassHeld,
    Relative,
    ResidentVehicle,
)
from gateway.store.tables.base import microseconds

Row = dict[str, Any]
Key = tuple[Any, ...]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What a document calls a column. What is not here and not hidden has its own name.
_NAMES = {"site_id": "site", "household_id": "household", "pass_id": "pass", "class_id": "class"}
_HIDDEN = frozenset({"number_digest", "number_encrypted"})


@dataclass(frozen=True)
class Register:
    """One register. `keys`: the columns by which a row is the same row, the site first; the others are its content.

    `address`: the columns, after the site, that an entry's id in the API stands for; lists are in their order.
    """

    kind: str
    table: Table
    keys: tuple[str, ...]
    address: tuple[str, ...]

    @property
    def columns(self) -> list[Column[Any]]:
        """All but a certificate's sealed number."""
        return [column for column in self.table.columns if column.name != "number_encrypted"]

    def key(self, row: Mapping[Any, Any]) -> Key:
        return tuple(row[name] for name in self.keys)

    def name(self, column: str) -> str:
        """What documents call a column."""
        if self.kind == "households" and column == "id":
            return "household"
        return _NAMES.get(column, column)

    def fields(self, row: Mapping[Any, Any]) -> Row:
        """A row as documents and the history have it: nothing of a certificate's number, nor of its row's."""
        hidden = _HIDDEN | ({"id"} if self.kind == "certificates" else set())
        return {self.name(name): value for name, value in row.items() if name not in hidden}

    def id_of(self, row: Mapping[Any, Any]) -> str:
        """`{site}.` and letters that say which: a plate or a household's number may hold anything."""
        parts = [_plain(row[name]) for name in self.address]
        token = base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode().rstrip("=")
        return f"{row['site_id']}.{token}"

    def address_of(self, token: str) -> list[Any]:
        """The address that an id holds. Raises `NotFound` for what is none of this register's ids."""
        try:
            parts = msgspec.json.decode(base64.urlsafe_b64decode(token.encode("ascii") + b"=="), type=list[str | int])
            # One too few or too many is a ValueError as well.
            return [self._stored(name, part) for name, part in zip(self.address, parts, strict=True)]
        except (ValueError, OverflowError, binascii.Error, msgspec.MsgspecError):
            raise NotFound("there is no such entry, or not for you") from None

    def _stored(self, name: str, part: str | int) -> Any:
        kind = self.table.c[name].type.python_type if name != "valid_from" else datetime
        if kind is datetime and isinstance(part, int):
            return _EPOCH + timedelta(microseconds=part)
        if kind is not type(part):
            raise ValueError
        if isinstance(part, int) and not 0 <= part < 2**62:
            raise ValueError
        return part


def _plain(value: Any) -> str | int:
    return microseconds(value) if isinstance(value, datetime) else cast("str | int", value)


def entry_of(kind: str, row: Mapping[Any, Any]) -> str:
    """Under what an entry's history stands: a digest of its key, so that the history alone names no plate."""
    parts = [value.hex() if isinstance(value, bytes) else str(_plain(value)) for value in REGISTERS[kind].key(row)]
    return derive("r", kind, *parts)


def _register(kind: str, model: type[Base], keys: Sequence[str], address: Sequence[str] = ()) -> Register:
    table = model.__table__
    assert isinstance(table, Table)
    return Register(kind, table, ("site_id", *keys), tuple(address or keys))


REGISTERS: dict[str, Register] = {
    one.kind: one
    for one in (
        _register("households", Household, ("id",)),
        _register("vehicles", ResidentVehicle, ("plate",)),
        _register("relatives", Relative, ("plate", "household_id")),
        _register("certificates", Certificate, ("household_id", "number_digest"), ("id",)),
        _register("passes", PassHeld, ("plate", "pass_id", "valid_from")),
        _register("free-vehicles", FreeVehicle, ("plate", "class_id")),
        _register("blocklist", BlockedVehicle, ("plate",)),
    )
}
assert REGISTERS.keys() == KINDS.keys()
