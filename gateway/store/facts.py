"""The facts of a whole batch, in a few set queries. One of the two places on the event path that touch the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection

from billing.bill import Bill as PricedBill
from billing.ledger import Posted
from controllers.doors import Membership
from gateway.store import door_queries
from gateway.store import fact_queries as queries
from gateway.store.keyed import key_set
from gateway.store.prepared import Answer, find
from gateway.store.records import (
    STREET,
    Agreed,
    Balance,
    BillRecord,
    CorrectedRead,
    EventRecord,
    PastStay,
    Registrations,
    SpaceClaim,
    StayRecord,
    VoucherRecord,
    space_of,
)
from gateway.store.tables.base import microseconds

_A_MOMENT = timedelta(microseconds=1)
_T = TypeVar("_T")
Keys = Collection[tuple[str, str]]
VehicleKey = tuple[str, str]
# A question that has been sent: its answer comes when it is called. Those sent together share one round trip.
Asked = Callable[[], _T]
EventKey = tuple[str, str, str]


@dataclass(slots=True)
class CommandFacts:
    """A command that a result speaks of."""

    site: str
    id: str
    device: str
    lane: str
    event: str | None
    action: str
    reason: str
    state: str
    expires_at: datetime


@dataclass(slots=True)
class Corrected:
    """Vehicles that share corrected passages, all of them locked and loaded, and what was corrected.

    `known`: how many of `reads` are in the database. `instants`: at which a stay of theirs may begin. What a batch changes: `shifted`,
    events that count at another instant; `until`, how far the presence of a vehicle has to look out for more of these passages.
    """

    vehicles: set[VehicleKey]
    reads: list[CorrectedRead]
    known: int = 0
    instants: set[datetime] = field(default_factory=set)
    shifted: dict[int, EventRecord] = field(default_factory=dict)
    until: dict[VehicleKey, datetime] = field(default_factory=dict)


@dataclass(slots=True)
class Facts:
    """What the database holds about a batch. Deciding changes it in memory, so that the next event sees the one before."""

    events: dict[EventKey, EventRecord] = field(default_factory=dict)
    orphans: dict[EventKey, list[EventRecord]] = field(default_factory=lambda: defaultdict(list))
    unnamed: dict[EventKey, EventRecord] = field(default_factory=dict)
    claimed: dict[EventKey, str] = field(default_factory=dict)
    history: dict[VehicleKey, dict[EventKey, EventRecord]] = field(default_factory=dict)
    stays: dict[VehicleKey, list[StayRecord]] = field(default_factory=dict)
    bills: dict[str, list[BillRecord]] = field(default_factory=lambda: defaultdict(list))
    vouchers: dict[str, list[VoucherRecord]] = field(default_factory=dict)
    registrations: dict[VehicleKey, Registrations] = field(default_factory=dict)
    balances: dict[tuple[str, str, str], Balance] = field(default_factory=dict)
    inside: dict[str, int] = field(default_factory=dict)
    past: dict[VehicleKey, list[PastStay]] = field(default_factory=lambda: defaultdict(list))
    claims: dict[tuple[str, str], dict[str, SpaceClaim]] = field(default_factory=lambda: defaultdict(dict))
    closed_through: dict[str, date | None] = field(default_factory=dict)
    arrears: dict[VehicleKey, int] = field(default_factory=dict)
    agreed: dict[VehicleKey, list[Agreed]] = field(default_factory=dict)
    commands: dict[tuple[str, str], CommandFacts] = field(default_factory=dict)
    corrected: Corrected | None = None
    members: dict[tuple[str, str], tuple[str | None, Membership]] = field(default_factory=dict)
    tries: dict[tuple[str, str], list[datetime]] = field(default_factory=lambda: defaultdict(list))


class FactLoader:
    """Set queries on one connection, inside the transaction that will store the outcome.

    `locking=False` is for a quote: the same facts, nothing locked, nothing written.
    """

    def __init__(self, connection: Connection, *, locking: bool = True) -> None:
        self._connection = connection
        self._locking = locking
        self._postgres = connection.dialect.name == "postgresql"
        self.strangers: set[VehicleKey] = set()
        self.corrected_until: dict[VehicleKey, datetime] = {}

    def events(self, keys: Collection[EventKey]) -> Asked[list[EventRecord]]:
        answer = queries.EVENTS.ask(self._connection, keys)
        return lambda: [EventRecord(*row) for row in answer()]

    def completions(self, keys: Collection[EventKey]) -> Asked[list[EventRecord]]:
        """`passed` and `reversed` events that arrived before the plate event that they complete."""
        answer = queries.COMPLETIONS.ask(self._connection, keys)
        return lambda: [EventRecord(*row) for row in answer()]

    def newest_reads(self, lanes: Collection[tuple[str, str]], before: datetime) -> dict[tuple[str, str], EventRecord]:
        """Each lane's newest plate event at or before an instant."""
        found: dict[tuple[str, str], EventRecord] = {}
        for site, lane in sorted(lanes):
            asked = {"site": site, "lane": lane, "before": before}
            rows = find(self._connection, queries.NEWEST_READ, **asked)
            found.update(((site, lane), EventRecord(*row)) for row in rows)
        return found

    def lock_vehicles(self, newest: dict[VehicleKey, datetime]) -> dict[VehicleKey, datetime | None]:
        """Lock each vehicle's row, in order, so that two bridges never decide one vehicle at once. Where its history begins."""
        if not newest:
            return {}
        if not self._locking:
            return {(row[0], row[1]): row[2] for row in queries.HISTORY_FROM.rows(self._connection, newest)}
        ordered = sorted(newest.items())
        if self._postgres:
            parameters: dict[str, Any] = {
                "sites": [site for (site, _), _ in ordered],
                "plates": [plate for (_, plate), _ in ordered],
                "instants": [at for _, at in ordered],
            }
        else:
            parameters = {"rows": msgspec.json.encode([(*key, microseconds(at)) for key, at in ordered]).decode()}
        rows = queries.LOCK_VEHICLES.on(self._connection).read(self._connection, parameters)
        self.strangers |= {(row.site_id, row.plate) for row in rows if row.reads == 1}
        self.corrected_until |= {(row.site_id, row.plate): row.corrected_until for row in rows if row.corrected_until}
        return {(row.site_id, row.plate): row.history_from for row in rows}

    def corrected(self, keys: Keys, since: datetime) -> list[CorrectedRead]:
        """What staff corrected of these vehicles' passages, as they were read or as they hold, since an instant. Each whole."""
        found = [
            *queries.CORRECTED_FROM.rows(self._connection, keys, since=since),
            *queries.CORRECTED_TO.rows(self._connection, keys, since=since),
        ]
        whole = queries.CORRECTIONS.rows(self._connection, {(row[0], row[1]) for row in found})
        return [CorrectedRead(*row) for row in whole]

    def lock_reads(self, keys: Collection[EventKey]) -> None:
        """Until the transaction ends nobody else decides about these reads or what completes them."""
        if self._postgres and self._locking and keys:
            names = ["\x1f".join(key) for key in sorted(keys)]
            queries.LOCK_READS.on(self._connection).write(self._connection, [{"names": names}])

    def earlier_history(self, key: VehicleKey, at: datetime, soon: timedelta | None) -> datetime | None:
        """Where the last stay but one before an instant began: for events older than the usual history.

        And where that one followed `soon` after another, where the first of such a row began: they may be one.
        """
        rows = self._two_before(key, at)
        while soon is not None and len(rows) == 2:
            before = self._two_before(key, rows[1].started_at - _A_MOMENT)
            if not before or before[0].exit_at is None or rows[1].started_at - before[0].exit_at > soon:
                break
            rows = [rows[1], before[0]]
        return rows[-1].started_at if rows else None

    def _two_before(self, key: VehicleKey, at: datetime) -> list[Any]:
        return find(self._connection, queries.EARLIER, site=key[0], plate=key[1], before=at)

    def history(self, since: dict[VehicleKey, datetime]) -> Asked[list[EventRecord]]:
        """Each vehicle's events from an instant on."""
        answer = queries.HISTORY.ask(self._connection, since, since=min(since.values(), default=None))
        return lambda: [
            event
            for event in (EventRecord(*row) for row in answer())
            if event.plate is not None and event.at >= since[event.site, event.plate]
        ]

    def stays(self, since: dict[VehicleKey, datetime]) -> Asked[list[StayRecord]]:
        """Each vehicle's stays that began at or after an instant."""
        answer = queries.STAYS.ask(self._connection, since, since=min(since.values(), default=None))
        return lambda: [
            stay for stay in (stay_record(row) for row in answer()) if stay.started_at >= since[stay.site, stay.plate]
        ]

    def bills(self, since: dict[VehicleKey, datetime]) -> Callable[[Collection[StayRecord]], list[BillRecord]]:
        """Asked with the stays of `stays`, which the answer then needs. Where asking twice costs no round trip, only by those billed."""
        if not self._postgres:
            return lambda stays: [
                bill_record(row)
                for row in queries.BILLS.rows(self._connection, [(stay.site, stay.id) for stay in stays if stay.bills])
            ]
        answer = queries.BILLS_OF_VEHICLES.ask(self._connection, since, since=min(since.values(), default=None))

        def found(stays: Collection[StayRecord]) -> list[BillRecord]:
            known = {(stay.site, stay.id) for stay in stays}
            return [bill_record(row) for row in answer() if (row.site_id, row.stay_id) in known]

        return found

    def vouchers(self, stays: Iterable[StayRecord]) -> Asked[list[VoucherRecord]]:
        """Those presented for these stays, in the order in which they were. Changed only under the vehicle's lock."""
        answer = queries.VOUCHERS.ask(self._connection, [(stay.site, stay.id) for stay in stays if stay.vouchers])
        return lambda: [VoucherRecord(*row) for row in answer()]

    def registrations(self, keys: Collection[VehicleKey]) -> Asked[dict[VehicleKey, Registrations]]:
        """Everything that the registers say of these plates, in one statement."""
        answer = _registers(self._connection, keys)
        return lambda: _registered(keys, answer())

    def balances(self, keys: Collection[tuple[str, str, str]]) -> Asked[dict[tuple[str, str, str], Balance]]:
        """Months of allowances by (site, holder, month), locked in order until the transaction ends."""
        if not keys:
            return dict
        if self._postgres and self._locking:
            # A row must exist to be locked: two bridges may draw from a month that nobody has drawn from yet.
            rows = [
                {"site_id": site, "holder": holder, "month": month, "limit_minutes": 0, "drawn_minutes": 0}
                for site, holder, month in sorted(keys)
            ]
            queries.NEW_BALANCES.write(self._connection, rows)
        answer = queries.BALANCES.ask(self._connection, keys, locking=self._locking)
        return lambda: {
            (row.site_id, row.holder, row.month): Balance(row.limit_minutes, row.drawn_minutes) for row in answer()
        }

    def inside(self, sites: Collection[str]) -> Asked[dict[str, int]]:
        answer = queries.INSIDE.ask(self._connection, [(site,) for site in sites])
        return lambda: dict.fromkeys(sites, 0) | {row[0]: row[1] for row in answer()}

    def claims(self, households: Keys, since: datetime) -> Asked[dict[tuple[str, str], dict[str, SpaceClaim]]]:
        """Which stays stand on these households' spaces, wait for one, or did since an instant, by (site, household) and stay.

        The households are locked first: whose spaces are about to be given, nobody else gives.
        """
        locking = self._postgres and self._locking
        locked = queries.HOUSEHOLDS.ask(self._connection, households, locking=True) if locking else list
        inside = queries.CLAIMS_INSIDE.ask(self._connection, households)
        left = queries.CLAIMS_LEFT.ask(self._connection, households, since=since)

        def found() -> dict[tuple[str, str], dict[str, SpaceClaim]]:
            locked()
            claims: dict[tuple[str, str], dict[str, SpaceClaim]] = defaultdict(dict)
            for row in (*inside(), *left()):
                if row.entry_at is not None:
                    claims[row.site_id, row.household_id][row.id] = _claim(row)
            return claims

        return found

    def past(self, keys: Keys, since: datetime) -> Asked[dict[VehicleKey, list[PastStay]]]:
        """Vehicles' stays with an entry that began at or after an instant, and what each was charged."""
        answer = queries.PAST.ask(self._connection, keys, since=since)

        def found() -> dict[VehicleKey, list[PastStay]]:
            past: dict[VehicleKey, list[PastStay]] = defaultdict(list)
            for row in answer():
                past[row.site_id, row.plate].append(
                    PastStay(row.id, row.entry_at, (row.facts or {}).get("charged", {}))
                )
            return past

        return found

    def closed_through(self, sites: Collection[str]) -> Asked[dict[str, date | None]]:
        """How far each site's books are closed.

        Shared until the transaction ends, so that no day closes under a posting.
        """
        keys = [(site,) for site in sites]
        answer = queries.CLOSED_THROUGH.ask(self._connection, keys, locking=self._locking)
        return lambda: {row.site_id: row.closed_through for row in answer()}

    def arrears(self, keys: Keys) -> Asked[dict[VehicleKey, int]]:
        """What vehicles still owe for stays that have ended."""
        answer = queries.ARREARS.ask(self._connection, keys)
        return lambda: {(row[0], row[1]): int(row[2]) for row in answer()}

    def agreed(self, keys: Keys, sites: Collection[str]) -> dict[VehicleKey, list[Agreed]]:
        """The pay-later agreements of vehicles, with what is owed where each holds. Two questions, where anybody has one."""
        wanted = {*keys, *((STREET, plate) for _, plate in keys)}
        rows = queries.AGREEMENTS.rows(self._connection, wanted)
        if not rows:
            return {}
        plates = {row[1] for row in rows}
        owed = self.arrears({(site, plate) for site in sites for plate in plates})()
        found: dict[VehicleKey, list[Agreed]] = defaultdict(list)
        for scope, plate, limit, since, until in rows:
            street = sum(fen for (_, vehicle), fen in owed.items() if vehicle == plate)
            for key in keys:
                if key[1] == plate and scope in {key[0], STREET}:
                    total = street if scope == STREET else owed.get(key, 0)
                    found[key].append(Agreed(limit, since, until, total))
        return found

    def members(self, keys: Keys) -> dict[tuple[str, str], tuple[str | None, Membership]]:
        """Whose these credentials are (site, digest), and which door alone they are for; None: every one of the site."""
        return {
            (row.site_id, row.digest): (
                row.gate_id,
                Membership(member=row.member_id, by=row.kind, valid_to=row.valid_to, blocked=row.blocked),
            )
            for row in door_queries.DOOR_MEMBERS.rows(self._connection, keys)
        }

    def tries(self, lanes: Keys, since: datetime) -> defaultdict[tuple[str, str], list[datetime]]:
        """When unknown credentials were shown at these doors since an instant, as many as count."""
        found: defaultdict[tuple[str, str], list[datetime]] = defaultdict(list)
        for site, lane in sorted(lanes):
            rows = find(self._connection, door_queries.DOOR_TRIES, site=site, lane=lane, since=since)
            found[site, lane] = [row.at for row in rows]
        return found

    def commands(self, keys: Keys) -> dict[tuple[str, str], CommandFacts]:
        return {(row[0], row[1]): CommandFacts(*row) for row in queries.COMMANDS.rows(self._connection, keys)}


