"""What registers and agreements hold of a person, a time after it ended. A row that a bill may still be priced by stays.

Each kind is a function of (connection, before) that ends up to `ROWS_AT_A_TIME` rows and says how many; the door is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, or_, select, update

from gateway.flows import doors
from gateway.flows.personal_data_door import GONE, forget_history, stranger
from gateway.flows.registers_kinds import entry_of
from gateway.flows.retention_rows import ROWS_AT_A_TIME, delete_old, each, table_of
from gateway.flows.retention_vehicles import UNSETTLED
from gateway.store import tables as t

_STAY = t.Stay.__table__.c
_GONE = "#"


def registrations(connection: Connection, before: datetime) -> int:
    """Vehicles of residents, relatives, passes and free classes, and their history."""
    return sum(
        _rows(connection, kind, model, table.c.valid_to < before, _priced_by(table.c.site_id, table.c.plate))
        for kind, model in _REGISTRATIONS.items()
        for table in (table_of(model),)
    ) + _plates(connection, t.PassVehicle, table_of(t.PassVehicle).c.until < before, {"reason": ""})


def names(connection: Connection, before: datetime) -> int:
    """Of households that moved out, and of relatives whose registration ended."""
    home, relative = table_of(t.Household), table_of(t.Relative)
    return _blank(connection, home, home.c.valid_to < before, {"name": ""}) + _blank(
        connection, relative, relative.c.valid_to < before, {"name": "", "resident": ""}
    )


def evidence(connection: Connection, before: datetime) -> int:
    """Where the proof of a relation is kept."""
    relative = table_of(t.Relative)
    return _blank(connection, relative, relative.c.valid_to < before, {"evidence": ""})


def certificates(connection: Connection, before: datetime) -> int:
    """Low-income certificates, whole."""
    table = table_of(t.Certificate)
    of_household = exists().where(
        _STAY.site_id == table.c.site_id, _STAY.household_id == table.c.household_id, UNSETTLED
    )
    return _rows(connection, "certificates", t.Certificate, table.c.valid_to < before, of_household)


def blocklist(connection: Connection, before: datetime) -> int:
    """Plates and reasons, after they were lifted or ended."""
    table = table_of(t.BlockedVehicle)
    over = or_(
        table.c.valid_to < before, and_(table.c.lifted, table.c.registered_at < before, table.c.valid_to.is_(None))
    )
    return _rows(connection, "blocklist", t.BlockedVehicle, over, None)


def door_members(connection: Connection, before: datetime) -> int:
    """Who might pass a small gate, whole, and what opened it for them."""
    member = table_of(t.DoorMember).c
    some = select(member.site_id, member.id).where(member.valid_to < before).limit(ROWS_AT_A_TIME)
    found = connection.execute(some).all()
    for site, member_id in found:
        doors.erase(connection, site, [member_id])
    return len(found)


def voucher_takers(connection: Connection, before: datetime) -> int:
    """领用登记: who took vouchers, and the signature. The serials stay."""
    table = table_of(t.VoucherIssue)
    empty = {"taker": "", "signature": "", "content_hash": bytes(32)}
    return _blank(connection, table, table.c.at < before, empty)


def agreements(connection: Connection, before: datetime) -> int:
    """先离场后付费: whose vehicle it was, and where what was signed is kept."""
    table = table_of(t.PayLaterAgreement)
    over = or_(
        table.c.ended_at < before,
        table.c.valid_to < before,
        and_(table.c.state == "refused", table.c.decided_at < before),
    )
    return _plates(connection, t.PayLaterAgreement, over, {"evidence": "", "reason": ""})


def invoices(connection: Connection, before: datetime) -> int:
    """电子发票: whose they are, and the files. What was invoiced, when and under which number stays."""
    table = table_of(t.Invoice)
    buyer = {"buyer_title": "", "buyer_tax_number": "", "buyer_email": "", "buyer_phone": ""}
    over = and_(table.c.requested_at < before, ~table.c.state.in_(["requested", "submitted"]))
    files = delete_old(connection, t.InvoiceFile, "received_at", before)
    return files + _plates(connection, t.Invoice, over, buyer)


_REGISTRATIONS: Mapping[str, type[t.Base]] = {
    "vehicles": t.ResidentVehicle,
    "relatives": t.Relative,
    "passes": t.PassHeld,
    "free-vehicles": t.FreeVehicle,
}


def _priced_by(site: ColumnElement[str], plate: ColumnElement[str]) -> ColumnElement[bool]:
    """A stay of the vehicle is not settled: it will be priced by what held at its entry."""
    return exists().where(_STAY.site_id == site, _STAY.plate == plate, UNSETTLED)


def _rows(
    connection: Connection,
    kind: str,
    model: type[t.Base],
    over: ColumnElement[bool],
    needed: ColumnElement[bool] | None,
) -> int:
    """Whole rows of a register go, and their history with them."""
    table = table_of(model)
    query = select(*table.c).where(over)
    if needed is not None:
        query = query.where(~needed)
    found = connection.execute(query.limit(ROWS_AT_A_TIME)).mappings().all()
    for row in found:
        forget_history(connection, row["site_id"], kind, [entry_of(kind, row)])
    if "plate" in table.c:
        _unname_lines(connection, {(row["site_id"], row["plate"]) for row in found})
    return each(connection, table, delete(table), found)


def _unname_lines(connection: Connection, vehicles: set[tuple[str, str]]) -> None:
    """Lines of the audit trail about an entry of a register have its plate as their subject."""
    line = t.AuditEntry.__table__.c
    for site in sorted({site for site, _ in vehicles}):
        plates = sorted(plate for one, plate in vehicles if one == site)
        mine = update(t.AuditEntry).where(line.site_id == site, line.subject.in_(plates))
        connection.execute(mine.values(subject=GONE))


def _blank(connection: Connection, table: Table, over: ColumnElement[bool], empty: Mapping[str, Any]) -> int:
    """Rows stay, without these columns. Whoever has none of them any more is not found again."""
    still = or_(*(table.c[name] != value for name, value in empty.items()))
    found = connection.execute(select(*table.primary_key.columns).where(over, still).limit(ROWS_AT_A_TIME))
    rows = found.mappings().all()
    return each(connection, table, update(table).values(**empty), rows)


def _plates(connection: Connection, model: type[t.Base], over: ColumnElement[bool], empty: Mapping[str, Any]) -> int:
    """Rows stay, with a stranger in the place of the plate."""
    table = table_of(model)
    named = ~table.c.plate.startswith(_GONE)
    needed = _priced_by(table.c.site_id, table.c.plate)
    found = connection.execute(
        select(*table.primary_key.columns).where(over, named, ~needed).limit(ROWS_AT_A_TIME)
    ).mappings()
    rows = found.all()
    for row in rows:
        each(connection, table, update(table).values(plate=stranger(), **empty), [row])
    return len(rows)
