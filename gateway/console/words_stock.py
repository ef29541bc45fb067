"""The words of the vouchers' stock by day (券库存), in Chinese and English: key, Chinese, English."""

from __future__ import annotations

from typing import Final

_SAID: Final = (
    ("vouchers.stock", "库存日报", "Stock by day"),
    (
        "stock.how",
        "每本券当日的变动和当日结束时的结存。已发放 = 已使用 + 作废 + 过期 + 在外；总数 = 库存 + 未发放即作废或过期 + 已发放。用完的券本不再列出。",
        "What each book did on the day and how it stood at its end. Handed out = used + void + expired + outside; made = in stock + gone unissued + handed out. Books that are used up are left out.",
    ),
    ("stock.day", "日期", "Day"),
    ("stock.before", "前一天", "The day before"),
    ("stock.after", "后一天", "The day after"),
    ("stock.by_buyer", "按小区和购券单位", "By site and buyer"),
    ("stock.by_book", "按券本", "By book"),
    ("stock.books", "券本", "Books"),
    ("stock.moved", "当日变动", "On the day"),
    ("stock.still", "无变动", "nothing"),
    ("stock.issued_today", "当日发放", "Handed out that day"),
    ("stock.returned_today", "当日退回", "Returned that day"),
    ("stock.used_today", "当日使用", "Used that day"),
    ("stock.waived_today", "当日抵扣", "Taken off bills that day"),
    ("stock.made", "总数", "Made"),
    ("stock.in_stock", "库存", "In stock"),
    ("stock.scrapped", "未发放即作废或过期", "Gone unissued"),
    ("stock.issued", "已发放", "Handed out"),
    ("stock.balances", "平衡", "Balances"),
    ("stock.balances.yes", "相符", "yes"),
    ("stock.balances.no", "不符", "no"),
    ("stock.all", "合计", "All"),
    ("stock.none", "这一天没有券本。", "There was no book on this day."),
    ("stock.left", "只列出前 {} 本，另有 {} 本；选择小区可缩小范围。", "The first {} books; {} more: choose a site."),
    (
        "stock.wrong",
        "有 {} 本不符：见券本一栏，并在异常队列中核查“停车券不符”。",
        "{} do not balance: see below, and look for them in the queue.",
    ),
)

STOCK: Final[dict[str, dict[str, str]]] = {
    "zh": {key: zh for key, zh, _ in _SAID},
    "en": {key: en for key, _, en in _SAID},
}
