"""Everything that is held of a person, as sheets: headings that staff and drivers read, rows of plain values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, and_, or_, select

from gateway.flows.personal_data_holdings import HOLDINGS, Holding
from gateway.flows.personal_data_subject import Person, opened
from gateway.flows.registers_kinds import entry_of
from gateway.flows.secrecy import CertificateNumbers
from gateway.store import tables as t

_ROWS_AT_A_TIME = 500
# Poverty is nobody's business: to all but registrar and finance an exemption and a pass are the same word.
RESIDENT = "resident"
_ONE_WORD = frozenset({"low_income", "pass"})

PICTURES = "图片"
STAY = {
    "id": "停车记录号",
    "site_id": "小区",
    "plate": "车牌",
    "vehicle": "车型",
    "plate_colour": "号牌颜色",
    "state": "状态",
    "entry_at": "入场时间",
    "exit_at": "出场时间",
    "entry_lane": "入口车道",
    "exit_lane": "出口车道",
    "exit_reason": "放行依据",
    "gross_fen": "应收(分)",
    "payable_fen": "应付(分)",
    "paid_fen": "已付(分)",
}
BILL = {
    "stay_id": "停车记录号",
    "sequence": "账单序号",
    "fixed_at": "确定时间",
    "policy": "收费规则",
    "kind": "项目",
    "from": "起",
    "to": "止",
    "minutes": "分钟",
    "fen": "金额(分)",
    "rule": "依据",
}
PAYMENT = {
    "id": "付款号",
    "stay_id": "停车记录号",
    "channel": "支付渠道",
    "amount_fen": "金额(分)",
    "reference": "凭证号",
    "at": "付款时间",
}
ORDER = {
    "id": "订单号",
    "stay_id": "停车记录号",
    "channel": "支付渠道",
    "trade": "渠道交易号",
    "amount_fen": "金额(分)",
    "state": "状态",
    "quoted_at": "下单时间",
    "paid_at": "支付时间",
}
REFUND = {
    "id": "退款号",
    "order_id": "订单号",
    "stay_id": "停车记录号",
    "amount_fen": "金额(分)",
    "reason": "原因",
    "state": "状态",
    "proposed_at": "申请时间",
    "done_at": "退款时间",
}
CORRECTION = {
    "stay_id": "停车记录号",
    "at": "更正时间",
    "state": "状态",
    "part": "更正部分",
    "new_plate": "更正了车牌",
    "entry_before": "原入场时间",
    "entry_after": "更正后入场时间",
}
DRAW = {"stay_id": "停车记录号", "month": "月份", "minutes": "使用免费分钟", "at": "时间"}
EVENT = {
    "site_id": "小区",
    "lane_id": "车道",
    "kind": "事件",
    "at": "时间",
    "plate": "车牌",
    "plate_raw": "识别原文",
    "plate_colour": "号牌颜色",
    "confidence": "置信度",
    "decision": "处理",
    "reason": "依据",
    "picture": "图片文件",
}
CHANGE = {
    "kind": "登记种类",
    "at": "时间",
    "action": "变更",
    "reason": "原因",
    "before": "变更前",
    "after": "变更后",
}


class Sheet(msgspec.Struct, frozen=True):
    """`key` names it in the JSON, `title` in tables; `headings` by column, in order."""

    key: str
    title: str
    headings: dict[str, str]
    rows: list[dict[str, Any]]


class Picture(msgspec.Struct, frozen=True):
    """Where a picture stands in the file and in the database."""

    name: str
    site: str
    device: str
    event: str


class Gathered(msgspec.Struct, frozen=True):
    sheets: list[Sheet]
    pictures: list[Picture]


def gather(
    connection: Connection, person: Person, *, zone: ZoneInfo, numbers: CertificateNumbers, sees_low_income: bool
) -> Gathered:
    """All sheets, also those without a row, so that an empty one says that nothing is held."""
    stays = list(_stays(connection, person))
    ids = [(row["site_id"], row["id"]) for row in stays]
    pictures = list(_pictures(connection, person))
    sheets = [
        Sheet("stays", "停车记录", STAY, [_masked_stay(row, sees_low_income) for row in stays]),
        Sheet("bills", "账单明细", BILL, list(_bills(connection, ids, sees_low_income))),
        Sheet("payments", "付款", PAYMENT, list(_of_stays(connection, t.Payment, ids, PAYMENT))),
        Sheet("orders", "支付订单", ORDER, list(_of_stays(connection, t.PaymentOrder, ids, ORDER, "quoted_at"))),
        Sheet("refunds", "退款", REFUND, list(_of_stays(connection, t.PaymentRefund, ids, REFUND, "proposed_at"))),
        # Not the other plate: it may be somebody else's.
        Sheet(
            "corrections", "停车记录更正", CORRECTION, list(_of_stays(connection, t.StayCorrection, ids, CORRECTION))
        ),
        Sheet("draws", "免费时长使用", DRAW, list(_of_stays(connection, t.AllowanceDraw, ids, DRAW))),
        Sheet("events", "识别事件", EVENT, list(_events(connection, person, pictures))),
    ]
    changes: list[dict[str, Any]] = []
    for holding in HOLDINGS:
        if holding.low_income and not sees_low_income:
            continue
        rows = list(_holding(connection, person, holding, numbers))
        changes += _changes(connection, person, holding)
        sheets.append(Sheet(holding.table.__tablename__, holding.sheet, dict(holding.columns), rows))
    sheets.append(Sheet("changes", "登记变更", CHANGE, sorted(changes, key=lambda row: (row["at"], row["kind"]))))
    local = [Sheet(one.key, one.title, one.headings, [_local(row, zone) for row in one.rows]) for one in sheets]
    return Gathered(local, pictures)


def jpeg(connection: Connection, picture: Picture) -> bytes | None:
    """A picture's bytes; None where it was deleted meanwhile."""
    image = t.Image.__table__.c
    mine = (image.site_id == picture.site, image.device_id == picture.device, image.event_id == picture.event)
    found = connection.execute(select(image.jpeg).where(*mine)).scalar()
    return None if found is None else bytes(found)


