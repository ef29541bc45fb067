"""What moved: events as they came, the stays that follow from them, commands, and what needs a person."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Float, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, Instant, Json, Key, Name, Plate, Serial, SiteId

LET_GO = (
    "state = 'left' AND exit_reason IN"
    " ('unpaid', 'hand', 'staff', 'emergency', 'offline', 'late_event', 'pay_later', 'free_class')"
)

# Neither left nor inside: few among all, and looked for by what they are.
UNUSUAL = "state NOT IN ('left', 'inside')"

BY_HAND = "(kind = 'opened_by_hand' OR kind = 'plate' AND opening = 'hand')"


class PlateEventRow(Base):
    """One event of a device, once. `at` is corrected by the device's clock offset; `device_at` is what it said.

    `plate` is the vehicle the event concerns: read by a `plate` event, taken from the event that a `passed` or `reversed`
    completes. `decision` is `open`, `refuse` or `failed` (the barrier did not obey); null where nothing was decided.
    `completed`: a passage or its end without one is on record, so nobody waits for it any more. `went`: on a lane without a
    passage sensor, the barrier reported that it opened. `certainties`: of each character of `plate_raw` in percent, a byte each; null where the
    device does not say. `credential_digest`: null since revision 0025; a copy of an earlier one is restored with it, and emptied.
    """

    __tablename__ = "plate_event"
    site_id: Mapped[SiteId]
    device_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    event_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    lane_id: Mapped[Name]
    kind: Mapped[str] = mapped_column(String(16))
    at: Mapped[At]
    device_at: Mapped[At]
    received_at: Mapped[At]
    plate: Mapped[str | None] = mapped_column(String(16))
    plate_raw: Mapped[str | None] = mapped_column(String(300))
    plate_colour: Mapped[str | None] = mapped_column(String(12))
    confidence: Mapped[float | None] = mapped_column(Float)
    vehicle: Mapped[str | None] = mapped_column(String(10))
    for_event: Mapped[str | None] = mapped_column(String(300))
    opening: Mapped[str | None] = mapped_column(String(12))
    image: Mapped[str | None] = mapped_column(String(300))
    credential_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    buffered: Mapped[bool]
    digest: Mapped[bytes] = mapped_column(LargeBinary(16))
    decision: Mapped[str | None] = mapped_column(String(8))
    reason: Mapped[str | None] = mapped_column(String(32))
    completed: Mapped[bool] = mapped_column(Boolean, default=False)
    went: Mapped[bool] = mapped_column(Boolean, default=False)
    certainties: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    __table_args__ = (
        Index(
            "ix_plate_event_opened",
            "at",
            sqlite_where=text("decision = 'open' AND NOT completed"),
            postgresql_where=text("decision = 'open' AND NOT completed"),
        ),
        Index("ix_plate_event_vehicle", "site_id", "plate", "at"),
        Index("ix_plate_event_lane", "site_id", "lane_id", "at"),
        # Barriers that nobody's command raised, few among all: reports ask in the same words.
        Index("ix_plate_event_by_hand", "site_id", "at", sqlite_where=text(BY_HAND), postgresql_where=text(BY_HAND)),
        Index(
            "ix_plate_event_completes",
            "site_id",
            "device_id",
            "for_event",
            sqlite_where=text("for_event IS NOT NULL"),
            postgresql_where=text("for_event IS NOT NULL"),
        ),
    )


class Presence(Base):
    """One row a vehicle and site: the lock that two bridges share, and how far back its open history reaches.

    `history_from` is where the last stay but one began: earlier events can no longer change anything by themselves.
    `reads` counts how often the row was locked: at 1 the vehicle has no past here, and none need be asked for. `corrected_until`: what is
    told of an instant up to this may belong to a passage that staff corrected (ADR 0019); null for nearly everybody.
    """

    __tablename__ = "presence"
    site_id: Mapped[SiteId]
    plate: Mapped[str] = mapped_column(String(16), primary_key=True)
    newest_at: Mapped[At]
    history_from: Mapped[datetime | None] = mapped_column(Instant)
    reads: Mapped[int] = mapped_column(Integer, default=0)
    corrected_until: Mapped[datetime | None] = mapped_column(Instant)


class Stay(Base):
    """停车记录: from an entry to an exit of one vehicle in one site.

    `started_at` is the entry's instant, or the exit's where no entry is known. A stay is `inside` until its exit was
    opened or passed; `exit_at` may be known before (the vehicle waits at the exit with something due).
    `posted` holds the sums that the ledger has for it, by account. `holds_space`: it has a pass, and stands on one of its household's
    spaces or waits for one; in which minutes it stood on one, its bill says (ADR 0013). `corrections` counts those that name it.
    """

    __tablename__ = "stay"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    plate: Mapped[Plate]
    vehicle: Mapped[str] = mapped_column(String(10))
    plate_colour: Mapped[str | None] = mapped_column(String(12))
    state: Mapped[str] = mapped_column(String(12))
    started_at: Mapped[At]
    entry_at: Mapped[datetime | None] = mapped_column(Instant)
    exit_at: Mapped[datetime | None] = mapped_column(Instant)
    entry_lane: Mapped[str | None] = mapped_column(String(40))
    exit_lane: Mapped[str | None] = mapped_column(String(40))
    entry_device: Mapped[str | None] = mapped_column(String(40))
    entry_event: Mapped[str | None] = mapped_column(String(64))
    exit_device: Mapped[str | None] = mapped_column(String(40))
    exit_event: Mapped[str | None] = mapped_column(String(64))
    confirmed: Mapped[bool] = mapped_column(Boolean, default=False)
    exit_reason: Mapped[str | None] = mapped_column(String(32))
    household_id: Mapped[str | None] = mapped_column(String(64))
    holds_space: Mapped[bool] = mapped_column(Boolean, default=False)
    policy_id: Mapped[str] = mapped_column(String(64))
    policy_version: Mapped[int] = mapped_column(Integer)
    gross_fen: Mapped[int | None]
    payable_fen: Mapped[int | None]
    paid_fen: Mapped[int] = mapped_column(default=0)
    bills: Mapped[int] = mapped_column(Integer, default=0)
    settlements: Mapped[int] = mapped_column(Integer, default=0)
    posted: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    corrections: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"))
    __table_args__ = (
        Index(
            "uq_stay_one_inside",
            "site_id",
            "plate",
            unique=True,
            sqlite_where=text("state = 'inside'"),
            postgresql_where=text("state = 'inside'"),
        ),
        Index("ix_stay_vehicle", "site_id", "plate", "started_at"),
        Index("ix_stay_started", "site_id", "started_at", "id"),
        Index("ix_stay_exit", "site_id", "exit_at"),
        Index(
            "ix_stay_owed",
            "site_id",
            "started_at",
            "id",
            sqlite_where=text("state = 'left' AND payable_fen > paid_fen"),
            postgresql_where=text("state = 'left' AND payable_fen > paid_fen"),
        ),
        Index(
            "ix_stay_space",
            "site_id",
            "household_id",
            sqlite_where=text("state = 'inside' AND holds_space"),
            postgresql_where=text("state = 'inside' AND holds_space"),
        ),
        Index(
            "ix_stay_unusual",
            "site_id",
            "state",
            "started_at",
            "id",
            sqlite_where=text(UNUSUAL),
            postgresql_where=text(UNUSUAL),
        ),
        # Who left without paying what was asked, few among all: reports ask in the same words.
        Index("ix_stay_let_go", "site_id", "exit_at", sqlite_where=text(LET_GO), postgresql_where=text(LET_GO)),
    )


class CommandRow(Base):
    """A command, from its planning to what became of it: the outbox of the gates.

    `state`: planned → sent → done | expired | refused | fault; between, of devices that are not our own protocol's, `accepted`: it has
    been taken, and nobody has seen the barrier move. Where nobody can, it stays so. `true_reason` is apart from the wire's `reason`.
    `planner` is the bridge that publishes it right after its commit; null: whichever bridge sees it first.
    """

    __tablename__ = "command"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    device_id: Mapped[Name]
    lane_id: Mapped[Name]
    event_id: Mapped[str | None] = mapped_column(String(64))
    stay_id: Mapped[str | None] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(String(32))
    true_reason: Mapped[str] = mapped_column(String(32))
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    planned_at: Mapped[At]
    expires_at: Mapped[At]
    state: Mapped[str] = mapped_column(String(8))
    outcome_at: Mapped[datetime | None] = mapped_column(Instant)
    detail: Mapped[str | None] = mapped_column(Text)
    operator: Mapped[str | None] = mapped_column(String(64))
    planner: Mapped[str | None] = mapped_column(String(40))
    __table_args__ = (
        Index("ix_command_event", "site_id", "device_id", "event_id"),
        Index("ix_command_planned", "site_id", "planned_at"),
        Index(
            "ix_command_unfinished",
            "state",
            "planned_at",
            sqlite_where=text("state IN ('planned', 'sent')"),
            postgresql_where=text("state IN ('planned', 'sent')"),
        ),
    )


class ExceptionItem(Base):
    """What needs a person. One item a situation; repeats are counted, not added."""

    __tablename__ = "exception_item"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(24))
    subject: Mapped[str] = mapped_column(String(120))
    state: Mapped[str] = mapped_column(String(10), default="open")
    opened_at: Mapped[At]
    count: Mapped[int] = mapped_column(Integer, default=1)
    lane_id: Mapped[str | None] = mapped_column(String(40))
    stay_id: Mapped[str | None] = mapped_column(String(64))
    event_id: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[str] = mapped_column(Text, default="")
    resolved_at: Mapped[datetime | None] = mapped_column(Instant)
    resolved_by: Mapped[str | None] = mapped_column(String(64))
    resolution: Mapped[str | None] = mapped_column(Text)
    claimed_by: Mapped[str | None] = mapped_column(String(64))
    claimed_at: Mapped[datetime | None] = mapped_column(Instant)
    __table_args__ = (
        Index(None, "site_id", "kind", "subject", unique=True),
        Index("ix_exception_item_state", "site_id", "state", "opened_at"),
    )


class Quarantine(Base):
    """A payload that could not become an event: its bytes and the reason. Can be replayed after a correction."""

    __tablename__ = "quarantine"
    id: Mapped[Serial]
    site_id: Mapped[str] = mapped_column(String(40), default="")
    device_id: Mapped[str] = mapped_column(String(40), default="")
    topic: Mapped[str] = mapped_column(Text)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[bytes] = mapped_column(LargeBinary(16))
    code: Mapped[str] = mapped_column(String(24))
    detail: Mapped[str] = mapped_column(Text)
    event_id: Mapped[str | None] = mapped_column(String(64))
    count: Mapped[int] = mapped_column(Integer, default=1)
    received_at: Mapped[At]
    __table_args__ = (Index(None, "site_id", "device_id", "digest", unique=True), Index(None, "received_at"))


class Image(Base):
    """A picture that a device uploaded for one of its events. Deleted when its purpose ends."""

    __tablename__ = "image"
    site_id: Mapped[SiteId]
    device_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    event_id: Mapped[Key] = mapped_column(primary_key=True)
    jpeg: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[At]
    __table_args__ = (Index(None, "received_at"),)
