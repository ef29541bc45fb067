"""催缴: who is to be reminded of what, and what was sent when.

There is no SMS gateway: a sender is a port. `csv` hands the messages out as a file for whoever sends them; the simulated one keeps
them. What is handed to a sender is on record first, so a reminder that a crash swallowed is missing, and none is sent twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, Row, ScalarSelect, and_, func, insert, or_, select, text

from billing.exports import csv_bytes, yuan
from controllers.plate import masked
from gateway.flows import audit
from gateway.flows.arrears import OWED, due
from gateway.flows.charges_books import By
from gateway.flows.pay_token import pay_url
from gateway.flows.reading import Sites, Slice, at_each, older, within
from gateway.flows.refusals import ChannelClosed, Invalid, NotFound
from gateway.runtime.ids import derive, random_token
from gateway.store import tables as t
from gateway.wiring import Parts

_STAY, _REMINDER = t.Stay.__table__.c, t.ArrearsReminder.__table__.c
AFTER_DAYS, EVERY_DAYS = 1, 7
"""A stay is reminded of from this many days after its exit on, and again after this many."""
AT_ONCE_MAX = 2_000


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One reminder: to whoever drives this vehicle, for all that it owes at one site. `url`: where the newest stay is paid."""

    plate: str
    site: str
    site_name: str
    stays: list[str]
    amount_fen: int
    since: datetime
    url: str

    @property
    def words(self) -> str:
        """What the driver reads, Chinese first."""
        plate, amount = masked(self.plate), yuan(self.amount_fen)
        return (
            f"{plate}：您在{self.site_name}有 {len(self.stays)} 次停车尚欠 {amount} 元，请点此缴纳 {self.url} "
            f"You owe {amount} yuan for {len(self.stays)} stays at {self.site_name}."
        )


class Sender(Protocol):
    """Where reminders go."""

    name: str

    def send(self, messages: Sequence[Message]) -> None:
        """Hand them over. They are on record already."""


class SimulatedSender:
    """Keeps what it was given; only in test mode."""

    name = "simulated"

    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send(self, messages: Sequence[Message]) -> None:
        self.sent.extend(messages)


