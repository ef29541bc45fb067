"""One correction while it is worked out: which passages it is about, what the stays then are, and what that does to others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select

from controllers.passages import DerivedStay, Passage, State
from gateway.flows import corrected as corrected_passages
from gateway.flows.batch import Batch
from gateway.flows.corrected_facts import REACHES
from gateway.flows.corrections_records import Part
from gateway.flows.corrections_refusals import NotCorrectable, NothingToCorrect, StaysOverlap
from gateway.flows.gather import gather_together
from gateway.flows.outcome import Situation
from gateway.flows.pricing import implausible
from gateway.flows.reading import site_of
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.settling import Settling
from gateway.flows.vehicle import Vehicle
from gateway.store import tables as t
from gateway.store.facts import Corrected, FactLoader
from gateway.store.records import CorrectedRead, EventRecord, StayRecord
from gateway.wiring import Parts

_STAY = t.Stay.__table__.c
_ITEM_OF_STATE = {
    State.NO_ENTRY: "no_entry",
    State.MISSING_EXIT: "missing_exit",
    State.EXCEPTION: "implausible_stay",
}
_COUNTED = {State.INSIDE, State.LEFT, State.EXCEPTION}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is said to be right: the plate, the instant of the entry, or both. `part`: of the whole stay, or only of one end of it."""

    plate: str | None = None
    entry_at: datetime | None = None
    part: Part = "stay"


class MovedOn(Exception):
    """The stay became another vehicle's while we waited for its lock: look again."""


class Was(NamedTuple):
    """A stay as it was before."""

    plate: str
    state: str
    entry_at: datetime | None
    exit_at: datetime | None
    payable_fen: int | None
    prepaid_fen: int
    entry: tuple[str | None, str | None]


