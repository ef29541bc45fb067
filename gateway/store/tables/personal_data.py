"""What people asked about their own data, and what the daily deletion did. Counts and digests; nobody is named in it for long."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Boolean, Date, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, Instant, Json, SiteId


class PersonalDataRequest(Base):
    """A person's data, asked for: exported, or proposed for erasure by one member of staff and erased by another.

    `site_id` is the household's site, or empty for a plate, which may be known at every site; `sites` are those that the asking
    account may see (empty: all). `about` is `plate` or `household`; which one stands encrypted in `sealed`, only as long as an
    erasure is `proposed`. `digest` is a keyed digest of it: who has the secret key can tell that *this* plate was erased, nobody
    else can try plates against it. `done` holds counts. `state`: exported | proposed | erased | rejected | expired.
    """

    __tablename__ = "personal_data_request"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    about: Mapped[str] = mapped_column(String(10))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    sites: Mapped[list[str]] = mapped_column(Json)
    identity: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(10))
    asked_by: Mapped[str] = mapped_column(String(64))
    asked_at: Mapped[At]
    decided_by: Mapped[str | None] = mapped_column(String(64))
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    done: Mapped[dict[str, Any]] = mapped_column(Json)
    __table_args__ = (Index(None, "asked_at"), Index(None, "state", "asked_at"))


class RetentionRun(Base):
    """What the deletion of a local day did to one kind of data: how many rows, older than when. One row a day and kind, also for 0.

    `unfinished`: the day's work is bounded, and more of the kind was due.
    """

    __tablename__ = "retention_run"
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    started_at: Mapped[At]
    finished_at: Mapped[At]
    older_than: Mapped[datetime | None] = mapped_column(Instant)
    deleted: Mapped[int] = mapped_column(Integer)
    unfinished: Mapped[bool] = mapped_column(Boolean)


class Erasing(Base):
    """The door in the triggers of what only ever grows: a row stands here only inside a transaction that takes a person out.

    It is put in after the transaction has begun and taken out before it commits, so nobody else ever sees one.
    """

    __tablename__ = "erasing"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    since: Mapped[At]
