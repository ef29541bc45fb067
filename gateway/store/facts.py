"""The facts of a whole batch, in a few set queries. One of the two places on the event path that touch the database."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    Connection,
    Text,
    bindparam,
    column,
    func,
    literal,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from billing.bill import Bill as PricedBill
from billing.ledger import Posted
from gateway.store import tables as t
from gateway.store.keyed import AnySelect, Keyed, key_set
from gateway.store.prepared import PreparedFor
from gateway.store.records import Balance, BillRecord, EventRecord, Registrations, StayRecord
from gateway.store.tables.base import microseconds

Keys = Collection[tuple[str, str]]
VehicleKey = tuple[str, str]
EventKey = tuple[str, str, str]

_event = t.PlateEventRow.__table__.c
_EVENT_COLUMNS = (
    _event.site_id,
    _event.device_id,
    _event.event_id,
    _event.lane_id,
    _event.kind,
    _event.at,
    _event.plate,
    _event.plate_colour,
    _event.vehicle,
    _event.for_event,
    _event.opening,
    _event.buffered,
    _event.digest,
    _event.decision,
    _event.reason,
    _event.completed,
    _event.went,
)
_stay = t.Stay.__table__.c
_STAY_COLUMNS = (
    _stay.site_id,
    _stay.id,
    _stay.plate,
    _stay.vehicle,
    _stay.plate_colour,
    _stay.state,
    _stay.started_at,
    _stay.entry_at,
    _stay.exit_at,
    _stay.entry_lane,
    _stay.exit_lane,
    _stay.entry_device,
    _stay.entry_event,
    _stay.exit_device,
    _stay.exit_event,
    _stay.confirmed,
    _stay.exit_reason,
    _stay.household_id,
    _stay.holds_space,
    _stay.policy_id,
    _stay.policy_version,
    _stay.gross_fen,
    _stay.payable_fen,
    _stay.paid_fen,
    _stay.bills,
    _stay.settlements,
    _stay.posted,
)


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


@dataclass(slots=True)
class Facts:
    """What the database holds about a batch. Deciding changes it in memory, so that the next event sees the one before."""

    events: dict[EventKey, EventRecord] = field(default_factory=dict)
    orphans: dict[EventKey, list[EventRecord]] = field(default_factory=lambda: defaultdict(list))
    unnamed: dict[EventKey, EventRecord] = field(default_factory=dict)
    history: dict[VehicleKey, dict[EventKey, EventRecord]] = field(default_factory=dict)
    stays: dict[VehicleKey, list[StayRecord]] = field(default_factory=dict)
    bills: dict[str, list[BillRecord]] = field(default_factory=lambda: defaultdict(list))
    registrations: dict[VehicleKey, Registrations] = field(default_factory=dict)
    balances: dict[tuple[str, str, str], Balance] = field(default_factory=dict)
    inside: dict[str, int] = field(default_factory=dict)
    spaces: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    closed_through: dict[str, date | None] = field(default_factory=dict)
    arrears: dict[VehicleKey, int] = field(default_factory=dict)
    commands: dict[tuple[str, str], CommandFacts] = field(default_factory=dict)


# Statements are built once: building one costs more than running it.
_COMMAND = t.CommandRow.__table__.c
_BILL = t.Bill.__table__.c
_BALANCE = t.AllowanceBalance.__table__.c
_BOOKS = t.SiteBooks.__table__.c
_PRESENCE = t.Presence.__table__.c

_EVENTS = Keyed(_EVENT_COLUMNS, (_event.site_id, _event.device_id, _event.event_id))
_COMPLETIONS = Keyed(
    _EVENT_COLUMNS, (_event.site_id, _event.device_id, _event.for_event), _event.for_event.is_not(None)
)
_NEWEST_READ = (
    select(*_EVENT_COLUMNS)
    .where(
        _event.site_id == bindparam("site"),
        _event.lane_id == bindparam("lane"),
        _event.at <= bindparam("before"),
        _event.kind == "plate",
    )
    .order_by(_event.at.desc(), _event.event_id.desc())
    .limit(1)
)
_HISTORY_FROM = Keyed(
    (_PRESENCE.site_id, _PRESENCE.plate, _PRESENCE.history_from), (_PRESENCE.site_id, _PRESENCE.plate)
)
_EARLIER = (
    select(_stay.started_at)
    .where(
        _stay.site_id == bindparam("site"),
        _stay.plate == bindparam("plate"),
        _stay.started_at <= bindparam("before"),
        _stay.state != "void",
    )
    .order_by(_stay.started_at.desc())
    .limit(2)
)
_HISTORY = Keyed(_EVENT_COLUMNS, (_event.site_id, _event.plate), _event.at >= bindparam("since"))
_STAYS = Keyed(
    _STAY_COLUMNS,
    (_stay.site_id, _stay.plate),
    _stay.started_at >= bindparam("since"),
    order_by=(_stay.started_at, _stay.id),
)
_BILLS = Keyed(tuple(_BILL), (_BILL.site_id, _BILL.stay_id), order_by=(_BILL.site_id, _BILL.stay_id, _BILL.sequence))
_BALANCES = Keyed(
    tuple(_BALANCE),
    (_BALANCE.site_id, _BALANCE.holder, _BALANCE.month),
    order_by=(_BALANCE.site_id, _BALANCE.holder, _BALANCE.month),
    lock=t.AllowanceBalance,
)
_INSIDE = Keyed(
    (_stay.site_id, func.count()),
    (_stay.site_id,),
    _stay.state == literal_column("'inside'"),
    group_by=(_stay.site_id,),
)
_SPACES = Keyed(
    (_stay.site_id, _stay.household_id, _stay.plate),
    (_stay.site_id, _stay.household_id),
    _stay.state == literal_column("'inside'"),
    _stay.holds_space,
)
_CLOSED_THROUGH = Keyed(
    (_BOOKS.site_id, _BOOKS.closed_through),
    (_BOOKS.site_id,),
    order_by=(_BOOKS.site_id,),
    lock=t.SiteBooks,
    share=True,
)
_ARREARS = Keyed(
    (_stay.site_id, _stay.plate, func.sum(_stay.payable_fen - _stay.paid_fen)),
    (_stay.site_id, _stay.plate),
    _stay.state == "left",
    _stay.payable_fen > _stay.paid_fen,
    group_by=(_stay.site_id, _stay.plate),
)
_COMMANDS = Keyed(
    (
        _COMMAND.site_id,
        _COMMAND.id,
        _COMMAND.device_id,
        _COMMAND.lane_id,
        _COMMAND.event_id,
        _COMMAND.action,
        _COMMAND.reason,
        _COMMAND.state,
    ),
    (_COMMAND.site_id, _COMMAND.id),
)


def _lock_vehicles(postgres: bool) -> Any:
    """Insert or touch each vehicle's row, in the order of their keys: the statement itself takes the rows' locks."""
    if postgres:
        arrays = [bindparam("sites", type_=ARRAY(Text)), bindparam("plates", type_=ARRAY(Text))]
        instants = bindparam("instants", type_=ARRAY(TIMESTAMP(timezone=True)))
        names: list[Any] = [column("site_id", Text), column("plate", Text), column("at", TIMESTAMP(timezone=True))]
        wanted: Any = func.unnest(*arrays, instants).table_valued(*names, name="wanted").render_derived()
        source = select(wanted.c.site_id, wanted.c.plate, wanted.c.at, literal(1))
        make: Any = postgres_insert
        newer: Any = func.greatest
    else:
        rows = func.json_each(bindparam("rows", type_=Text)).table_valued("value", name="wanted")
        parts = [func.json_extract(rows.c.value, f"$[{place}]") for place in range(3)]
        # Without a condition SQLite takes ON CONFLICT for a join's ON.
        source = select(*parts, literal(1)).where(literal_column("1") == 1)
        make = sqlite_insert
        newer = func.max
    presence = t.Presence.__table__
    inserted = make(presence).from_select(["site_id", "plate", "newest_at", "reads"], source)
    return inserted.on_conflict_do_update(
        index_elements=["site_id", "plate"],
        set_={
            "newest_at": newer(_PRESENCE.newest_at, inserted.excluded.newest_at),
            "reads": _PRESENCE.reads + 1,
        },
    ).returning(_PRESENCE.site_id, _PRESENCE.plate, _PRESENCE.history_from, _PRESENCE.reads)


_LOCK_VEHICLES = PreparedFor(_lock_vehicles)


class FactLoader:
    """Set queries on one connection, inside the transaction that will store the outcome.

    `locking=False` is for a quote: the same facts, nothing locked, nothing written.
    """

    def __init__(self, connection: Connection, *, locking: bool = True) -> None:
        self._connection = connection
        self._locking = locking
        self._postgres = connection.dialect.name == "postgresql"
        self.strangers: set[VehicleKey] = set()

    def events(self, keys: Collection[EventKey]) -> list[EventRecord]:
        return [EventRecord(*row) for row in _EVENTS.rows(self._connection, keys)]

    def completions(self, keys: Collection[EventKey]) -> list[EventRecord]:
        """`passed` and `reversed` events that arrived before the plate event that they complete."""
        return [EventRecord(*row) for row in _COMPLETIONS.rows(self._connection, keys)]

    def newest_reads(self, lanes: Collection[tuple[str, str]], before: datetime) -> dict[tuple[str, str], EventRecord]:
        """Each lane's newest plate event at or before an instant."""
        found: dict[tuple[str, str], EventRecord] = {}
        for site, lane in sorted(lanes):
            asked = {"site": site, "lane": lane, "before": before}
            rows: Sequence[Any] = self._connection.execute(_NEWEST_READ, asked).fetchall()
            found.update(((site, lane), EventRecord(*row)) for row in rows)
        return found

    def lock_vehicles(self, newest: dict[VehicleKey, datetime]) -> dict[VehicleKey, datetime | None]:
        """Lock each vehicle's row, in order, so that two bridges never decide one vehicle at once. Where its history begins."""
        if not newest:
            return {}
        if not self._locking:
            return {(row[0], row[1]): row[2] for row in _HISTORY_FROM.rows(self._connection, newest)}
        ordered = sorted(newest.items())
        if self._postgres:
            parameters: dict[str, Any] = {
                "sites": [site for (site, _), _ in ordered],
                "plates": [plate for (_, plate), _ in ordered],
                "instants": [at for _, at in ordered],
            }
        else:
            parameters = {"rows": json.dumps([(*key, microseconds(at)) for key, at in ordered], ensure_ascii=False)}
        rows = _LOCK_VEHICLES.on(self._connection).read(self._connection, parameters)
        self.strangers = {(row.site_id, row.plate) for row in rows if row.reads == 1}
        return {(row.site_id, row.plate): row.history_from for row in rows}

    def earlier_history(self, key: VehicleKey, at: datetime) -> datetime | None:
        """Where the last stay but one before an instant began: for events older than the usual history."""
        rows = self._connection.execute(_EARLIER, {"site": key[0], "plate": key[1], "before": at}).fetchall()
        return rows[-1].started_at if rows else None

    def history(self, since: dict[VehicleKey, datetime]) -> list[EventRecord]:
        if not since:
            return []
        found = (EventRecord(*row) for row in _HISTORY.rows(self._connection, since, since=min(since.values())))
        return [event for event in found if event.plate is not None and event.at >= since[event.site, event.plate]]

    def stays(self, since: dict[VehicleKey, datetime]) -> list[StayRecord]:
        if not since:
            return []
        found = (stay_record(row) for row in _STAYS.rows(self._connection, since, since=min(since.values())))
        return [stay for stay in found if stay.started_at >= since[stay.site, stay.plate]]

    def bills(self, stays: Iterable[StayRecord]) -> list[BillRecord]:
        keys = [(stay.site, stay.id) for stay in stays if stay.bills]
        return [bill_record(row) for row in _BILLS.rows(self._connection, keys)]

    def registrations(self, keys: Collection[VehicleKey]) -> dict[VehicleKey, Registrations]:
        """Everything that the registers say of these plates, in one statement."""
        found = {key: Registrations() for key in keys}
        for row in _registers(self._connection, keys):
            _register(found[row.site_id, row.plate], row)
        for entry in found.values():
            entry.relatives.sort(key=lambda relative: (relative[4], relative[0]))
            entry.passes.sort()
            entry.free.sort(key=lambda free: free[0])
        return found

    def balances(self, keys: Collection[tuple[str, str, str]]) -> dict[tuple[str, str, str], Balance]:
        """Months of allowances by (site, holder, month), locked in order until the transaction ends."""
        if not keys:
            return {}
        if self._postgres and self._locking:
            # A row must exist to be locked: two bridges may draw from a month that nobody has drawn from yet.
            rows = [
                {"site_id": site, "holder": holder, "month": month, "limit_minutes": 0, "drawn_minutes": 0}
                for site, holder, month in sorted(keys)
            ]
            self._connection.execute(postgres_insert(t.AllowanceBalance).on_conflict_do_nothing(), rows)
        return {
            (row.site_id, row.holder, row.month): Balance(row.limit_minutes, row.drawn_minutes)
            for row in _BALANCES.rows(self._connection, keys, locking=self._locking)
        }

    def inside(self, sites: Collection[str]) -> dict[str, int]:
        found = dict.fromkeys(sites, 0)
        found.update((row[0], row[1]) for row in _INSIDE.rows(self._connection, [(site,) for site in sites]))
        return found

    def spaces(self, households: Keys) -> list[tuple[str, str, str]]:
        """Which plates hold the spaces of these households now: (site, household, plate)."""
        return [(row[0], row[1], row[2]) for row in _SPACES.rows(self._connection, households)]

    def closed_through(self, sites: Collection[str]) -> dict[str, date | None]:
        """How far each site's books are closed.

        Shared until the transaction ends, so that no day closes under a posting.
        """
        keys = [(site,) for site in sites]
        rows = _CLOSED_THROUGH.rows(self._connection, keys, locking=self._locking)
        return {row.site_id: row.closed_through for row in rows}

    def arrears(self, keys: Keys) -> dict[VehicleKey, int]:
        """What vehicles still owe for stays that have ended."""
        return {(row[0], row[1]): int(row[2]) for row in _ARREARS.rows(self._connection, keys)}

    def commands(self, keys: Keys) -> dict[tuple[str, str], CommandFacts]:
        return {(row[0], row[1]): CommandFacts(*row) for row in _COMMANDS.rows(self._connection, keys)}


