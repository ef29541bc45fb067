"""What is said of a corrected record to whoever reads its bill: that it was corrected, when, and how it stood before. No plate."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from billing.explain import Language
from gateway.flows.corrections_records import Correction

CORRECTED = {
    "zh": "本停车记录由工作人员更正过，账单按更正后的记录计算。",
    "en": "Staff corrected this record; the bill follows the record as corrected.",
}

READ_CORRECTED = {
    "zh": "后来工作人员更正了这次识别的车牌或时间，计费按更正后的记录。",
    "en": "Staff later corrected the plate or the instant of this read; the bill follows what is corrected.",
}


def sentences(made: Iterable[Correction], language: Language, zone: ZoneInfo) -> list[str]:
    """One sentence a correction that holds, the oldest first."""
    return [_sentence(one, language, zone) for one in made if one.state == "made"]


def _sentence(one: Correction, language: Language, zone: ZoneInfo) -> str:
    at = _clock(one.decided_at or one.at, zone)
    what = []
    if one.new_plate:
        what.append("车牌" if language == "zh" else "the plate")
    if one.entry_before != one.entry_after and one.entry_before is not None and one.entry_after is not None:
        before, after = _clock(one.entry_before, zone), _clock(one.entry_after, zone)
        what.append(
            f"入场时间（原为 {before}，改为 {after}）" if language == "zh" else f"the entry (from {before} to {after})"
        )
    if language == "zh":
        return f"{at} 工作人员更正了{'和'.join(what)}，原记录保留。"
    return f"Staff corrected {' and '.join(what)} at {at}; the old record is kept."


def _clock(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
