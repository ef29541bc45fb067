"""Closed days for finance and for systems: what was sealed, and the transactions under it.

A day of one site is in memory at a time, however long the period is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection

from billing.close import Passage, Record, read_lines
from billing.exports import (
    File,
    InvoiceLine,
    NotForAudience,
    Period,
    SiteDay,
    accounting_to,
    adds_up,
    beancount_to,
    csv_to,
    json_to,
    tables,
    written,
)
from billing.ledger import Transaction
from gateway.flows.accounting import accounting_mapping
from gateway.flows.export_scope import Scope, scope_of
from gateway.flows.export_writing import write_together
from gateway.flows.invoices.records import Lines
from gateway.flows.posting import day_bounds
from gateway.flows.refusals import Invalid, NotForRole, NotFound
from gateway.store import books
from gateway.store.tables import DayClose, LedgerTransaction
from gateway.wiring import Parts

FORMATS = ("json", "csv", "xlsx", "beancount", "accounting", "pdf")
# What these say comes from the sealed records alone: the ledger under them is gone through before.
_WITHOUT_THE_LEDGER = frozenset({"json", "accounting"})

Tick = Callable[[int], None]


class _Wanted(NamedTuple):
    """What is to be exported, as it was asked for."""

    period: Period
    form: str
    site: str | None = None
    merchant: str | None = None
    audience: str = "finance"
    mapping: Path | None = None


def export_day(
    parts: Parts,
    day: date,
    format: str,  # noqa: A002 - the contract's word
    site: str | None = None,
    audience: str = "finance",
) -> list[tuple[str, bytes]]:
    """The files of a closed day: (name, content). Without `site` the street.

    `audience` is a role: whoever is not finance or registrar gets low-income waivers merged with passes, and no JSON.
    Raises `NotFound` for an unknown site and for a day that is not closed, `NotForRole` for a JSON that is not for this audience,
    `Invalid` for an unknown format, and if the books do not give what was sealed.
    """
    with _files(parts, _Wanted(Period(day, day), format, site, audience=audience)) as made:
        return written(made)


def export_to(
    parts: Parts,
    period: Period,
    format: str,  # noqa: A002 - the contract's word
    out: Path,
    *,
    site: str | None = None,
    merchant: str | None = None,
    audience: str = "finance",
    mapping: Path | None = None,
    begins: Callable[[int], Tick] = lambda _total: lambda _count: None,
) -> list[Path]:
    """The same for a period, into a folder: all files are there whole, or none is. Returns where they are.

    `merchant`: of the sites for which it is paid. `mapping`: for accounting vouchers, instead of the one in the settings. `begins` is told how many transactions will be gone through, and gives what is told of each site's day. Raises also `OSError`.
    """
    with _files(parts, _Wanted(period, format, site, merchant, audience, mapping), begins) as made:
        return write_together(out, made)


@contextmanager
def _files(
    parts: Parts, wanted: _Wanted, begins: Callable[[int], Tick] = lambda _total: lambda _count: None
) -> Iterator[list[File]]:
    if wanted.form not in FORMATS:
        raise Invalid(f"format {wanted.form!r} is not known; one of {', '.join(FORMATS)}")
    zone = parts.settings.zone
    with parts.store.reading() as connection:
        scope = scope_of(connection, wanted.site, wanted.merchant)
        progress = _Progress()
        days = [
            SiteDay(
                name,
                scope.sites[name],
                records,
                _Ledger(connection, records, progress),
                _Passages(connection, records),
            )
            for day in wanted.period.days()
            for name, records in _records(connection, day, scope.sites).items()
        ]
        if not days:
            raise NotFound(f"no site had books from {wanted.period.first} to {wanted.period.last}")
        progress.tick = begins(sum(one.document().transactions for one in days))
        if wanted.form in _WITHOUT_THE_LEDGER:
            for one in days:
                iter(one.transactions)
        start, end = day_bounds(wanted.period.first, zone)[0], day_bounds(wanted.period.last, zone)[1]
        lines = Lines(connection, tuple(scope.sites), start, end)
        yield _made(parts, wanted, scope, days, lines)


def _made(
    parts: Parts, wanted: _Wanted, scope: Scope, days: Sequence[SiteDay], invoices: Iterable[InvoiceLine]
) -> list[File]:
    """What writes each file of a format; libraries are loaded by the format that needs them."""
    stem, form, audience = f"{scope.name}-{wanted.period.label}", wanted.form, wanted.audience
    try:
        if form == "json":
            return json_to(stem, days, audience=audience)
    except NotForAudience as why:
        raise NotForRole(str(why)) from None
    zone = parts.settings.zone
    if form == "xlsx":
        from gateway.flows.export_workbook import xlsx_to  # noqa: PLC0415 - the library is for those who ask for it

        found = tables(days, audience=audience, invoices=invoices)
        return xlsx_to(stem, _title(days), days[-1].day, found, zone)
    if form == "beancount":
        return beancount_to(stem, _title(days), days, zone, audience=audience)
    if form == "accounting":
        mapping = accounting_mapping(parts, wanted.mapping)
        return accounting_to(stem, days, mapping, zone, audience=audience, before=scope.before)
    if form == "pdf":
        return _printed(parts, stem, days)
    return csv_to(stem, days, zone, audience=audience, invoices=invoices)


def _printed(parts: Parts, stem: str, days: Sequence[SiteDay]) -> list[File]:
    from gateway.flows.export_report import pdf_to  # noqa: PLC0415 - the library is for those who print
    from gateway.runtime.fonts import NoFont, chinese_font  # noqa: PLC0415

    try:
        font = chinese_font(parts.settings.print_font)
    except NoFont as why:
        raise Invalid(str(why)) from None
    return pdf_to(stem, _title(days), days, parts.settings.zone, font)


def _title(days: Sequence[SiteDay]) -> str:
    """Whose days these are, and which."""
    first, last = days[0].day, days[-1].day
    sites = {one.site for one in days}
    where = days[0].name if len(sites) == 1 else f"全街道 {len(sites)} 个小区"
    return f"{where} 停车日结 {first}" + ("" if first == last else f" 至 {last}")


class _Progress:
    """Who is told how far it is; it is not known before the days are."""

    tick: Tick

    def __init__(self) -> None:
        self.tick = lambda _count: None


class _Ledger:
    """A site's day of transactions, read when they are gone through. Raises `Invalid` if they do not give what was sealed."""

    def __init__(self, connection: Connection, records: Sequence[Record], progress: _Progress) -> None:
        self._connection = connection
        self._close = next(record for record in records if record.kind == "close")
        self._records = records
        self._progress = progress

    def __iter__(self) -> Iterator[Transaction]:
        close = self._close
        stored = books.transactions(
            self._connection, LedgerTransaction.site_id == close.site, LedgerTransaction.business_day == close.day
        )
        found = [transaction for transaction, _ in stored]
        document = SiteDay(close.site, "", tuple(self._records), ()).document()
        if not adds_up(document, found):
            raise Invalid(f"{close.site}: the books of {close.day} do not give what was sealed; run `parkgate verify`")
        self._progress.tick(len(found))
        return iter(found)


class _Passages:
    """A site's day of passages as they were sealed."""

    def __init__(self, connection: Connection, records: Sequence[Record]) -> None:
        self._connection = connection
        self._close = next(record for record in records if record.kind == "close")

    def __iter__(self) -> Iterator[Passage]:
        close = self._close
        sealed = books.closes(
            self._connection,
            DayClose.site_id == close.site,
            DayClose.kind == "close",
            DayClose.sequence == close.sequence,
        )
        for _, lines, _ in sealed:
            yield from read_lines(lines).passages


def _records(connection: Connection, day: date, names: Mapping[str, str]) -> dict[str, tuple[Record, ...]]:
    """Sealed records by site, in the order of ids. A site whose books begin after the day has none and is left out."""
    found: dict[str, list[Record]] = {}
    for record in books.records_of(connection, day, list(names)):
        found.setdefault(record.site, []).append(record)
    missing = sorted(name for name in names if name not in found and books.has_begun(connection, name, day))
    if missing:
        more = f" and {len(missing) - 1} more sites" if len(missing) > 1 else ""
        raise NotFound(f"{missing[0]}{more}: {day} is not closed; run `parkgate close --day {day}` first")
    return {site: tuple(found[site]) for site in sorted(found)}
