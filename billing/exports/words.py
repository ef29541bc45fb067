"""Chinese words of what the books name by codes; `name_of` leaves an unknown code as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from billing.ledger import WAIVED

SUMS: Final = (
    ("earned_fen", "应收总额 earned"),
    ("waived_fen", "优免 waived"),
    ("received_fen", "实收 received"),
    ("owed_fen", "欠费 owed"),
    ("disputed_fen", "待处理 disputed"),
)
STATES: Final = {
    "left": "正常离场",
    "no_entry": "有出无进",
    "exception": "异常",
    "missing_exit": "有进无出",
}
CHANNELS: Final = {"wechat": "微信支付", "alipay": "支付宝", "unionpay": "银联", "cash": "现金"}
BENEFITS: Final = {
    "resident": "居民优免",
    "low_income": "低保优免",
    "pass": "包月",
    "relative_allowance": "三代直系亲属免费时长",
    "free_class": "免费车种",
    "whole_stay_voucher": "全免停车券",
    "hour_voucher": "时长停车券",
    "amount_voucher": "金额停车券",
    "discount": "折扣",
    "rounding": "抹零",
    "written_off": "核销",
}
EXCEPTIONS: Final = {
    "no_entry": "无入场记录",
    "missing_exit": "有进无出",
    "implausible_stay": "停车时长异常",
    "unpaid_exit": "未付离场",
    "overpaid": "多付待退",
    "payment_mismatch": "支付金额与订单不符",
    "refund_failed": "退款未成功",
    "correction_proposed": "停车记录更正待复核",
    "help_call": "求助呼叫",
    "bill_disputed": "账单异议",
    "invoice_refused": "发票未开出",
    "red_invoice_refused": "红字发票未开出",
    "unreadable": "车牌未识别",
    "blocked": "禁止入内车辆",
    "not_registered": "非登记车辆",
    "not_confirmed": "放行后未确认通过",
    "command_not_confirmed": "指令未执行",
    "barrier_fault": "道闸故障",
    "held_open": "应急解除后待人工落杆",
    "opened_by_hand": "手动开闸",
    "opened_without_event": "无记录抬杆",
    "tailgating": "跟车",
    "alarm": "设备报警",
    "door_guessing": "小门有人试密码",
    "clock_off": "设备时钟偏差",
    "device_refused": "设备越权被拒",
    "messages_lost": "设备数据丢失",
    "calendar_unknown": "节假日历缺失",
    "statement_missing": "渠道账单未到",
    "day_not_closed": "未能日结",
    "voucher_count": "停车券不符",
    "voucher_reused": "停车券重复使用",
    "voucher_refused": "停车券无效",
    "voucher_unmatched": "停车券未匹配停车记录",
}
BREAKS: Final = {
    "channel_only": "渠道有账面无",
    "book_only": "账面有渠道无",
    "amount_mismatch": "金额不一致",
    "status_mismatch": "状态不一致",
    "duplicate": "重复入账",
    "cut_off": "跨日",
    "refund_mismatch": "退款差异",
    "fee_mismatch": "手续费差异",
    "cash_over": "现金长款",
    "cash_short": "现金短款",
    "unpaid_exit": "未付离场",
    "opened_without_event": "无记录抬杆",
    "missing_exit": "有进无出",
    "voucher_count": "停车券不符",
}
BREAK_STATES: Final = {"open": "待处理", "carried_over": "挂账", "awaiting_approval": "待复核", "resolved": "已处理"}
MATCH_STATES: Final = {
    "matched": "相符",
    "across": "跨日相符",
    "break": "差异",
    "waiting": "未到",
    "idle": "无资金变动",
}
_ACCOUNTS: Final = {
    "assets:bank": "银行存款",
    "income:parking": "停车收入",
    "income:pass": "包月收入",
    "income:property_fee": "物业费收入",
    "expense:channel_fee": "渠道手续费",
    "liability:prepaid": "预收",
    "liability:refund": "应退",
}
_FAMILIES: Final = {
    "assets:cash:": "现金",
    "assets:channel:": "渠道在途",
    "assets:receivable:": "应收欠费",
    "suspense:": "待处理差异",
    "clearing:": "小区往来",
}


def name_of(words: Mapping[str, str], code: str) -> str:
    return words.get(code, code)


def account_name(account: str) -> str:
    """What an account of the chart is called, with the part that distinguishes it from others of its family."""
    if account.startswith(WAIVED):
        return f"优免 {name_of(BENEFITS, account.removeprefix(WAIVED))}"
    for family, word in _FAMILIES.items():
        if account.startswith(family):
            return f"{word} {name_of(CHANNELS, account.removeprefix(family))}"
    return name_of(_ACCOUNTS, account)