def _register(entry: Registrations, row: Any) -> None:
    match row.kind:
        case "vehicle":
            entry.household, entry.vehicle = row.a, row.b
            if row.certified:
                entry.certificates.append((row.valid_from, row.valid_to))
        case "pass":
            entry.passes.append((row.a, row.valid_from, row.valid_to))
        case "relative":
            entry.relatives.append((row.a, row.b, row.valid_from, row.valid_to, row.registered_at))
        case "free":
            entry.free.append((row.a, row.valid_to))
        case _:
            entry.blocked.append(row.valid_to)


def stay_record(row: Any) -> StayRecord:
    values = list(row)
    values[-1] = msgspec.convert(values[-1] or {}, Posted)
    return StayRecord(*values)


def select_stays() -> AnySelect:
    """Stays in the shape that `stay_record` reads."""
    return select(*_STAY_COLUMNS)


def select_events() -> AnySelect:
    """Events in the shape of `EventRecord`."""
    return select(*_EVENT_COLUMNS)


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
            "lines": row.lines,
        },
        PricedBill,
    )
    return BillRecord(
        row.site_id, row.stay_id, row.sequence, row.kind, row.fixed_at, row.until, priced, row.holder, row.facts
    )


def _registers(connection: Connection, keys: Collection[VehicleKey]) -> list[Any]:
    if not keys:
        return []
    postgres = connection.dialect.name == "postgresql"
    return _REGISTERS.on(connection).read(connection, key_set(postgres, 2).parameters(keys))


