"""What devices can do, in both languages."""

from __future__ import annotations

from typing import Final

ABILITIES: Final[dict[str, dict[str, str]]] = {
    "zh": {
        "can.title": "能力",
        "can.can": "能",
        "can.cannot": "不能",
        "can.how": "按其厂家协议与场地文件中的安装；不能的，指令会被标为「不支持」，屏幕内容则略过。",
        "can.told": "下发方式",
        "ability.open": "抬杆",
        "ability.close": "落杆",
        "ability.hold_open": "常开",
        "ability.release": "解除常开",
        "ability.show": "显示与播报指令",
        "ability.display": "显示屏",
        "ability.voice": "语音",
        "ability.position": "回报栏杆位置",
        "ability.passage": "回报车辆通过",
        "ability.offline_list": "断网时按名单放行",
        "ability.replies": "回报是否收到指令",
        "delivery.publish": "消息服务器下发",
        "delivery.request": "我们向设备请求",
        "delivery.answer": "随应答下发",
    },
    "en": {
        "can.title": "Abilities",
        "can.can": "Can",
        "can.cannot": "Cannot",
        "can.how": "By its vendor's protocol, and as the site file fits it. What it cannot becomes refused, not supported; what was to be shown is left out.",
        "can.told": "Is told",
        "ability.open": "raise the barrier",
        "ability.close": "lower it",
        "ability.hold_open": "hold it open",
        "ability.release": "release it",
        "ability.show": "show and say what it is told",
        "ability.display": "display",
        "ability.voice": "voice",
        "ability.position": "tell where its barrier is",
        "ability.passage": "tell that a vehicle has passed",
        "ability.offline_list": "let listed vehicles pass while it is offline",
        "ability.replies": "tell that it has taken a command",
        "delivery.publish": "at the broker",
        "delivery.request": "by our requests to it",
        "delivery.answer": "in our answers to it",
    },
}
