"""免费车种 in words: which vehicles a free class means, and for how long. Pure."""

from __future__ import annotations

import msgspec

from billing.policy_parts import FreeClass

_PLATES: dict[str, tuple[str, str]] = {
    "police": ("警车", "police"),
    "emergency": ("应急", "emergency"),
    "armed_police": ("武警", "armed police"),
    "military": ("军队", "military"),
    "embassy": ("使馆", "embassy"),
    "consulate": ("领馆", "consulate"),
    "coach": ("教练车", "driving school"),
    "trailer": ("挂车", "trailer"),
    "hong_kong": ("香港入境", "Hong Kong"),
    "macau": ("澳门入境", "Macau"),
    "temporary": ("临时号牌", "temporary"),
    "agricultural": ("农用机械", "agricultural"),
    "new_energy": ("新能源", "new energy"),
}


class Rule(msgspec.Struct, frozen=True):
    """A rule in words."""

    zh: str
    en: str


def rule_of(one: FreeClass) -> Rule:
    """What the policy says of a class, so that whoever reads who parks free reads why."""
    zh, en = [], []
    if one.plates:
        zh.append("号牌为" + "、".join(_PLATES.get(plate, (plate, ""))[0] for plate in one.plates) + "的车辆")
        en.append("vehicles with plates of " + ", ".join(_PLATES.get(plate, ("", plate))[1] for plate in one.plates))
    if one.register:
        zh.append("登记在册的车辆")
        en.append("vehicles listed by staff")
    who_zh, who_en = "，以及".join(zh) or "无", " and ".join(en) or "nobody"
    if one.minutes is None:
        return Rule(f"{who_zh}：免费停车", f"{who_en}: free")
    return Rule(
        f"{who_zh}：{one.minutes} 分钟内免费，超过则从入场起按临时停车计费",
        f"{who_en}: free for up to {one.minutes} minutes, beyond that an ordinary stay from its start",
    )
