"""What a camera of Vzenith is told in the answers to its pushes and polls."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from controllers.adapters.port import ListPart, Reply
from controllers.commands import Action, Reason
from tests.controllers.adapters.vzenith.fitted import HTTP, HTTP_BOARD, HTTP_SPEAKER, RECORD, serial
from tests.controllers.adapters.vzenith.said import HISTORY_PUSHED, POLL, PUSH, PUSH_EVENT, posted
from tests.controllers.conformance.cases import Replied, a_command, a_list, as_json, sample_json


def response(**told: Any) -> Reply:
    return Reply(
        headers=(("Content-Type", "application/json; charset=utf-8"),),
        body=as_json(
            {"Response_AlarmInfoPlate": {"info": "no", "is_pay": "false", "content": "retransfer_stop"} | told}
        ),
    )


IDLE = Reply(headers=(("Content-Type", "application/json; charset=utf-8"),), body=b'{"status":"ok"}')
OPEN_FOR_PUSH = a_command(Action.OPEN, event=PUSH_EVENT, show=("粤B7K2M9", "欢迎光临"), say="欢迎光临")
REPLIED = (
    Replied(
        name="decided: open",
        message=PUSH,
        fitting=HTTP_BOARD,
        orders=(OPEN_FOR_PUSH,),
        reply=response(
            info="ok",
            channelNum=0,
            is_pay="true",
            content="粤B7K2M9 欢迎光临",
            serialData=serial(("粤B7K2M9", "欢迎光临"), "欢迎光临"),
            plateid=594785,
        ),
    ),
    Replied(
        name="decided: pay first",
        message=PUSH,
        fitting=HTTP,
        orders=(a_command(Action.SHOW, event=PUSH_EVENT, show=("请缴费",), reason=Reason.PAYMENT_DUE),),
        reply=response(info="wait", content="请缴费", plateid=594785),
    ),
    Replied(
        name="decided: not registered",
        message=PUSH,
        fitting=HTTP,
        orders=(a_command(Action.SHOW, event=PUSH_EVENT, reason=Reason.NOT_REGISTERED),),
        reply=response(plateid=594785),
    ),
    Replied(name="not decided in time", message=PUSH, fitting=HTTP, reply=response(plateid=594785)),
    Replied(
        name="an opening for another read does not ride",
        message=PUSH,
        fitting=HTTP,
        orders=(a_command(Action.OPEN, event="another"),),
        reply=response(plateid=594785),
    ),
    Replied(
        name="history goes on",
        message=posted(as_json(HISTORY_PUSHED)),
        fitting=HTTP,
        reply=response(plateid=594786, ContinuePushOffline={"plateid": 594786, "continue": 1}),
    ),
    Replied(name="an idle poll", message=POLL, fitting=HTTP, reply=IDLE),
    Replied(
        name="an opening rides on a poll",
        message=POLL,
        fitting=HTTP_SPEAKER,
        orders=(a_command(Action.OPEN, event="another", say="请通行"),),
        reply=response(
            info="ok",
            channelNum=0,
            is_pay="true",
            playserver_json_request={
                "type": "ps_voice_play",
                "voice": b64encode("请通行".encode()).decode(),
                "voice_interval": 0,
                "voice_volume": 100,
                "voice_male": 1,
            },
        ),
    ),
    Replied(
        name="held open",
        message=POLL,
        fitting=HTTP,
        orders=(a_command(Action.HOLD_OPEN),),
        reply=response(ivs_ioctrl={"io": 0, "value": 1, "delay": 0}),
    ),
    Replied(
        name="released",
        message=POLL,
        fitting=HTTP,
        orders=(a_command(Action.RELEASE),),
        reply=response(ivs_ioctrl={"io": 0, "value": 0, "delay": 0}),
    ),
    Replied(
        name="lowered",
        message=POLL,
        fitting=HTTP_BOARD,
        orders=(a_command(Action.CLOSE),),
        reply=response(
            ivs_ioctrl=sample_json("vzenith", "http_reply_close_via_io.json")["Response_AlarmInfoPlate"]["ivs_ioctrl"]
        ),
    ),
    Replied(
        name="a piece of the list",
        message=POLL,
        fitting=HTTP,
        orders=(ListPart(version=7, number=1, of=1, add=a_list("粤B7K2M9").entries),),
        reply=response(white_list_operate={"operate_type": 0, "white_list_data": [RECORD]}),
    ),
    Replied(name="garbage", message=posted(b"{"), fitting=HTTP, reply=IDLE, quarantined=True),
)
