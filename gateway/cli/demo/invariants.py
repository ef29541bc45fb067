"""The ten invariants, checked after a simulated day: the database against what the virtual gates and the world know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime

from sqlalchemy import func, select

from controllers.commands import Action
from gateway.cli.demo import figures
from gateway.cli.demo.wire import SECRET_WORDS, Wire
from gateway.flows.export import export_day
from gateway.flows.reconciliation import reading
from gateway.flows.verify import verify
from gateway.store import books
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.barrier import Cause
from simulators.conductor import Conductor
from simulators.journeys import Passage
from simulators.transport import Key
from simulators.yard import Yard

REASONS_OF_LEAVING = frozenset(
    {
        "free_minutes", "free_class", "low_income", "pass", "relative_allowance", "hour_voucher", "amount_voucher",
        "whole_stay_voucher", "discount", "rounding", "paid", "pay_later", "offline", "hand", "staff", "emergency",
        "late_event", "unpaid",
    }
)  # fmt: skip


class Check:
    """One run's evidence. Each check yields what does not hold."""

    def __init__(
        self, parts: Parts, conductor: Conductor, yard: Yard, day: date, wire: Wire, said: Mapping[str, int]
    ) -> None:
        """`said`: what each channel took on the day, less what it gave back, in fen."""
        self.parts, self.conductor, self.day, self.wire = parts, conductor, day, wire
        self.gates, self.names, self.links = list(yard.gates.values()), yard.names, yard.links
        self.said = said
        self.verified = verify(parts)

    def all(self) -> dict[str, str]:
        """`ok`, or the first thing that does not hold, by the invariant's number."""
        checks: list[Callable[[], Iterator[str]]] = [
            self._nothing_lost, self._one_effect, self._no_stale_command, self._no_free_ride, self._traceable,
            self._closed, self._allowances, self._bills, self._outlived, self._dignity,
        ]  # fmt: skip
        return {str(number): next(check(), "ok") for number, check in enumerate(checks, 1)}

    def _nothing_lost(self) -> Iterator[str]:
        """Every event of a real passage is stored, and no gate still waits for a receipt."""
        for gate in self.gates:
            if len(gate.journal):
                yield f"{gate.site}.{gate.device} still holds {len(gate.journal)} events without a receipt"
        event = t.PlateEventRow
        with self.parts.store.reading() as connection:
            stored = {
                (row[0], row[1], row[2])
                for row in connection.execute(select(event.site_id, event.device_id, event.event_id))
            }
        for passage in self.conductor.truth.passages:
            for event_id in (passage.event, passage.last_event):
                name = self._name(passage, event_id)
                if name is not None and (passage.site, passage.device, name) not in stored:
                    yield f"event {name} of {passage.site}.{passage.device} was receipted and is not stored"

    def _one_effect(self) -> Iterator[str]:
        """Vehicles that were read truly in and out have exactly their real stays, with their real instants."""
        stay = t.Stay
        held: dict[tuple[str, str], Counter[tuple[str | None, str | None]]] = {}
        with self.parts.store.reading() as connection:
            rows = connection.execute(
                select(stay.site_id, stay.plate, stay.entry_event, stay.exit_event).where(stay.state == "left")
            )
            for site, plate, entered, gone in rows:
                held.setdefault((site, plate), Counter())[entered, gone] += 1
        for true in self.conductor.truth.stays:
            entry, left = true.entry, true.exit
            if left is None:
                continue
            came, went = self._name(entry, entry.event), self._name(left, left.event)
            if came is None or went is None:
                continue
            if entry.read != entry.vehicle or left.read != left.vehicle:
                continue
            count = held.get((entry.site, entry.vehicle), Counter())[came, went]
            if count != 1:
                yield f"the stay of journey {entry.journey} at {entry.site} is held {count} times"

    def _no_stale_command(self) -> Iterator[str]:
        """No barrier rose for an expired command, and none came down on a vehicle."""
        command = t.CommandRow
        by_id: dict[tuple[str, str], list[tuple[datetime, datetime]]] = {}
        by_device: dict[tuple[str, str], list[tuple[datetime, datetime]]] = {}
        with self.parts.store.reading() as connection:
            rows = connection.execute(
                select(command.site_id, command.device_id, command.id, command.planned_at, command.expires_at).where(
                    command.action != Action.SHOW
                )
            )
            for site, device, name, planned_at, expires_at in rows:
                by_id.setdefault((site, name), []).append((planned_at, expires_at))
                by_device.setdefault((site, device), []).append((planned_at, expires_at))
        for gate in self.gates:
            for movement in gate.movements:
                if movement.command is not None and movement.cause is Cause.COMMAND:
                    # A device that speaks HTTP is told no id: it may only ever move while an order for it is fresh.
                    nameless = Key(gate.site, gate.device) in self.links
                    fresh = (
                        by_device.get((gate.site, gate.device), [])
                        if nameless
                        else by_id.get((gate.site, movement.command), [])
                    )
                    if not any(planned <= movement.at <= expires for planned, expires in fresh):
                        yield f"{gate.site}.{gate.device} acted on {movement.command} at {movement.at}, allowed {fresh[-1:]}"
                if not movement.up and movement.occupied and gate.lanes[movement.lane].spec.loop:
                    yield f"{gate.site}.{movement.lane}: a barrier came down on a vehicle at {movement.at}"

    def _no_free_ride(self) -> Iterator[str]:
        """Everybody who left has a reason; whoever left owing has a receivable of the same sum."""
        stay = t.Stay
        with self.parts.store.reading() as connection:
            rows = connection.execute(
                select(stay.id, stay.exit_reason, stay.payable_fen, stay.paid_fen, stay.posted).where(
                    stay.state == "left"
                )
            )
            for stay_id, reason, payable, paid, posted in rows:
                if reason not in REASONS_OF_LEAVING:
                    yield f"stay {stay_id} left for no recorded reason ({reason})"
                owed = sum((posted or {}).get("owed", {}).values())
                if owed != max(0, (payable or 0) - paid):
                    yield f"stay {stay_id} owes {(payable or 0) - paid} fen, and the books say {owed}"

    def _traceable(self) -> Iterator[str]:
        """What the ledger has at each channel is what the channel says; `verify`: transactions sum to zero and lead to their causes."""
        with self.parts.store.reading() as connection:
            booked = figures.at_channels(connection, self.day)
        for channel in sorted(booked.keys() | self.said.keys()):
            ours, theirs = booked.get(channel, 0), self.said.get(channel, 0)
            if ours != theirs:
                yield f"{channel} says {theirs} fen, the books have {ours}"
        yield from self._verify("transactions", "ledger", "postings", "payments", "stays")

    def _closed(self) -> Iterator[str]:
        """Each site's day is closed and, with the statements of the morning, sealed as reconciled."""
        with self.parts.store.reading() as connection:
            days = reading.days(connection, list(books.enabled_sites(connection)), self.day)
        for one in days:
            if not one.sealed:
                yield f"{one.site} is not reconciled: {one.missing}"
        yield from self._verify("closes", "close", "chain", "reconcil", "break")

    def _allowances(self) -> Iterator[str]:
        balance = t.AllowanceBalance
        with self.parts.store.reading() as connection:
            over = connection.execute(
                select(func.count()).where(balance.drawn_minutes > balance.limit_minutes)
            ).scalar_one()
        if over:
            yield f"{over} allowances are overdrawn"
        yield from self._verify("allowances", "draws")

    def _bills(self) -> Iterator[str]:
        yield from self._verify("bills", "bill")

    def _outlived(self) -> Iterator[str]:
        """Vehicles that passed a gate without a network are in the books like any other."""
        offline = {
            (passage.site, passage.device, self._name(passage, passage.event))
            for passage in self.conductor.truth.passages
            if passage.raised_by in {"list", "offline_exit"} and passage.event is not None
        }
        event = t.PlateEventRow
        with self.parts.store.reading() as connection:
            rows = connection.execute(
                select(event.site_id, event.device_id, event.event_id).where(
                    event.opening.in_(["list", "offline_exit"])
                )
            )
            missing = offline - {(row[0], row[1], row[2]) for row in rows}
        for site, device, name in sorted(missing):
            yield f"event {name} of {site}.{device}, passed offline, is not in the books as such"

    def _dignity(self) -> Iterator[str]:
        """No low-income status on any wire, nor in what others than finance export."""
        if self.wire.disclosed:
            yield f"{self.wire.disclosed} messages to gates name a low-income status"
        for name, content in export_day(self.parts, self.day, "csv", audience="auditor"):
            if any(word in content for word in SECRET_WORDS):
                yield f"the export {name} for an auditor names a low-income status"

    def _name(self, passage: Passage, event: str | None) -> str | None:
        """As the service has it; None where nobody told it."""
        return None if event is None else self.names.of(Key(passage.site, passage.device), event)

    def _verify(self, *kinds: str) -> Iterator[str]:
        """The one failure that `verify` names belongs to its kind; whatever it is called, it is not passed over."""
        failure = self.verified.first_failure
        if failure is not None and (any(kind in failure.what for kind in kinds) or "transactions" in kinds):
            yield f"{failure.what} {failure.id}: {failure.why}"
