"""Where registers hold something of a person: how its rows are found, how an export names its columns, what erasing does to it.

What moved (events, stays, pictures) and what only ever grows have their own code; here stand the tables that are a list of rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.store import tables as t
from gateway.store.tables.base import Base


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """`columns`: heading by column, in order. `plate` and `household` are the columns by which a row is somebody's.

    `words` are columns that name the person wherever else they stand, `household_words` somebody of the household, `sealed` the same,
    encrypted. `erase` None: the row goes; else it
    keeps everything but these columns, with a stranger in the place of plate and household. `register`: whose history goes with it.
    `low_income`: it tells of one, also by being absent: for registrar and finance only.
    """

    table: type[Base]
    sheet: str
    columns: Mapping[str, str]
    plate: str | None = None
    household: str | None = None
    words: tuple[str, ...] = ()
    household_words: tuple[str, ...] = ()
    sealed: tuple[str, ...] = ()
    erase: Mapping[str, Any] | None = None
    register: str = ""
    low_income: bool = False


_SITE = {"site_id": "小区"}
_PERIOD = {"valid_from": "有效期起", "valid_to": "有效期止", "registered_at": "登记时间"}

HOLDINGS: tuple[Holding, ...] = (
    Holding(
        table=t.Household,
        sheet="户",
        columns={
            **_SITE,
            "id": "户号",
            "name": "户名",
            "area_m2": "面积(平方米)",
            "valid_from": "起",
            "valid_to": "止",
        },
        household="id",
        words=("name",),
        register="households",
    ),
    Holding(
        table=t.ResidentVehicle,
        sheet="住户车辆",
        columns={**_SITE, "household_id": "户号", "plate": "车牌", "vehicle": "车型", **_PERIOD},
        plate="plate",
        household="household_id",
        register="vehicles",
    ),
    Holding(
        table=t.Relative,
        sheet="亲属车辆",
        columns={
            **_SITE,
            "household_id": "户号",
            "plate": "车牌",
            "relation": "关系",
            "name": "姓名",
            "resident": "所属住户姓名",
            "evidence": "证明材料",
            **_PERIOD,
        },
        plate="plate",
        household="household_id",
        words=("name",),
        household_words=("resident",),
        register="relatives",
    ),
    Holding(
        table=t.Certificate,
        sheet="低保证",
        columns={
            **_SITE,
            "household_id": "户号",
            "number_encrypted": "证号",
            "issuer": "发证机关",
            "reviewed_at": "复核时间",
            **_PERIOD,
        },
        household="household_id",
        sealed=("number_encrypted",),
        register="certificates",
        low_income=True,
    ),
    Holding(
        table=t.PassHeld,
        sheet="包月",
        columns={**_SITE, "plate": "车牌", "pass_id": "套餐", **_PERIOD},
        plate="plate",
        register="passes",
        low_income=True,
    ),
    Holding(
        table=t.FreeVehicle,
        sheet="免费车辆",
        columns={**_SITE, "plate": "车牌", "class_id": "类别", **_PERIOD},
        plate="plate",
        register="free-vehicles",
    ),
    Holding(
        table=t.BlockedVehicle,
        sheet="黑名单",
        columns={**_SITE, "plate": "车牌", "reason": "原因", "lifted": "已解除", **_PERIOD},
        plate="plate",
        register="blocklist",
    ),
    Holding(
        table=t.VoucherIssue,
        sheet="停车券领用",
        columns={
            **_SITE,
            "household_id": "户号",
            "at": "领用时间",
            "first_serial": "起号",
            "last_serial": "止号",
            "taker": "领用人",
            "purpose": "用途",
            "signature": "签字",
        },
        household="household_id",
        words=("taker",),
        # A hash of what was asked, the taker's name among it.
        erase={"taker": "", "signature": "", "purpose": "", "content_hash": bytes(32)},
    ),
    Holding(
        table=t.PassVehicle,
        sheet="包月车辆",
        columns={**_SITE, "pass_id": "包月号", "plate": "车牌", "since": "起", "until": "止", "reason": "原因"},
        plate="plate",
        erase={"reason": ""},
        low_income=True,
    ),
    Holding(
        table=t.ParkingPass,
        sheet="包月合同",
        columns={**_SITE, "id": "包月号", "household_id": "户号", "offer_id": "套餐", "created_at": "开通时间"},
        household="household_id",
        erase={},
        low_income=True,
    ),
    Holding(
        table=t.Charge,
        sheet="月度收费",
        columns={
            **_SITE,
            "id": "编号",
            "household_id": "户号",
            "month": "月份",
            "kind": "种类",
            "gross_fen": "应收(分)",
            "waived_fen": "优免(分)",
            "paid_fen": "已付(分)",
            "charged_at": "入账时间",
        },
        household="household_id",
        erase={},
        # What was waived of a property fee tells why.
        low_income=True,
    ),
    Holding(
        table=t.PayLaterAgreement,
        sheet="先离场后付费协议",
        columns={
            **_SITE,
            "plate": "车牌",
            "limit_fen": "限额(分)",
            "valid_from": "起",
            "valid_to": "止",
            "state": "状态",
            "evidence": "协议",
            "reason": "原因",
        },
        plate="plate",
        erase={"evidence": "", "reason": ""},
    ),
    Holding(
        table=t.Invoice,
        sheet="电子发票",
        columns={
            **_SITE,
            "id": "申请号",
            "stay_id": "停车记录号",
            "plate": "车牌",
            "buyer_title": "抬头",
            "buyer_tax_number": "税号",
            "buyer_email": "邮箱",
            "buyer_phone": "电话",
            "state": "状态",
            "amount_fen": "金额(分)",
            "number": "发票号码",
            "issued_at": "开票时间",
            "red_number": "红字发票号码",
            "requested_at": "申请时间",
        },
        plate="plate",
        # Not `words`: a title is often a firm's, or the word 个人.
        erase={"buyer_title": "", "buyer_tax_number": "", "buyer_email": "", "buyer_phone": ""},
    ),
)