def _registered(keys: Collection[VehicleKey], rows: Iterable[Any]) -> dict[VehicleKey, Registrations]:
    found = {key: Registrations() for key in keys}
    for row in rows:
        _register(found[row.site_id, row.plate], row)
    for entry in found.values():
        entry.relatives.sort(key=lambda relative: (relative[4], relative[0]))
        entry.passes.sort()
        entry.free.sort(key=lambda free: free[0])
    return found


def _register(entry: Registrations, row: Any) -> None:
    match row.kind:
        case "vehicle":
            entry.household, entry.vehicle = row.a, row.b
            entry.household_period = row.own_from, row.own_to
            if row.certified:
                entry.certificates.append((row.valid_from, row.valid_to))
        case "pass":
            entry.passes.append((row.a, row.valid_from, row.valid_to))
            if row.certified:
                entry.ended.add((row.a, row.valid_from))
        case "relative":
            entry.relatives.append((row.a, row.b, row.valid_from, row.valid_to, row.registered_at))
        case "free":
            entry.free.append((row.a, row.valid_from, row.valid_to))
        case _:
            entry.blocked.append((row.valid_from, row.valid_to))


def stay_record(row: Any) -> StayRecord:
    values = list(row)
    corrections = values.pop(-2)
    values[-1] = msgspec.convert(values[-1] or {}, Posted)
    stay = StayRecord(*values)
    stay.corrections = corrections
    stay.was = stay.passages
    return stay


def _claim(row: Any) -> SpaceClaim:
    until = None if row.state == "inside" else row.exit_at
    return SpaceClaim(row.id, row.plate, row.entry_at, until, row.pass_to, *space_of(row.facts or {}), row.ended_at)


def bill_record(row: Any) -> BillRecord:
    priced = msgspec.convert(
        {
            "policy": row.policy_id,
            "version": row.policy_version,
            "minutes": row.minutes,
            "gross_fen": row.gross_fen,
            "payable_fen": row.payable_fen,
            "drawn": row.drawn,
            "vouchers_used": row.facts.get("vouchers_used", ()),
            "charged": row.facts.get("charged", {}),
            "lines": row.lines,
        },
        PricedBill,
    )
    return BillRecord(
        row.site_id, row.stay_id, row.sequence, row.kind, row.fixed_at, row.until, priced, row.holder, row.facts
    )


def _registers(connection: Connection, keys: Collection[VehicleKey]) -> Answer:
    if not keys:
        return list
    postgres = connection.dialect.name == "postgresql"
    return queries.REGISTERS.on(connection).ask(connection, key_set(postgres, 2).parameters(keys))
