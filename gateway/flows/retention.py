"""What has served its purpose is deleted, kind by kind, each after its own time. Run daily by the elected jobs process.

What stays for good: ledger, bills, closes, payments, allowances, the audit trail, and every stay, without its plate. `verify` needs
no more, and checks entries and exits against their events only as long as these are kept. How long each kind is kept, and why, is in
`docs/privacy.md`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from gateway.flows import device_watch, personal_data_requests, retention_registers
from gateway.flows.personal_data_door import door
from gateway.flows.posting import day_bounds
from gateway.flows.retention_report import Report, origins_done_until, ran, record
from gateway.flows.retention_rows import ROWS_AT_A_TIME, delete_old, each, oldest, table_of
from gateway.flows.retention_vehicles import vehicles
from gateway.store import tables as t
from gateway.store.scrub import scrub, zeroing
from gateway.wiring import Parts

__all__ = ["KINDS", "retire", "retire_daily"]

ROWS_A_RUN = 20_000
VEHICLES_A_RUN = 2_000

_COMMAND = t.CommandRow.__table__.c
_ITEM = t.ExceptionItem.__table__.c
_CHANGE = t.RegisterChange.__table__.c
_REQUEST = t.PersonalDataRequest.__table__.c


class Kind(NamedTuple):
    """One kind of data: the setting that says for how many days, and what ends some of it; None where sites are gone through."""

    setting: str
    end: Callable[..., int] | None


KINDS: dict[str, Kind] = {}
"""Every kind that a run goes through, in its order. `docs/privacy.md` has a line for each; a test looks."""


def retire_daily(parts: Parts) -> str:
    """The day's run, if it is due and not done; called every hour. What one call does is bounded: the next one goes on."""
    local = parts.clock.now().astimezone(parts.settings.zone)
    hours, minutes = map(int, parts.settings.retention_at.split(":"))
    if (local.hour, local.minute) < (hours, minutes):
        return ""
    with parts.store.reading() as connection:
        if ran(connection, local.date()):
            return ""
    return retire(parts)


def retire(parts: Parts) -> str:
    """One run, bounded; what is left is for the next. Returns what was deleted, in words; empty where nothing was due.

    Leaves a row for each kind, whatever it found (`retention_run`), and counts in `parkgate_retired_total`.
    """
    started_at = parts.clock.now()
    done: Counter[str] = Counter()
    report = Report(started_at, {kind: _before(parts, kind, started_at) for kind in KINDS})
    for kind, count in _each(parts, report):
        done[kind] += count
        parts.metrics.retired.labels(kind=kind).inc(count)
    done["requests"] += personal_data_requests.expire(parts)
    record(parts, report, done)
    done["freed_pages"] = _free_pages(parts, started_at)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(done.items()) if count)


def _before(parts: Parts, kind: str, now: datetime) -> datetime:
    days: int = getattr(parts.settings, KINDS[kind].setting)
    return now - timedelta(days=days)


def _each(parts: Parts, report: Report) -> Iterator[tuple[str, int]]:
    for kind, (_, end) in KINDS.items():
        if end is not None:
            yield from _rows(parts, kind, partial(end, before=report.before[kind]), report)
    with parts.store.reading() as connection:
        found = connection.execute(
            select(t.SiteBooks.site_id, t.SiteBooks.closed_through).order_by(t.SiteBooks.site_id)
        )
        closed: list[tuple[str, date | None]] = [(row[0], row[1]) for row in found]
    left = VEHICLES_A_RUN
    for site, through in closed:
        exceptions = partial(_old_exceptions, site=site, before=report.before["exceptions"])
        yield from _rows(parts, "exceptions", exceptions, report)
        if through is None:
            continue
        # An open day still counts its openings and passages.
        end_of_day = day_bounds(through, parts.settings.zone)[1]
        commands = partial(_old_commands, site=site, before=min(report.before["commands"], end_of_day))
        yield from _rows(parts, "commands", commands, report)
        for kind, count in vehicles(parts, site, min(report.before["vehicles"], end_of_day), left):
            left -= kind == "vehicles"
            yield kind, count
    if left <= 0:
        report.left.update({"vehicles", "events"})


