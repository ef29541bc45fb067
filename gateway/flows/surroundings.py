"""What a stay's price depends on beside the stay: allowances, a household's spaces, vouchers, the vehicle's other stays. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from billing.bill import PassPeriod
from billing.calendar import minute_of
from billing.policy import Policy
from controllers.passages import State
from gateway.flows import spaces, voucher_use
from gateway.flows.batch import Batch
from gateway.flows.pricing import Around, Drawable, Standing, months
from gateway.store.facts import VehicleKey
from gateway.store.records import BillRecord, StayRecord

_COUNTED_BY_NOBODY = {State.VOID, State.NO_ENTRY}


def surroundings(
    batch: Batch,
    key: VehicleKey,
    stay: StayRecord,
    until: datetime,
    policy: Policy,
    what: Standing,
    standing: BillRecord | None,
) -> Around:
    """For a bill of `stay` up to `until`. `standing`: its bill so far, whose draws are its own to draw again."""
    passes, space = _passes(batch, stay, until, policy, what)
    return Around(
        passes=passes,
        allowances=_allowances(batch, stay, until, policy, what, standing),
        vouchers=voucher_use.presented(batch, stay),
        charged=_charged(batch, key, stay, until) if policy.counts_charges else {},
        free_stays_used=free_stays_used(batch, key, stay) if policy.counts_stays else 0,
        space=space,
    )


def _passes(
    batch: Batch, stay: StayRecord, until: datetime, policy: Policy, what: Standing
) -> tuple[tuple[PassPeriod, ...], dict[str, object] | None]:
    """The passes, as far as there is a space for the vehicle; a vehicle of no household has the space that it paid for."""
    assert stay.entry_at is not None
    valid = tuple(one for one in what.passes if one.valid_from < until and stay.entry_at < one.valid_to)
    if not stay.household or not valid:
        return valid, None
    count = spaces.count_of(policy, valid)
    pieces = spaces.held(batch.facts, stay, until, count, spaces.grace_of(policy))
    mine = [list(piece) for piece in spaces.valid_in(valid, pieces)]
    said = {"of": count, "until": minute_of(until), "held": mine}
    whole = pieces == ((minute_of(stay.entry_at), minute_of(until)),)
    return valid if whole else spaces.within(valid, pieces), said


def _allowances(
    batch: Batch, stay: StayRecord, until: datetime, policy: Policy, what: Standing, standing: BillRecord | None
) -> list[Drawable]:
    if policy.relative_allowance is None or not what.holders:
        return []
    assert stay.entry_at is not None
    mine = standing.draws if standing else {}
    limit = policy.relative_allowance.minutes_per_month
    asked = months(stay.entry_at, until, batch.zone)
    return [
        Drawable(
            holder,
            {
                month: batch.balance(stay.site, holder, month, limit).left + mine.get((holder, month), 0)
                for month in asked
            },
        )
        for holder in what.holders
    ]


def _charged(batch: Batch, key: VehicleKey, stay: StayRecord, until: datetime) -> dict[str, int]:
    """What the vehicle's other stays were charged by the bills that stand now, by local day of the months in question."""
    assert stay.entry_at is not None
    asked = set(months(stay.entry_at, until, batch.zone))
    total: dict[str, int] = {}
    for charged in _charges(batch, key, stay):
        for day, fen in charged.items():
            if day[:7] in asked:
                total[day] = total.get(day, 0) + fen
    return dict(sorted(total.items()))


def _charges(batch: Batch, key: VehicleKey, stay: StayRecord) -> Iterator[dict[str, int]]:
    here = batch.facts.stays.get(key, [])
    known = {one.id for one in here}
    for one in here:
        bills = batch.facts.bills.get(one.id)
        if one.id != stay.id and bills and not one.gone:
            yield bills[-1].bill.charged
    for past in batch.facts.past.get(key, ()):
        if past.id not in known:
            yield past.charged


def free_stays_used(batch: Batch, key: VehicleKey, stay: StayRecord) -> int:
    """How many stays of the vehicle began before this one on the same local day, whatever came of them."""
    assert stay.entry_at is not None
    day = stay.entry_at.astimezone(batch.zone).date()
    here = batch.facts.stays.get(key, [])
    known = {one.id for one in here}
    entries = [
        (one.entry_at, one.id)
        for one in here
        if one.entry_at is not None and not one.gone and one.state not in _COUNTED_BY_NOBODY
    ]
    entries += [(past.entry_at, past.id) for past in batch.facts.past.get(key, ()) if past.id not in known]
    return sum(entry < (stay.entry_at, stay.id) and entry[0].astimezone(batch.zone).date() == day for entry in entries)