def _vehicles(person: Person, table: Any) -> Any:
    columns = table.__table__.c
    return or_(*(and_(columns.site_id == site, columns.plate == plate) for site, plate in person.vehicles))


def _stays(connection: Connection, person: Person) -> Iterator[dict[str, Any]]:
    if person.vehicles:
        stay = t.Stay.__table__.c
        query = (
            select(*(stay[name] for name in STAY)).where(_vehicles(person, t.Stay)).order_by(stay.started_at, stay.id)
        )
        yield from (dict(row) for row in connection.execute(query).mappings())


def _masked_stay(row: dict[str, Any], sees_low_income: bool) -> dict[str, Any]:
    if sees_low_income or row["exit_reason"] not in _ONE_WORD:
        return row
    return {**row, "exit_reason": RESIDENT}


def _bills(connection: Connection, stays: Sequence[tuple[str, str]], sees_low_income: bool) -> Iterator[dict[str, Any]]:
    """A row a line of each bill."""
    bill = t.Bill.__table__.c
    for row in _in_stays(connection, t.Bill, stays, [bill.sequence]):
        for line in row["lines"]:
            hidden = not sees_low_income and line.get("kind") in _ONE_WORD
            yield {
                "stay_id": row["stay_id"],
                "sequence": row["sequence"],
                "fixed_at": row["fixed_at"],
                "policy": f"{row['policy_id']} {row['policy_version']}",
                "kind": RESIDENT if hidden else line.get("kind"),
                "from": datetime.fromisoformat(line["from"]),
                "to": datetime.fromisoformat(line["to"]),
                "minutes": line.get("minutes"),
                "fen": line.get("fen"),
                "rule": RESIDENT if hidden else line.get("rule"),
            }


