"""What truly happened, as nobody in the service can know it."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from controllers.events import CommandResult, PlateEvent
from simulators.barrier import Cause
from simulators.journal import Drawer, Journal


@dataclass(slots=True)
class Passage:
    """A vehicle at a barrier. `read_at` is the device's clock at its first read there; `passed` is False if it backed away."""

    plate: str | None
    device: str
    lane: str
    inward: bool
    read_at: datetime
    event: str
    passed: bool | None = None
    raised_by: Cause | None = None


@dataclass(slots=True)
class Said:
    """An event that a gate has written, and whether it was buffered from the beginning."""

    device: str
    event: PlateEvent
    at: datetime


@dataclass(slots=True)
class Record:
    """The world's own. `broken` lists what was seen to be wrong at the moment when it happened, by invariant."""

    said: list[Said] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    paid: dict[str, int] = field(default_factory=dict)
    tried: set[str] = field(default_factory=set)
    paid_early: set[str] = field(default_factory=set)
    receipted: dict[tuple[str, str], datetime] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[int, str]] = field(default_factory=list)
    lines: list[str] | None = None
    _digest: hashlib.blake2b = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    def note(self, at: datetime, what: str) -> None:
        """A line of the trace."""
        line = f"{at:%d %H:%M:%S.%f} {what}"
        self._digest.update(line.encode() + b"\n")
        if self.lines is not None:
            self.lines.append(line)

    def fault(self, at: datetime, kind: str, detail: str = "") -> None:
        """Something was made to go wrong."""
        self.faults[kind] += 1
        self.note(at, f"fault {kind} {detail}")

    def breach(self, at: datetime, invariant: int, what: str) -> None:
        self.broken.append((invariant, what))
        self.note(at, f"BROKEN {invariant}: {what}")

    def digest(self) -> str:
        """Of the whole trace: the same seed and options give the same."""
        return self._digest.hexdigest()


class Chronicle(Journal):
    """A gate's journal that the world reads along."""

    def __init__(self, device: str, record: Record) -> None:
        super().__init__()
        self._device = device
        self._record = record

    def write(self, drawer: Drawer, entry_id: str, content: PlateEvent | CommandResult, *, buffered: bool) -> None:
        super().write(drawer, entry_id, content, buffered=buffered)
        if isinstance(content, PlateEvent):
            self._record.said.append(Said(self._device, content, content.at))
