"""Queries of the books: ledger transactions, passages and closes of a site's days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, select, true

from billing.close import Openings, Passage, Record, Sealed
from billing.ledger import Posting as PostingLine
from billing.ledger import Transaction
from gateway.store.tables import (
    CommandRow,
    DayClose,
    ExceptionItem,
    Lane,
    LedgerTransaction,
    PlateEventRow,
    Posting,
    Site,
    SiteBooks,
    Stay,
    StayCorrection,
)

_ROWS_AT_A_TIME = 1_000
_LEDGER = LedgerTransaction.__table__.c
_POSTING = Posting.__table__.c
_STAY = Stay.__table__.c
_CLOSE = DayClose.__table__.c
_EVENT = PlateEventRow.__table__.c
_CORRECTION = StayCorrection.__table__.c
_COMMAND = CommandRow.__table__.c

LEDGER_COLUMNS: tuple[ColumnElement[Any], ...] = (
    _LEDGER.id,
    _LEDGER.site_id,
    _LEDGER.business_day,
    _LEDGER.belongs_to,
    _LEDGER.at,
    _LEDGER.kind,
    _LEDGER.reference_kind,
    _LEDGER.reference,
    _LEDGER.operator,
    _LEDGER.idempotency_key,
    _LEDGER.reverses,
)


def transactions(connection: Connection, *conditions: ColumnElement[bool]) -> Iterator[tuple[Transaction, bytes]]:
    """Ledger transactions with their stored content hashes, by (site, id); read a thousand rows at a time."""
    query = (
        select(*LEDGER_COLUMNS, _LEDGER.content_hash, _POSTING.account, _POSTING.amount_fen)
        .select_from(LedgerTransaction)
        .outerjoin(Posting, and_(_POSTING.site_id == _LEDGER.site_id, _POSTING.transaction_id == _LEDGER.id))
        .where(*conditions)
        .order_by(_LEDGER.site_id, _LEDGER.id, _POSTING.line)
    )
    with connection.execute(query.execution_options(yield_per=_ROWS_AT_A_TIME)) as found:
        for _, lines in groupby(found, key=itemgetter(1, 0)):
            rows = list(lines)
            head = rows[0]
            postings = tuple(PostingLine(row[12], row[13]) for row in rows if row[12] is not None)
            says: list[Any] = [*head[:11], postings]
            yield Transaction(*says), bytes(head[11])


def passages(connection: Connection, site: str, start: datetime, end: datetime) -> list[Passage]:
    """The entries and exits of a site in [start, end): stays that were not void, exits that left."""
    entries = connection.execute(
        select(_STAY.entry_at, _STAY.id, _STAY.entry_lane).where(
            _STAY.site_id == site,
            _STAY.started_at >= start,
            _STAY.started_at < end,
            _STAY.entry_at.is_not(None),
            _STAY.state != "void",
        )
    )
    found = [Passage(at, stay, "entry", lane) for at, stay, lane in entries]
    exits = connection.execute(
        select(
            _STAY.exit_at, _STAY.id, _STAY.exit_lane, _STAY.state, _STAY.gross_fen, _STAY.payable_fen, _STAY.paid_fen
        ).where(
            _STAY.site_id == site,
            _STAY.exit_at >= start,
            _STAY.exit_at < end,
            _STAY.state.not_in(["void", "inside"]),
        )
    )
    found += [Passage(at, stay, "exit", *rest) for at, stay, *rest in exits]
    return found


def openings(connection: Connection, site: str, start: datetime, end: datetime) -> Openings:
    """How often the barriers of a site rose in [start, end). Reasons as on the wire: a true reason is nobody's business.

    Small gates are no barriers: neither what opened one for whoever showed something counts, nor its button.
    """
    commanded = connection.execute(
        select(_COMMAND.reason, func.count())
        .where(
            _COMMAND.site_id == site,
            _COMMAND.planned_at >= start,
            _COMMAND.planned_at < end,
            _COMMAND.action.in_(["open", "hold_open"]),
            _COMMAND.state == "done",
            _COMMAND.true_reason.not_like("door\\_%", escape="\\"),
        )
        .group_by(_COMMAND.reason)
    )
    lanes = select(Lane.id).where(Lane.site_id == site)
    # A `plate` event and the `passed` that completes it may both tell of the same rise.
    rose = (
        select(
            func.coalesce(_EVENT.opening, "hand").label("how"),
            _EVENT.device_id,
            func.coalesce(_EVENT.for_event, _EVENT.event_id),
        )
        .where(
            _EVENT.site_id == site,
            _EVENT.lane_id.in_(lanes),
            _EVENT.at >= start,
            _EVENT.at < end,
            or_(_EVENT.opening.is_not(None), and_(_EVENT.kind == "opened_by_hand", _EVENT.reason.is_(None))),
        )
        .distinct()
        .subquery()
    )
    by_device = connection.execute(select(rose.c.how, func.count()).group_by(rose.c.how))
    return Openings(commanded=dict(commanded.all()), by_device=dict(by_device.all()))


def open_exceptions(connection: Connection, site: str, before: datetime) -> list[tuple[str, datetime]]:
    """Kind and instant of opening of what still needs a person, opened before an instant."""
    found = connection.execute(
        select(ExceptionItem.kind, ExceptionItem.opened_at).where(
            ExceptionItem.site_id == site, ExceptionItem.state == "open", ExceptionItem.opened_at < before
        )
    )
    return [(kind, at) for kind, at in found]


def lock_books(connection: Connection, site: str) -> tuple[date, date | None] | None:
    """Take a site's books alone: (opened on, closed through); None if it has none.

    On SQLite the transaction holds the only write lock already.
    """
    row = connection.execute(
        select(SiteBooks.opened_on, SiteBooks.closed_through).where(SiteBooks.site_id == site).with_for_update()
    ).first()
    return None if row is None else (row[0], row[1])


def first_business_day(connection: Connection, site: str) -> date | None:
    """The earliest day on which anything is posted."""
    found: date | None = connection.execute(
        select(func.min(_LEDGER.business_day)).where(_LEDGER.site_id == site)
    ).scalar()
    return found


_RECORD = (
    _CLOSE.site_id,
    _CLOSE.kind,
    _CLOSE.sequence,
    _CLOSE.day,
    _CLOSE.previous_hash,
    _CLOSE.hash,
    _CLOSE.canonical,
)


def closes(connection: Connection, *conditions: ColumnElement[bool]) -> Iterator[tuple[Record, bytes, datetime]]:
    """Closes with their lines and the instant of sealing, by (site, kind, sequence), one at a time."""
    query = (
        select(*_RECORD, _CLOSE.lines, _CLOSE.sealed_at)
        .where(*conditions)
        .order_by(_CLOSE.site_id, _CLOSE.kind, _CLOSE.sequence)
    )
    with connection.execute(query.execution_options(yield_per=10)) as found:
        for site, kind, sequence, day, previous, own, canonical, lines, sealed_at in found:
            record = Record(site, kind, sequence, day, bytes(previous), bytes(own), bytes(canonical))
            yield record, bytes(lines), sealed_at


def has_begun(connection: Connection, site: str, day: date) -> bool:
    """Whether a site's books reach back to a day."""
    began = first_day(connection, [site])
    return began is None or began <= day


