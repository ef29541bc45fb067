"""Recorded stays priced again under another policy: which stays, what is known of each, and the books they are held against.

Read only. What the figures mean, and how each benefit is judged again: `docs/policies.md`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import ColumnElement, Connection, Text, and_, cast, func, or_, select

from billing.compare import Raw
from billing.compare_many import Counted
from billing.compare_totals import FEWEST_HOUSEHOLDS, document
from billing.ledger import WAIVED
from billing.policy import Policy, PolicyError, parse
from controllers.events import PlateColour
from controllers.plate import plate_class
from gateway.flows import compare_work, policies
from gateway.flows.policies import PolicyRefused
from gateway.flows.posting import day_bounds
from gateway.flows.refusals import Invalid, NotFound, Refused
from gateway.store.tables import Bill, LedgerTransaction, Payment, Posting, Relative, Site, Stay
from gateway.wiring import Parts

STAYS_MAX: Final = 500_000
DAYS_MAX: Final = 366
_STAY = Stay.__table__.c
_BILL = Bill.__table__.c
_HOUSEHOLD: Final = "household:"
_NO_PLATE: Final = "#"
"""With which begins what stands in the place of a plate that was deleted."""


class TooManyStays(Refused):
    """The period has more stays than one comparison takes; choose a shorter one, or one site."""

    status = 422
    slug = "too-many-stays"


class Side(msgspec.Struct, frozen=True):
    """One of the two policies: the texts of its versions, and what they say."""

    texts: tuple[str, ...]
    versions: tuple[Policy, ...]

    @property
    def newest(self) -> Policy:
        return self.versions[-1]

    def named(self) -> dict[str, Any]:
        return {"policy": self.newest.id, "versions": [one.version for one in self.versions]}


def of_text(which: str, text: str) -> Side:
    """A policy given as text. Raises `PolicyRefused`."""
    try:
        return Side((text,), (parse(text),))
    except PolicyError as error:
        raise PolicyRefused(error, which) from None


def of_name(connection: Connection, name: str) -> Side:
    """`ID`: all applied versions, each stay by its entry's; `ID:VERSION`: that one for all. Raises `NotFound`, `Invalid`."""
    policy_id, _, number = name.partition(":")
    if number and not (number.isascii() and number.isdigit() and len(number) < 10):
        raise Invalid(f"{name[:80]!r}: write ID or ID:VERSION")
    texts = [
        one["text"] for one in policies.texts(connection, policy_id) if not number or one["version"] == int(number)
    ]
    if not texts:
        raise NotFound(f"no policy {name[:80]!r} has been applied")
    return Side(tuple(texts), tuple(parse(text) for text in texts))


def compare(
    parts: Parts,
    connection: Connection,
    old: Side,
    new: Side,
    *,
    from_day: date,
    to_day: date,
    site: str | None = None,
    allowed: Collection[str] | None = None,
) -> dict[str, Any]:
    """Who would pay more, who less, and what income becomes, for the stays that left on these days (both included).

    Without `site`: the stays that were billed under the old policy's id. `allowed` limits to somebody's sites. Raises `Invalid`,
    `NotFound`, `TooManyStays`.
    """
    if to_day < from_day:
        raise Invalid(f"to: {to_day} is before {from_day}; exchange them")
    if (to_day - from_day).days >= DAYS_MAX:
        raise Invalid(f"to: more than {DAYS_MAX} days; choose a shorter period")
    zone = parts.settings.zone
    start, end = day_bounds(from_day, zone)[0], day_bounds(to_day, zone)[1]
    # Balances of a month, caps of a day and stays that go on are known only with what came before them in the month.
    since = day_bounds(from_day.replace(day=1) - timedelta(days=1), zone)[0]
    sites = _sites(connection, site, allowed)
    chosen = and_(_STAY.site_id.in_(sites), _STAY.state == "left", _of_policy(old.newest.id, site))
    counted = and_(chosen, _STAY.exit_at >= start, _STAY.exit_at < end)
    number = int(connection.execute(select(func.count()).select_from(Stay).where(counted)).scalar_one())
    if number > STAYS_MAX:
        raise TooManyStays(f"{number} stays are more than {STAYS_MAX}; choose a shorter period, or one site")
    rules = [*old.versions, *new.versions]
    counting = any(one.counts_stays for one in rules)
    # Who left in the period came in at most so much earlier: a longer stay goes to a person.
    came = since - timedelta(days=1 + max(one.plausible_days_max or 31 for one in rules))
    known = _Known(connection, sites, _Entries(connection, sites, zone, came, end) if counting else None)
    raws = list(known.stays(and_(chosen, _STAY.exit_at >= since, _STAY.exit_at < end), start, end))
    found = compare_work.run(old.texts, new.texts, f"{from_day:%Y-%m}", raws)
    sums = document(found, old.versions, new.versions)
    return {
        "old": old.named(),
        "new": new.named(),
        "from": from_day.isoformat(),
        "to": to_day.isoformat(),
        "site": site,
        # What the books hold of a few is nobody's business either.
        "books": _books(connection, counted, found, raws) if sums["total"] is not None else None,
        "fewest_households": FEWEST_HOUSEHOLDS,
        **sums,
    }


