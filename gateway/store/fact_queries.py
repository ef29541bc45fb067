"""The event path's queries: which rows, by which keys, under which locks. Run by `gateway.store.facts`.

Each is built once: building a statement costs more than running it.
"""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import (
    Table,
    Text,
    bindparam,
    column,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gateway.store import tables as t
from gateway.store.bulk import BulkInsert
from gateway.store.keyed import AnySelect, ArrayText, Keyed, key_set
from gateway.store.prepared import PreparedFor

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
_VOUCHER = t.Voucher.__table__.c
_PASS = t.PassHeld.__table__.c
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
    # Whether to ask for vouchers at all: a look into a small index, instead of a question of its own.
    select(func.count())
    .where(_VOUCHER.site_id == _stay.site_id, _VOUCHER.stay_id == _stay.id)
    .correlate(t.Stay.__table__)
    .scalar_subquery()
    .label("vouchers"),
    _stay.corrections,
    _stay.posted,
)

_COMMAND = t.CommandRow.__table__.c
_BILL = t.Bill.__table__.c
_BALANCE = t.AllowanceBalance.__table__.c
_BOOKS = t.SiteBooks.__table__.c
_PRESENCE = t.Presence.__table__.c

EVENTS = Keyed(_EVENT_COLUMNS, (_event.site_id, _event.device_id, _event.event_id))
COMPLETIONS = Keyed(_EVENT_COLUMNS, (_event.site_id, _event.device_id, _event.for_event), _event.for_event.is_not(None))
NEWEST_READ = (
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
HISTORY_FROM = Keyed((_PRESENCE.site_id, _PRESENCE.plate, _PRESENCE.history_from), (_PRESENCE.site_id, _PRESENCE.plate))
_CORRECTED = t.StayCorrectionRead.__table__.c
_CORRECTED_COLUMNS = (
    _CORRECTED.site_id,
    _CORRECTED.correction_id,
    _CORRECTED.device_id,
    _CORRECTED.event_id,
    _CORRECTED.sequence,
    _CORRECTED.anchor,
    _CORRECTED.plate,
    _CORRECTED.at,
    _CORRECTED.from_plate,
    _CORRECTED.to_plate,
    _CORRECTED.to_at,
)
_LATELY = (
    _CORRECTED.sequence.is_not(None),
    or_(_CORRECTED.at >= bindparam("since"), _CORRECTED.to_at >= bindparam("since")),
)
# What was read as a vehicle's and may be another's, and what was read as another's and is this one's. Asked only where a presence says so.
CORRECTED_FROM = Keyed(_CORRECTED_COLUMNS, (_CORRECTED.site_id, _CORRECTED.plate), *_LATELY)
CORRECTED_TO = Keyed(_CORRECTED_COLUMNS, (_CORRECTED.site_id, _CORRECTED.to_plate), *_LATELY)
CORRECTIONS = Keyed(_CORRECTED_COLUMNS, (_CORRECTED.site_id, _CORRECTED.correction_id), *_LATELY[:1])
EARLIER = (
    select(_stay.started_at, _stay.exit_at)
    .where(
        _stay.site_id == bindparam("site"),
        _stay.plate == bindparam("plate"),
        _stay.started_at <= bindparam("before"),
        _stay.state != "void",
    )
    .order_by(_stay.started_at.desc())
    .limit(2)
)
HISTORY = Keyed(_EVENT_COLUMNS, (_event.site_id, _event.plate), _event.at >= bindparam("since"))
STAYS = Keyed(
    _STAY_COLUMNS,
    (_stay.site_id, _stay.plate),
    _stay.started_at >= bindparam("since"),
    order_by=(_stay.started_at, _stay.id),
)
BILLS = Keyed(tuple(_BILL), (_BILL.site_id, _BILL.stay_id), order_by=(_BILL.site_id, _BILL.stay_id, _BILL.sequence))
# The same by vehicle, to be asked together with its stays.
BILLS_OF_VEHICLES = Keyed(
    tuple(_BILL),
    (_stay.site_id, _stay.plate),
    _stay.started_at >= bindparam("since"),
    # The empty text keeps PostgreSQL from concluding the bill's site from the key and going through all bills of the site.
    _BILL.site_id == _stay.site_id.concat(literal_column("''")),
    _BILL.stay_id == _stay.id,
    order_by=(_BILL.site_id, _BILL.stay_id, _BILL.sequence),
)
VOUCHERS = Keyed(
    (
        _VOUCHER.site_id,
        _VOUCHER.serial,
        _VOUCHER.book_id,
        _VOUCHER.kind,
        _VOUCHER.value,
        _VOUCHER.state,
        _VOUCHER.movements,
        _VOUCHER.stay_id,
        _VOUCHER.presented_at,
    ),
    (_VOUCHER.site_id, _VOUCHER.stay_id),
    order_by=(_VOUCHER.presented_at, _VOUCHER.serial),
)
BALANCES = Keyed(
    tuple(_BALANCE),
    (_BALANCE.site_id, _BALANCE.holder, _BALANCE.month),
    order_by=(_BALANCE.site_id, _BALANCE.holder, _BALANCE.month),
    lock=t.AllowanceBalance,
)
INSIDE = Keyed(
    (_stay.site_id, func.count()),
    (_stay.site_id,),
    _stay.state == literal_column("'inside'"),
    group_by=(_stay.site_id,),
    sqlite_index="uq_stay_one_inside",
)
# What the bill that stands was priced with; null where none ever was.
_BILL_FACTS = (
    select(_BILL.facts)
    .where(_BILL.site_id == _stay.site_id, _BILL.stay_id == _stay.id, _BILL.sequence == _stay.bills)
    .correlate(t.Stay.__table__)
    .scalar_subquery()
    .label("facts")
)


def _last_pass(*, exact: bool) -> Any:
    """When the last of a stay's vehicle's passes ends, of those that days of grace follow, or of those that were ended."""
    which = _PASS.exact if exact else ~_PASS.exact
    return (
        select(func.max(_PASS.valid_to))
        .where(_PASS.site_id == _stay.site_id, _PASS.plate == _stay.plate, which)
        .correlate(t.Stay.__table__)
        .scalar_subquery()
    )


_CLAIM_COLUMNS = (
    _stay.site_id,
    _stay.household_id,
    _stay.id,
    _stay.plate,
    _stay.entry_at,
    _stay.exit_at,
    _stay.state,
    _last_pass(exact=False).label("pass_to"),
    _last_pass(exact=True).label("ended_at"),
    _BILL_FACTS,
)
CLAIMS_INSIDE = Keyed(
    _CLAIM_COLUMNS,
    (_stay.site_id, _stay.household_id),
    # In the index's own words: SQLite sees no partial index in `holds_space = 1`.
    literal_column("stay.state = 'inside' AND stay.holds_space"),
    sqlite_index="ix_stay_space",
)
_RESIDENT = t.ResidentVehicle.__table__.c
# By the household's plates: each has its stays in order, the household has not.
CLAIMS_LEFT = Keyed(
    _CLAIM_COLUMNS,
    (_RESIDENT.site_id, _RESIDENT.household_id),
    _stay.site_id == _RESIDENT.site_id,
    _stay.plate == _RESIDENT.plate,
    _stay.household_id == _RESIDENT.household_id,
    _stay.started_at >= bindparam("since"),
    or_(_stay.state == literal_column("'left'"), _stay.state == literal_column("'exception'")),
    _stay.holds_space,
    sqlite_index={
        t.ResidentVehicle.__table__: "ix_resident_vehicle_site_id_household_id",
        t.Stay.__table__: "ix_stay_vehicle",
    },
)
PAST = Keyed(
    (_stay.site_id, _stay.plate, _stay.id, _stay.entry_at, _BILL_FACTS),
    (_stay.site_id, _stay.plate),
    _stay.started_at >= bindparam("since"),
    _stay.entry_at.is_not(None),
    _stay.state != literal_column("'void'"),
)
CLOSED_THROUGH = Keyed(
    (_BOOKS.site_id, _BOOKS.closed_through),
    (_BOOKS.site_id,),
    order_by=(_BOOKS.site_id,),
    lock=t.SiteBooks,
    share=True,
)
ARREARS = Keyed(
    (
        _stay.site_id,
        _stay.plate,
        # What was written off is not owed.
        func.sum(_stay.payable_fen - _stay.paid_fen - func.coalesce(_stay.posted["written_off_fen"].as_integer(), 0)),
    ),
    (_stay.site_id, _stay.plate),
    _stay.state == "left",
    _stay.payable_fen > _stay.paid_fen,
    group_by=(_stay.site_id, _stay.plate),
)
_AGREEMENT = t.PayLaterAgreement.__table__.c
# By a site, or by `street`.
AGREEMENTS = Keyed(
    (_AGREEMENT.site_id, _AGREEMENT.plate, _AGREEMENT.limit_fen, _AGREEMENT.valid_from, _AGREEMENT.valid_to),
    (_AGREEMENT.site_id, _AGREEMENT.plate),
    _AGREEMENT.state == "approved",
)
COMMANDS = Keyed(
    (
        _COMMAND.site_id,
        _COMMAND.id,
        _COMMAND.device_id,
        _COMMAND.lane_id,
        _COMMAND.event_id,
        _COMMAND.action,
        _COMMAND.reason,
        _COMMAND.state,
        _COMMAND.expires_at,
    ),
    (_COMMAND.site_id, _COMMAND.id),
)


def _lock_vehicles(postgres: bool) -> Any:
    """Insert or touch each vehicle's row, in the order of their keys: the statement itself takes the rows' locks."""
    if postgres:
        arrays = [bindparam("sites", type_=ArrayText(Text)), bindparam("plates", type_=ArrayText(Text))]
        instants = bindparam("instants", type_=ArrayText(TIMESTAMP(timezone=True)))
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
    ).returning(_PRESENCE.site_id, _PRESENCE.plate, _PRESENCE.history_from, _PRESENCE.reads, _PRESENCE.corrected_until)