def first_day(connection: Connection, sites: Sequence[str]) -> date | None:
    """How far back the books of sites reach: by a close, by what is posted, or by when they were opened."""
    held = books_of(connection, sites)
    begins = [
        day
        for site in sites
        for day in (first_close_day(connection, site), first_business_day(connection, site), held.get(site, (None,))[0])
        if day is not None
    ]
    return min(begins, default=None)


def records_since(connection: Connection, site: str, kind: str, day: date) -> list[Record]:
    """A site's sealed records of a kind from a day on, in their order, without their lines."""
    mine = (_CLOSE.site_id == site, _CLOSE.kind == kind, _CLOSE.day >= day)
    rows = connection.execute(select(*_RECORD).where(*mine).order_by(_CLOSE.sequence))
    return [Record(row[0], row[1], row[2], row[3], bytes(row[4]), bytes(row[5]), bytes(row[6])) for row in rows]


def close_of(connection: Connection, site: str, day: date) -> Record | None:
    """The close of a site's day, if it is sealed."""
    return _record(connection, _CLOSE.site_id == site, _CLOSE.kind == "close", _CLOSE.day == day)


def newest_close(connection: Connection, site: str) -> Record | None:
    """The last close of a site."""
    return newest_record(connection, site, "close")


def close_before(connection: Connection, site: str, day: date) -> Record | None:
    """The last close of a site that is of an earlier day."""
    return _record(connection, _CLOSE.site_id == site, _CLOSE.kind == "close", _CLOSE.day < day)


def newest_record(connection: Connection, site: str, kind: str) -> Record | None:
    """The last sealed record of a kind."""
    return _record(connection, _CLOSE.site_id == site, _CLOSE.kind == kind)


def first_close_day(connection: Connection, site: str) -> date | None:
    """The day of a site's first close."""
    found: date | None = connection.execute(
        select(func.min(_CLOSE.day)).where(_CLOSE.site_id == site, _CLOSE.kind == "close")
    ).scalar()
    return found


