"""One vehicle at one site: its events folded into stays, and the stays that we hold brought to what the events say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from billing.tariff import tariff_for
from controllers.events import Kind, PlateColour, VehicleType
from controllers.passages import (
    Decision,
    DerivedStay,
    Mark,
    Passage,
    Read,
    State,
    continued,
    passages,
    stays,
)
from controllers.plate import vehicle_type
from gateway.flows import spaces, voucher_use
from gateway.flows.batch import Batch
from gateway.flows.beginning import Began, back_soon, history_from
from gateway.flows.outcome import Situation
from gateway.flows.pricing import energy_of
from gateway.flows.settling import Settling
from gateway.flows.surroundings import free_stays_used
from gateway.runtime.ids import derive_in_site
from gateway.store.facts import EventKey, VehicleKey
from gateway.store.records import EventRecord, StayRecord

_UNCHARGED = {State.MISSING_EXIT, State.NO_ENTRY, State.VOID}


class _Told(NamedTuple):
    """What the events have told of a stay so far."""

    state: str
    entry_at: datetime | None
    exit_at: datetime | None
    exit_event: str | None
    entry_event: str | None
    vehicle: str
    colour: str | None
    started_at: datetime
    confirmed: bool

    @classmethod
    def of(cls, stay: StayRecord) -> _Told:
        return cls(
            stay.state,
            stay.entry_at,
            stay.exit_at,
            stay.exit_event,
            stay.entry_event,
            stay.vehicle,
            stay.plate_colour,
            stay.started_at,
            stay.confirmed,
        )

    @property
    def passed(self) -> tuple[object, ...]:
        """What bills, postings and situations depend on."""
        return self[:5]

    @property
    def priced(self) -> tuple[object, ...]:
        """What the price depends on, of all that events tell."""
        return self.entry_at, self.exit_at, self.vehicle, self.colour


class Vehicle:
    """Folds again after each of its events. The fold is pure; here its result meets what is stored."""

    def __init__(self, batch: Batch, key: VehicleKey) -> None:
        self.batch = batch
        self.key = key
        self.site, self.plate = key
        self.events: dict[EventKey, EventRecord] = batch.facts.history.setdefault(key, {})
        self.stays: list[StayRecord] = batch.facts.stays.setdefault(key, [])
        versions = batch.estate.policies.get(batch.estate.sites[self.site].policy_id, ())
        self._back_soon = back_soon(versions)
        self._folded: list[DerivedStay] | None = None
        self._counts_stays = any(policy.counts_stays for policy in versions)

    def fold(self, at: datetime) -> None:
        """Bring the stays to what the events say. `at`: the instant of the event that caused it, for the ledger."""
        derived = self._folded = self._derived()
        held = [stay for stay in self.stays if not stay.gone]
        pairs = [(one, self._held(self.site, one, held)) for one in derived]
        kept = {id(stay) for _, stay in pairs if stay is not None}
        # First what ends, then what begins: a vehicle has one stay inside at any time, also while rows are written.
        for stay in held:
            if id(stay) not in kept:
                self._drop(stay, at)
        # And first what nobody is charged for: what its bill held (minutes, a space, a place under a cap) is the others' again.
        for one, found in sorted(pairs, key=lambda pair: pair[0].state not in _UNCHARGED):
            self._bring(one, found or self._begin(one), at)
        self.stays.sort(key=lambda stay: (stay.started_at, stay.id))
        self._remember_history()

    def stay_of(self, event: EventRecord) -> StayRecord | None:
        """The stay that a read belongs to since the last fold, as entry or as exit."""
        reads = self._known_by(event)
        for stay in reversed(self.stays):
            if stay.gone or stay.state == State.VOID:
                continue
            if (stay.entry_device, stay.entry_event) in reads or (stay.exit_device, stay.exit_event) in reads:
                return stay
        return None

    def says_of(self, device: str, event: str) -> DerivedStay | None:
        """What the events say of the stay that a read belongs to."""
        return next((one for one in self._derived() if one.passage_of(device, event) is not None), None)

    def complete(self, read: EventRecord) -> None:
        """Nobody waits any more for what becomes of a read, nor of the earlier reads of its passage."""
        for event in self.events.values():
            if event.kind == Kind.PLATE and event.lane == read.lane and event.at <= read.at and not event.completed:
                event.completed = True
                self.batch.outcome.changed(event)

    def _known_by(self, event: EventRecord) -> set[tuple[str | None, str | None]]:
        """The reads by one of which the stay of a read is stored."""
        for one in self._folded if self._folded is not None else self._derived():
            passage = one.passage_of(event.device, event.event)
            if passage is not None:
                ends = (passage, one.entry) if passage in one.between else (passage,)
                return {(read.device, read.event) for end in ends if end is not None for read in end.reads}
        return set()

    def _derived(self) -> list[DerivedStay]:
        """What the events say, where the policy wants it with stays joined that a soon return continues."""
        found = stays(self._reads(), self._marks())
        return continued(found, self._reentry_minutes) if self._back_soon is not None else found

    def _reentry_minutes(self, one: DerivedStay) -> int | None:
        """By the version in force at the first entry, under the tariff that the stay has."""
        first, read = self._first_read(one)
        policy = self.batch.policy(self.site, first.at)
        if policy is None:
            return None
        who = self.batch.standing(self.key, read.plate_colour, first.at).who
        return tariff_for(
            policy, self._vehicle_type(read), energy_of(self.plate, read.plate_colour), who
        ).reentry_minutes

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
        first = one.entry or one.exit
        assert first is not None
        entries = [first, *(passage for passage in one.between if passage.inward)]
        ids = {derive_in_site(site, read.device, read.event) for passage in entries for read in passage.reads}
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
        before = _Told.of(stay)
        self._place(stay, one)
        read = self._first_read(one)[1]
        stay.vehicle, stay.plate_colour = self._vehicle_type(read), read.plate_colour
        # An implausible stay stays an exception for a person, whatever its passage.
        state = one.state
        if (
            stay.state == State.EXCEPTION
            and (before.entry_at, before.exit_at) == (stay.entry_at, stay.exit_at)
            and state is State.LEFT
        ):
            state = State.EXCEPTION
        was_inside = stay.state == State.INSIDE
        self._count(was_inside=was_inside, is_inside=state is State.INSIDE)
        stay.state = state
        stay.confirmed = self._confirmed(one)
        self._claim_space(stay, anew=stay.new or before.entry_at != stay.entry_at)
        after = _Told.of(stay)
        counts_otherwise = self._counts_otherwise(stay)
        anew = stay.new or before.passed != after.passed or counts_otherwise or self._went_on_otherwise(stay, one)
        if before == after and not anew:
            return
        self.batch.outcome.touched(stay)
        if not anew:
            return
        settling = Settling(self.batch, self.key, stay)
        if one.state in _UNCHARGED:
            settling.uncharge(at)
            self._tell(stay, one, at)
        elif one.exit is not None:
            settling.fix(one, at, same=not counts_otherwise and before.priced == after.priced)
        elif one.between:
            settling.goes_on(one, at)
        else:
            settling.unfix(at)
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

    def _claim_space(self, stay: StayRecord, *, anew: bool) -> None:
        """一位多车: who comes with a pass stands on one of its household's spaces, or waits for one."""
        if not stay.household:
            return
        if anew and stay.entry_at is not None:
            stay.holds_space = self.batch.standing(self.key, stay.plate_colour, stay.entry_at).has_pass
        spaces.note(self.batch.facts, stay, Settling(self.batch, self.key, stay).standing_bill())

    def space_free(self, household: str, colour: str | None, at: datetime) -> bool:
        """Whether a vehicle with a pass that enters now finds one of its household's spaces free."""
        policy = self.batch.policy(self.site, at)
        what = self.batch.standing(self.key, colour, at)
        if policy is None or not what.has_pass:
            return False
        count = spaces.count_of(policy, what.passes)
        return spaces.one_free(self.batch.facts, self.key, household, at, count, spaces.grace_of(policy))

    def _counts_otherwise(self, stay: StayRecord) -> bool:
        """Whether a stay of the same day came to light before this one, or disappeared: its free minutes may be another's."""
        if not self._counts_stays or stay.entry_at is None:
            return False
        bill = Settling(self.batch, self.key, stay).standing_bill()
        policy = self.batch.policy(self.site, stay.entry_at)
        if bill is None or bill.kind != "exit" or policy is None or not policy.counts_stays:
            return False
        return bool(bill.facts["stay"]["free_stays_used"] != free_stays_used(self.batch, self.key, stay))

    def _went_on_otherwise(self, stay: StayRecord, one: DerivedStay) -> bool:
        """Whether the exit after which the vehicle came back is another one than its bill says."""
        if one.exit is not None or one.left_before is None or one.state in _UNCHARGED:
            return False
        return not Settling(self.batch, self.key, stay).is_of_exit(one.left_before.first.at)

    def _count(self, *, was_inside: bool, is_inside: bool) -> None:
        inside = self.batch.facts.inside
        inside[self.site] = inside.get(self.site, 0) + int(is_inside) - int(was_inside)

    def _drop(self, stay: StayRecord, at: datetime) -> None:
        """The events no longer say so (an exit found its entry, an entry was refused after all).

        A stay that nothing hangs on disappears; one with money or a bill, or that a close has counted, stays visible as void.
        """
        self._count(was_inside=stay.state == State.INSIDE, is_inside=False)
        if stay.state == State.NO_ENTRY:
            self.batch.outcome.resolved.append((self.site, "no_entry", stay.id))
        stay.state = State.VOID
        if stay.bills == 0 and stay.settlements == 0 and stay.paid_fen == 0:
            stay.gone = not (stay.corrections or self._sealed(stay))
        else:
            Settling(self.batch, self.key, stay).uncharge(at)
        spaces.note(self.batch.facts, stay, None)
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
        real: Sequence[Began] = [
            Began(stay.started_at, stay.exit_at) for stay in self.stays if not stay.gone and stay.state != State.VOID
        ]
        if not real:
            # It may wait to be let in for longer than anybody looks back.
            real = [Began(one.first.at, None) for one in passages(self._reads(), self._marks())][-1:]
        self.batch.outcome.histories[self.key] = history_from(real, self._folded or (), self._back_soon)


def _placed(passage: Passage | None) -> tuple[datetime | None, str | None, str | None, str | None]:
    """Where and when a passage was first read: instant, lane, device, event."""
    if passage is None:
        return None, None, None, None
    first = passage.first
    return first.at, passage.lane, first.device, first.event