LOCK_VEHICLES = PreparedFor(_lock_vehicles)


# Only PostgreSQL has more than one writer.
LOCK_READS = PreparedFor(
    lambda _postgres: text(
        "SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(CAST(:names AS text[])) AS wanted(name)"
    ).bindparams(bindparam("names", type_=ArrayText(Text)))
)
NEW_BALANCES = BulkInsert(cast("Table", t.AllowanceBalance.__table__), unless_there=True)
_HOUSEHOLD = t.Household.__table__.c
HOUSEHOLDS = Keyed(
    (_HOUSEHOLD.site_id, _HOUSEHOLD.id),
    (_HOUSEHOLD.site_id, _HOUSEHOLD.id),
    order_by=(_HOUSEHOLD.site_id, _HOUSEHOLD.id),
    lock=t.Household,
)


def _all_registers(postgres: bool) -> Any:
    """All registers as one union. Columns: kind, site, plate, two texts, period, when registered, whether certified, own period.

    A resident vehicle's period is that of its household's certificate; its own comes last.
    """
    wanted = key_set(postgres, 2)

    nothing, no_instant = literal(None, _stay.plate.type), literal(None, _stay.entry_at.type)
    no, always = literal(False), (no_instant, no_instant)

    def part(
        kind: str, table: Any, a: Any, b: Any, period: tuple[Any, Any], certified: Any, own: tuple[Any, Any] = always
    ) -> AnySelect:
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
            own[0].label("own_from"),
            own[1].label("own_to"),
        ).where(table.site_id == wanted.columns[0], table.plate == wanted.columns[1])

    vehicle, certificate = t.ResidentVehicle, t.Certificate
    certified = part(
        "vehicle",
        vehicle,
        vehicle.household_id,
        vehicle.vehicle,
        (certificate.valid_from, certificate.valid_to),
        certificate.id.is_not(null()),
        (vehicle.valid_from, vehicle.valid_to),
    ).outerjoin_from(
        vehicle,
        certificate,
        (certificate.site_id == vehicle.site_id) & (certificate.household_id == vehicle.household_id),
    )
    held, relative, free, blocked = t.PassHeld, t.Relative, t.FreeVehicle, t.BlockedVehicle
    return union_all(
        certified,
        # Of a pass `certified` says that it was ended: no days of grace follow it.
        part("pass", held, held.pass_id, nothing, (held.valid_from, held.valid_to), held.exact),
        part(
            "relative", relative, relative.household_id, relative.relation, (relative.valid_from, relative.valid_to), no
        ),
        part("free", free, free.class_id, nothing, (free.valid_from, free.valid_to), no),
        part("blocked", blocked, nothing, nothing, (blocked.valid_from, blocked.valid_to), no).where(~blocked.lifted),
    )


REGISTERS = PreparedFor(_all_registers)
