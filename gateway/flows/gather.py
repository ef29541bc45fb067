"""Which facts a batch needs, asked for in a few set queries before anything is decided."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from billing.policy import Policy
from controllers.commands import Action
from controllers.events import Kind, Outcome
from controllers.passages import Decision
from controllers.unlicensed import is_unlicensed
from gateway.flows import at_door
from gateway.flows.beginning import STANDS_AFTER, back_soon
from gateway.flows.corrected_facts import LONG_AGO, load_together
from gateway.flows.inbound import EventIn, Inbound, ResultIn
from gateway.flows.pricing import months, standing
from gateway.store.facts import Asked, CommandFacts, EventKey, FactLoader, Facts, VehicleKey
from gateway.store.records import Estate, EventRecord, PastStay, Registrations, SpaceClaim

_DAYS_MAX = 366
_MARKS = {Kind.PASSED, Kind.REVERSED}
# Where no stay is known, how far back reads may belong to the passage of a new one (a vehicle waiting to be let in).
_WAITING_MAX = timedelta(hours=1)
# `passed` without saying what it completes: the lane's newest read, if it is no older.
MARK_AFTER_READ_MAX = timedelta(minutes=3)
# Nobody holds a command for expired so long before it is, whichever bridge's clock he goes by.
_NOT_EXPIRED_FOR = timedelta(seconds=2)


def gather(loader: FactLoader, estate: Estate, batch: Sequence[Inbound], now: datetime, zone: ZoneInfo) -> Facts:
    """Everything that deciding `batch` may ask. Locks the vehicles and balances it will change, always in the same order."""
    facts = Facts()
    events = [message for message in batch if isinstance(message, EventIn)]
    results = [message for message in batch if isinstance(message, ResultIn)]
    facts.commands = loader.commands({(one.site, one.result.command) for one in results})
    telling = _telling(estate, facts, results, now)
    # A read and what completes it may be with two bridges at once, and neither knows the other's vehicle yet.
    loader.lock_reads(
        {(one.site, one.device, one.event.for_event or one.event.id) for one in events}
        | {(one.site, one.device, one.event) for one in telling if one.event}
        | at_door.locks(estate, events)
    )
    at_door.ask(loader, facts, estate, events, now)
    facts.unnamed = _name_marks(loader, estate, events)
    _events(loader, facts, events)
    facts.claimed = _claimed(loader, facts, estate, events)
    mistaken = _held_for_failed(facts, telling)
    loader.lock_reads({(one.site, one.device, one.event) for one in mistaken if one.event})
    telling += mistaken
    newest = _vehicles(estate, facts, events, telling)
    if newest:
        _histories(loader, facts, newest, estate, seen=True)
    sites = {one.site for one in events} | {one.site for one in telling}
    _what_it_costs(loader, estate, facts, newest, events, zone, sites)
    return facts


def gather_vehicles(
    loader: FactLoader,
    estate: Estate,
    since: dict[VehicleKey, datetime],
    now: datetime,
    zone: ZoneInfo,
    *,
    seen: bool = False,
) -> Facts:
    """The facts of vehicles, each from an instant on, for a flow that no event started: a payment, a sweep, a quote.

    `seen`: one that stands at a barrier now.
    """
    facts = Facts()
    spans = {key: (first, max(first, now)) for key, first in sorted(since.items())}
    _histories(loader, facts, spans, estate, seen=seen)
    _what_it_costs(loader, estate, facts, spans, (), zone, {site for site, _ in spans})
    return facts


def gather_together(
    loader: FactLoader,
    estate: Estate,
    spans: dict[VehicleKey, tuple[datetime, datetime]],
    instants: Collection[datetime],
    zone: ZoneInfo,
) -> Facts:
    """The facts of vehicles between which passages move, each with the first and last instant in question, for a correction.

    `instants`: at which a stay of theirs may begin.
    """
    facts = Facts()
    ordered = dict(sorted(spans.items()))
    _histories(loader, facts, ordered, estate, seen=True, together=True)
    assert facts.corrected is not None
    facts.corrected.instants.update(instants)
    _what_it_costs(loader, estate, facts, ordered, (), zone, {site for site, _ in ordered})
    return facts


def corrected(estate: Estate, message: EventIn) -> datetime:
    """The event's instant on our clock."""
    offset = estate.offsets_ms.get((message.site, message.device), 0)
    return message.event.at - timedelta(milliseconds=offset)


