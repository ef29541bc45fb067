"""A street whose data ends soon, and what the nightly deletion left on record there."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from gateway.flows.retention_report import runs
from gateway.wiring import Parts
from tests.gateway.house import with_settings
from tests.gateway.trade import Street


def ends_soon(parts: Parts) -> Parts:
    """Plates after 90 days, records and the quarantine after 30, pictures after 7, addresses never."""
    return with_settings(
        parts,
        retention_plates_days=90,
        retention_records_days=30,
        retention_pictures_days=7,
        retention_quarantine_days=30,
        retention_origins_days=100_000,
    )


def count(street: Street, table: Any, *conditions: Any) -> int:
    with street.parts.store.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one())


def ran(street: Street, *kinds: str) -> dict[str, int]:
    """What the newest run left on record, by kind."""
    with street.parts.store.reading() as connection:
        found = runs(connection, None, None, 1000)
    return {row["kind"]: row["deleted"] for row in found if row["day"] == found[0]["day"] and row["kind"] in kinds}
