"""What a controller keeps over a power cut: its journal and its offline list, in files in the place of flash memory.

A line is on the disk before anybody hears of what it says. Nothing is ever taken out again, so that a file is also the
record of everything that the device wrote and of every receipt it got: it grows for as long as a run takes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from controllers.events import CommandResult, Kind, PlateEvent
from simulators.journal import Drawer, Journal


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was kept: a start of the device, an event, a result, or a receipt for events and results."""

    boot: int = 0
    event: PlateEvent | None = None
    result: CommandResult | None = None
    events: tuple[str, ...] = ()
    results: tuple[str, ...] = ()


_decoder = msgspec.json.Decoder(Line)


def lines(path: Path) -> Iterator[Line]:
    """Everything that was kept in a file, in order; nothing where there is none. What a power cut tore off is left out."""
    if path.exists():
        for line in path.read_bytes().split(b"\n")[:-1]:
            yield _decoder.decode(line)


class FlashJournal(Journal):
    """A journal that a power cut does not empty. What it held before one can no longer be answered live.

    `boot` counts the device's starts, from 1. `last` is what happened last at each lane.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.boot = 1
        self.last: dict[str, Kind] = {}
        self._replay(path)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._cut_off_what_is_torn(path)
        self._keep(Line(boot=self.boot))

    def write(self, drawer: Drawer, entry_id: str, content: PlateEvent | CommandResult, *, buffered: bool) -> None:
        """As `Journal.write`, and on the disk when it returns."""
        super().write(drawer, entry_id, content, buffered=buffered)
        if isinstance(content, PlateEvent):
            self.last[content.lane] = content.kind
            self._keep(Line(event=content))
        else:
            self._keep(Line(result=content))

    def receipt(self, events: Iterable[str], results: Iterable[str]) -> None:
        told = Line(events=tuple(events), results=tuple(results))
        self._keep(told)
        super().receipt(told.events, told.results)

    def _replay(self, path: Path) -> None:
        for line in lines(path):
            self.boot += bool(line.boot)
            if line.event is not None:
                self.last[line.event.lane] = line.event.kind
                super().write("event", line.event.id, line.event, buffered=True)
            if line.result is not None:
                super().write("result", line.result.command, line.result, buffered=True)
            super().receipt(line.events, line.results)

    def _cut_off_what_is_torn(self, path: Path) -> None:
        content = path.read_bytes()
        os.ftruncate(self._file, content.rfind(b"\n") + 1)

    def _keep(self, line: Line) -> None:
        os.write(self._file, msgspec.json.encode(line) + b"\n")
        os.fsync(self._file)


class KeptList:
    """The messages that made a device's offline list, for its next start."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def heard(self, channel: str, payload: bytes) -> None:
        """A whole list takes the place of what was there; a change is added to it."""
        if channel not in {"list", "list/delta"} or b"\n" in payload:
            return
        with self._path.open("wb" if channel == "list" else "ab") as file:
            file.write(channel.encode() + b" " + payload + b"\n")

    def messages(self) -> list[tuple[str, bytes]]:
        """(channel, payload), in order; without what a power cut tore off."""
        if not self._path.exists():
            return []
        kept = (line.partition(b" ") for line in self._path.read_bytes().split(b"\n")[:-1])
        return [(channel.decode(), payload) for channel, _, payload in kept]