def _telling(estate: Estate, facts: Facts, results: Sequence[ResultIn], now: datetime) -> list[CommandFacts]:
    """The commands whose result may say something of a vehicle.

    Most do not: a barrier obeyed in time on a lane whose sensor tells of the passage, a display showed. They change their
    command and nothing else, so that nobody's history is loaded for them, and a `passed` at another bridge is not held up.
    """
    obeyed = {(one.site, one.result.command) for one in results if one.result.outcome is Outcome.DONE}
    return [
        command
        for key, command in facts.commands.items()
        if command.action == Action.OPEN
        and not (
            key in obeyed
            and command.state in {"planned", "sent"}
            and now + _NOT_EXPIRED_FOR < command.expires_at
            and (lane := estate.lanes.get((command.site, command.lane))) is not None
            and lane.passage_sensor
        )
    ]


def _held_for_failed(facts: Facts, telling: Sequence[CommandFacts]) -> list[CommandFacts]:
    """Obeyed after all, where an earlier command for the same read was not."""
    known = {(one.site, one.id) for one in telling}
    return [
        command
        for key, command in facts.commands.items()
        if key not in known
        and command.action == Action.OPEN
        and (read := facts.events.get((command.site, command.device, command.event or ""))) is not None
        and read.decision == Decision.FAILED
    ]


def _events(loader: FactLoader, facts: Facts, events: Sequence[EventIn]) -> None:
    own = {(one.site, one.device, one.event.id) for one in events}
    named = {(one.site, one.device, one.event.for_event) for one in events if one.event.for_event}
    opened = (one for one in facts.commands.values() if one.action == Action.OPEN)
    told = {(one.site, one.device, one.event) for one in opened if one.event}
    known = loader.events(own | named | told)
    reads = {(one.site, one.device, one.event.id) for one in events if one.event.kind is Kind.PLATE}
    completions = loader.completions(reads)
    facts.events = {(one.site, one.device, one.event): one for one in known()}
    for early in completions():
        assert early.for_event is not None
        read = early.site, early.device, early.for_event
        if read not in facts.events:
            facts.orphans[read].append(early)


def _claimed(loader: FactLoader, facts: Facts, estate: Estate, events: Sequence[EventIn]) -> dict[EventKey, str]:
    """Of reads without a plate, those before which a vehicle stood at the lane that somebody had claimed (`unlicensed`): its name."""
    found: dict[EventKey, str] = {}
    for one in events:
        lane = (one.site, one.event.lane)
        if one.event.kind is not Kind.PLATE or one.event.plate is not None or lane not in estate.lanes:
            continue
        before = loader.newest_reads({lane}, corrected(estate, one)).get(lane)
        if before is not None and before.plate is not None and is_unlicensed(before.plate):
            facts.events.setdefault((before.site, before.device, before.event), before)
            found[one.site, one.device, one.event.id] = before.plate
    return found


def _vehicles(
    estate: Estate, facts: Facts, events: Sequence[EventIn], telling: Iterable[CommandFacts]
) -> dict[VehicleKey, tuple[datetime, datetime]]:
    """The vehicles that the batch is about, each with the first and last instant in question."""
    spans: dict[VehicleKey, tuple[datetime, datetime]] = {}
    plates: dict[EventKey, tuple[str, datetime]] = {
        key: (stored.plate, stored.at) for key, stored in facts.events.items() if stored.plate
    }
    for read in facts.unnamed.values():
        if read.plate:
            plates[read.site, read.device, read.event] = (read.plate, read.at)

    def about(site: str, plate: str, *instants: datetime) -> None:
        first, last = spans.get((site, plate), (instants[0], instants[0]))
        spans[site, plate] = (min(first, *instants), max(last, *instants))

    for one in events:
        key = one.site, one.device, one.event.id
        plate = one.event.plate or facts.claimed.get(key)
        if one.event.kind is Kind.PLATE and plate and (one.site, one.device) in estate.devices:
            at = corrected(estate, one)
            plates[key] = (plate, at)
            about(one.site, plate, at, *(early.at for early in facts.orphans.get(key, ())))
    for one in events:
        named = facts.unnamed.get((one.site, one.device, one.event.id))
        found = plates.get((one.site, one.device, one.event.for_event or (named.event if named else "")))
        if found is not None:
            about(one.site, found[0], found[1], corrected(estate, one))
    for command in telling:
        found = plates.get((command.site, command.device, command.event or ""))
        if found is not None:
            about(command.site, found[0], found[1])
    return spans


