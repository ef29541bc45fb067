"""The words of one read at a gate, in Chinese and English: key, Chinese, English."""

from __future__ import annotations

from typing import Final

_SAID: Final = (
    ("event", "一次识别", "A read"),
    ("event.decision", "处理", "Decision"),
    ("event.why", "为什么这样处理", "Why"),
    ("event.why.entry", "入场时为什么放行或未放行", "Why it was let in, or was not"),
    ("event.why.exit", "出场时为什么放行或未放行", "Why it was let out, or was not"),
    ("event.reads", "识别与照片", "What was read"),
    ("event.picture.entry", "入场时的照片", "The picture at the entry"),
    ("event.picture.exit", "出场时的照片", "The picture at the exit"),
    ("event.no_picture", "没有照片，或已到期删除。", "No picture was taken, or it is not kept any more."),
)

EVENTS: Final[dict[str, dict[str, str]]] = {
    "zh": {key: zh for key, zh, _ in _SAID},
    "en": {key: en for key, _, en in _SAID},
}