def _of_stays(
    connection: Connection, table: Any, stays: Sequence[tuple[str, str]], wanted: dict[str, str], by: str = "at"
) -> Iterator[dict[str, Any]]:
    for row in _in_stays(connection, table, stays, [table.__table__.c[by]]):
        yield {name: row[name] for name in wanted}


def _in_stays(
    connection: Connection, table: Any, stays: Sequence[tuple[str, str]], order: list[Any]
) -> Iterator[dict[str, Any]]:
    columns = table.__table__.c
    by_site: dict[str, list[str]] = {}
    for site, stay in stays:
        by_site.setdefault(site, []).append(stay)
    for site, ids in by_site.items():
        for start in range(0, len(ids), _ROWS_AT_A_TIME):
            some = ids[start : start + _ROWS_AT_A_TIME]
            query = select(*columns).where(columns.site_id == site, columns.stay_id.in_(some))
            rows = connection.execute(query.order_by(columns.stay_id, *order)).mappings()
            yield from (dict(row) for row in rows)


def _pictures(connection: Connection, person: Person) -> Iterator[Picture]:
    if not person.vehicles:
        return
    event, image = t.PlateEventRow.__table__.c, t.Image.__table__.c
    own = and_(image.site_id == event.site_id, image.device_id == event.device_id, image.event_id == event.event_id)
    query = (
        select(event.site_id, event.device_id, event.event_id, event.at)
        .select_from(t.PlateEventRow)
        .join(t.Image, own)
        .where(_vehicles(person, t.PlateEventRow))
        .order_by(event.at, event.event_id)
    )
    for count, row in enumerate(connection.execute(query).all(), 1):
        yield Picture(f"pictures/{count:05d}-{row.at:%Y%m%dT%H%M%SZ}.jpg", row.site_id, row.device_id, row.event_id)


def _events(connection: Connection, person: Person, pictures: Sequence[Picture]) -> Iterator[dict[str, Any]]:
    if not person.vehicles:
        return
    event = t.PlateEventRow.__table__.c
    names = {(one.site, one.device, one.event): one.name for one in pictures}
    query = select(*event).where(_vehicles(person, t.PlateEventRow)).order_by(event.at, event.event_id)
    for row in connection.execute(query).mappings():
        known = {**row, "picture": names.get((row["site_id"], row["device_id"], row["event_id"]))}
        yield {name: known[name] for name in EVENT}


def _holding(
    connection: Connection, person: Person, holding: Holding, numbers: CertificateNumbers
) -> Iterator[dict[str, Any]]:
    condition = person.rows(holding)
    if condition is None:
        return
    table = holding.table.__table__
    for row in connection.execute(select(*(table.c[name] for name in holding.columns)).where(condition)).mappings():
        found = {name: opened(numbers, value) if name in holding.sealed else value for name, value in row.items()}
        if holding.household == "household_id" and person.household is None:
            # To a vehicle's driver it is told that it is a relative's or a resident's, never whose.
            found["household_id"] = None
            found.update({name: None for name in ("resident",) if name in found})
        yield found


def _changes(connection: Connection, person: Person, holding: Holding) -> Iterator[dict[str, Any]]:
    """The history of the person's entries, for a household's own: a vehicle's would name the household."""
    condition = person.rows(holding)
    if not holding.register or condition is None or person.household is None:
        return
    change = t.RegisterChange.__table__.c
    for row in connection.execute(select(*holding.table.__table__.c).where(condition)).mappings().all():
        entry = entry_of(holding.register, row)
        mine = (change.site_id == row["site_id"], change.kind == holding.register, change.entry == entry)
        for one in connection.execute(select(*change).where(*mine).order_by(change.sequence)).mappings():
            yield {name: one[name] for name in CHANGE}


def _local(row: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """Instants as local text, documents as JSON text: one plain value a cell."""
    return {name: _plain(value, zone) for name, value in row.items()}


def _plain(value: Any, zone: ZoneInfo) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat(timespec="seconds")
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else value
