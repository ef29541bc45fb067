"""The words of the codes at lanes in Chinese and English: key, Chinese, English."""

from __future__ import annotations

from typing import Final

_SAID: Final = (
    ("desk.lane_codes", "车道二维码", "Lane codes"),
    (
        "codes.how",
        "司机扫车道上的二维码：无牌车进出、缴费、查询本车停车、求助。",
        "Drivers scan the code at a lane: in and out without a plate, to pay, to find their stay, to call for help.",
    ),
    ("codes.gate", "出入口", "Gate"),
    ("codes.which", "第几版", "Version"),
    ("codes.since", "启用", "Since"),
    ("codes.first", "未更换过", "never renewed"),
    ("codes.print", "打印", "Print"),
    ("codes.print.gate", "打印本出入口", "Print those of the gate"),
    ("codes.print.site", "打印本小区", "Print those of the site"),
    ("codes.none", "没有在用的车道。", "There is no lane in service."),
    ("codes.picture", "车道二维码", "The lane's code"),
    ("codes.address", "内容", "It says"),
    ("codes.print.how", "每条车道一页；用浏览器的打印功能。", "A page for each lane; print it with the browser."),
    ("codes.sheet", "停车请扫码", "Parking: scan here"),
    (
        "codes.sheet.how",
        "缴费 · 无牌车进出 · 查询停车 · 求助",
        "Pay · in and out without a plate · your stay · help",
    ),
    ("codes.renew", "更换二维码", "Renew the code"),
    (
        "codes.renew.how",
        "现场张贴的二维码立即失效；请随后打印新的并张贴。",
        "The code that hangs there is invalid at once: print the new one and put it up.",
    ),
    ("codes.renew.reason", "例如：被涂改、被拍照传播。", "Such as: painted over, spread as a photo."),
    ("codes.renew.go", "更换", "Renew"),
    ("said.code_renewed", "已更换；请打印新的二维码并张贴。", "Renewed: print the new code and put it up."),
    ("refused.code-renewed", "二维码在您查看后已更换，请再看一次。", "The code was renewed since: look at it again."),
)

CODES: Final[dict[str, dict[str, str]]] = {
    "zh": {key: zh for key, zh, _ in _SAID},
    "en": {key: en for key, _, en in _SAID},
}
