"""What flows say in English, in Chinese: details of the queue, outcomes of jobs, what a refusal adds, why nothing can be erased yet.

Each line is the sentence as a flow writes it, its figures as `{names}`; a test holds them against the flows' own. What stands in none is
shown as it is. Of the names, `fen…` is an amount, `n…` a count, `kind` an exception's; all others are told in their turn.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from billing.money import yuan
from gateway.console.words_admin import ADMIN
from gateway.console.words_exceptions import EXCEPTION_WORDS
from gateway.console.words_told_desk import DESK, SHAPES
from gateway.console.words_told_rows import ROWS
from gateway.console.words_told_statements import STATEMENTS

QUEUE: Final = (
    ("{fen} fen", "{fen}"),
    ("{fen} fen: {why}", "{fen}：{why}"),
    ("{fen} fen were paid back", "实际退回 {fen}"),
    ("the channel could not", "渠道未能办理"),
    ("{channel}: {fen} fen ordered, {fen_said} fen said to be paid", "{channel}：订单 {fen}，渠道称已付 {fen_said}"),
    ("longer than the policy holds possible", "停车时间超过收费规则允许的最长时间"),
    ("the site's policy has not been applied", "小区尚未启用收费规则"),
    ("candidates: {n}{rest}", "可能的停车记录 {n} 条{rest}"),
    ("; {stay} +{lead}", "；最可能 {stay}"),
    ("{seconds} s {way}; it needs a time server", "时钟{way} {seconds} 秒；请为设备设置校时服务器"),
    (
        "lost: {n_reads} reads, {n_pictures} pictures, {n_beyond} messages beyond its allowance",
        "丢失过车记录 {n_reads} 条、照片 {n_pictures} 张，超出限额未收 {n_beyond} 条",
    ),
    ("ahead", "快"),
    ("behind", "慢"),
    (
        "holidays of {year}: pip install --upgrade chinesecalendar, then restart",
        "{year} 年节假日未知：请升级 chinesecalendar（pip install --upgrade chinesecalendar）后重启",
    ),
    ("parkgate close --day {day} --site {site} says why", "原因可用命令查看：parkgate close --day {day} --site {site}"),
    (
        "parkgate statement fetch --day {day} --channel {channel} --merchant {merchant}{why}",
        "可用命令获取：parkgate statement fetch --day {day} --channel {channel} --merchant {merchant}{why}",
    ),
    (
        "parkgate statement import --channel {channel} --merchant {merchant} --day {day} FILE: {why}",
        "请下载后导入：parkgate statement import --channel {channel} --merchant {merchant} --day {day} 文件（{why}）",
    ),
    ("it comes as a file", "该渠道以文件提供"),
    ("more than {n} days ago: it is not handed out any more", "已超过 {n} 天，渠道不再提供下载"),
    ("no stay with something due left there at that time", "该时间该出口没有欠费离场的停车记录"),
    ("{n} vouchers were issued, the register has {n_there}", "发放 {n} 张，登记 {n_there} 张"),
    ("it has {n} serials and {n_there} vouchers", "券号 {n} 个，停车券 {n_there} 张"),
    ("{n} of its vouchers are void or expired, by their steps {n_there}", "作废或过期 {n} 张，按流水应为 {n_there} 张"),
    ("The code is not one of this site's vouchers.", "不是本小区的券码。"),
    (
        "Not a voucher's code: 8 digits and 10 letters or digits, such as 00000123-7K3QM-9F2XA.",
        "不是券码：8 位数字加 10 位字母或数字，如 00000123-7K3QM-9F2XA。",
    ),
    (
        "The code's letters do not belong to its number: mistyped, altered, or of another site.",
        "券码的字母与号码不符：输入有误、被改动，或是其他小区的券。",
    ),
    ("The voucher has been used already.", "这张券已经用过。"),
    (
        "The voucher was never issued to anybody, or was returned: keep it and tell the registrar.",
        "这张券没有发放或已退回：请收下并告知登记人员。",
    ),
    ("The voucher is void, or not valid at this time.", "这张券已作废，或不在有效期内。"),
    ("no such voucher was ever made here", "本小区没有印制过这张券"),
    ("the voucher is {state}", "这张券{state}"),
    ("the voucher is not valid at this time", "这张券不在有效期内"),
    ("a person has to look at this stay first", "这条停车记录须先由人工核对"),
    ("a stay takes at most {n} vouchers", "一次停车最多用 {n} 张券"),
    ("void", "已作废"),
    ("expired", "已过期"),
    ("refused", "被拒绝"),
    ("fault", "故障"),
    ("not_mine", "不是我的车"),
    ("times", "入场或离场时间不对"),
    ("benefit", "应有的优免没有计算"),
    ("paid", "已经付过"),
    ("other", "其他"),
)
JOBS: Final = (
    ("nothing to do", "无事可做"),
    ("{n} statements fetched", "获取账单 {n} 份"),
    ("{n} are missed", "缺 {n} 份"),
    ("{n} orders and {n_refunds} refunds asked about", "查询订单 {n} 笔、退款 {n_refunds} 笔"),
    ("{n} invoices looked after", "处理发票 {n} 张"),
    ("{n} red invoices asked for", "申请红字发票 {n} 张"),
    ("{n} days matched, {n_sealed} of them sealed", "对账 {n} 天，其中封账 {n_sealed} 天"),
    ("{n} exports handed on", "送出导出文件 {n} 份"),
    ("{n} site days are not closed", "{n} 个小区日未日结"),
    ("{n} site days closed, up to {day}", "日结 {n} 个小区日，至 {day}"),
    ("{n} devices came or ended, {n_gone} went", "设备上线或结束 {n} 台，离线 {n_gone} 台"),
    ("{n} vehicles found, {n_gone} moved", "发现 {n} 辆，已移动 {n_gone} 辆"),
    ("{n} clocks off, {n_right} right again", "时钟不准 {n} 台，恢复 {n_right} 台"),
    ("holidays of {year} unknown: {n} sites told", "{year} 年节假日未知，已提示 {n} 个小区"),
    ("{n} sites: known by now", "{n} 个小区的节假日现已知晓"),
    ("{n} site days earned, {fen} fen, up to {day}", "确认包月收入 {n} 个小区日，共 {fen}，至 {day}"),
)
ERASING: Final = (
    ("cannot be erased yet: {why}", "现在不能删除：{why}"),
    ("the vehicle is inside; ask again when it has left", "车辆还在场内，离场后再申请"),
    ("{fen} fen are owed for parking; they are paid or written off first", "停车欠费 {fen}，须先付清或核销"),
    ("{fen} fen of monthly charges are owed", "月度费用欠费 {fen}，须先付清"),
    ("a stay waits for a person to look at it", "有停车记录待人工核对"),
    ("an open exception ({kind}) is about it; resolve it first", "有未处理的异常（{kind}），请先处理"),
    ("a write-off is proposed and not decided", "有待复核的核销申请"),
    ("a sold pass runs until {day}; it is refunded or ends first", "包月至 {day} 才到期，须先退订或到期"),
    ("a refund of a pass is not paid out yet", "有尚未支付的包月退款"),
    ("the vehicle is on the blocklist; lift that first", "车辆在黑名单中，请先解除"),
    (
        "the vehicle was at a gate within the last {n} minutes; ask again later",
        "车辆 {n} 分钟内到过道闸，请稍后再试",
    ),
    (
        "an invoice of the vehicle is with the provider; ask again when it is there",
        "有发票正在开具，开出后再申请",
    ),
    ("nothing is held of this {about}, or not for you", "没有该{about}的数据，或不在您的权限内"),
    ("plate", "车牌"),
    ("household", "住户"),
    ("give either a plate or a household", "请填写车牌或住户，只填一项"),
    ("plate {plate} is no number plate", "{plate} 不是有效的车牌号"),
    ("household {household} is not SITE/ID, such as xinyi/3-502", "房号 {household} 不能识别"),
    ("choose the household's", "请选择住户所在的小区"),
    ("say it; it stands in the register of requests", "请填写，将记录在案"),
    ("the request was {state} by {name}", "该申请{state}：{name}"),
    ("erased", "已删除"),
    ("rejected", "未获同意"),
    ("the request was made under another secret_key; reject it and propose again", "系统密钥已更换，请重新申请"),
)
REFUSED: Final = (
    ("at most {n} printable characters", "最多 {n} 个可显示的字符"),
    ("at most {n} characters", "最多 {n} 个字"),
    ("at most {n} characters; the rest belongs into the note", "最多 {n} 个字，其余请写入备注"),
    ("must not be empty", "不能为空"),
    ("say why", "请写明事由"),
    ("{what} is missing: say why in a few words", "请写明事由"),
    ("a reference has at most {n} printable characters", "凭证号最多 {n} 个可显示的字符"),
    ("no entry is known for this stay: there is nothing to price it from", "没有入场记录，不能计费"),
    ("before the entry", "早于入场时间"),
    ("lies in the future", "在将来"),
    (
        "the stay is longer than the policy holds possible: a person must look at it first",
        "停车时间超过收费规则允许的最长时间，须先人工核对",
    ),
    (
        "{name} is not a user name of a-z, 0-9, '.', '_' and '-', at most 64",
        "用户名只能用小写字母、数字、点、下划线和连字符，最多 64 个",
    ),
    ("there is a user {name} already; `parkgate user reset {again}` gives a new password", "用户 {name} 已存在"),
    ("a password has {n} to {n_most} characters", "密码须为 {n} 至 {n_most} 个字符"),
    ("there is no site {site}", "没有小区 {site}"),
    ("{until} is past; an entry ends now or later", "{until} 已过，只能从现在或以后终止"),
    ("it ends on {day} already; change valid_to for a later end", "已定于 {day} 终止；要延后请修改截止日期"),
    (
        "it speaks of a low income; that stands in a certificate and nowhere else: leave it out",
        "提到了收入状况；收入状况只写在证明里，请删去",
    ),
    ("neither an instant (RFC 3339) nor a day (YYYY-MM-DD)", "日期不能识别，例如 2026-03-01"),
    ("not a number plate", "不是有效的车牌号"),
    ("before valid_from", "早于开始日期"),
    ("after valid_from, and in the future", "须在开始日期之后，且在将来"),
    ("from {day} to {last}", "须在 {day} 至 {last} 之间"),
    ("from 1 to {n}", "须为 1 至 {n}"),
    ("more than {n} days ahead", "最多提前 {n} 天"),
    ("more than {n} days; choose a shorter period", "超过 {n} 天，请缩短期间"),
    ("at most {n} days at a time", "每次最多 {n} 天"),
    ("by hour at most {n} days at a time", "按小时每次最多 {n} 天"),
    ("{day} is after {last}", "{day} 晚于 {last}"),
    ("{text} is no whole number", "{text} 不是整数"),
    ("due at this moment: {fen} fen, not {fen_seen}", "现在应付 {fen}，不是 {fen_seen}"),
    ("due for the months that are billed: {fen} fen, not {fen_seen}", "已出账的月份应付 {fen}，不是 {fen_seen}"),
    ("left of this order: {fen} fen, not {fen_seen}", "该订单可退 {fen}，不是 {fen_seen}"),
    ("the refund is {fen} fen, not {fen_seen}", "该退款为 {fen}，不是 {fen_seen}"),
    ("nothing is due at this moment", "现在没有应付款项"),
    ("{name} has resolved this already", "{name} 已处理"),
    ("{name} works on this already", "{name} 正在处理"),
    (
        "the break is at version {n}, you saw {n_seen}: look again",
        "差异已变为第 {n} 版，您看到的是第 {n_seen} 版，请重新查看",
    ),
    ("there is no such account, or not for you", "没有这个账户，或不在您的权限内"),
    ("there is no such device, or not for you", "没有这台设备，或不在您的权限内"),
    ("there is no such request, or not for you", "没有这项申请，或不在您的权限内"),
    ("there is no such stay", "没有这条停车记录"),
)
TOLD: Final = (*QUEUE, *JOBS, *ERASING, *REFUSED, *DESK, *ROWS, *STATEMENTS)
# What the nightly deletion calls what it took away, where a day's run says how many.
_RETIRED: Final = {
    "agreements": "先离场后付费协议",
    "blocklist": "黑名单",
    "certificates": "证明",
    "commands": "指令",
    "device_spells": "设备在线记录",
    "door_members": "小门成员",
    "door_passages": "小门通行",
    "events": "识别事件",
    "evidence": "依据",
    "exceptions": "异常",
    "freed_pages": "数据库空闲页",
    "invoices": "发票",
    "names": "姓名",
    "origins": "网络地址",
    "pictures": "图片",
    "quarantined": "无法识别的报文",
    "registrations": "登记",
    "requests": "个人信息申请",
    "vehicles": "车辆",
    "voucher_takers": "停车券领用人",
}
# What has more of either was put together by somebody else: it is shown as it is.
_COLONS_MAX: Final = 8
_PARTS_MAX: Final = 24
_NAME: Final = re.compile(r"\{(\w+)\}")
# Of forms: what is wrong with one of these is said beside it.
_FIELDS: Final = frozenset(
    {
        "amount_fen",
        "again",
        "at",
        "by",
        "card",
        "channel",
        "count",
        "drawer",
        "entry_at",
        "file",
        "first_day",
        "from",
        "household",
        "id",
        "identity",
        "items",
        "key",
        "limit_fen",
        "month",
        "months",
        "name",
        "new_password",
        "note",
        "offer",
        "plate",
        "pieces",
        "reason",
        "reference",
        "role",
        "serials",
        "site",
        "sites",
        "stay",
        "taker",
        "to",
        "until",
        "valid_from",
        "valid_to",
        "with",
        "words",
    }
)
_COUNTED: Final = re.compile(r"(?:(?P<n>\d+) (?P<what>[a-z_]+)|(?P<tried>[a-z_]+) (?P<times>\d+))")


def _pattern(sentence: str) -> re.Pattern[str]:
    parts = _NAME.split(sentence)
    found = [f"(?P<{part}>{_holds(part)})" if nth % 2 else re.escape(part) for nth, part in enumerate(parts)]
    return re.compile("".join(found), re.DOTALL)


def _holds(name: str) -> str:
    if name == "day":
        return r"\S*?"
    return r"-?\d+" if name == "n" or name.startswith(("n_", "fen")) else ".*?"


_COMPILED: Final = tuple((_pattern(sentence), chinese) for sentence, chinese in (*TOLD, *SHAPES))


@lru_cache(maxsize=4096)
def told(text: str) -> str:
    """A flow's sentence in Chinese; as it is, where it has no words here."""
    for pattern, chinese in _COMPILED:
        found = pattern.fullmatch(text)
        if found is not None:
            return chinese.format_map({name: _value(name, value) for name, value in found.groupdict().items()})
    return _several(text) or _at_a_field(text) or text


