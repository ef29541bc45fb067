"""The words of the public page, in Chinese and English."""

from __future__ import annotations

from typing import Final

OPEN: Final[dict[str, dict[str, str]]] = {
    "zh": {
        "open.title": "停车公开数据",
        "open.policy": "执行政策",
        "open.prices": "明码标价",
        "open.no_prices": "尚无执行中的收费政策。",
        "open.months": "逐月收支",
        "open.no_months": "尚无已日结的日期。",
        "open.month": "月份",
        "open.days": "天已日结",
        "open.entries": "入场",
        "open.exits": "离场",
        "open.earned": "应收",
        "open.waived": "优免",
        "open.received": "实收",
        "open.owed": "未收与预收",
        "open.disputed": "待处理",
        "open.adds_up": "应收 = 优免 + 实收 + 未收与预收 + 待处理。金额取自已封存的日结，核对时以其哈希值为准。",
        "open.benefits": "优免构成",
        "open.other": "其他（合并）",
        "open.merged": "不足十户的项目合并列示；合并后仍不足十户的不分项列示。",
        "open.free": "免费车种月报",
        "open.hashes": "日结哈希值",
        "open.gone": "没有这个小区的公开数据。",
    },
    "en": {
        "open.title": "public figures of parking",
        "open.policy": "policy in force",
        "open.prices": "Prices",
        "open.no_prices": "No policy is in force yet.",
        "open.months": "Month by month",
        "open.no_months": "No day has been closed yet.",
        "open.month": "month",
        "open.days": "days closed",
        "open.entries": "entries",
        "open.exits": "exits",
        "open.earned": "earned",
        "open.waived": "waived",
        "open.received": "received",
        "open.owed": "owed, less prepaid",
        "open.disputed": "in question",
        "open.adds_up": "Earned = waived + received + owed + in question. Amounts are those of sealed closes, which their hashes vouch for.",
        "open.benefits": "What was waived",
        "open.other": "others, together",
        "open.merged": "What fewer than ten households had stands together; where even those are fewer, it is not told apart.",
        "open.free": "Free classes of vehicles in this month",
        "open.hashes": "Hashes of the closes",
        "open.gone": "There are no public figures of such a site.",
    },
}

BENEFITS: Final = {
    "resident": "residents",
    "relative_allowance": "relatives' free hours",
    "free_class": "free classes of vehicles",
    "whole_stay_voucher": "vouchers for a whole stay",
    "hour_voucher": "vouchers for hours",
    "amount_voucher": "vouchers for an amount",
    "discount": "discounts",
    "rounding": "rounding",
    "written_off": "written off",
}
