"""The words of free hours (亲属免费时长) and of a household's page, in Chinese and English: key, Chinese, English."""

from __future__ import annotations

from typing import Final

_SAID: Final = (
    ("desk.allowances", "亲属免费时长", "Free hours"),
    (
        "allowance.how",
        "三代直系亲属每月的免费时长：本月已用过的住户（或车辆）都在这里。没用过的按房号查询。",
        "Relatives' free hours by month: whoever has used any. Search for a household to see one that has not.",
    ),
    ("allowance.holder", "住户 / 车辆", "Household / vehicle"),
    ("allowance.month", "月份", "Month"),
    ("allowance.given", "每月时长", "Given"),
    ("allowance.drawn", "已用", "Used"),
    ("allowance.left", "剩余", "Left"),
    ("allowance.part", "用量", "Share used"),
    ("allowance.none", "这个月没有人使用。", "Nobody has used any in this month."),
    ("allowance.none.next", "填写房号，可看未使用的住户。", "Say which household to see one that has not."),
    ("allowance.vehicles", "由哪些车使用", "Used by"),
    ("allowance.draws", "使用记录", "Every use"),
    ("allowance.draws.none", "这个月没有使用记录。", "Nothing was used in this month."),
    ("allowance.minutes", "时长", "Time"),
    ("allowance.back", "退回", "given back"),
    ("allowance.bill", "账单", "Bill"),
    ("allowance.bill.number", "第 {} 张", "no. {}"),
    ("allowance.months", "各月", "By month"),
    ("allowance.earlier", "更早的月份", "Earlier months"),
    ("allowance.no_rule", "该小区的收费规则没有亲属免费时长。", "The site's policy gives no free hours."),
    (
        "allowance.per_vehicle",
        "该小区按车计算：点亲属车牌查看每辆车的时长。",
        "This site counts by vehicle: a relative's plate leads to its hours.",
    ),
    ("allowance.look", "查看使用记录", "Every use"),
    ("household.this_month", "本月亲属免费时长", "Free hours this month"),
    ("household.vouchers", "本月领券", "Vouchers this month"),
    ("household.vouchers.of", "{} 张，每月最多 {} 张", "{} of at most {}"),
    ("household.vouchers.count", "{} 张", "{}"),
    ("household.nothing", "没有登记。", "None."),
    ("household.more", "只列出前 {} 条，查看全部：", "The first {} alone; all of them: "),
)

ALLOWANCES: Final[dict[str, dict[str, str]]] = {
    "zh": {key: zh for key, zh, _ in _SAID},
    "en": {key: en for key, _, en in _SAID},
}
