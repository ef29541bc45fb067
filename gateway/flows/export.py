"""A closed day for finance and for systems: what was sealed, and the transactions under it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from sqlalchemy import Connection

from billing.close import Record
from billing.exports import NotForAudience, SiteDay, adds_up, csv_files, json_file
from gateway.flows.refusals import Invalid, NotFound
from gateway.store import books
from gateway.store.tables import LedgerTransaction
from gateway.wiring import Parts

FORMATS = ("json", "csv")
STREET = "street"


def export_day(
    parts: Parts,
    day: date,
    format: str,  # noqa: A002 - the contract's word
    site: str | None = None,
    audience: str = "finance",
) -> list[tuple[str, bytes]]:
    """The files of a closed day: (name, content). Without `site` the street.

    `audience` is a role: whoever is not finance or registrar gets low-income waivers merged with passes, and no JSON.
    Raises `NotFound` for an unknown site and for a day that is not closed, `Invalid` for an unknown format or a JSON that is not
    for this audience, and if the books do not give what was sealed.
    """
    if format not in FORMATS:
        raise Invalid(f"format {format!r} is not known; one of {', '.join(FORMATS)}")
    with parts.store.reading() as connection:
        names = _sites(connection, site)
        sealed = _records(connection, day, names)
        days = [_load(connection, name, names[name], day, sealed[name]) for name in sorted(sealed)]
    for one in days:
        if not adds_up(one):
            raise Invalid(f"{one.site}: the books of {day} do not give what was sealed; run `parkgate verify`")
    try:
        if format == "json":
            return [json_file(site or STREET, day, days, audience=audience)]
        return csv_files(site or STREET, day, days, parts.settings.zone, audience=audience)
    except NotForAudience as why:
        raise Invalid(str(why)) from None


def _sites(connection: Connection, site: str | None) -> dict[str, str]:
    known = books.enabled_sites(connection)
    if site is None:
        return known
    if site not in known:
        raise NotFound(f"there is no site {site} in service")
    return {site: known[site]}


def _records(connection: Connection, day: date, names: Mapping[str, str]) -> dict[str, tuple[Record, ...]]:
    """Sealed records by site. A site whose books were opened after the day has none and is left out."""
    found: dict[str, list[Record]] = {}
    for record in books.records_of(connection, day, list(names)):
        found.setdefault(record.site, []).append(record)
    held = books.books_of(connection)
    missing = sorted(
        name for name in names if name not in found and (not found or (name in held and held[name][0] <= day))
    )
    if missing:
        more = f" and {len(missing) - 1} more sites" if len(missing) > 1 else ""
        raise NotFound(f"{missing[0]}{more}: {day} is not closed; run `parkgate close --day {day}` first")
    return {site: tuple(records) for site, records in found.items()}


def _load(connection: Connection, site: str, name: str, day: date, records: tuple[Record, ...]) -> SiteDay:
    stored = books.transactions(connection, LedgerTransaction.site_id == site, LedgerTransaction.business_day == day)
    return SiteDay(site, name, records, [transaction for transaction, _ in stored])
