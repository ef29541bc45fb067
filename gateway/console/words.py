"""The words of the console, in Chinese and English."""

from __future__ import annotations

from typing import Final, Literal

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")

# Each barrier state has a shape as well as a word: colour alone says nothing to many.
BARRIER_ICONS: Final = {"open": "↑", "closed": "—", "moving": "↕", "fault": "✕", "unknown": "?"}

WORDS: Final[dict[Language, dict[str, str]]] = {
    "zh": {
        "title": "智慧停车总控台",
        "board": "车道看板",
        "sign_in": "登录",
        "sign_out": "退出登录",
        "name": "用户名",
        "password": "密码",
        "wrong": "用户名或密码不正确。",
        "wait": "尝试次数过多，请稍后再试。",
        "expired": "页面已过期，请重新登录。",
        "other_language": "English",
        "skip": "跳到看板",
        "live": "实时",
        "connecting": "正在连接…",
        "lost": "连接中断，正在重连。以下内容可能已过时。",
        "no_script": "未启用脚本：页面每 10 秒刷新一次。",
        "as_of": "数据时间",
        "exceptions": "待处理异常",
        "exceptions_none": "没有待处理的异常。",
        "newest": "最近 20 条",
        "received": "今日实收",
        "inside": "在场",
        "spaces": "车位",
        "in": "入口",
        "out": "出口",
        "online": "在线",
        "offline": "离线",
        "stale": "状态过时",
        "no_read": "尚无识别",
        "no_plate": "无牌车",
        "none_sites": "没有可显示的小区。",
        "not_for_role": "您的角色不能查看车道看板。",
        "times": "次",
        "site_without_lanes": "没有车道。",
        "main": "大门",
        "middle": "中门",
        "small": "小门",
        "barrier.open": "已升起",
        "barrier.closed": "已落下",
        "barrier.moving": "动作中",
        "barrier.fault": "故障",
        "barrier.unknown": "未知",
        "decision.open": "放行",
        "decision.refuse": "未放行",
        "decision.failed": "抬杆失败",
        "reason.temporary": "临时车",
        "reason.resident": "登记住户",
        "reason.relative_allowance": "亲属免费时长",
        "reason.free_class": "免费车种",
        "reason.free_minutes": "免费时段内",
        "reason.voucher": "停车券",
        "reason.paid": "已缴费",
        "reason.pay_later": "先离后付",
        "reason.staff": "人工操作",
        "reason.emergency": "应急放行",
        "reason.payment_due": "待缴费",
        "reason.no_entry": "无入场记录",
        "reason.unreadable": "车牌未识别",
        "reason.not_registered": "非登记车辆",
        "reason.full": "车位已满",
        "reason.blocked": "禁止入内",
        "pay.title": "停车缴费",
        "pay.plate": "车牌",
        "pay.due": "应付",
        "pay.nothing": "无需缴费。",
        "pay.how": "请在岗亭缴费，或在出口按求助键联系总控台。",
        "pay.person": "此停车记录需要人工核对，请到岗亭或按求助键联系总控台。",
        "pay.gone": "此链接无效或已过期。",
        "pay.minutes": "分钟",
        "pay.lines": "费用明细",
    },
    "en": {
        "title": "Parkgate console",
        "board": "Lane board",
        "sign_in": "Sign in",
        "sign_out": "Sign out",
        "name": "User name",
        "password": "Password",
        "wrong": "The name or the password is wrong.",
        "wait": "Too many attempts; try again later.",
        "expired": "The page had expired; sign in again.",
        "other_language": "中文",
        "skip": "Skip to the board",
        "live": "Live",
        "connecting": "Connecting…",
        "lost": "Connection lost, reconnecting. What is shown may be out of date.",
        "no_script": "Without script this page reloads every 10 seconds.",
        "as_of": "As of",
        "exceptions": "Open exceptions",
        "exceptions_none": "Nothing needs a person.",
        "newest": "the newest 20",
        "received": "Received today",
        "inside": "inside",
        "spaces": "spaces",
        "in": "In",
        "out": "Out",
        "online": "online",
        "offline": "offline",
        "stale": "stale",
        "no_read": "nothing read yet",
        "no_plate": "no plate",
        "none_sites": "There is no site to show.",
        "not_for_role": "Your role does not see the lane board.",
        "times": "times",
        "site_without_lanes": "No lanes.",
        "main": "main gate",
        "middle": "middle gate",
        "small": "small door",
        "barrier.open": "open",
        "barrier.closed": "closed",
        "barrier.moving": "moving",
        "barrier.fault": "fault",
        "barrier.unknown": "unknown",
        "decision.open": "opened",
        "decision.refuse": "not opened",
        "decision.failed": "did not rise",
        "reason.temporary": "visitor",
        "reason.resident": "resident",
        "reason.relative_allowance": "relatives' allowance",
        "reason.free_class": "free class",
        "reason.free_minutes": "within the free minutes",
        "reason.voucher": "voucher",
        "reason.paid": "paid",
        "reason.pay_later": "pays later",
        "reason.staff": "by staff",
        "reason.emergency": "emergency",
        "reason.payment_due": "payment due",
        "reason.no_entry": "no entry found",
        "reason.unreadable": "plate unreadable",
        "reason.not_registered": "not registered",
        "reason.full": "full",
        "reason.blocked": "blocked",
        "pay.title": "Pay for parking",
        "pay.plate": "Plate",
        "pay.due": "Due",
        "pay.nothing": "Nothing is due.",
        "pay.how": "Pay at the booth, or press the help button at the exit to reach the console.",
        "pay.person": "A person has to look at this stay; ask at the booth, or press the help button.",
        "pay.gone": "This link is not valid, or no longer.",
        "pay.minutes": "minutes",
        "pay.lines": "How it comes about",
    },
}

# Kinds of exceptions come from the flows; the board shows the word where it has one, else the kind as it is.
EXCEPTION_WORDS: Final[dict[Language, dict[str, str]]] = {
    "zh": {
        "no_entry": "无入场记录",
        "unreadable": "车牌未识别",
        "missing_exit": "有进无出",
        "implausible": "停车时长异常",
        "unconfirmed": "放行后未确认通过",
        "opened_by_hand": "手动开闸",
        "alarm": "设备报警",
        "command_expired": "指令过期",
        "device_fault": "设备故障",
        "barrier_fault": "道闸故障",
        "unpaid_exit": "未付离场",
        "tailgating": "跟车",
        "quarantine": "无法解析的消息",
        "blocked": "禁止入内车辆",
    },
    "en": {},
}


def language(name: str | None) -> Language:
    """A language that we have; Chinese for any other."""
    return "en" if name == "en" else "zh"


def word(lang: Language, group: str, key: str | None) -> str:
    """A word of a group; what has none is shown as it is."""
    return "" if key is None else WORDS[lang].get(f"{group}.{key}", key)


def exception_word(lang: Language, kind: str) -> str:
    return EXCEPTION_WORDS[lang].get(kind, kind.replace("_", " "))


def for_script(lang: Language) -> dict[str, object]:
    """What the board's script needs."""
    return {
        "words": WORDS[lang],
        "exceptions": EXCEPTION_WORDS[lang],
        "icons": BARRIER_ICONS,
        "language": "zh-CN" if lang == "zh" else "en",
    }
