"""The invariants after a run: what the database holds against what the world knows, and against a delivery without faults."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from controllers.adapters import native
from controllers.commands import Action
from controllers.events import Kind
from gateway.cli.demo.invariants import REASONS_OF_LEAVING
from gateway.cli.simulate.faults.database import Calm
from gateway.cli.simulate.faults.ground import ALLOWANCE_MINUTES, HOLDER, SITE, Ground
from gateway.flows.event_path import EventPath
from gateway.flows.inbound import EventIn
from gateway.flows.sweep import sweep
from gateway.flows.verify import verify
from gateway.store.tables.base import microseconds
from simulators.barrier import Cause
from simulators.clock import SimulatedClock

if TYPE_CHECKING:
    from gateway.cli.simulate.faults.run import Run

_CLOCK_COUNTS_FROM = timedelta(seconds=2)
_LATER = timedelta(days=2)
_TOGETHER = 12
_DAYS_CLOSED = 2
_OF_VERIFY = (("close", 6), ("chain", 6), ("allowance", 7), ("draw", 7), ("bill", 8))

Stay = tuple[str, int | None, int | None, str, int]


class Checks:
    """Each check yields what does not hold."""

    def __init__(self, ground: Ground, run: Run) -> None:
        self._ground, self._run, self._record = ground, run, run.record
        ground.place.disk = Calm()
        self._stays = self._stored_stays()

    def first(self) -> tuple[int, str] | None:
        """The number of the first invariant that does not hold, and why."""
        checks: list[tuple[int, Callable[[], Iterator[str]]]] = [
            (1, self._nothing_lost),
            (3, self._no_stale_command),
            (2, self._true_stays),
            (4, self._no_free_ride),
            (5, self._books),
            (6, self._closed),
            (7, self._allowances),
        ]
        for number, check in checks:
            for what in check():
                return number, what
        report = verify(self._run.service.parts)
        if report.first_failure is not None:
            failure = report.first_failure
            number = next((of for word, of in _OF_VERIFY if word in failure.what), 5)
            return number, f"{failure.what} {failure.id}: {failure.why}"
        for what in self._same_as_without_faults():
            return 2, what
        return None

    def final_state(self) -> Iterator[str]:
        """What the run left behind, for the trace."""
        content = hashlib.blake2b(repr(self._stays).encode(), digest_size=16).hexdigest()
        yield f"{len(self._record.said)} events, {len(self._record.paid)} payments, stays {content}"

    # ------------------------------------------------------------------------------------------------------------------

    def _rows(self, statement: str) -> list[sqlite3.Row]:
        return self._ground.look(statement)

    def _stored_stays(self) -> list[Stay]:
        found = self._rows(
            "SELECT plate, entry_at, exit_at, state, coalesce(gross_fen, 0) FROM stay WHERE state <> 'void'"
        )
        return sorted((tuple(row) for row in found), key=lambda stay: (stay[0], stay[1] or stay[2] or 0, stay[3]))

    def _nothing_lost(self) -> Iterator[str]:
        """Every event of every gate is stored once, as it was said; nobody waits for a receipt."""
        for device in self._run.devices:
            if len(device.gate.journal):
                yield f"{device.name} still holds {len(device.gate.journal)} events or results without a receipt"
        if not all(driver.done for driver in self._run.drivers):
            yield "a vehicle is still waiting"
        statement = "SELECT device_id, event_id, device_at, kind, opening FROM plate_event"
        stored = Counter(tuple(row) for row in self._rows(statement))
        for said in self._record.said:
            event = said.event
            opening = event.opening.value if event.opening else None
            count = stored[said.device, event.id, microseconds(event.at), event.kind.value, opening]
            if count != 1:
                yield f"event {event.id} of {said.device} is stored {count} times as it was said"
        if sum(stored.values()) != len(self._record.said):
            yield f"{sum(stored.values())} events are stored, and {len(self._record.said)} were written"

    def _no_stale_command(self) -> Iterator[str]:
        """On the device's own clock, since that is what it has; and on ours, as far as its clock may be off."""
        limits = {row[0]: (row[1], row[2]) for row in self._rows("SELECT id, expires_at, payload FROM command")}
        acted: Counter[str] = Counter()
        for device in self._run.devices:
            for answered in device.gate.answered:
                command = answered.command
                if command.action is Action.SHOW or answered.outcome.value != "done":
                    continue
                acted[command.id] += 1
                if command.id not in limits:
                    yield f"{device.name} acted on {command.id}, which nobody gave"
                elif microseconds(answered.at - device.offset_max) >= limits[command.id][0] and self._small_steps():
                    yield f"{device.name} acted on {command.id} at {answered.at}, after its expiry"
            for movement in device.gate.movements:
                if not movement.up and movement.occupied:
                    yield f"{device.name} {movement.lane}: a barrier came down on a vehicle at {movement.at}"
                if movement.cause is Cause.COMMAND and movement.command not in limits:
                    yield f"{device.name} {movement.lane}: a barrier moved for no command of ours"
        for row in self._rows("SELECT id FROM command WHERE state = 'planned'"):
            yield f"command {row[0]} was neither published nor put before staff"
        for name, count in acted.items():
            if count > 1:
                yield f"command {name} was executed {count} times"

    def _small_steps(self) -> bool:
        """Whether every clock was always right as far as the contract tells clocks apart."""
        return all(device.offset_max < _CLOCK_COUNTS_FROM for device in self._run.devices)

    def _true_stays(self) -> Iterator[str]:
        """Vehicles that truly came and truly went have those stays, at those instants, and no others."""
        if not self._small_steps():
            return
        expected: Counter[tuple[str, int | None, int | None]] = Counter()
        inside: dict[str, datetime] = {}
        for passage in self._record.passages:
            if passage.plate is None or not passage.passed:
                continue
            if passage.inward:
                inside[passage.plate] = passage.read_at
            elif (entered := inside.pop(passage.plate, None)) is not None:
                expected[passage.plate, microseconds(entered), microseconds(passage.read_at)] += 1
        held: Counter[tuple[str, int | None, int | None]] = Counter(
            (stay[0], stay[1], stay[2]) for stay in self._stays if stay[3] == "left" and stay[1] is not None
        )
        for plate, entered_at, left_at in expected - held:
            yield f"{plate} was there from {entered_at} to {left_at}, and has stays {self._of(plate)}"
        for plate, was_in, was_out in held - expected:
            yield f"{plate} has a stay from {was_in} to {was_out}, and was not there then"

    def _of(self, plate: str) -> list[Stay]:
        return [stay for stay in self._stays if stay[0] == plate]

    def _no_free_ride(self) -> Iterator[str]:
        """Whoever left has a reason; whoever left owing has a receivable of the same sum."""
        rows = self._rows("SELECT id, exit_reason, payable_fen, paid_fen, posted FROM stay WHERE state = 'left'")
        for stay, reason, payable, paid, posted in rows:
            if reason not in REASONS_OF_LEAVING:
                yield f"stay {stay} left for no recorded reason ({reason})"
            owed = sum((json.loads(posted) or {}).get("owed", {}).values()) if posted else 0
            if owed != max(0, (payable or 0) - paid):
                yield f"stay {stay} owes {(payable or 0) - paid} fen, and the books say {owed}"

    def _books(self) -> Iterator[str]:
        """Every payment that a driver was told of is there once, and no other; the ledger sums to zero and agrees."""
        stored = {
            row[0].removeprefix("key:"): row[1] for row in self._rows("SELECT idempotency_key, amount_fen FROM payment")
        }
        for key, fen in self._record.paid.items():
            if stored.get(key) != fen:
                yield f"payment {key} of {fen} fen was taken, and the books have {stored.get(key)}"
        for key in stored.keys() - self._record.tried:
            yield f"payment {key} is in the books, and nobody paid it"
        for row in self._rows("SELECT transaction_id FROM posting GROUP BY transaction_id HAVING sum(amount_fen) <> 0"):
            yield f"ledger transaction {row[0]} does not sum to zero"
        received = self._rows("SELECT coalesce(sum(amount_fen), 0) FROM posting WHERE account LIKE 'assets:channel%'")
        if received[0][0] != sum(stored.values()):
            yield f"{received[0][0]} fen were received by the ledger, {sum(stored.values())} by the payments"

    def _closed(self) -> Iterator[str]:
        closed = self._rows("SELECT count(*) FROM day_close")[0][0]
        if closed != _DAYS_CLOSED:
            yield f"{closed} days are closed, and {_DAYS_CLOSED} are over"

    def _allowances(self) -> Iterator[str]:
        for holder, month, drawn in self._rows("SELECT holder, month, drawn_minutes FROM allowance_balance"):
            if holder == HOLDER and not 0 <= drawn <= ALLOWANCE_MINUTES:
                yield f"{holder} has drawn {drawn} minutes of {ALLOWANCE_MINUTES} in {month}"

    def _same_as_without_faults(self) -> Iterator[str]:
        """The same events, each once and in order, give the same stays and gross prices."""
        if not self._small_steps():
            return
        said = sorted(
            self._record.said, key=lambda one: (one.at, one.event.kind is not Kind.PLATE, one.device, one.event.id)
        )
        self._ground.restore()
        clock = SimulatedClock(max((one.at for one in said), default=self._run.schedule.now()) + timedelta(hours=1))
        parts = self._ground.parts(clock)
        path = EventPath(parts, planner="once")
        messages = [
            EventIn(
                site=SITE,
                device=one.device,
                event=one.event,
                received_at=clock.now(),
                topic=native.topic(SITE, one.device, "event"),
                payload=native.encode_event(one.event),
            )
            for one in said
        ]
        for first in range(0, len(messages), _TOGETHER):
            path.run(messages[first : first + _TOGETHER])
        clock.advance(clock.now() + _LATER)
        sweep(parts)
        should = self._stored_stays()
        if self._comparable(self._stays) != self._comparable(should):
            differing = next(
                (mine, other)
                for mine, other in zip(
                    [*self._comparable(self._stays), None], [*self._comparable(should), None], strict=False
                )
                if mine != other
            )
            yield f"a stay is {differing[0]}, and without any faults {differing[1]}"

    def _comparable(self, stays: list[Stay]) -> list[Any]:
        """What was paid before the exit is priced for its own moment: of those only the instants are the same."""
        early = self._record.paid_early
        return [stay[:4] if stay[0] in early else stay for stay in stays]