def _rows(parts: Parts, kind: str, end_some: Callable[[Connection], int], report: Report) -> Iterator[tuple[str, int]]:
    """Some at a time, each a transaction, until none is left or the run has done enough."""
    for _ in range(ROWS_A_RUN // ROWS_AT_A_TIME):
        with parts.store.writing() as connection:
            zeroing(connection)
            with door(connection, f"retention {kind}", report.started_at):
                count = end_some(connection)
            connection.commit()
        yield kind, count
        if count < ROWS_AT_A_TIME:
            return
    report.left.add(kind)


def _free_pages(parts: Parts, now: datetime) -> int:
    """After an erasure the file is written anew once, in the night: what SQLite left in free pages goes too. How many erasures."""
    with parts.store.reading() as connection:
        erasures = personal_data_requests.erased_since_the_last_scrub(connection)
    if not erasures:
        return 0
    scrubbed = scrub(parts.store)
    if scrubbed is None:
        return 0
    personal_data_requests.scrubbed(parts, now, erasures, whole=scrubbed.whole)
    return erasures


def _old_pictures(connection: Connection, *, before: datetime) -> int:
    return delete_old(connection, t.Image, "received_at", before)


def _old_quarantine(connection: Connection, *, before: datetime) -> int:
    return delete_old(connection, t.Quarantine, "received_at", before)


def _old_exceptions(connection: Connection, *, site: str, before: datetime) -> int:
    resolved = (_ITEM.site_id == site, _ITEM.state == "resolved")
    return delete_old(connection, t.ExceptionItem, "opened_at", before, *resolved)


def _old_commands(connection: Connection, *, site: str, before: datetime) -> int:
    """Of any state: each had seconds to live."""
    return delete_old(connection, t.CommandRow, "planned_at", before, _COMMAND.site_id == site)


def _old_door_passages(connection: Connection, *, before: datetime) -> int:
    """Who went through a small gate when; that it was opened, and why, the commands say longer."""
    return delete_old(connection, t.DoorPassage, "at", before)


def _old_requests(connection: Connection, *, before: datetime) -> int:
    """About personal data, from so long ago that nobody can ask about them any more."""
    return delete_old(connection, t.PersonalDataRequest, "asked_at", before, _REQUEST.state != "proposed")


def _old_origins(connection: Connection, *, before: datetime) -> int:
    """From where something was done: addresses go, what was done by whom stays. Not looked at again from where a run was done."""
    since = origins_done_until(connection)
    line = table_of(t.AuditEntry)
    rows = oldest(connection, line, line.c.at, line.c.at >= since, line.c.at < before, line.c.origin != "")
    count = each(connection, line, update(line).values(origin=""), rows)
    if count == ROWS_AT_A_TIME:
        return count
    for site in connection.execute(select(t.Site.id)).scalars().all():
        changed = (_CHANGE.site_id == site, _CHANGE.at >= since, _CHANGE.at < before, _CHANGE.origin != "")
        count += connection.execute(update(t.RegisterChange).where(*changed).values(origin="")).rowcount
    # Fewer than asked for: this kind is done.
    return min(count, ROWS_AT_A_TIME - 1)


KINDS.update(
    {
        "pictures": Kind("retention_pictures_days", _old_pictures),
        "quarantined": Kind("retention_quarantine_days", _old_quarantine),
        "exceptions": Kind("retention_records_days", None),
        "commands": Kind("retention_records_days", None),
        "vehicles": Kind("retention_plates_days", None),
        "events": Kind("retention_plates_days", None),
        "registrations": Kind("retention_registrations_days", retention_registers.registrations),
        "names": Kind("retention_names_days", retention_registers.names),
        "evidence": Kind("retention_evidence_days", retention_registers.evidence),
        "certificates": Kind("retention_certificates_days", retention_registers.certificates),
        "blocklist": Kind("retention_blocklist_days", retention_registers.blocklist),
        "voucher_takers": Kind("retention_vouchers_days", retention_registers.voucher_takers),
        "agreements": Kind("retention_agreements_days", retention_registers.agreements),
        "invoices": Kind("retention_invoices_days", retention_registers.invoices),
        "door_passages": Kind("retention_door_passages_days", _old_door_passages),
        "door_members": Kind("retention_names_days", retention_registers.door_members),
        "device_spells": Kind("retention_records_days", device_watch.old_spells),
        "origins": Kind("retention_origins_days", _old_origins),
        "requests": Kind("retention_requests_days", _old_requests),
    }
)
