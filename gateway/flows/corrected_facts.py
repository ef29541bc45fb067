"""Which vehicles share passages by what staff corrected, and what was corrected: asked only where a presence says that there is any."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.store.facts import Corrected, FactLoader, VehicleKey

# For so long after a passage something of it may still be told that changes which events belong to it.
REACHES = timedelta(hours=1)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def load_together(
    loader: FactLoader,
    spans: dict[VehicleKey, tuple[datetime, datetime]],
    remembered: dict[VehicleKey, datetime | None],
    *,
    whole: bool,
) -> Corrected | None:
    """Vehicles that share passages by what staff corrected are decided together (ADR 0019): those of `spans` about whose presence it is
    said, or all (`whole`), and whoever hangs on them. They join `spans` and `remembered`.

    Their locks come after those of the batch. Two transactions that then wait for each other are parted by the database, and one is
    decided again: it takes a late event within the hour of a corrected passage for that.
    """
    vehicles = {
        key
        for key, (first, _) in spans.items()
        if whole or ((until := loader.corrected_until.get(key)) is not None and first <= until)
    }
    if not vehicles:
        return None
    since = min(spans[key][0] for key in vehicles) - REACHES
    while True:
        rows = {(row.correction, row.device, row.event): row for row in loader.corrected(vehicles, since)}
        hang_on = {(row.site, plate) for row in rows.values() for plate in (row.plate, row.to_plate)} - vehicles
        # No vehicle: a plate that was deleted when its time was over.
        hang_on = {key for key in hang_on if not key[1].startswith("#")}
        for row in rows.values():
            instants = [row.at, *([row.to_at] if row.to_at is not None else ())]
            for key in {(row.site, row.plate), (row.site, row.to_plate)} & (hang_on | vehicles):
                first, last = spans.get(key, (row.at, row.at))
                spans[key] = (min(first, *instants), max(last, *instants))
        if not hang_on:
            break
        remembered |= loader.lock_vehicles({key: LONG_AGO for key in hang_on if key not in remembered})
        vehicles |= hang_on
    found = Corrected(vehicles, sorted(rows.values(), key=lambda row: (row.sequence, row.device, row.event)), len(rows))
    found.instants.update(row.to_at for row in rows.values() if row.to_at is not None)
    return found