def _histories(
    loader: FactLoader,
    facts: Facts,
    spans: dict[VehicleKey, tuple[datetime, datetime]],
    estate: Estate,
    *,
    seen: bool,
    together: bool = False,
) -> None:
    remembered = loader.lock_vehicles({key: last if seen else LONG_AGO for key, (_, last) in spans.items()})
    if loader.corrected_until or together:
        facts.corrected = load_together(loader, spans, remembered, whole=together)
    since: dict[VehicleKey, datetime] = {}
    for key, (first, _) in spans.items():
        start = remembered.get(key)
        if start is not None and first - STANDS_AFTER <= start:
            start = loader.earlier_history(key, first - STANDS_AFTER, back_soon(_versions(estate, key[0])))
            start = start if start is not None else first - _WAITING_MAX
        since[key] = start if start is not None else first - _WAITING_MAX
    for key in spans:
        facts.history[key] = {}
        facts.stays[key] = []
    # Who was never seen here has neither history nor stays.
    since = {key: start for key, start in since.items() if key not in loader.strangers}
    history, stays, registrations = loader.history(since), loader.stays(since), loader.registrations(spans.keys())
    bills = loader.bills(since)
    for event in history():
        name = (event.site, event.device, event.event)
        # What was loaded before the vehicle was locked may be out of date.
        known = facts.events[name] = event
        assert known.plate is not None
        # A lane that was taken out of the site file has no direction any more: its past says nothing new.
        if (known.site, known.lane) in estate.lanes:
            facts.history[known.site, known.plate][name] = known
    for stay in stays():
        facts.stays[stay.site, stay.plate].append(stay)
    facts.registrations = registrations()
    found = [stay for stays in facts.stays.values() for stay in stays]
    vouchers = loader.vouchers(found)
    for bill in bills(found):
        facts.bills[bill.stay].append(bill)
    for voucher in vouchers():
        assert voucher.stay is not None
        facts.vouchers.setdefault(voucher.stay, []).append(voucher)
    if facts.corrected is not None:
        for key in facts.corrected.vehicles:
            facts.corrected.instants.update(one.at for one in facts.history[key].values())
            facts.corrected.instants.update(one.started_at for one in facts.stays[key])


def _what_it_costs(
    loader: FactLoader,
    estate: Estate,
    facts: Facts,
    spans: dict[VehicleKey, tuple[datetime, datetime]],
    events: Sequence[EventIn],
    zone: ZoneInfo,
    sites: set[str],
) -> None:
    entered, left = _directions(estate, events, facts.claimed)
    if facts.corrected is not None and left:
        left |= facts.corrected.vehicles
    balances = loader.balances(_months_in_question(estate, facts, spans, zone))
    inside = loader.inside({site for site, _ in entered})
    arrears = loader.arrears({key for key in left if _leaves_first(estate, key[0])})
    closed_through = loader.closed_through(sites)
    past, claims = _past(loader, estate, facts, spans, zone), _claims(loader, estate, facts, spans)
    facts.balances, facts.inside = balances(), inside()
    facts.arrears, facts.closed_through = arrears(), closed_through()
    if estate.agreements and left:
        facts.agreed = loader.agreed(left, estate.sites)
    if past is not None:
        facts.past = past()
    if claims is not None:
        facts.claims = claims()


def _claims(
    loader: FactLoader, estate: Estate, facts: Facts, spans: dict[VehicleKey, tuple[datetime, datetime]]
) -> Asked[dict[tuple[str, str], dict[str, SpaceClaim]]] | None:
    """What stands on the spaces of the households in question, behind their locks: the last ones taken."""
    sharing = {
        (key[0], found.household): key for key, found in facts.registrations.items() if found.household and found.passes
    }
    # Whose household has changed since it came.
    sharing |= {
        (key[0], stay.household): key
        for key, stays in facts.stays.items()
        for stay in stays
        if stay.household and stay.holds_space
    }
    if not sharing:
        return None
    starts = [_first_of(facts, key, spans) - _longest(estate, key[0]) for key in sharing.values()]
    return loader.claims(set(sharing), min(starts))


