"""The words of what the daily deletion did (到期删除), in Chinese and English: key, Chinese, English."""

from __future__ import annotations

from typing import Final

_SAID: Final = (
    ("desk.retention", "到期删除", "Deletion"),
    (
        "retention.how",
        "到期的数据每晚自动删除。这里只有数量：哪类数据保存多少天，最近一次删到哪一天，所选日期内删了多少。账目依法长期保存，不含个人信息。",
        "What has served its purpose is deleted every night. Counts only: how long each kind is kept, up to which day the last run deleted, and how much in the days chosen. The books stay, without any person.",
    ),
    ("retention.kind", "数据", "Kind"),
    ("retention.kept", "保存天数", "Days kept"),
    ("retention.until", "已删至", "Deleted up to"),
    ("retention.last", "最近一次", "Last run"),
    ("retention.deleted", "所选日期内删除", "Deleted in these days"),
    ("retention.done", "状态", "State"),
    ("retention.done.yes", "已完成", "done"),
    ("retention.done.no", "未完，下次继续", "goes on"),
    ("retention.done.never", "尚未执行", "not yet"),
    ("retention.days", "逐日", "Day by day"),
    ("retention.day", "日期", "Day"),
    ("retention.what", "删除内容", "What"),
    ("retention.nothing", "无到期数据", "nothing was due"),
    ("retention.none", "这些日子没有执行过。", "It did not run in these days."),
    ("retention.none.next", "定时任务“到期数据删除”每晚执行。", "The job runs every night."),
    ("retention_kind.pictures", "照片", "pictures"),
    ("retention_kind.quarantined", "无法识别的报文", "payloads that could not be read"),
    ("retention_kind.exceptions", "已处理的异常", "resolved exceptions"),
    ("retention_kind.commands", "指令", "commands"),
    ("retention_kind.vehicles", "访客车牌", "visitors' plates"),
    ("retention_kind.events", "识别事件", "events"),
    ("retention_kind.registrations", "登记车牌", "registered plates"),
    ("retention_kind.names", "姓名", "names"),
    ("retention_kind.evidence", "亲属证明出处", "where proofs are kept"),
    ("retention_kind.certificates", "优免凭证", "certificates"),
    ("retention_kind.blocklist", "禁止入内名单", "blocked vehicles"),
    ("retention_kind.voucher_takers", "领券人和签收", "who took vouchers"),
    ("retention_kind.agreements", "先离场后付费协议", "agreements to pay later"),
    ("retention_kind.invoices", "发票抬头和文件", "invoices' buyers and files"),
    ("retention_kind.door_passages", "小门通行", "passages of small gates"),
    ("retention_kind.door_members", "小门人员", "members of small gates"),
    ("retention_kind.device_spells", "设备在线记录", "devices' time online"),
    ("retention_kind.origins", "操作地址", "network addresses"),
    ("retention_kind.requests", "个人信息申请", "requests about personal data"),
)

RETENTION: Final[dict[str, dict[str, str]]] = {
    "zh": {key: zh for key, zh, _ in _SAID},
    "en": {key: en for key, _, en in _SAID},
}