class Work:
    """Behind the locks of both vehicles. Nothing is stored before whoever asked for it does so."""

    def __init__(self, parts: Parts, connection: Connection, stay_id: str, wanted: Wanted, now: datetime) -> None:
        """Raises `NotFound`, `NotCorrectable`, `NothingToCorrect`, `Invalid` and `MovedOn`."""
        self.site, self.wanted, self.now = site_of(stay_id), wanted, now
        row = connection.execute(
            select(_STAY.plate, _STAY.started_at, _STAY.entry_at, _STAY.exit_at).where(
                _STAY.site_id == self.site, _STAY.id == stay_id
            )
        ).first()
        if row is None:
            raise NotFound("there is no such stay, or not for you")
        estate = parts.estates.known(connection)
        if self.site not in estate.sites or row.plate.startswith("#"):
            raise NotCorrectable("its plate was deleted when its time was over, or its site is gone")
        self.before, self.after = (self.site, row.plate), (self.site, wanted.plate or row.plate)
        instants = [at for at in (row.started_at, row.entry_at, row.exit_at, wanted.entry_at) if at is not None]
        spans = {key: (min(instants), min(now, max(instants))) for key in (self.before, self.after)}
        zone = parts.settings.zone
        facts = gather_together(FactLoader(connection), estate, spans, instants, zone)
        self.batch = Batch(estate=estate, facts=facts, now=now, zone=zone, base_url=parts.settings.base_url)
        stay = next((one for one in facts.stays[self.before] if one.id == stay_id), None)
        if stay is None:
            raise MovedOn
        self.stay = stay
        self.says = self._says()
        self._check()
        self.entry_before = stay.entry_at
        self.payable_before = stay.payable_fen

    def _refuse_implausible(self, entry: datetime, read: datetime, until: datetime) -> None:
        """Another year typed by mistake is no correction: nobody is charged for so long a stay, so its bill would be gone."""
        policy = self.batch.policy(self.site, read)
        if policy is not None and entry < read and implausible(policy, entry, until):
            raise Invalid(
                f"entry_at: more than {policy.plausible_days_max} days before {until.astimezone(self.batch.zone):%F %T};"
                " the policy charges nobody for so long a stay: write the day as it was"
            )

    @property
    def corrected(self) -> Corrected:
        assert self.batch.facts.corrected is not None
        return self.batch.facts.corrected

    @property
    def _whole(self) -> bool:
        """Whether entry and exit stay together."""
        return self.wanted.part == "stay" or self.before == self.after

    def _says(self) -> DerivedStay:
        stay, vehicle = self.stay, Vehicle(self.batch, self.before)
        for device, event in ((stay.entry_device, stay.entry_event), (stay.exit_device, stay.exit_event)):
            found = vehicle.says_of(device, event) if device and event else None
            if found is not None and found.state is not State.VOID:
                return found
        raise NotCorrectable(
            "the stay is void, or the reads that it follows from were deleted when their time was over"
        )

    def _check(self) -> None:
        wanted, says = self.wanted, self.says
        if wanted.part == "entry" and says.entry is None:
            raise NotCorrectable(
                "no entry of this stay is known: correct the plate of its exit, so that its entry is found"
            )
        if wanted.part == "exit" and says.exit is None:
            raise NotCorrectable("the vehicle has not been at an exit yet")
        if wanted.entry_at is not None:
            if says.entry is None or wanted.part == "exit":
                raise NotCorrectable(
                    "no entry of this stay is known, so there is none to move: correct its plate, so that its entry is found"
                )
            if wanted.entry_at > self.now:
                raise Invalid("entry_at: lies in the future")
            ends = next((one for one in (*says.between, says.exit) if one is not None and not one.inward), None)
            if self._whole and ends is not None and wanted.entry_at >= ends.first.at:
                raise Invalid(
                    f"entry_at: must lie before the exit at {ends.first.at.astimezone(self.batch.zone):%F %T}"
                )
            self._refuse_implausible(wanted.entry_at, says.entry.first.at, ends.first.at if ends else self.now)
        same_entry = says.entry is not None and wanted.entry_at == says.entry.first.at
        if self.before == self.after and (wanted.entry_at is None or same_entry):
            raise NothingToCorrect

    def reads(self, correction: str) -> list[CorrectedRead]:
        """The first read of each passage that is corrected; where a passage was read as several plates, of each."""
        sequence = 1 + max((row.sequence for row in self.corrected.reads), default=0)
        return [
            CorrectedRead(
                site=self.site,
                correction=correction,
                device=one.device,
                event=one.event,
                sequence=sequence,
                anchor=True,
                plate=plate,
                at=at,
                from_plate=self.before[1],
                to_plate=self.after[1],
                to_at=to_at,
            )
            for one, plate, at, to_at in self._anchors()
        ]

    def _anchors(self) -> Iterator[tuple[EventRecord, str, datetime, datetime | None]]:
        events = self.batch.facts.history[self.before]
        said = {(row.device, row.event): (row.plate, row.at) for row in self.corrected.reads}
        for passage in self._passages():
            known: set[str] = set()
            for read in passage.reads:
                one = events[self.site, read.device, read.event]
                plate, at = said.get((one.device, one.event), (self.before[1], one.at))
                if plate in known:
                    continue
                known.add(plate)
                to_at = one.at if one.at != at else None
                if self.wanted.entry_at is not None and passage is self.says.entry:
                    to_at = self.wanted.entry_at + (one.at - passage.first.at)
                yield one, plate, at, to_at

    def _passages(self) -> list[Passage]:
        entry, exit_ = self.says.entry, self.says.exit
        found = {"stay": [entry, *self.says.between, exit_], "entry": [entry], "exit": [exit_]}[self.wanted.part]
        return [one for one in found if one is not None]

    def make(self, reads: list[CorrectedRead], operator: str) -> StayRecord:
        """Work out what the stays then are. The stay that the passage belongs to now. Raises `StaysOverlap`, `NotCorrectable`."""
        batch, corrected = self.batch, self.corrected
        were = self._snapshot()
        corrected.reads += reads
        for row in reads:
            for plate in {row.plate, row.from_plate, row.to_plate}:
                latest = max(row.at, row.to_at or row.at) + REACHES
                key = self.site, plate
                corrected.until[key] = max(corrected.until.get(key, latest), latest)
        self.stay.corrections += 1
        batch.outcome.touched(self.stay)
        keys = corrected_passages.apply(batch)
        first = batch.facts.history[self.after][self.site, reads[0].device, reads[0].event]
        gaining = Vehicle(batch, self.after)
        says = gaining.says_of(first.device, first.event)
        left = says is not None and says.state is State.LEFT and says.exit is not None
        at = min(says.exit.first.at, self.now) if left and says is not None and says.exit is not None else self.now
        for key in keys:
            Vehicle(batch, key).fold(at)
        found = gaining.stay_of(first)
        if found is None:
            raise NotCorrectable("nothing would come of it: the passage was refused or reversed")
        if found is not self.stay:
            found.corrections += 1
            batch.outcome.touched(found)
        self._refuse_damage(were, found, gaining.says_of(first.device, first.event))
        self._overpaid(were)
        batch.outcome.transactions = [
            msgspec.structs.replace(one, operator=operator) for one in batch.outcome.transactions
        ]
        self._were = were
        return found

    def rises(self) -> bool:
        """Whether a vehicle that has left would owe more than it was told."""
        return any(
            stay.state == State.LEFT and (stay.payable_fen or 0) > (was.payable_fen or 0 if was is not None else 0)
            for stay in self._stays()
            for was in (self._were.get(stay.id),)
        )

    def explained(self) -> Iterator[tuple[str, str]]:
        """Kind and subject of what needed a person because of how a stay stood, and needs none any more."""
        now = {stay.id: stay.state for stay in self._stays()}
        for stay_id, was in self._were.items():
            kind = _ITEM_OF_STATE.get(State(was.state))
            if kind is not None and now.get(stay_id) != was.state:
                yield kind, stay_id
        for stay in self._stays():
            if not stay.posted.prepaid_fen:
                yield "overpaid", stay.id
            standing = Settling(self.batch, (stay.site, stay.plate), stay).standing_bill()
            if standing is not None and standing.new and standing.kind == "exit":
                yield "implausible_stay", stay.id

    def _stays(self) -> Iterator[StayRecord]:
        for key in sorted(self.corrected.vehicles):
            yield from (stay for stay in self.batch.facts.stays.get(key, ()) if not stay.gone)

    def changed(self) -> Iterator[tuple[str, Was | None, StayRecord | None]]:
        """The id of every stay that is not what it was, with what it was and what it is: None where there was, or is, none."""
        now = {stay.id: stay for stay in self._stays()}
        for stay_id in dict.fromkeys((*self._were, *now)):
            was, stay = self._were.get(stay_id), now.get(stay_id)
            if stay is None or was != _as_it_stands(stay):
                yield stay_id, was, stay

    def _snapshot(self) -> dict[str, Was]:
        return {stay.id: _as_it_stands(stay) for stay in self._stays()}

    def _refuse_damage(self, were: dict[str, Was], found: StayRecord, says: DerivedStay | None) -> None:
        """No other stay may lose an entry or exit that it had, unless it turns out to be the same one; nor may the corrected one come
        to nothing.
        """
        now = {stay.id: stay for stay in self._stays()}
        for stay_id, was in were.items():
            stay = now.get(stay_id)
            mine = stay_id in {self.stay.id, found.id}
            if was.state not in _COUNTED or (mine and not self._whole):
                continue
            device, event = was.entry
            same = device and event and says is not None and says.passage_of(device, event) is not None
            if same and was.exit_at in {None, found.exit_at}:
                continue
            kept = stay is not None and stay.state in _COUNTED and (mine or stay.entry_at == was.entry_at)
            if kept and stay is not None and (was.exit_at is None or stay.exit_at == was.exit_at):
                continue
            since = was.entry_at.astimezone(self.batch.zone) if was.entry_at else self.now
            raise StaysOverlap(
                "with this, the stay would run into others of the vehicle"
                if mine
                else f"the vehicle has another stay, from {since:%F %T}, that would lose its entry or exit: if that one is wrong,"
                " correct it first"
            )

    def _overpaid(self, were: dict[str, Was]) -> None:
        """What was paid beyond the bill is not given back by itself: a person decides."""
        for stay in self._stays():
            was = were.get(stay.id)
            beyond = stay.posted.prepaid_fen
            if beyond > (was.prepaid_fen if was is not None else 0):
                self.batch.outcome.situations.append(
                    Situation(
                        site=self.site,
                        kind="overpaid",
                        subject=stay.id,
                        at=self.now,
                        lane=stay.exit_lane,
                        stay=stay.id,
                        event=stay.exit_event,
                        detail=f"{beyond} fen",
                    )
                )


def _as_it_stands(stay: StayRecord) -> Was:
    return Was(
        stay.plate,
        str(stay.state),
        stay.entry_at,
        stay.exit_at,
        stay.payable_fen,
        stay.posted.prepaid_fen,
        (stay.entry_device, stay.entry_event),
    )
