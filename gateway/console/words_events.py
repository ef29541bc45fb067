"""The words of one read at a gate, in Chinese and English: key, Chinese, English."""

from __future__ import annotations

from typing import Final

_SAID: Final = (
    ("event", "一次识别", "A read"),
    ("event.decision", "处理", "Decision"),
    ("event.why", "为什么这样处理", "Why"),
    ("event.whole", "这次识别的全部说明", "All about this read"),
    ("event.at.entry", "入口", "At the entry"),
    ("event.at.between", "其间", "In between"),
    ("event.at.exit", "出口", "At the exit"),
    ("event.reads", "出入口：识别、指令与结果", "At the gates: reads, commands and what came of them"),
    ("event.picture.entry", "入场时的照片", "The picture at the entry"),
    ("event.picture.between", "其间的照片", "The picture in between"),
    ("event.picture.exit", "出场时的照片", "The picture at the exit"),
    ("event.no_picture", "没有照片，或已到期删除。", "No picture was taken, or it is not kept any more."),
)

EVENTS: Final[dict[str, dict[str, str]]] = {
    "zh": {key: zh for key, zh, _ in _SAID},
    "en": {key: en for key, _, en in _SAID},
}
