"""Small gates (小门): who may pass them, and who did. No card and no code is in it: keyed digests, whose key is not in the database."""

from __future__ import annotations

from sqlalchemy import Boolean, Index, String, Text, false, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, SiteId

_UNKNOWN = text("unknown")


class DoorMember(Base):
    """Somebody who may pass the small gates of a site, or one of them (`gate_id`), until `valid_to`. Ends by retention."""

    __tablename__ = "door_member"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    gate_id: Mapped[str | None] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(Text)
    valid_to: Mapped[At]
    blocked: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    registered_at: Mapped[At]
    registered_by: Mapped[str] = mapped_column(String(64))


class DoorCredential(Base):
    """What opens a door: the keyed digest of a card's number or a code (hex), the same for nobody else of the site. `kind`: card | code."""

    __tablename__ = "door_credential"
    site_id: Mapped[SiteId]
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    member_id: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(4))
    __table_args__ = (Index(None, "site_id", "member_id", "kind", unique=True),)


class DoorPassage(Base):
    """A credential shown at a door, and what was decided (`controllers.doors.Passage`). Ends by retention, sooner than its event.

    `by`: card | code, empty where it was nobody's (`unknown`) or nobody asked. `opened`: a command was given; what became of it, it says.
    """

    __tablename__ = "door_passage"
    site_id: Mapped[SiteId]
    device_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    event_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    lane_id: Mapped[str] = mapped_column(String(40))
    at: Mapped[At]
    member_id: Mapped[str | None] = mapped_column(String(64))
    by: Mapped[str] = mapped_column(String(4))
    opened: Mapped[bool]
    reason: Mapped[str] = mapped_column(String(16))
    unknown: Mapped[bool]
    __table_args__ = (
        Index("ix_door_passage_at", "site_id", "at", "event_id"),
        Index("ix_door_passage_age", "at"),
        Index("ix_door_passage_member", "site_id", "member_id"),
        Index("ix_door_passage_tries", "site_id", "lane_id", "at", sqlite_where=_UNKNOWN, postgresql_where=_UNKNOWN),
    )
