"""The words of the driver's receipt, dispute and own stay, in Chinese and English: key, Chinese, English."""

from __future__ import annotations

from typing import Final

_WORDS: Final = (
    ("receipt.title", "停车缴费收据", "Receipt for parking"),
    ("receipt.open", "查看收据", "Receipt"),
    ("receipt.none", "没有可显示的收据。", "There is no receipt to show."),
    ("receipt.number", "收据编号", "Number"),
    ("receipt.site", "停车场", "Site"),
    ("receipt.lines", "收款明细", "What was paid"),
    ("receipt.sum", "实收合计", "Paid in all"),
    ("receipt.back", "退款", "paid back"),
    (
        "receipt.not_invoice",
        "本收据不是发票；需要发票请在缴费页面申请。",
        "This is no invoice: ask for one on the pay page.",
    ),
    ("receipt.return", "返回账单", "Back to the bill"),
    ("dispute.title", "对账单有异议？", "Is something wrong?"),
    (
        "dispute.how",
        "工作人员会核对图片和记录；提出异议不影响离场和缴费。",
        "A person looks at the pictures and the record. It keeps you from nothing.",
    ),
    ("dispute.what", "哪里不对", "What is wrong"),
    ("dispute.what.not_mine", "不是我的车", "It is not my vehicle"),
    ("dispute.what.times", "入场或离场时间不对", "The times are not right"),
    ("dispute.what.benefit", "应有的优免没有计算", "A benefit is missing"),
    ("dispute.what.paid", "已经付过了", "It was paid before"),
    ("dispute.what.other", "其他", "Something else"),
    ("dispute.words", "补充说明（选填，请勿填写证件号）", "In your words (no numbers of documents, please)"),
    ("dispute.send", "提交异议", "Send"),
    (
        "dispute.sent",
        "已提交，工作人员将核对。可稍后回到本页查看结果。",
        "It is with a person now. Come back to this page for what comes of it.",
    ),
    ("dispute.stands.open", "您提出的异议正在核对。", "What you told us is with a person."),
    (
        "dispute.stands.resolved",
        "您提出的异议已处理；费用如有变化，本页已更新。",
        "Somebody has looked at what you told us; if the bill changed, it stands here.",
    ),
    ("dispute.wrong", "请选择“哪里不对”；选“其他”时请写明。", "Say what is wrong; of something else, in your words."),
    ("dispute.wait", "提交次数过多，请稍后再试，或按求助键。", "Too many at once; try again later, or call for help."),
    ("own.title", "查询我的停车", "Find my stay"),
    (
        "own.how",
        "填写完整车牌和入场时间（前后 5 分钟以内），即可查看账单并缴费。",
        "Your whole plate, and when you came in (within 5 minutes): your bill follows.",
    ),
    ("own.link", "有车牌？查询我的停车", "With a plate? Find your stay"),
    ("own.plate", "车牌", "Plate"),
    ("own.day", "入场日期", "Day of entry"),
    ("own.clock", "入场时间", "Time of entry"),
    ("own.go", "查询", "Find"),
    ("own.back", "返回", "Back"),
    (
        "own.notice.nothing",
        "没有符合的停车记录：请核对车牌和入场时间，或按求助键。",
        "Nothing fits: look at the plate and the time again, or call for help.",
    ),
    (
        "own.notice.wait",
        "尝试次数过多。请到出口屏幕扫码缴费，或到岗亭办理。",
        "Too many attempts. Scan the code on the exit's display, or ask at the booth.",
    ),
    ("own.notice.time", "请选择入场日期和时间。", "Choose the day and the time of entry."),
    ("own.notice.plate", "请填写完整车牌，例如 浙A12345。", "The whole plate, such as 浙A12345."),
)
DRIVER: Final[dict[str, dict[str, str]]] = {
    "zh": {key: zh for key, zh, _ in _WORDS},
    "en": {key: en for key, _, en in _WORDS},
}
