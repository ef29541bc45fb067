"""What must hold after a run, whatever died in it. Every check yields what it found broken, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import func, select

from controllers.adapters import native
from controllers.commands import Action
from controllers.events import Kind, Outcome, PlateEvent
from gateway.cli.demo.service_process import spare_the_disk
from gateway.cli.simulate.kills.estate import DEVICES, SITES, furnish
from gateway.cli.simulate.kills.gates import Witness
from gateway.flows.event_path import EventPath
from gateway.flows.inbound import EventIn
from gateway.flows.verify import verify
from gateway.store import tables as t
from gateway.wiring import Parts, build
from simulators.flash import lines

_FAILURES_MAX = 20
_BATCH = 20
Name = tuple[str, str, str]
StayRow = tuple[Any, ...]


@dataclass
class Records:
    """What the devices kept: everything they wrote, what was receipted, and what became of every command."""

    events: dict[Name, PlateEvent]
    results: dict[Name, Outcome]
    receipted: set[Name]
    commands: dict[tuple[str, str], list[Witness]]

    @classmethod
    def read(cls, folder: Path) -> Records:
        records = cls({}, {}, set(), {})
        for site in SITES:
            for device in DEVICES:
                records._device(site, device, folder)
        return records

    def _device(self, site: str, device: str, folder: Path) -> None:
        for line in lines(folder / f"{site}.{device}.journal"):
            if line.event is not None:
                self.events[site, device, line.event.id] = line.event
            if line.result is not None:
                self.results[site, device, line.result.command] = line.result.outcome
            self.receipted |= {(site, device, name) for name in (*line.events, *line.results)}
        file = folder / f"{site}.{device}.commands"
        seen = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
        self.commands[site, device] = [msgspec.json.decode(line, type=Witness) for line in seen]

    def stale(self) -> int:
        """Commands that came too late and that a controller refused for it."""
        return sum(one.outcome is Outcome.EXPIRED for all_ in self.commands.values() for one in all_)


def broken(
    parts: Parts, records: Records, visits: Mapping[str, Sequence[int]], taken: Mapping[str, int], folder: Path
) -> list[str]:
    """Everything that does not hold, up to a bound. `visits`: how often each vehicle truly came in and went out."""
    checks = (
        _events(parts, records),
        _results(parts, records),
        _stays(parts, visits),
        _folded_again(parts, records, folder),
        _commands(records),
        _money(parts, taken),
    )
    found: list[str] = []
    for check in checks:
        for problem in check:
            found.append(problem)
            if len(found) >= _FAILURES_MAX:
                return found
    return found


def _events(parts: Parts, records: Records) -> Iterator[str]:
    """Every event is in the database once, and nothing else is; each has its receipt."""
    event = t.PlateEventRow
    with parts.store.reading() as connection:
        rows = connection.execute(select(event.site_id, event.device_id, event.event_id)).fetchall()
        lost = connection.execute(select(t.Quarantine.code, t.Quarantine.detail)).fetchall()
    stored = Counter((row[0], row[1], row[2]) for row in rows)
    for name in records.events.keys() - stored.keys():
        yield (
            f"event {'/'.join(name)} was receipted and is lost"
            if name in records.receipted
            else f"event {'/'.join(name)} is lost"
        )
    for name in records.events.keys() - records.receipted:
        yield f"event {'/'.join(name)} never got a receipt"
    for name, count in stored.items():
        if count != 1 or name not in records.events:
            yield f"event {'/'.join(name)} is stored {count} times, and its device wrote it {int(name in records.events)} times"
    for code, detail in lost:
        yield f"a payload went to quarantine: {code}, {detail}"


def _results(parts: Parts, records: Records) -> Iterator[str]:
    """What became of a command stands in the database as the device said it."""
    command = t.CommandRow
    with parts.store.reading() as connection:
        rows = connection.execute(select(command.site_id, command.device_id, command.id, command.state)).fetchall()
    states = {(row[0], row[1], row[2]): row[3] for row in rows}
    for name, outcome in records.results.items():
        if name not in records.receipted:
            yield f"the result of command {'/'.join(name)} never got a receipt"
        # The service may have declared a command expired that reached its device all the same, just in time.
        if states.get(name) != outcome.value:
            yield f"command {'/'.join(name)} was {outcome.value}, and the database says {states.get(name)}"
    for name, state in states.items():
        if state == "planned":
            yield f"command {'/'.join(name)} is still in the outbox"


def _stays(parts: Parts, visits: Mapping[str, Sequence[int]]) -> Iterator[str]:
    """As many stays as vehicles truly came, and as many ended as truly went."""
    stay = t.Stay
    held: dict[str, Counter[str]] = {}
    with parts.store.reading() as connection:
        for plate, state, count in connection.execute(
            select(stay.plate, stay.state, func.count()).where(stay.state != "void").group_by(stay.plate, stay.state)
        ):
            held.setdefault(plate, Counter())[state] += count
    for plate in visits.keys() | held.keys():
        came, went = visits.get(plate, (0, 0))
        true = Counter({"left": went, "inside": came - went})
        if +true != +held.get(plate, Counter()):
            yield f"{plate} came {came} and went {went} times, and its stays are {dict(held.get(plate, {}))}"


class _SetClock:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def _folded_again(parts: Parts, records: Records, folder: Path) -> Iterator[str]:
    """The same events, once and in order, into an empty database in one process: the stays are the same."""
    told = sorted(records.events.items(), key=lambda one: (one[1].at, one[1].kind is not Kind.PLATE, one[0]))
    if not told:
        yield "no event at all"
        return
    url = f"sqlite:///{folder / 'fold.db'}"
    clock = _SetClock(told[0][1].at - timedelta(days=1))
    fold = build(parts.settings.model_copy(update={"database_url": url}), clock=clock)
    try:
        spare_the_disk(fold)
        furnish(fold)
        clock.at = told[-1][1].at + timedelta(minutes=1)
        path = EventPath(fold, planner="fold")
        for start in range(0, len(told), _BATCH):
            path.run([_message(name, event, clock.at) for name, event in told[start : start + _BATCH]])
        once = Counter(_stay_rows(fold))
    finally:
        fold.store.close()
    real = Counter(_stay_rows(parts))
    for row in (real - once).elements():
        yield f"the run has the stay {row}, and the same events in order do not"
    for row in (once - real).elements():
        yield f"the same events in order have the stay {row}, and the run does not"


def _message(name: Name, event: PlateEvent, now: datetime) -> EventIn:
    site, device, _ = name
    told = msgspec.structs.replace(event, buffered=True)
    return EventIn(
        site=site,
        device=device,
        event=told,
        received_at=now,
        topic=native.topic(site, device, "event"),
        payload=native.encode_event(told),
    )


def _stay_rows(parts: Parts) -> list[StayRow]:
    stay = t.Stay
    wanted = (stay.site_id, stay.plate, stay.state, stay.entry_event, stay.exit_event, stay.entry_at, stay.exit_at)
    with parts.store.reading() as connection:
        rows = connection.execute(select(*wanted, stay.gross_fen).where(stay.state != "void"))
        return [(*row[:5], *(at and f"{at:%H:%M:%S.%f}" for at in row[5:7]), row[7] or 0) for row in rows]


def _commands(records: Records) -> Iterator[str]:
    """No barrier rose for an expired command, and for no event twice."""
    for (site, device), seen in records.commands.items():
        opened: Counter[str] = Counter()
        for one in seen:
            if one.action is not Action.OPEN:
                continue
            if one.late_ms >= 0 and (one.rose or one.outcome is Outcome.DONE):
                yield f"{site}.{device} opened for {one.command}, {one.late_ms} ms after it had expired"
            if one.outcome is Outcome.DONE and one.event is not None:
                opened[one.event] += 1
        for event, times in opened.items():
            if times > 1:
                yield f"{site}.{device} was opened {times} times for {event}"


def _money(parts: Parts, taken: Mapping[str, int]) -> Iterator[str]:
    """Every payment that was answered is booked, once; transactions sum to zero; `verify` finds nothing."""
    row, posting, stay = t.Payment, t.Posting, t.Stay
    with parts.store.reading() as connection:
        booked = {found.id: found.amount_fen for found in connection.execute(select(row.id, row.amount_fen))}
        sums = connection.execute(
            select(posting.transaction_id)
            .group_by(posting.site_id, posting.transaction_id)
            .having(func.sum(posting.amount_fen) != 0)
        ).fetchall()
        twice = connection.execute(
            select(stay.id, stay.paid_fen, stay.payable_fen).where(stay.paid_fen > func.coalesce(stay.payable_fen, 0))
        ).fetchall()
    for name, fen in taken.items():
        if booked.get(name) != fen:
            yield f"payment {name} of {fen} fen was taken, and the books say {booked.get(name)}"
    for (name,) in sums:
        yield f"transaction {name} does not sum to zero"
    for name, paid, payable in twice:
        yield f"stay {name} costs {payable} fen, and {paid} were paid"
    report = verify(parts)
    if report.first_failure is not None:
        yield f"verify: {report.first_failure.what} {report.first_failure.id}: {report.first_failure.why}"
