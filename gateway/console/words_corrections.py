"""The words of corrections, of their previews, and of who decides them, in Chinese and English."""

from __future__ import annotations

from typing import Final

_SAID: Final = (
    ("correction.new", "更正记录", "Correct this record"),
    (
        "correction.how",
        "只填要改正的项目，先预览结果再更正。停车记录编号、账单、已付款与停车券不变，账单按差额调整；原记录保留。更正不会抬杆。",
        "Fill in what is wrong alone, and look at what comes of it first. The stay keeps its bills and what was paid; no barrier moves.",
    ),
    ("correction.plate", "正确的车牌", "The right plate"),
    ("correction.plate.now", "现为", "now"),
    ("correction.entry_at", "正确的入场时间", "The right time of entry"),
    ("correction.part", "更正范围", "What of it"),
    ("correction.part.stay", "整次停车", "the whole stay"),
    ("correction.part.entry", "只有入场", "its entry alone"),
    ("correction.part.exit", "只有离场", "its exit alone"),
    ("correction.preview", "预览结果", "Show what comes of it"),
    ("correction.effect", "更正的结果", "What comes of it"),
    ("correction.effect.none", "没有停车记录因此变化。", "No stay changes by it."),
    ("correction.before", "原为", "was"),
    ("correction.nothing", "无", "none"),
    ("correction.beyond", "超付部分留在该次停车，待人工退款", "paid beyond the bill; a person decides about a refund"),
    ("correction.minutes", "亲属免费时长变动（分钟）", "Minutes of allowances"),
    ("correction.books", "账面变化", "What moves in the books"),
    ("correction.books.none", "账面没有变化。", "Nothing moves in the books."),
    (
        "correction.two",
        "离场后应付会增加，须由第二人复核；复核前什么都不变。",
        "More would be due after the exit: a second person decides, and nothing changes before.",
    ),
    ("correction.make", "更正", "Correct it"),
    ("correction.propose", "提交复核", "Propose it"),
    (
        "correction.make.sure",
        "按以上结果更正？更正以您的姓名记录。",
        "Correct it as shown? It is on record with your name.",
    ),
    ("correction.propose.sure", "把以上更正提交第二人复核？", "Propose what is shown to a second person?"),
    ("correction.one", "查看更正", "See the correction"),
    (
        "correction.list",
        "车牌或入场时间的更正；待复核的须由提出人以外的人决定。",
        "Plates and entries that were put right; what is proposed, somebody else decides.",
    ),
    ("correction.list.none", "没有这样的更正。", "There is no such correction."),
    ("correction.state.proposed", "待复核", "proposed"),
    ("correction.state.made", "已更正", "made"),
    ("correction.state.refused", "未同意", "refused"),
    ("correction.state.any", "全部", "all"),
    ("correction.approval", "同意更正", "Approve"),
    ("correction.approval.sure", "按以上结果更正？", "Correct it as shown?"),
    ("correction.refusal", "不同意", "Refuse"),
    ("correction.refusal.sure", "记录保持原样。", "The record stays as it is."),
    ("desk.plate_was", "车牌", "Plate"),
    ("desk.correction_entry", "入场", "Entry"),
    ("desk.correction_exit", "离场", "Exit"),
    ("desk.payable_was", "原应付", "Payable was"),
    ("desk.payable_now", "更正后应付", "Then payable"),
    ("desk.by_fen", "差额", "Change"),
    ("desk.what_of", "更正内容", "What of it"),
    ("desk.decided", "复核", "Decided"),
    ("said.correction_made", "已更正。", "It is corrected."),
    ("said.correction_proposed", "已提交，等待第二人复核。", "Proposed; a second person decides."),
    ("said.correction_approval", "已同意，记录已更正。", "Approved; the record is corrected."),
    ("said.correction_refusal", "未同意，记录保持原样。", "Refused; the record stays as it is."),
    (
        "wrong.entry_at",
        "入场时间不能用：须早于离场，不在将来，也不能使停放时间超出规则允许的范围。",
        "This entry cannot be.",
    ),
    (
        "refused.effect-changed",
        "您查看后情况有变化，请重新预览。",
        "What comes of it has changed since you looked: look again.",
    ),
)

CORRECTIONS: Final[dict[str, dict[str, str]]] = {
    "zh": {key: zh for key, zh, _ in _SAID},
    "en": {key: en for key, _, en in _SAID},
}
