"""What staff corrected of passages, applied to the events that make them: a function of events and corrections, in any order. Pure.

An event holds the plate and the instant that count; what was read stands beside it (`CorrectedRead`). A correction names the first read
of a passage, its anchor. Which events are that passage is worked out again from what was *read*, with every event that comes, so that
what is told late follows, and what turns out to be another passage goes back (ADR 0019).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.bill import CannotPrice
from controllers.events import Kind
from controllers.passages import Decision, Mark, Passage, Read, State, passages
from gateway.flows.batch import Batch
from gateway.flows.corrected_facts import REACHES
from gateway.flows.pricing import bill_stay
from gateway.flows.settling import Settling
from gateway.flows.surroundings import surroundings
from gateway.runtime.ids import derive_in_site
from gateway.store.facts import Corrected, EventKey, VehicleKey
from gateway.store.records import CorrectedRead, EventRecord, StayRecord

_Said = tuple[str, datetime]


@dataclass(frozen=True, slots=True)
class _Group:
    """Where passages are told apart: the reads of one plate, as read, at one lane."""

    site: str
    plate: str
    lane: str


def apply(batch: Batch) -> list[VehicleKey]:
    """Bring the events of the vehicles in question to what staff said of them. Which vehicles must be folded, the losing ones first."""
    corrected = batch.facts.corrected
    if corrected is None:
        return []
    events = {
        (one.site, one.device, one.event): one
        for key in corrected.vehicles
        for one in batch.facts.history.get(key, {}).values()
    }
    said = {(row.site, row.device, row.event): (row.plate, row.at) for row in corrected.reads}
    anchors: dict[EventKey, CorrectedRead] = {}
    for row in corrected.reads:
        key = row.site, row.device, row.event
        if row.anchor and (key not in anchors or anchors[key].sequence < row.sequence):
            anchors[key] = row
    wanted: dict[EventKey, tuple[_Said, CorrectedRead | None]] = {}
    for group, members in _groups(events, said).items():
        if not any(key in anchors for key in members):
            continue
        for passage, marks in _passages(batch, group, members, said):
            held = [anchors[key] for read in passage.reads if (key := (group.site, read.device, read.event)) in anchors]
            rule = max(held, key=lambda row: row.sequence, default=None)
            shift = rule.to_at - passage.first.at if rule is not None and rule.to_at is not None else timedelta(0)
            keys = [*((group.site, read.device, read.event) for read in passage.reads), *marks]
            for key in keys:
                plate, at = said.get(key, (group.plate, events[key].at))
                wanted[key] = ((rule.to_plate, at + shift), rule) if rule is not None else ((plate, at), None)
    gains: set[VehicleKey] = set()
    losses: set[VehicleKey] = set()
    moved = []
    for key, (holds, rule) in wanted.items():
        one = events[key]
        if rule is None and not _all_known(corrected, key, events):
            continue
        _remember(corrected, one, holds, rule)
        if (one.plate, one.at) == holds:
            continue
        before = _move(batch, one, holds)
        losses.add(before)
        gains.add((one.site, holds[0]))
        moved.append((one, before))
    for one, before in moved:
        _follow(batch, one, before)
    return [*sorted(losses - gains), *sorted(gains)]


def _groups(
    events: dict[EventKey, EventRecord], said: dict[EventKey, _Said]
) -> dict[_Group, dict[EventKey, EventRecord]]:
    """Reads and what completes them, by what was read. A mark is its read's."""
    found: dict[_Group, dict[EventKey, EventRecord]] = defaultdict(dict)
    for key, one in events.items():
        of = key if one.kind == Kind.PLATE else (one.site, one.device, one.for_event or "")
        read = events.get(of)
        plate = said[of][0] if of in said else read.plate if read is not None else None
        if plate is not None:
            found[_Group(one.site, plate, one.lane)][key] = one
    return found


def _passages(
    batch: Batch, group: _Group, members: dict[EventKey, EventRecord], said: dict[EventKey, _Said]
) -> Iterator[tuple[Passage, list[EventKey]]]:
    """The passages as they were read, each with the marks that complete its reads."""
    inward = batch.estate.lanes[group.site, group.lane].inward
    reads, marks = [], []
    marks_of: dict[tuple[str, str], list[EventKey]] = defaultdict(list)
    for key, one in members.items():
        at = said[key][1] if key in said else one.at
        if one.kind == Kind.PLATE:
            decision = Decision(one.decision) if one.decision else None
            reads.append(
                Read(one.device, one.event, at, one.lane, inward, decision, one.opening, one.went, one.buffered)
            )
        elif one.kind in {Kind.PASSED, Kind.REVERSED} and one.for_event:
            marks.append(Mark(one.device, one.for_event, at, one.kind == Kind.PASSED, one.opening))
            marks_of[one.device, one.for_event].append(key)
    for passage in passages(reads, marks):
        yield passage, [key for read in passage.reads for key in marks_of.get((read.device, read.event), ())]


