"""一位多车: which minutes of a stay one of its household's spaces is there for it (ADR 0013). Pure.

Several vehicles of a household with passes share its spaces. Who entered first stands on one; the others wait and pay as temporary,
and the one that has waited longest takes over from the minute in which one leaves. What a bill was fixed with stands: whoever is
billed later has what is left, so that a space never serves two vehicles in one minute, and no late event raises another's bill.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from billing.bill import PassPeriod
from billing.calendar import minute_of
from billing.policy import Policy
from controllers.passages import State
from gateway.store.facts import Facts, VehicleKey
from gateway.store.records import BillRecord, SpaceClaim, StayRecord, space_of

Pieces = tuple[tuple[int, int], ...]

_CLAIMING = {State.INSIDE, State.LEFT, State.EXCEPTION}


def count_of(policy: Policy, passes: Iterable[PassPeriod]) -> int:
    """How many spaces a household has by these passes; one by a pass that this version does not sell any more."""
    offers = [offer for held in passes if (offer := policy.pass_offer(held.id)) is not None]
    return max((offer.spaces_per_household for offer in offers), default=1)


def grace_of(policy: Policy) -> timedelta:
    """How long a pass may be over and still stand for its space."""
    return timedelta(days=max((offer.grace_days for offer in policy.passes), default=0))


def one_free(facts: Facts, key: VehicleKey, household: str, at: datetime, spaces: int, grace: timedelta) -> bool:
    """Whether a vehicle that enters now finds a space of its household's free."""
    claims = facts.claims.get((key[0], household), {})
    there = {
        claim.plate
        for claim in claims.values()
        if claim.until is None and ((over := claim.over(grace)) is None or at < over)
    }
    return len(there - {key[1]}) < spaces


def note(facts: Facts, stay: StayRecord, standing: BillRecord | None) -> None:
    """What the stay is now, for the bills of its household's other vehicles."""
    if not stay.household:
        return
    claims = facts.claims[stay.site, stay.household]
    if stay.gone or not stay.holds_space or stay.entry_at is None or stay.state not in _CLAIMING:
        claims.pop(stay.id, None)
        return
    fixed_until, held = space_of(standing.facts if standing else {})
    claims[stay.id] = SpaceClaim(
        stay=stay.id,
        plate=stay.plate,
        since=stay.entry_at,
        until=None if stay.state == State.INSIDE else stay.exit_at,
        pass_to=_pass_to(facts, stay, ended=False),
        fixed_until=fixed_until,
        held=held,
        ended_at=_pass_to(facts, stay, ended=True),
    )


def _pass_to(facts: Facts, stay: StayRecord, *, ended: bool) -> datetime | None:
    """The end of the last pass of the vehicle that was ended, or of those that were not."""
    registered = facts.registrations.get((stay.site, stay.plate))
    if registered is None:
        return None
    ends = (to for name, since, to in registered.passes if ((name, since) in registered.ended) is ended)
    return max(ends, default=None)


def held(facts: Facts, stay: StayRecord, until: datetime, spaces: int, grace: timedelta) -> Pieces:
    """The minutes of [entry, until) in which a space is there for this stay, in order, apart. `grace`: of the others' passes."""
    assert stay.household is not None
    assert stay.entry_at is not None
    start, end = minute_of(stay.entry_at), minute_of(until)
    changes: dict[int, int] = {start: 0, end: 0}
    for claim in facts.claims.get((stay.site, stay.household), {}).values():
        # A vehicle takes nothing from itself: of two stays of one that overlap, as the events tell so far, only one is true.
        if claim.plate == stay.plate:
            continue
        for since, till in _taken(claim, stay, end, grace):
            low, high = max(since, start), min(till, end)
            if low < high:
                changes[low] = changes.get(low, 0) + 1
                changes[high] = changes.get(high, 0) - 1
    return _where_free(changes, spaces)


def _taken(claim: SpaceClaim, stay: StayRecord, end: int, grace: timedelta) -> Iterable[tuple[int, int]]:
    """The minutes in which another one keeps a space from this stay: those of its bill; as long as it is not billed, and if it came
    first, all that it stands there with a pass.
    """
    assert stay.entry_at is not None
    yield from claim.held
    if (claim.since, claim.stay) < (stay.entry_at, stay.id):
        since = minute_of(claim.since) if claim.fixed_until is None else claim.fixed_until
        till = end if claim.until is None else minute_of(claim.until)
        over = claim.over(grace)
        yield since, till if over is None else min(till, minute_of(over))


def _where_free(changes: dict[int, int], spaces: int) -> Pieces:
    pieces: list[tuple[int, int]] = []
    taken = 0
    for low, high in pairwise(sorted(changes)):
        taken += changes[low]
        if taken >= spaces:
            continue
        if pieces and pieces[-1][1] == low:
            pieces[-1] = (pieces[-1][0], high)
        else:
            pieces.append((low, high))
    return tuple(pieces)


def valid_in(passes: Iterable[PassPeriod], pieces: Pieces) -> Pieces:
    """Those of the minutes in which some pass is valid."""
    found: list[tuple[int, int]] = []
    for low, high in pieces:
        cut = sorted((max(low, minute_of(one.valid_from)), min(high, minute_of(one.valid_to))) for one in passes)
        for start, end in cut:
            if start >= end:
                continue
            if found and start <= found[-1][1]:
                found[-1] = (found[-1][0], max(found[-1][1], end))
            else:
                found.append((start, end))
    return tuple(found)


def within(passes: tuple[PassPeriod, ...], pieces: Pieces) -> tuple[PassPeriod, ...]:
    """The passes, cut to the minutes in which there is a space."""
    found = []
    for period in passes:
        for low, high in pieces:
            valid_from, valid_to = max(period.valid_from, _instant(low)), min(period.valid_to, _instant(high))
            if valid_from < valid_to:
                found.append(PassPeriod(period.id, valid_from, valid_to))
    return tuple(found)


def _instant(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)
