"""The words of 应急放行 in Chinese and English: key, Chinese, English."""

from __future__ import annotations

from typing import Final

_SAID: Final = (
    ("desk.emergencies", "应急放行", "Emergencies"),
    ("emergency.look", "查看", "Look"),
    ("emergency.none", "现在没有应急放行。", "No emergency stands."),
    ("emergency.since", "开始", "Since"),
    ("emergency.ended", "解除", "Ended"),
    ("emergency.by", "由", "By"),
    ("emergency.over", "已解除", "Ended"),
    ("emergency.over.now", "应急放行已解除", "Emergency ended"),
    ("emergency.sound", "应急和新异常响铃", "Sound for emergencies and new exceptions"),
    ("emergency.lanes", "各车道实况", "What happened at each lane"),
    ("emergency.told", "下达", "Told"),
    ("emergency.became", "道闸", "What it did"),
    ("emergency.answer", "设备回答", "The device's answer"),
    ("emergency.untold", "尚未下达", "not told yet"),
    ("emergency.no_lanes", "这里没有在用的车道。", "There is no lane in service."),
    ("emergency.send", "未确认的车道请派人到现场。", "Somebody has to go to the lanes that are not confirmed."),
    (
        "emergency.lower",
        "无地感的道闸须派人落杆，见异常。",
        "Barriers without a loop are lowered by a person: see the queue.",
    ),
    ("emergency.became.moved", "已动作", "moved"),
    ("emergency.became.under_way", "等待结果…", "under way…"),
    ("emergency.became.not_confirmed", "未确认", "not confirmed"),
    ("emergency.became.by_hand", "须人工落杆", "to be lowered by hand"),
    ("emergency.declare", "宣布应急放行", "Declare an emergency"),
    (
        "emergency.how",
        "道闸全部升起并保持开启，所有车辆放行，直到有人解除。以您的姓名记录。",
        "Every barrier opens and stays open, and everybody passes, until somebody ends it. It is recorded with your name.",
    ),
    ("emergency.reason.how", "例如：3 幢起火，消防车进入。", "Such as: house 3 is on fire, fire engines come."),
    ("emergency.all", "整条街道", "the whole street"),
    ("emergency.mine", "我的全部小区", "all my sites"),
    ("emergency.next", "下一步：核对要开的道闸", "Next: look at what opens"),
    ("emergency.opens", "以下道闸将升起并保持开启：", "These barriers open and stay open:"),
    ("emergency.go", "确认开闸", "Open them"),
    ("emergency.cancel", "取消", "Cancel"),
    ("emergency.end", "解除…", "End it…"),
    (
        "emergency.end.how",
        "有地感的道闸在无车时自动落下：",
        "Barriers with a loop come down when nobody stands under them:",
    ),
    ("emergency.end.by_hand", "须派人到现场落杆：", "To be lowered by a person on the spot:"),
    ("emergency.end.go", "确认解除", "End it"),
    ("emergency.end.all", "全部解除…", "End all…"),
    ("emergency.end.all.how", "解除以下小区的应急放行：", "The emergency ends at these sites:"),
    ("emergency.past", "以往的应急放行", "Emergencies that are over"),
    (
        "said.emergency_declaration",
        "已宣布应急放行；各车道实况见下。",
        "Declared; see below what happens at each lane.",
    ),
    ("said.emergency_end", "已解除；各车道实况见下。", "Ended; see below what happens at each lane."),
    ("refused.other-lanes", "要开的车道已有变化，请再核对。", "The lanes that open have changed: look at them again."),
)

EMERGENCIES: Final[dict[str, dict[str, str]]] = {
    "zh": {key: zh for key, zh, _ in _SAID},
    "en": {key: en for key, _, en in _SAID},
}
