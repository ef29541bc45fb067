"""The words of a call from a vehicle without a plate, in Chinese and English: key, Chinese, English."""

from __future__ import annotations

from typing import Final

_SAID: Final = (
    ("call.whose", "确认是哪辆无牌车", "Whose call it is"),
    (
        "call.how",
        "适用于无牌车手机丢失或换了手机：按入场时间和照片核对。确认后车道显示应付金额，付清或改为先离场后付费即可离场。",
        "For a vehicle without a plate whose driver has lost the phone: by the time it came in and its picture. The lane then shows what it owes; it goes out by paying, or owing.",
    ),
    ("call.inside", "在场的无牌车", "Vehicles without a plate that are inside"),
    ("call.reason", "按入场时间和照片核对", "By its time of entry and the picture"),
    ("call.go", "就是这辆", "It is this one"),
    ("call.none", "该小区没有在场的无牌车。", "No vehicle without a plate is inside at this site."),
    ("call.none.next", "请到车道查看，或按其他方式处理。", "Look at the lane, or resolve the call another way."),
    ("said.call-named", "已确认，车道显示应付金额。", "It is known whose it is; the lane shows what it owes."),
)

CALLS: Final[dict[str, dict[str, str]]] = {
    "zh": {key: zh for key, zh, _ in _SAID},
    "en": {key: en for key, _, en in _SAID},
}