def _all_known(corrected: Corrected, key: EventKey, events: dict[EventKey, EventRecord]) -> bool:
    """Whether every anchor of the corrections of an event is loaded: else nobody can tell that it is not theirs any more."""
    mine = {row.correction for row in corrected.reads if (row.site, row.device, row.event) == key}
    theirs = ((row.site, row.device, row.event) for row in corrected.reads if row.anchor and row.correction in mine)
    return all(one in events for one in theirs)


def _remember(corrected: Corrected, one: EventRecord, holds: _Said, rule: CorrectedRead | None) -> None:
    """What was read, where a correction holds for an event that came after it; and until when to look out for more."""
    if rule is None:
        return
    mine = [row for row in corrected.reads if (row.device, row.event, row.site) == (one.device, one.event, one.site)]
    first = mine[0] if mine else None
    at = first.at if first is not None else one.at
    if not any(row.correction == rule.correction for row in mine):
        corrected.reads.append(
            CorrectedRead(
                site=one.site,
                correction=rule.correction,
                device=one.device,
                event=one.event,
                sequence=rule.sequence,
                anchor=False,
                plate=rule.plate,
                at=at,
                from_plate=one.plate or rule.plate,
                to_plate=rule.to_plate,
                to_at=None,
            )
        )
        for plate in (rule.plate, rule.from_plate, rule.to_plate):
            key = one.site, plate
            latest = max(at, holds[1], one.at) + REACHES
            corrected.until[key] = max(corrected.until.get(key, latest), latest)


def _move(batch: Batch, one: EventRecord, holds: _Said) -> VehicleKey:
    """Give an event to the vehicle that it is of, at the instant that counts. Whose it was."""
    corrected, facts, (plate, at) = batch.facts.corrected, batch.facts, holds
    assert corrected is not None
    assert one.plate is not None
    before, key = (one.site, one.plate), (one.site, one.device, one.event)
    if plate != one.plate:
        facts.history[before].pop(key)
        facts.history.setdefault((one.site, plate), {})[key] = one
        one.plate = plate
        batch.outcome.changed(one)
    if at != one.at:
        one.at = at
        corrected.shifted[id(one)] = one
    return before


def _follow(batch: Batch, one: EventRecord, before: VehicleKey) -> None:
    """The stay that a read began goes with it: its id, its bills, what was paid for it and its vouchers stay with it."""
    assert one.plate is not None
    after = (one.site, one.plate)
    name = derive_in_site(one.site, one.device, one.event)
    stay = next((stay for stay in batch.facts.stays.get(before, ()) if stay.id == name and not stay.gone), None)
    if stay is None or one.kind != Kind.PLATE:
        return
    entry = batch.facts.history[after].get((stay.site, stay.entry_device or "", stay.entry_event or ""))
    if entry is not None:
        stay.entry_at = stay.started_at = entry.at
    if after != before:
        _hand_over(batch, stay, before, after)
    if entry is not None:
        _early_again(batch, after, stay)
    # As if nobody had seen it yet: what the fold then finds is new, and is billed and told anew; what it does not find is void.
    if stay.state == State.INSIDE:
        batch.facts.inside[stay.site] = batch.facts.inside.get(stay.site, 0) - 1
    stay.state = State.VOID
    for bill in batch.facts.bills.get(stay.id, ()):
        bill.new = False  # also one of this batch is worked out again
    batch.outcome.touched(stay)


def _hand_over(batch: Batch, stay: StayRecord, before: VehicleKey, after: VehicleKey) -> None:
    facts = batch.facts
    if stay.household:
        facts.claims[stay.site, stay.household].pop(stay.id, None)
    facts.stays[before].remove(stay)
    facts.stays.setdefault(after, []).append(stay)
    stay.plate = after[1]
    what = batch.standing(after, stay.plate_colour, stay.entry_at or stay.started_at)
    stay.household, stay.holds_space = what.household, bool(what.household and what.has_pass)


def _early_again(batch: Batch, key: VehicleKey, stay: StayRecord) -> None:
    """What was paid before leaving was priced for another vehicle, or from another entry: the bill of that moment is worked out again."""
    bills = batch.facts.bills.get(stay.id, [])
    early = next((bill for bill in reversed(bills) if bill.kind == "early"), None) if stay.paid_fen else None
    assert stay.entry_at is not None
    policy = batch.policy(stay.site, stay.entry_at)
    if early is None or policy is None:
        return
    settling, until = Settling(batch, key, stay), max(early.until, stay.entry_at)
    try:
        around = surroundings(batch, key, stay, until, policy, settling.what, settling.standing_bill())
        priced = bill_stay(policy, stay, until, settling.what, around, early=None)
    except CannotPrice:
        return
    settling.fix_early(priced, until, batch.now)
