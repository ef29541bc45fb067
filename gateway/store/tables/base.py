"""What every table shares: the metadata with its naming convention, and the column types that both databases keep exactly."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from sqlalchemy import JSON, BigInteger, Dialect, Integer, MetaData, String, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(at: datetime) -> int:
    """An instant as SQLite keeps it."""
    return (at - _EPOCH) // _MICROSECOND


class Instant(TypeDecorator[datetime]):
    """A timezone-aware instant: `timestamptz` on PostgreSQL, integer microseconds since 1970 UTC on SQLite.

    SQLite has no type for instants; an integer keeps every microsecond and sorts as time does.
    """

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(BigInteger())

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        """The function itself, without the layers above it: the event path binds instants by the hundred."""
        return None if dialect.name == "postgresql" else _stored

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        del coltype
        return _in_utc if dialect.name == "postgresql" else _kept

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return value if dialect.name == "postgresql" else _stored(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return _in_utc(value) if dialect.name == "postgresql" else _kept(value)


def _stored(at: datetime | None) -> int | None:
    return None if at is None else (at - _EPOCH) // _MICROSECOND


def _kept(value: int | None) -> datetime | None:
    return None if value is None else _EPOCH + timedelta(microseconds=value)


def _in_utc(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


Json = JSON().with_variant(JSONB(), "postgresql")

SiteId = Annotated[str, mapped_column(String(40), primary_key=True)]
Name = Annotated[str, mapped_column(String(40))]
Key = Annotated[str, mapped_column(String(64))]
Plate = Annotated[str, mapped_column(String(16))]
At = Annotated[datetime, mapped_column(Instant)]
Fen = Annotated[int, mapped_column(BigInteger)]
# SQLite counts up only an INTEGER primary key.
Serial = Annotated[int, mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)]


class Base(DeclarativeBase):
    """Every table that grows carries `site_id` first in its keys, so that PostgreSQL can partition or distribute by site."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
