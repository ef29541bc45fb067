"""A device's journal: events and results wait in it until the service says that they are in its database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Literal

from controllers.events import CommandResult, PlateEvent

JOURNAL_MAX = 20_000
BUFFERED_UNRECEIPTED_MAX = 32
RESEND_AFTER = timedelta(seconds=5)
RESEND_PAUSE_MAX = timedelta(seconds=60)

Drawer = Literal["event", "result"]


class JournalFullError(Exception):
    """The journal holds its maximum without a receipt. A device never forgets on its own, so it can take no more."""


class Entry:
    """One event or result, and what has been tried to deliver it. `buffered`: it can no longer be answered live."""

    __slots__ = ("attempts", "buffered", "content", "copies", "drawer", "first_sent_at", "id", "pause", "sent_at")

    def __init__(self, drawer: Drawer, entry_id: str, content: PlateEvent | CommandResult, buffered: bool) -> None:
        self.drawer: Drawer = drawer
        self.id = entry_id
        self.content = content
        self.buffered = buffered
        self.copies = 1  # a command that came twice is answered twice
        self.first_sent_at: datetime | None = None
        self.sent_at: datetime | None = None
        self.attempts = 0
        self.pause = RESEND_AFTER

    def due_at(self) -> datetime | None:
        """When to send it again; None if it was never sent, so that it is due at once."""
        return None if self.sent_at is None else self.sent_at + self.pause

    def sent(self, now: datetime) -> None:
        self.pause = RESEND_AFTER if self.attempts == 0 else min(self.pause * 2, RESEND_PAUSE_MAX)
        self.first_sent_at = self.first_sent_at or now
        self.sent_at = now
        self.attempts += 1
        self.copies = 1


class Journal:
    """In order of writing. An entry leaves only by its receipt."""

    def __init__(self) -> None:
        self._entries: dict[tuple[Drawer, str], Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: tuple[Drawer, str]) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def write(self, drawer: Drawer, entry_id: str, content: PlateEvent | CommandResult, *, buffered: bool) -> None:
        """Keep it until its receipt; writing a result again makes it due again. Raises `JournalFullError`."""
        if len(self._entries) >= JOURNAL_MAX:
            raise JournalFullError(f"{JOURNAL_MAX} events and results without a receipt")
        unsent = self._entries.get((drawer, entry_id))
        if unsent is not None and unsent.sent_at is None:
            unsent.copies += 1
        else:
            self._entries[drawer, entry_id] = Entry(drawer, entry_id, content, buffered)

    def receipt(self, events: Iterable[str], results: Iterable[str]) -> None:
        """These are in the service's database; ids never heard of are no error (a repeat is receipted again)."""
        for event in events:
            self._entries.pop(("event", event), None)
        for result in results:
            self._entries.pop(("result", result), None)

    def connection_lost(self) -> None:
        """What had no receipt by now can no longer be answered live; on the next connection it is sent afresh."""
        for entry in self._entries.values():
            entry.buffered = True
            entry.sent_at = None
            entry.attempts = 0
            entry.pause = RESEND_AFTER

    def due(self, now: datetime) -> list[Entry]:
        """What to send now: live ones first, then buffered ones in order, at most 32 of those without a receipt."""
        if not self._entries:
            return []
        waiting = [entry for entry in self._entries.values() if (at := entry.due_at()) is None or at <= now]
        live = [entry for entry in waiting if not entry.buffered]
        unreceipted = sum(entry.buffered and entry.attempts > 0 for entry in self._entries.values())
        buffered = []
        for entry in waiting:
            if entry.buffered and (entry.attempts or unreceipted < BUFFERED_UNRECEIPTED_MAX):
                unreceipted += not entry.attempts
                buffered.append(entry)
        return live + buffered

    def next_due_at(self) -> datetime | None:
        """The earliest moment at which something already sent is to be sent again."""
        return min((at for entry in self._entries.values() if (at := entry.due_at()) is not None), default=None)

    def awaits_receipt(self) -> bool:
        """Whether something was sent and has no receipt (a result never sent yet does not count)."""
        return any(entry.sent_at is not None or entry.drawer == "event" for entry in self._entries.values())

    def buffered(self) -> int:
        return sum(entry.buffered for entry in self._entries.values())

    def silent_since(self) -> datetime | None:
        """Since when the oldest live event that was sent has had no receipt."""
        return min(
            (
                entry.first_sent_at
                for entry in self._entries.values()
                if entry.drawer == "event" and not entry.buffered and entry.first_sent_at is not None
            ),
            default=None,
        )
