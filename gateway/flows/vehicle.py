"""One vehicle at one site: its events folded into stays, and the stays that we hold brought to what the events say."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from controllers.events import Kind, PlateColour, VehicleType
from controllers.passages import Decision, DerivedStay, Mark, Passage, Read, State, passages, stays
from controllers.plate import vehicle_type
from gateway.flows import voucher_use
from gateway.flows.batch import Batch
from gateway.flows.outcome import Situation
from gateway.flows.settling import Settling
from gateway.runtime.ids import derive_in_site
from gateway.store.facts import EventKey, VehicleKey
from gateway.store.records import EventRecord, StayRecord

_UNCHARGED = {State.MISSING_EXIT, State.NO_ENTRY, State.VOID}


class Vehicle:
    """Folds again after each of its events. The fold is pure; here its result meets what is stored."""

    def __init__(self, batch: Batch, key: VehicleKey) -> None:
        self.batch = batch
        self.key = key
        self.site, self.plate = key
        self.events: dict[EventKey, EventRecord] = batch.facts.history.setdefault(key, {})
        self.stays: list[StayRecord] = batch.facts.stays.setdefault(key, [])

    def fold(self, at: datetime) -> None:
        """Bring the stays to what the events say. `at`: the instant of the event that caused it, for the ledger."""
        derived = stays(self._reads(), self._marks())
        held = [stay for stay in self.stays if not stay.gone]
        pairs = [(one, self._held(self.site, one, held)) for one in derived]
        kept = {id(stay) for _, stay in pairs if stay is not None}
        # First what ends, then what begins: a vehicle has one stay inside at any time, also while rows are written.
        for stay in held:
            if id(stay) not in kept:
                self._drop(stay, at)
        for one, found in pairs:
            self._bring(one, found or self._begin(one), at)
        self.stays.sort(key=lambda stay: (stay.started_at, stay.id))
        self._remember_history()

    def stay_of(self, event: EventRecord) -> StayRecord | None:
        """The stay that a read belongs to now, as entry or as exit."""
        reads = self._passage_reads(event)
        for stay in reversed(self.stays):
            if stay.gone or stay.state == State.VOID:
                continue
            if (stay.entry_device, stay.entry_event) in reads or (stay.exit_device, stay.exit_event) in reads:
                return stay
        return None

    def complete(self, read: EventRecord) -> None:
        """Nobody waits any more for what becomes of a read, nor of the earlier reads of its passage."""
        for event in self.events.values():
            if event.kind == Kind.PLATE and event.lane == read.lane and event.at <= read.at and not event.completed:
                event.completed = True
                self.batch.outcome.changed(event)

    def _passage_reads(self, event: EventRecord) -> set[tuple[str | None, str | None]]:
        for one in stays(self._reads(), self._marks()):
            for passage in (one.entry, one.exit):
                if passage is not None and passage.holds(event.device, event.event):
                    return {(read.device, read.event) for read in passage.reads}
        return set()

    def _reads(self) -> Iterable[Read]:
        lanes = self.batch.estate.lanes
        for event in self.events.values():
            if event.kind == Kind.PLATE:
                lane = lanes[self.site, event.lane]
                decision = Decision(event.decision) if event.decision else None
                yield Read(
                    event.device,
                    event.event,
                    event.at,
                    event.lane,
                    lane.inward,
                    decision,
                    event.opening,
                    event.went,
                    event.buffered,
                )

    def _marks(self) -> Iterable[Mark]:
        for event in self.events.values():
            if event.kind in {Kind.PASSED, Kind.REVERSED} and event.for_event:
                yield Mark(event.device, event.for_event, event.at, event.kind == Kind.PASSED, event.opening)

    @staticmethod
    def _held(site: str, one: DerivedStay, held: Iterable[StayRecord]) -> StayRecord | None:
        """The stored stay that this is: the same passage began it, even if another of its reads was known first."""
        passage = one.entry or one.exit
        assert passage is not None
        ids = {derive_in_site(site, read.device, read.event) for read in passage.reads}
        # Two that turn out to be one: the one for which somebody has paid, or presented a voucher, stands.
        found = (stay for stay in held if stay.id in ids)
        return max(found, key=lambda stay: (stay.paid_fen, stay.vouchers), default=None)

    def _begin(self, one: DerivedStay) -> StayRecord:
        first, read = self._first_read(one)
        policy = self.batch.policy(self.site, first.at)
        what = self.batch.standing(self.key, read.plate_colour, first.at)
        stay = StayRecord(
            site=self.site,
            id=derive_in_site(self.site, first.device, first.event),
            plate=self.plate,
            vehicle=self._vehicle_type(read),
            plate_colour=read.plate_colour,
            state=State.VOID,
            started_at=first.at,
            entry_at=None,
            exit_at=None,
            entry_lane=None,
            exit_lane=None,
            entry_device=None,
            entry_event=None,
            exit_device=None,
            exit_event=None,
            confirmed=False,
            exit_reason=None,
            household=what.household,
            holds_space=False,
            policy_id=policy.id if policy else "",
            policy_version=policy.version if policy else 0,
            gross_fen=None,
            payable_fen=None,
            paid_fen=0,
            bills=0,
            settlements=0,
            vouchers=0,
            posted=Settling.NOTHING,
            new=True,
        )
        self.stays.append(stay)
        return stay

    def _first_read(self, one: DerivedStay) -> tuple[Read, EventRecord]:
        passage = one.entry or one.exit
        assert passage is not None
        return passage.first, self.events[self.site, passage.first.device, passage.first.event]

    def _vehicle_type(self, read: EventRecord) -> str:
        found = self.batch.facts.registrations.get(self.key)
        return vehicle_type(
            VehicleType(read.vehicle) if read.vehicle else None,
            VehicleType(found.vehicle) if found and found.vehicle else None,
            PlateColour(read.plate_colour) if read.plate_colour else None,
        ).value

    def _bring(self, one: DerivedStay, stay: StayRecord, at: datetime) -> None:
        """Set what the events say; then bill, post and tell staff what has changed."""
        before = (
            stay.state,
            stay.entry_at,
            stay.exit_at,
            stay.exit_event,
            stay.entry_event,
            stay.started_at,
            stay.confirmed,
        )
        self._place(stay, one)
        read = self._first_read(one)[1]
        stay.vehicle, stay.plate_colour = self._vehicle_type(read), read.plate_colour
        # An implausible stay stays an exception for a person, whatever its passage.
        state = one.state
        if stay.state == State.EXCEPTION and before[1:3] == (stay.entry_at, stay.exit_at) and state is State.LEFT:
            state = State.EXCEPTION
        was_inside = stay.state == State.INSIDE
        self._count(was_inside=was_inside, is_inside=state is State.INSIDE)
        stay.state = state
        stay.confirmed = self._confirmed(one)
        self._hold_space(stay)
        after = (
            stay.state,
            stay.entry_at,
            stay.exit_at,
            stay.exit_event,
            stay.entry_event,
            stay.started_at,
            stay.confirmed,
        )
        if before == after and not stay.new:
            return
        self.batch.outcome.touched(stay)
        billed = before[:5] != after[:5] or stay.new
        if not billed:
            return
        settling = Settling(self.batch, self.key, stay)
        if one.state in _UNCHARGED:
            settling.uncharge(at)
            self._tell(stay, one, at)
        elif stay.exit_at is None:
            settling.unfix(at)
        else:
            settling.fix(one, at)
        voucher_use.release(self.batch, stay, at)

    def _place(self, stay: StayRecord, one: DerivedStay) -> None:
        entry, exit_ = one.entry, one.exit
        stay.entry_at, stay.entry_lane, stay.entry_device, stay.entry_event = _placed(entry)
        stay.exit_at, stay.exit_lane, stay.exit_device, stay.exit_event = _placed(exit_)
        started = stay.entry_at or one.since or stay.exit_at
        assert started is not None
        stay.started_at = started

    def _confirmed(self, one: DerivedStay) -> bool:
        last = one.exit or one.entry
        return last is not None and last.confirmed

    def _hold_space(self, stay: StayRecord) -> None:
        """一位多车: judged once, at the entry. Who leaves gives the space back."""
        if not stay.household or stay.entry_at is None:
            return
        held = self.batch.facts.spaces[self.site, stay.household]
        if stay.new and not stay.holds_space:
            stay.holds_space = self.space_free(stay.household, stay.plate_colour, stay.entry_at)
        if stay.state == State.INSIDE and stay.holds_space:
            held.add(self.plate)
        elif stay.state != State.INSIDE:
            held.discard(self.plate)

    def space_free(self, household: str, colour: str | None, at: datetime) -> bool:
        """Whether a vehicle with a pass finds one of its household's spaces free."""
        policy = self.batch.policy(self.site, at)
        what = self.batch.standing(self.key, colour, at)
        if policy is None or not what.has_pass:
            return False
        offers = [offer for held in what.passes if (offer := policy.pass_offer(held.id)) is not None]
        spaces = max((offer.spaces_per_household for offer in offers), default=1)
        return len(self.batch.facts.spaces[self.site, household] - {self.plate}) < spaces

    def _count(self, *, was_inside: bool, is_inside: bool) -> None:
        inside = self.batch.facts.inside
        inside[self.site] = inside.get(self.site, 0) + int(is_inside) - int(was_inside)

    def _drop(self, stay: StayRecord, at: datetime) -> None:
        """The events no longer say so (an exit found its entry, an entry was refused after all).

        A stay that nothing hangs on disappears; one with money or a bill, or that a close has counted, stays visible as void.
        """
        self._count(was_inside=stay.state == State.INSIDE, is_inside=False)
        if stay.household:
            self.batch.facts.spaces[self.site, stay.household].discard(self.plate)
        if stay.state == State.NO_ENTRY:
            self.batch.outcome.resolved.append((self.site, "no_entry", stay.id))
        stay.state = State.VOID
        if stay.bills == 0 and stay.settlements == 0 and stay.paid_fen == 0:
            stay.gone = not self._sealed(stay)
        else:
            Settling(self.batch, self.key, stay).uncharge(at)
        voucher_use.release(self.batch, stay, at)
        self.batch.outcome.touched(stay)

    def _sealed(self, stay: StayRecord) -> bool:
        """Whether a day that is closed has an entry or exit of it."""
        return any(at is not None and self.batch.business_day(self.site, at)[1] for at in (stay.entry_at, stay.exit_at))

    def _tell(self, stay: StayRecord, one: DerivedStay, at: datetime) -> None:
        if one.state not in {State.MISSING_EXIT, State.NO_ENTRY}:
            return
        self.batch.outcome.situations.append(
            Situation(
                site=self.site,
                kind=one.state.value,
                subject=stay.id,
                at=at,
                lane=stay.exit_lane or stay.entry_lane,
                stay=stay.id,
                event=stay.exit_event or stay.entry_event,
            )
        )

    def _remember_history(self) -> None:
        """Where the next event must begin to fold: the last stay but one, void ones not counted."""
        real = [stay.started_at for stay in self.stays if not stay.gone and stay.state != State.VOID]
        if not real:
            # It may wait to be let in for longer than anybody looks back.
            real = [one.first.at for one in passages(self._reads(), self._marks())][-1:]
        self.batch.outcome.histories[self.key] = real[-2] if len(real) > 1 else real[0] if real else None


def _placed(passage: Passage | None) -> tuple[datetime | None, str | None, str | None, str | None]:
    """Where and when a passage was first read: instant, lane, device, event."""
    if passage is None:
        return None, None, None, None
    first = passage.first
    return first.at, passage.lane, first.device, first.event