def put_record(connection: Connection, sealed: Sealed, at: datetime, operator: str | None) -> None:
    """Store a sealed record. The caller holds the site's books."""
    record = sealed.record
    connection.execute(
        insert(DayClose).values(
            site_id=record.site,
            kind=record.kind,
            sequence=record.sequence,
            day=record.day,
            previous_hash=record.previous_hash,
            hash=record.hash,
            canonical=record.canonical,
            lines=sealed.lines,
            sealed_at=at,
            operator=operator,
        )
    )


def _record(connection: Connection, *conditions: ColumnElement[bool]) -> Record | None:
    row = connection.execute(select(*_RECORD).where(*conditions).order_by(_CLOSE.sequence.desc()).limit(1)).first()
    if row is None:
        return None
    site, kind, sequence, day, previous, own, canonical = row
    return Record(site, kind, sequence, day, bytes(previous), bytes(own), bytes(canonical))


def records_of(connection: Connection, day: date, sites: Sequence[str]) -> list[Record]:
    """All sealed records of a day of these sites, by (site, kind)."""
    found = connection.execute(
        select(*_RECORD).where(_CLOSE.day == day, _CLOSE.site_id.in_(sites)).order_by(_CLOSE.site_id, _CLOSE.kind)
    )
    return [Record(*row[:4], bytes(row[4]), bytes(row[5]), bytes(row[6])) for row in found]


def enabled_sites(connection: Connection) -> dict[str, str]:
    """Names by id of the sites in service, in the order of ids."""
    rows = connection.execute(select(Site.id, Site.name).where(Site.enabled))
    return dict(sorted((row[0], row[1]) for row in rows))


def books_of(connection: Connection, sites: Sequence[str] | None = None) -> dict[str, tuple[date, date | None]]:
    """(opened on, closed through) by site; None: of every site."""
    these = true() if sites is None else SiteBooks.site_id.in_(sites)
    rows = connection.execute(select(SiteBooks.site_id, SiteBooks.opened_on, SiteBooks.closed_through).where(these))
    return {site: (opened_on, closed_through) for site, opened_on, closed_through in rows}


# An event that came while a day was being closed waited for it: it was received before the seal, and decided after it.
WAITS_FOR_THE_CLOSE = timedelta(seconds=60)


def late_events(connection: Connection, site: str, start: datetime, end: datetime, sealed_at: datetime) -> bool:
    """Whether an event of [start, end) came in after an instant: then its stays may differ from what was sealed."""
    lanes = select(Lane.id).where(Lane.site_id == site)
    query = select(_EVENT.event_id).where(
        _EVENT.site_id == site,
        _EVENT.lane_id.in_(lanes),
        _EVENT.at >= start,
        _EVENT.at < end,
        _EVENT.received_at >= sealed_at - WAITS_FOR_THE_CLOSE,
    )
    return connection.execute(query.limit(1)).first() is not None


def corrected_stays(connection: Connection, site: str, ids: Iterable[str], since: datetime) -> set[str]:
    """Those of these stays that staff corrected at or after an instant: they differ from what was sealed before it."""
    found: set[str] = set()
    wanted = list(ids)
    for place in range(0, len(wanted), _ROWS_AT_A_TIME):
        chunk = wanted[place : place + _ROWS_AT_A_TIME]
        for name in (_CORRECTION.stay_id, _CORRECTION.stay_after):
            query = select(name).where(
                _CORRECTION.site_id == site,
                name.in_(chunk),
                _CORRECTION.state == "made",
                _CORRECTION.at >= since - WAITS_FOR_THE_CLOSE,
            )
            found.update(connection.execute(query).scalars())
    return found


def stays_named(connection: Connection, site: str, ids: Iterable[str]) -> dict[str, tuple[datetime | None, ...]]:
    """Entry and exit of those of these stays that exist."""
    found: dict[str, tuple[datetime | None, ...]] = {}
    wanted = list(ids)
    for place in range(0, len(wanted), _ROWS_AT_A_TIME):
        chunk = wanted[place : place + _ROWS_AT_A_TIME]
        query = select(_STAY.id, _STAY.entry_at, _STAY.exit_at).where(_STAY.site_id == site, _STAY.id.in_(chunk))
        found |= {stay: (entry_at, exit_at) for stay, entry_at, exit_at in connection.execute(query)}
    return found


__all__ = [
    "books_of",
    "close_before",
    "close_of",
    "closes",
    "corrected_stays",
    "enabled_sites",
    "first_business_day",
    "first_close_day",
    "has_begun",
    "late_events",
    "lock_books",
    "newest_close",
    "newest_record",
    "open_exceptions",
    "openings",
    "passages",
    "put_record",
    "records_of",
    "stays_named",
    "transactions",
]
