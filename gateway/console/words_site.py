"""The words of one site's page, in Chinese and English: key, Chinese, English."""

from __future__ import annotations

from typing import Final

_SAID: Final = (
    ("admin.site.gates", "道闸与车道", "Gates and lanes"),
    ("admin.site.gate", "道闸", "Gate"),
    ("admin.site.tier", "级别", "Tier"),
    ("admin.site.staffed", "有人值守", "staffed"),
    ("admin.site.unstaffed", "无人值守", "unattended"),
    ("admin.site.residents", "仅限住户", "residents alone"),
    ("admin.site.direction", "方向", "Direction"),
    ("admin.site.barrier", "道闸状态", "Barrier"),
    ("admin.site.device", "设备", "Device"),
    ("admin.site.fitted", "装备", "Fitted with"),
    ("admin.site.loop", "地感", "loop"),
    ("admin.site.no_loop", "无地感：须人工落杆", "no loop: a person lowers it"),
    ("admin.site.sensor", "过车检测", "passage sensor"),
    ("admin.site.no_lanes", "没有车道", "no lane"),
    ("admin.site.free", "免费车种", "Free classes"),
    ("admin.site.rule", "规则", "Rule"),
    ("admin.site.by_plate", "按车牌识别，无须登记", "known by the plate"),
    ("admin.site.no_free", "收费规则没有免费车种。", "The policy has none."),
    ("admin.site.public", "公示页", "Public page"),
)

SITE: Final[dict[str, dict[str, str]]] = {
    "zh": {key: zh for key, zh, _ in _SAID},
    "en": {key: en for key, _, en in _SAID},
}
