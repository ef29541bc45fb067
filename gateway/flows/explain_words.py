"""The words in which a decision is explained, in Chinese and English."""

from __future__ import annotations

from typing import Final

Pair = tuple[str, str]

DECISIONS: Final[dict[str, Pair]] = {
    "open": ("放行", "it opened"),
    "refuse": ("未放行", "it did not open"),
    "failed": ("决定放行，但道闸没有抬起", "it was to open and did not rise"),
}
REASONS: Final[dict[str, Pair]] = {
    "temporary": ("临时车，准予入场", "a visitor, let in"),
    "resident": ("居民", "resident"),
    "low_income": ("低保优免", "low-income exemption"),
    "pass": ("包月有效", "a pass holds"),
    "relative_allowance": ("三代直系亲属免费时长", "the relatives' allowance"),
    "free_class": ("免费车种", "a free class of vehicle"),
    "free_minutes": ("应付为零", "nothing was due"),
    "voucher": ("停车券抵扣", "vouchers covered it"),
    "whole_stay_voucher": ("全免停车券", "a whole-stay voucher"),
    "hour_voucher": ("时长停车券", "hour vouchers"),
    "amount_voucher": ("金额停车券", "amount vouchers"),
    "discount": ("折扣", "a discount"),
    "rounding": ("抹零", "rounding down"),
    "paid": ("已付清", "it was paid"),
    "pay_later": ("先离场后付费", "it pays later"),
    "offline": ("道闸离线时自行放行，记应收", "the gate was offline and let it out; what is due is owed"),
    "staff": ("工作人员放行", "let through by staff"),
    "hand": ("人工开闸，记应收", "opened by hand; what is due is owed"),
    "late_event": ("事件晚到，记应收", "its event came late; what is due is owed"),
    "unpaid": ("未付离场，记应收", "it left without paying; what is due is owed"),
    "emergency": ("应急放行", "let through in an emergency"),
    "payment_due": ("待付款", "money was due"),
    "no_entry": ("没有入场记录", "no entry is known"),
    "implausible_stay": (
        "停车时长超出规则认为可能的范围，需人工核对",
        "longer than the policy holds possible: a person must look",
    ),
    "unreadable": ("车牌未识别", "the plate could not be read"),
    "not_registered": ("本车道仅限登记车辆", "the lane is for registered vehicles only"),
    "full": ("车位已满", "the site was full"),
    "blocked": ("在禁入名单上", "it was on the blocklist"),
}
STATES: Final[dict[str, Pair]] = {
    "inside": ("在场", "inside"),
    "left": ("已离场", "left"),
    "missing_exit": ("有进无出，不收费", "its exit is missing; it is not charged"),
    "no_entry": ("无入场记录，不收费", "its entry is not known; it is not charged"),
    "exception": ("待人工核对，不收费", "a person must look at it; it is not charged"),
    "void": ("作废", "void"),
}
COMMANDS: Final[dict[str, Pair]] = {
    "planned": ("尚未发出", "not sent yet"),
    "sent": ("已发出，设备未回复", "sent; the device has not answered"),
    "accepted": ("设备已接受，未反馈杆位", "the device took it and did not say that the barrier moved"),
    "done": ("设备已执行", "the device did it"),
    "refused": ("设备拒绝执行", "the device refused it"),
    "expired": ("已过期，未执行", "it expired and was not carried out"),
    "fault": ("道闸故障", "the barrier had a fault"),
}
# What `done` means of a command that moves the barrier.
MOVED: Final[dict[str, Pair]] = {
    "open": ("道闸已抬起", "the barrier rose"),
    "close": ("道闸已落下", "the barrier came down"),
    "hold_open": ("道闸已抬起并保持", "the barrier rose and stays up"),
}
TROUBLE: Final = frozenset({"refused", "expired", "fault"})
CHANNELS: Final[dict[str, Pair]] = {
    "wechat": ("微信支付", "WeChat Pay"),
    "alipay": ("支付宝", "Alipay"),
    "unionpay": ("银联", "UnionPay"),
    "cash": ("现金", "cash"),
}
ACTIONS: Final[dict[str, Pair]] = {
    "open": ("开闸", "open"),
    "close": ("落闸", "close"),
    "hold_open": ("保持开启", "hold open"),
    "release": ("解除保持", "release"),
    "show": ("只显示，不开闸", "show only, do not open"),
}
BILLS: Final[dict[str, Pair]] = {
    "early": ("提前付款时定的账单", "the bill fixed when it was paid before leaving"),
    "exit": ("离场时定的账单", "the bill fixed at the exit"),
    "void": ("账单撤销", "the bill was taken back"),
}


def said(words: dict[str, Pair], key: str | None, language: str) -> str:
    """A word that we do not have is said as it is."""
    if key is None:
        return ""
    pair = words.get(key)
    return key if pair is None else pair[0 if language == "zh" else 1]