def _past(
    loader: FactLoader,
    estate: Estate,
    facts: Facts,
    spans: dict[VehicleKey, tuple[datetime, datetime]],
    zone: ZoneInfo,
) -> Asked[dict[VehicleKey, list[PastStay]]] | None:
    """Stays of the vehicles' days or months, where a policy counts them."""
    starts: dict[VehicleKey, datetime] = {}
    for key in spans:
        versions = _versions(estate, key[0])
        charges = any(policy.counts_charges for policy in versions)
        if charges or any(policy.counts_stays for policy in versions):
            monthly = any(tariff.month_cap_fen is not None for policy in versions for tariff in policy.tariffs)
            day = _first_of(facts, key, spans).astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
            start = day.replace(day=1) if monthly else day
            # A stay that began before that day, or month, was charged in it too.
            starts[key] = start.astimezone(UTC) - (_longest(estate, key[0]) if charges else timedelta(0))
    return loader.past(starts.keys(), min(starts.values())) if starts else None


def _first_of(facts: Facts, key: VehicleKey, spans: dict[VehicleKey, tuple[datetime, datetime]]) -> datetime:
    """The earliest instant from which on a stay of this vehicle may have to be priced."""
    return min([spans[key][0], *(stay.started_at for stay in facts.stays.get(key, ()))])


def _longest(estate: Estate, site: str) -> timedelta:
    """No stay that was billed is longer."""
    days = [policy.plausible_days_max for policy in _versions(estate, site)]
    return timedelta(days=max((one if one is not None else _DAYS_MAX for one in days), default=_DAYS_MAX))


def _versions(estate: Estate, site: str) -> list[Policy]:
    return estate.policies.get(estate.sites[site].policy_id, []) if site in estate.sites else []


def _months_in_question(
    estate: Estate, facts: Facts, spans: dict[VehicleKey, tuple[datetime, datetime]], zone: ZoneInfo
) -> set[tuple[str, str, str]]:
    """The months of allowances that a bill of these vehicles may draw from or return to."""
    asked: set[tuple[str, str, str]] = set()
    for (site, plate), (first, last) in spans.items():
        stays = facts.stays.get((site, plate), [])
        for stay in stays:
            for bill in facts.bills.get(stay.id, ()):
                asked.update((site, holder, month) for holder, month in bill.draws)
        found = facts.registrations.get((site, plate), Registrations())
        if not found.relatives:
            continue
        known = [event.at for event in facts.history.get((site, plate), {}).values()]
        if facts.corrected is not None and (site, plate) in facts.corrected.vehicles:
            known += facts.corrected.instants
        starts = [first, *known, *(stay.started_at for stay in stays)]
        ends = max([last, *known])
        for holder in _holders(estate, (site, plate), found, starts):
            asked.update((site, holder, month) for month in months(min(starts), ends, zone))
    return asked


def _holders(estate: Estate, key: VehicleKey, found: Registrations, starts: Iterable[datetime]) -> set[str]:
    instants = set(starts)
    holders: set[str] = set()
    for policy in _versions(estate, key[0]):
        for start in instants:
            holders.update(standing(policy, key[1], None, found, start).holders)
    return holders


def _directions(
    estate: Estate, events: Sequence[EventIn], claimed: Mapping[EventKey, str]
) -> tuple[set[VehicleKey], set[VehicleKey]]:
    entered: set[VehicleKey] = set()
    left: set[VehicleKey] = set()
    for one in events:
        lane = estate.lanes.get((one.site, one.event.lane))
        plate = one.event.plate or claimed.get((one.site, one.device, one.event.id))
        if lane is not None and plate:
            (entered if lane.inward else left).add((one.site, plate))
    return entered, left


def _leaves_first(estate: Estate, site: str) -> bool:
    return any(policy.exit_mode == "leave_first" for policy in _versions(estate, site))


def _name_marks(loader: FactLoader, estate: Estate, events: Sequence[EventIn]) -> dict[EventKey, EventRecord]:
    """For `passed` and `reversed` that do not say which read they complete: their lane's newest stored one, if recent."""
    found: dict[EventKey, EventRecord] = {}
    for one in events:
        if one.event.kind not in _MARKS or one.event.for_event:
            continue
        at = corrected(estate, one)
        read = loader.newest_reads({(one.site, one.event.lane)}, at).get((one.site, one.event.lane))
        if read is not None and at - read.at <= MARK_AFTER_READ_MAX and read.device == one.device:
            found[one.site, one.device, one.event.id] = read
    return found