class CsvSender:
    """A file for an office that sends messages itself."""

    name = "csv"

    def __init__(self) -> None:
        self.file = b""

    def send(self, messages: Sequence[Message]) -> None:
        self.file = csv_file(messages)


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent at once."""

    id: str
    at: datetime
    sender: str
    messages: list[Message]


def csv_file(messages: Sequence[Message]) -> bytes:
    """UTF-8 with BOM, one line a message."""
    headings = (
        "车牌 plate",
        "小区 site",
        "次数 stays",
        "欠费(元) amount_yuan",
        "最早 since",
        "链接 url",
        "内容 message",
    )
    rows = [
        (one.plate, one.site_name, len(one.stays), yuan(one.amount_fen), f"{one.since:%F}", one.url, one.words)
        for one in messages
    ]
    return csv_bytes(headings, rows)


def to_remind(parts: Parts, connection: Connection, allowed: Sites) -> list[Message]:
    """Whom to remind now: vehicles whose stays have owed for a day and were not reminded of within a week."""
    return _messages(parts, _due(parts.clock.now(), connection, allowed))


def _due(now: datetime, connection: Connection, allowed: Sites) -> Sequence[Row[Any]]:
    """The stays to remind of, by vehicle; `number`: how often each was reminded of, None for never."""

    def newest(column: Any) -> ScalarSelect[Any]:
        return (
            select(func.max(column))
            .where(_REMINDER.site_id == _STAY.site_id, _REMINDER.stay_id == _STAY.id)
            .correlate(t.Stay)
            .scalar_subquery()
        )

    last = newest(_REMINDER.at)
    return connection.execute(
        select(
            _STAY.site_id,
            t.Site.name,
            _STAY.id,
            _STAY.plate,
            _STAY.exit_at,
            due().label("due_fen"),
            newest(_REMINDER.sequence).label("number"),
        )
        .join(t.Site, t.Site.id == _STAY.site_id)
        .where(
            at_each(t.Stay.site_id, allowed),
            OWED,
            due() > 0,
            _STAY.exit_at <= now - timedelta(days=AFTER_DAYS),
            ~_STAY.plate.startswith("#"),
            or_(last.is_(None), last <= now - timedelta(days=EVERY_DAYS)),
        )
        .order_by(_STAY.site_id, _STAY.plate, _STAY.exit_at, _STAY.id)
        .limit(AT_ONCE_MAX)
    ).all()


def remind(parts: Parts, sender: Sender, allowed: Sites, by: By) -> Batch:
    """Record reminders of all that is due for one, then hand them to the sender. Raises `ChannelClosed` for a simulated one in earnest."""
    if isinstance(sender, SimulatedSender) and not parts.settings.test:
        raise ChannelClosed("reminders are only simulated in test mode; take the CSV")
    now = parts.clock.now()
    batch_id = derive("rem", now.isoformat(), random_token())
    with parts.store.writing() as connection:
        if parts.store.postgres:
            # Two who remind at once would remind of the same.
            connection.execute(text("LOCK TABLE arrears_reminder IN SHARE ROW EXCLUSIVE MODE"))
        owing = _due(now, connection, allowed)
        messages = _messages(parts, owing)
        if owing:
            said = {"batch": batch_id, "at": now, "sender": sender.name, "operator": by.operator}
            connection.execute(insert(t.ArrearsReminder), [_row(one) | said for one in owing])
            audit.record(
                connection,
                at=now,
                operator=by.operator,
                action="arrears.remind",
                subject=batch_id,
                origin=by.origin,
                detail={"sender": sender.name, "stays": len(owing), "vehicles": len(messages)},
            )
            connection.commit()
    sender.send(messages)
    return Batch(id=batch_id, at=now, sender=sender.name, messages=messages)


def batch_of_reminders(parts: Parts, connection: Connection, allowed: Sites, batch_id: str) -> list[Message]:
    """What a batch said, as far as the plates of its stays are still kept. Raises `NotFound`."""
    rows = connection.execute(
        select(
            _REMINDER.site_id,
            t.Site.name,
            _STAY.id,
            _STAY.plate,
            _STAY.exit_at,
            _REMINDER.amount_fen.label("due_fen"),
        )
        .join(t.Stay, and_(_STAY.site_id == _REMINDER.site_id, _STAY.id == _REMINDER.stay_id))
        .join(t.Site, t.Site.id == _REMINDER.site_id)
        .where(within(t.ArrearsReminder.site_id, allowed), _REMINDER.batch == batch_id)
        .order_by(_REMINDER.site_id, _STAY.plate, _STAY.exit_at, _STAY.id)
    )
    messages = _messages(parts, rows)
    if not messages:
        raise NotFound("there are no such reminders, or not for you")
    return messages


def sent(connection: Connection, allowed: Sites, page: Slice) -> list[tuple[tuple[datetime, str], dict[str, Any]]]:
    """What was sent, newest first: a line a stay, without its plate."""
    conditions = [within(t.ArrearsReminder.site_id, allowed)]
    conditions += older(page.after, _REMINDER.at, _REMINDER.stay_id)
    rows = connection.execute(
        select(*_REMINDER)
        .where(*conditions)
        .order_by(_REMINDER.at.desc(), _REMINDER.stay_id.desc())
        .limit(page.limit + 1)
    )
    return [
        (
            (row.at, row.stay_id),
            {
                "batch": row.batch,
                "site": row.site_id,
                "stay": row.stay_id,
                "number": row.sequence,
                "at": row.at,
                "sender": row.sender,
                "amount_fen": row.amount_fen,
                "operator": row.operator,
            },
        )
        for row in rows
    ]


def sender_named(name: str) -> CsvSender | SimulatedSender:
    """Raises `Invalid`."""
    if name == "csv":
        return CsvSender()
    if name == "simulated":
        return SimulatedSender()
    raise Invalid(f"sender: {name!r:.20} is none of csv, simulated")


def _messages(parts: Parts, rows: Any) -> list[Message]:
    """One a vehicle and site."""
    found: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        found.setdefault((row.site_id, row.plate), []).append(row)
    base, secret = parts.settings.base_url, parts.settings.secret()
    return [
        Message(
            plate=plate,
            site=site,
            site_name=stays[0].name,
            stays=[row.id for row in stays],
            amount_fen=sum(int(row.due_fen) for row in stays),
            since=stays[0].exit_at.astimezone(parts.settings.zone),
            url=pay_url(base, secret, stays[-1].id),
        )
        for (site, plate), stays in found.items()
    ]


def _row(stay: Row[Any]) -> dict[str, Any]:
    return {
        "site_id": stay.site_id,
        "stay_id": stay.id,
        "sequence": (stay.number or 0) + 1,
        "amount_fen": int(stay.due_fen),
    }