def _all_registers(postgres: bool) -> Any:
    """All registers as one union. Columns: kind, site, plate, two texts, period, when registered, whether certified."""
    wanted = key_set(postgres, 2)

    def part(kind: str, table: Any, a: Any, b: Any, period: tuple[Any, Any], certified: Any) -> AnySelect:
        return select(
            literal(kind).label("kind"),
            table.site_id,
            table.plate,
            a.label("a"),
            b.label("b"),
            period[0].label("valid_from"),
            period[1].label("valid_to"),
            table.registered_at,
            certified.label("certified"),
        ).where(table.site_id == wanted.columns[0], table.plate == wanted.columns[1])

    nothing, no_instant = literal(None, _stay.plate.type), literal(None, _stay.entry_at.type)
    no = literal(False)
    vehicle, certificate = t.ResidentVehicle, t.Certificate
    certified = part(
        "vehicle",
        vehicle,
        vehicle.household_id,
        vehicle.vehicle,
        (certificate.valid_from, certificate.valid_to),
        certificate.id.is_not(null()),
    ).outerjoin_from(
        vehicle,
        certificate,
        (certificate.site_id == vehicle.site_id) & (certificate.household_id == vehicle.household_id),
    )
    held, relative, free, blocked = t.PassHeld, t.Relative, t.FreeVehicle, t.BlockedVehicle
    return union_all(
        certified,
        part("pass", held, held.pass_id, nothing, (held.valid_from, held.valid_to), no),
        part(
            "relative", relative, relative.household_id, relative.relation, (relative.valid_from, relative.valid_to), no
        ),
        part("free", free, free.class_id, nothing, (no_instant, free.valid_to), no),
        part("blocked", blocked, nothing, nothing, (no_instant, blocked.valid_to), no).where(~blocked.lifted),
    )


_REGISTERS = PreparedFor(_all_registers)