def _at_a_field(text: str) -> str:
    """`reason: at most 300 characters`, `xinyi: the vehicle is inside`: what stands before is left out where it is but a field's name."""
    head, colon, rest = text.partition(": ")
    if not colon or text.count(": ") > _COLONS_MAX:
        return ""
    before, after = told(head), told(rest)
    if (before, after) == (head, rest):
        return ""
    return after if head in _FIELDS else f"{before}：{after}"


def _value(name: str, value: str) -> str:
    if name[:3] == "fen":
        return f"¥{yuan(int(value))}"
    if name == "kind":
        return EXCEPTION_WORDS["zh"].get(value, value)
    return told(value)


def _several(text: str) -> str:
    """Sentences or counts in a row (`3 pictures, 2 names`; `publish 3`); empty unless each is known."""
    for joint, chinese in (("; ", "；"), (", ", "、")):
        parts = text.split(joint)
        if len(parts) > _PARTS_MAX:
            continue
        # A sentence may have the joint in itself: the longest that is known comes first.
        for cut in range(len(parts) - 1, 0, -1):
            head, rest = joint.join(parts[:cut]), joint.join(parts[cut:])
            before, after = told(head), told(rest)
            if before != head and after != rest:
                return f"{before}{chinese}{after}"
    return _counted(text)


def _counted(text: str) -> str:
    found = _COUNTED.fullmatch(text)
    if found is None:
        return ""
    if found["what"]:
        return f"{_RETIRED[found['what']]} {found['n']}" if found["what"] in _RETIRED else ""
    word = ADMIN["zh"].get(f"tried.{found['tried']}")
    return f"{word} {found['times']} 次" if word else ""
