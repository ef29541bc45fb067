"""The words of the trial balance's page, and of that of what became of differences month by month: key, Chinese, English."""

from __future__ import annotations

from typing import Final

_BALANCE: Final = (
    ("desk.trial_balance", "试算平衡", "Trial balance"),
    (
        "balance.how",
        "所选营业日每个科目的借方和贷方发生额，两边合计必须相等。班次钱箱合为一行，待处理差异合为一行；明细见导出的凭证。",
        "What every account took and gave; both sums must be the same. Drawers are one line, and differences; exported vouchers have each.",
    ),
    ("balance.total", "不分", "not broken down"),
    ("balance.all", "全部小区", "All sites"),
    ("balance.balances", "期初和期末余额", "opening and closing balances"),
    ("balance.ways", "常用期间", "Common periods"),
    ("balance.today", "今天", "Today"),
    ("balance.yesterday", "昨天", "Yesterday"),
    ("balance.this_month", "本月", "This month"),
    ("balance.last_month", "上月", "Last month"),
    ("balance.agrees", "借贷平衡", "Debits are credits"),
    (
        "balance.differs",
        "借贷不平，请勿日结，并立即运行 parkgate verify",
        "Out of balance: close no day, and run `parkgate verify` now",
    ),
    ("balance.debit", "借方", "Debit"),
    ("balance.credit", "贷方", "Credit"),
    ("balance.opening", "期初余额", "Opening"),
    ("balance.closing", "期末余额", "Closing"),
    ("balance.sum", "合计", "Sum"),
    ("balance.earned", "应收", "Earned"),
    ("balance.waived", "优免", "Waived"),
    ("balance.received", "实收", "Received"),
    ("balance.owed", "未收与预收", "Owed"),
    ("balance.disputed", "待处理", "In question"),
    ("balance.five", "应收 = 优免 + 实收 + 未收 + 待处理", "Earned = waived + received + owed + in question"),
    ("balance.assets:cash", "现金（各班次钱箱）", "cash (all drawers)"),
    ("balance.suspense", "待处理差异（合计）", "differences under investigation"),
    ("balance.left", "另有 {} 部分未显示，下载的文件里有全部。", "{} more parts are not shown; the file has all."),
    ("balance.none", "这些天没有发生额。", "Nothing moved on these days."),
    ("balance.none.next", "请选择其他日期或小区。", "Choose other days, or another site."),
)

_BREAKS: Final = (
    ("desk.breaks_months", "差异月报", "Breaks by month"),
    (
        "breaks.how",
        "按营业日所在月份统计的对账差异：有多少、涉及多少金额、怎样处理、未处理的有多久。停车券按张数，不计金额。",
        "By the month of their business day: how many, about how much, how settled, how old what is open. Vouchers have no amount.",
    ),
    ("breaks.month", "月份", "Month"),
    ("breaks.count", "笔数", "Many"),
    ("breaks.amount", "金额", "Amount"),
    ("breaks.cleared", "自行消除", "Cleared by itself"),
    ("breaks.matched", "核对相符", "Matched"),
    ("breaks.adjusted", "调账", "Adjusted"),
    ("breaks.written_off", "核销", "Written off"),
    ("breaks.written_off_fen", "核销金额", "Amount written off"),
    ("breaks.open", "未处理", "Open"),
    ("breaks.open_fen", "未处理金额", "Amount open"),
    ("breaks.settled", "已处理", "Settled"),
    ("breaks.from_to", "未处理 {}–{} 天", "Open {}–{} days"),
    ("breaks.older", "未处理 > {} 天", "Open > {} days"),
    ("breaks.oldest", "最久（天）", "Oldest (days)"),
    ("breaks.by_kind", "按类型", "by kind"),
    ("breaks.repeats", "反复出现", "what repeats"),
    ("breaks.repeats.none", "这个月没有反复出现的差异。", "Nothing came twice in this month."),
    ("breaks.in_common", "共同点", "In common"),
    ("breaks.days", "天数", "Days"),
    ("breaks.by.channel", "渠道", "channel"),
    ("breaks.by.lane", "车道", "lane"),
    ("breaks.by.shift", "班次", "shift"),
    ("breaks.by.operator", "收款人", "who took the money"),
    ("breaks.none", "这段时间没有对账差异。", "There are no differences in this time."),
    ("breaks.none.next", "请选择其他日期或小区。", "Choose other days, or another site."),
)
_SAID: Final = (*_BALANCE, *_BREAKS)

BOOKS: Final[dict[str, dict[str, str]]] = {
    "zh": {key: zh for key, zh, _ in _SAID},
    "en": {key: en for key, _, en in _SAID},
}