def _sites(connection: Connection, site: str | None, allowed: Collection[str] | None) -> list[str]:
    known = set(connection.execute(select(Site.id)).scalars())
    if site is not None and site not in known:
        raise NotFound(f"there is no site {site[:60]!r}")
    wanted = known if site is None else {site}
    return sorted(wanted if allowed is None else wanted & set(allowed))


def _of_policy(policy_id: str, site: str | None) -> ColumnElement[bool]:
    return _STAY.policy_id == policy_id if site is None else _STAY.site_id == site


class _Entries:
    """Every entry of every vehicle, for whoever counts the stays of a day: also of stays that nobody was charged for."""

    def __init__(
        self, connection: Connection, sites: Sequence[str], zone: ZoneInfo, start: datetime, end: datetime
    ) -> None:
        self._zone = zone
        self._of: dict[tuple[str, str], list[tuple[datetime, str]]] = {}
        rows = connection.execute(
            select(_STAY.site_id, _STAY.plate, _STAY.entry_at, _STAY.id).where(
                _STAY.site_id.in_(sites),
                _STAY.state.not_in(["void", "no_entry"]),
                _STAY.entry_at >= start,
                _STAY.entry_at < end,
            )
        )
        for site, plate, entry_at, stay in rows:
            self._of.setdefault((site, plate), []).append((entry_at, stay))
        for entries in self._of.values():
            entries.sort()

    def earlier(self, row: Any) -> int:
        """How many stays of the vehicle began before this one on its local day."""
        entries = self._of.get((row.site_id, row.plate), [])
        local = row.entry_at.astimezone(self._zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        return bisect_left(entries, (row.entry_at, row.id)) - bisect_left(entries, (midnight, ""))


class _Known:
    """What rows say of stays that were billed: policies as they were, early payments, relatives."""

    def __init__(self, connection: Connection, sites: Sequence[str], entries: _Entries | None) -> None:
        self._connection = connection
        self._entries = entries
        self._policies: dict[tuple[str, int], Policy | None] = {}
        self._grace: dict[tuple[str, int], dict[str, int]] = {}
        self._relatives: dict[tuple[str, str], list[Any]] = {}
        rows = connection.execute(
            select(
                Relative.site_id,
                Relative.plate,
                Relative.household_id,
                Relative.relation,
                Relative.valid_from,
                Relative.valid_to,
            )
            .where(Relative.site_id.in_(sites))
            .order_by(Relative.registered_at, Relative.household_id)
        )
        for row in rows:
            self._relatives.setdefault((row.site_id, row.plate), []).append(row)

    def stays(self, chosen: ColumnElement[bool], start: datetime, end: datetime) -> Iterator[Raw]:
        """In the order in which their bills were fixed. Those outside [start, end) only lead up to it."""
        early = self._early(chosen)
        rows = self._connection.execute(
            select(
                _STAY.site_id,
                _STAY.id,
                _STAY.plate,
                _STAY.plate_colour,
                _STAY.household_id,
                _STAY.entry_at,
                _STAY.exit_at,
                _STAY.gross_fen,
                _STAY.payable_fen,
                _BILL.policy_id,
                _BILL.policy_version,
                _BILL.holder,
                cast(_BILL.facts, Text).label("facts"),
            )
            .join(Bill, and_(_BILL.site_id == _STAY.site_id, _BILL.stay_id == _STAY.id, _BILL.sequence == _STAY.bills))
            .where(chosen, _BILL.kind != "void", _STAY.entry_at.is_not(None))
            .order_by(_BILL.fixed_at, _STAY.site_id, _STAY.id)
        )
        for row in rows:
            yield self._raw(row, early.get((row.site_id, row.id)), counted=start <= row.exit_at < end)

    def _raw(self, row: Any, early: datetime | None, *, counted: bool) -> Raw:
        named = bool(row.plate) and not row.plate.startswith(_NO_PLATE)
        billed = self._billed(row.policy_id, row.policy_version)
        households, relation = self._relation(row, billed)
        return Raw(
            id=row.id,
            site=row.site_id,
            key=row.plate or None,
            party=row.household_id or next(iter(households), None) or row.plate or row.id,
            entry=row.entry_at,
            exit=row.exit_at,
            facts=row.facts,
            shown=_shown(row.plate, row.plate_colour) if named else None,
            households=households,
            relation=relation,
            grace_days=self._grace[row.policy_id, row.policy_version],
            limit_minutes=billed.relative_allowance.minutes_per_month if billed and billed.relative_allowance else 0,
            came_before=self._entries.earlier(row) if self._entries else 0,
            paid_early_at=early,
            booked_gross_fen=row.gross_fen or 0,
            booked_payable_fen=row.payable_fen or 0,
            counted=counted,
        )

    def _relation(self, row: Any, billed: Policy | None) -> tuple[tuple[str, ...], str | None]:
        """Whose relative the vehicle was, the oldest registration first: registers, and whom its bill drew on.

        A registration that the version that billed it would have counted, and did not, came later: it counts for nothing.
        """
        drew = _drew(row)
        registered = self._relatives.get((row.site_id, row.plate))
        if not registered:
            return drew, None
        rule = billed.relative_allowance if billed is not None else None
        was = '"allowance":null' not in row.facts.replace(" ", "")
        households: list[str] = []
        relation = None
        for one in registered:
            holds = (one.valid_from is None or one.valid_from <= row.entry_at) and (
                one.valid_to is None or row.entry_at < one.valid_to
            )
            counts = was or rule is None or one.relation not in rule.relations
            if one.household_id in drew or (holds and counts):
                relation = relation or one.relation
                if one.household_id not in households:
                    households.append(one.household_id)
        households += [one for one in drew if one not in households]
        return tuple(households), relation

    def _billed(self, policy_id: str, version: int) -> Policy | None:
        key = policy_id, version
        if key not in self._policies:
            found = next(
                (one for one in policies.texts(self._connection, policy_id) if one["version"] == version), None
            )
            policy = parse(found["text"]) if found is not None else None
            self._policies[key] = policy
            self._grace[key] = {one.id: one.grace_days for one in policy.passes} if policy is not None else {}
        return self._policies[key]

    def _early(self, chosen: ColumnElement[bool]) -> dict[tuple[str, str], datetime]:
        """When each of the stays was last paid before leaving."""
        rows = self._connection.execute(
            select(_BILL.site_id, _BILL.stay_id, func.max(_BILL.until).label("until"))
            .join(Stay, and_(_BILL.site_id == _STAY.site_id, _BILL.stay_id == _STAY.id))
            .where(chosen, _BILL.kind == "early")
            .group_by(_BILL.site_id, _BILL.stay_id)
        )
        return {(row.site_id, row.stay_id): row.until for row in rows}


def _drew(row: Any) -> tuple[str, ...]:
    """The households that the bill drew on, in the order in which they gave."""
    holders: list[str] = [row.holder] if row.holder else []
    if '"drawn_by":' in row.facts:
        holders = list((msgspec.json.decode(row.facts).get("drawn_by") or {}).keys()) or holders
    return tuple(holder.removeprefix(_HOUSEHOLD) for holder in holders if holder.startswith(_HOUSEHOLD))


def _shown(plate: str, colour: str | None) -> str:
    return plate_class(plate, PlateColour(colour) if colour else None).value


def _books(connection: Connection, counted: ColumnElement[bool], found: Counted, raws: Sequence[Raw]) -> dict[str, Any]:
    """What the ledger holds for these stays, and whether the old policy says the same of them."""
    accounts: dict[str, int] = {}
    transaction = LedgerTransaction.__table__.c
    joined = {
        "stay": select(Posting.account, func.sum(Posting.amount_fen))
        .join(LedgerTransaction, _of_posting())
        .join(Stay, and_(_STAY.site_id == transaction.site_id, _STAY.id == transaction.reference)),
        "payment": select(Posting.account, func.sum(Posting.amount_fen))
        .join(LedgerTransaction, _of_posting())
        .join(Payment, and_(Payment.site_id == transaction.site_id, Payment.id == transaction.reference))
        .join(Stay, and_(_STAY.site_id == Payment.site_id, _STAY.id == Payment.stay_id)),
    }
    of_income = or_(Posting.account == "income:parking", Posting.account.startswith(WAIVED))
    for kind, query in joined.items():
        wanted = query.where(transaction.reference_kind == kind, counted, of_income).group_by(Posting.account)
        for account, fen in connection.execute(wanted):
            accounts[account] = accounts.get(account, 0) + int(fen)
    gross = -accounts.get("income:parking", 0)
    waived = sum(fen for account, fen in accounts.items() if account.startswith(WAIVED))
    bills = [one for one in raws if one.counted]
    billed = sum(one.booked_payable_fen for one in bills)
    again = found.total()
    return {
        "gross_fen": gross,
        "waived_fen": waived,
        "payable_fen": gross - waived,
        "billed_fen": billed,
        "priced_again_fen": again.old_payable_fen,
        "stays": len(bills),
        "stays_as_booked": again.as_booked,
        "reproduced": gross - waived == billed == again.old_payable_fen and again.as_booked == again.stays,
    }


def _of_posting() -> ColumnElement[bool]:
    transaction = LedgerTransaction.__table__.c
    return and_(Posting.site_id == transaction.site_id, Posting.transaction_id == transaction.id)
