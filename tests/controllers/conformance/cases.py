"""What a vendor brings to the conformance suite: tables. Each lies in `tests/controllers/adapters/<vendor>/cases.py` as `CASES`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from controllers.adapters.port import (
    FittedLane,
    Fitting,
    Message,
    Order,
    Posted,
    Reply,
    Riding,
    Said,
    Sent,
)
from controllers.commands import Action, Command, ListDelta, ListEntry, Reason, WholeList

ADAPTERS = Path(__file__).parents[1] / "adapters"
EXPECTED: dict[str, dict[str, Any]] = json.loads((ADAPTERS / "expected.json").read_text(encoding="utf-8"))
SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 10, 29, 8, 0, 2, tzinfo=UTC)
"""A moment after the samples' reads."""

IN = FittedLane(id="in-1", inward=True)
OUT = FittedLane(id="out-1", inward=False)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A message as a device sends it, and what it says.

    `expected`: of a read, in the words of `expected.json` (see SOURCES.md). `said`: of anything else, exactly.
    `tells_time`: the message carries its instant; one that does not may differ in it when it is received again.
    """

    name: str
    message: Message
    fitting: Fitting
    expected: Mapping[str, Any] | None = None
    said: tuple[Said, ...] | None = None
    tells_time: bool = True


@dataclass(frozen=True, kw_only=True)
class Told:
    """An order, and what is sent for it: exactly, JSON compared as JSON; a word is the code of `CannotCarryOut`."""

    order: Order
    fitting: Fitting
    sent: tuple[Sent, ...] | str


@dataclass(frozen=True, kw_only=True)
class Replied:
    """What a device's request is answered with, with these orders riding on it. `quarantined`: it could not be decoded."""

    name: str
    message: Posted
    fitting: Fitting
    orders: tuple[Riding, ...] = ()
    reply: Reply
    quarantined: bool = False


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What is refused with a code. The suite tries the noise that is the same for everybody by itself."""

    name: str
    message: Message
    fitting: Fitting
    code: str


@dataclass(frozen=True, kw_only=True)
class Cases:
    """Everything of one vendor. `unread(word)` and `coloured(word)` make a read with that plate, or of that colour.

    `words_without_plate`: what this vendor writes where it could not read one, beside what everybody may write.
    `colours`: the vendor's words, and ours. `two_parts`: messages that are one read, in order. `secrets`: words in samples that must
    not be kept.
    """

    vendor: str
    samples: tuple[Sample, ...]
    told: tuple[Told, ...]
    replied: tuple[Replied, ...] = ()
    noise: tuple[Noise, ...] = ()
    unread: Callable[[str], Sample]
    words_without_plate: tuple[str, ...] = ()
    coloured: Callable[[Any], Sample] | None = None
    colours: Mapping[Any, str | None] | None = None
    two_parts: tuple[tuple[Sample, ...], ...] = ()
    secrets: tuple[bytes, ...] = ()


def sample_bytes(vendor: str, file: str) -> bytes:
    return (ADAPTERS / vendor / "samples" / file).read_bytes()


def sample_json(vendor: str, file: str) -> Any:
    return json.loads(sample_bytes(vendor, file))


def as_json(document: Any, encoding: str = "utf-8") -> bytes:
    return json.dumps(document, ensure_ascii=False).encode(encoding)


def a_fitting(*lanes: FittedLane, serial: str = "", features: frozenset[str] | set[str] = frozenset()) -> Fitting:
    return Fitting(
        site="xinyi", device="d1", lanes=lanes or (IN,), zone=SHANGHAI, serial=serial, features=frozenset(features)
    )


def a_command(
    action: Action,
    *,
    lane: str = "in-1",
    event: str | None = None,
    show: tuple[str, ...] = (),
    say: str | None = None,
    reason: Reason = Reason.TEMPORARY,
) -> Command:
    return Command(
        id="c1",
        action=action,
        lane=lane,
        reason=reason,
        expires_at=NOW + timedelta(seconds=8),
        ttl_ms=8000,
        event=event,
        show=show,
        say=say,
    )


def a_list(*plates: str, version: int = 7) -> WholeList:
    until = datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC)
    return WholeList(version=version, entries=tuple(ListEntry(plate=plate, until=until) for plate in plates))


def a_delta(*, add: tuple[str, ...] = (), remove: tuple[str, ...] = (), version: int = 8) -> ListDelta:
    return ListDelta(version=version, from_version=version - 1, add=a_list(*add).entries, remove=remove)
