"""Handing a day's exports on: into a folder, and by mail to finance; once what was sealed, and again once it is sealed as reconciled.

A delivery is on record after it was made. So one that was interrupted is made again: the same files under the same names, and a mail
with the same id.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from billing.close import Record
from billing.exports import Period
from gateway.flows.export import export_to
from gateway.flows.mailing import ATTACHED_BYTES_MAX, send
from gateway.flows.refusals import Invalid
from gateway.runtime.logs import logger
from gateway.store import books
from gateway.store.tables import DayClose, ExportDelivery
from gateway.wiring import Parts

FOLDER: Final = "folder"
MAIL: Final = "mail"
DAYS_BACK: Final = timedelta(days=7)
"""Days that were sealed this long ago and are not handed on are nobody's news: after a change of the settings nothing old is sent."""
AT_ONCE: Final = 10
_log = logger(__name__)


class Sealed(msgspec.Struct, frozen=True):
    """A day of the street that every site has closed. `reconciled`: every site has sealed that, too."""

    day: date
    digest: bytes
    reconciled: bool


def deliver_due(parts: Parts, mail: Callable[..., None] = send) -> str:
    """Hand on what is due, the oldest day first; returns what was done.

    A place that cannot be reached does not hold the other up. Raises what the last one said, after the rest was handed on.
    """
    targets = _targets(parts, mail)
    if not targets:
        return ""
    done, problem = 0, None
    for target, hand_on in targets.items():
        with parts.store.reading() as connection:
            due = list(_due(parts, connection, target))[:AT_ONCE]
        for sealed in due:
            try:
                names = hand_on(sealed)
            except Exception as why:
                _log.warning("exports were not handed on", target=target, day=str(sealed.day), why=str(why))
                parts.metrics.exports_delivered.labels(target=target, outcome="failed").inc()
                problem = why
                break  # the next day would meet the same trouble
            _on_record(parts, target, sealed, names)
            parts.metrics.exports_delivered.labels(target=target, outcome="delivered").inc()
            done += 1
    if problem is not None:
        raise problem
    return f"{done} exports handed on" if done else ""


def _targets(parts: Parts, mail: Callable[..., None]) -> dict[str, Callable[[Sealed], list[str]]]:
    settings = parts.settings
    found: dict[str, Callable[[Sealed], list[str]]] = {}
    if settings.export_folder:
        found[FOLDER] = lambda sealed: _made(parts, sealed.day, Path(settings.export_folder))
    if settings.mail is not None and settings.mail.finance:
        found[MAIL] = lambda sealed: _mailed(parts, sealed, mail)
    return found


def _made(parts: Parts, day: date, out: Path) -> list[str]:
    """The files of a day, each format's whole or not there at all."""
    formats = parts.settings.export_formats
    return [path.name for form in formats for path in export_to(parts, Period(day, day), form, out)]


def _mailed(parts: Parts, sealed: Sealed, mail: Callable[..., None]) -> list[str]:
    assert parts.settings.mail is not None
    with tempfile.TemporaryDirectory(prefix="parkgate-mail-") as folder:
        names = _made(parts, sealed.day, Path(folder))
        size = sum((Path(folder) / name).stat().st_size for name in names)
        if size > ATTACHED_BYTES_MAX:
            raise Invalid(f"the exports of {sealed.day} are {size >> 20} MiB, too much for a mail: set export_folder")
        files = [(name, (Path(folder) / name).read_bytes()) for name in names]
    state = "已对账" if sealed.reconciled else "已日结"
    mail(
        parts.settings.mail,
        parts.clock,
        parts.settings.mail.finance,
        f"停车日结 {sealed.day} {state}",
        f"{sealed.day} {state}，报表见附件。\n{sealed.day}: see what is attached.\n",
        files,
        id_=f"{sealed.day}.{sealed.digest.hex()[:32]}",
    )
    return names


def _due(parts: Parts, connection: Connection, target: str) -> Iterator[Sealed]:
    found = list(_sealed_since(connection, parts.clock.now() - DAYS_BACK))
    known = connection.execute(
        select(ExportDelivery.digest).where(
            ExportDelivery.target == target, ExportDelivery.day.in_([one.day for one in found])
        )
    )
    handed_on = {bytes(digest) for digest in known.scalars()}
    return (one for one in found if one.digest not in handed_on)


def _sealed_since(connection: Connection, since: datetime) -> Iterator[Sealed]:
    """Days of which something was sealed since then, and which are closed everywhere, in order."""
    days = connection.execute(
        select(DayClose.day).where(DayClose.sealed_at >= since).group_by(DayClose.day).order_by(DayClose.day)
    ).scalars()
    names = books.enabled_sites(connection)
    held = books.books_of(connection)
    for day in list(days):
        expected = {site for site in names if site in held and held[site][0] <= day}
        records = books.records_of(connection, day, sorted(expected))
        if expected and _sites(records, "close") >= expected:
            reconciled = _sites(records, "reconciled") >= expected
            kinds = {"close", "reconciled"} if reconciled else {"close"}
            hashes = (one.hash for one in records if one.kind in kinds)
            yield Sealed(day, hashlib.sha256(b"".join(hashes)).digest(), reconciled)


def _sites(records: Iterable[Record], kind: str) -> set[str]:
    return {one.site for one in records if one.kind == kind}


def _on_record(parts: Parts, target: str, sealed: Sealed, names: list[str]) -> None:
    row: dict[str, Any] = {"target": target, "day": sealed.day, "digest": sealed.digest, "files": names}
    try:
        with parts.store.writing() as connection:
            connection.execute(insert(ExportDelivery).values(**row, delivered_at=parts.clock.now()))
            connection.commit()
    except IntegrityError:
        _log.info("another has handed the same exports on", target=target, day=str(sealed.day))
