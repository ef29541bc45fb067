"""个人信息 in the console, without script: what is held, the file, an erasure by two, what stands in its way; and what flows say, in Chinese."""

from __future__ import annotations

import ast
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway.api.app import create_app
from gateway.console import words_told
from gateway.console.words_personal import HELD
from gateway.console.words_told import TOLD, told
from gateway.flows.personal_data_holdings import HOLDINGS
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import EARLIER, Client, House, a_house, a_read, a_stay
from tests.gateway.test_console import csrf_of, signed_in

pytestmark = pytest.mark.filterwarnings("error")
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ASKED = {"plate": "沪C·24680", "identity": "核验单 2026-031", "reason": "本人申请"}
WHERE = "/personal-data"
_SENTENCE = re.compile(r"\{\w+\}")


@pytest.fixture
def house(parts: Parts) -> House:
    house = a_house(parts)
    a_stay(parts, "xinyi.a", "沪C24680", at=EARLIER, entry_event="e1", entry_device="d1")
    a_read(parts, "xinyi", "e1", "沪C24680")
    for role in ("registrar", "manager"):
        house.hires(role, role)
    return house


def sends(person: Client, path: str, **fields: Any) -> Any:
    return person.post(path, data={"csrf": csrf_of(person.get(f"{WHERE}/new").text), **fields})


@on_one_database
def test_what_is_held_is_looked_at_and_handed_over(house: House) -> None:
    registrar = signed_in(house, "registrar")
    page = sends(registrar, f"{WHERE}/new", **ASKED).text
    assert "停车记录" in page
    assert "没有妨碍删除的事项" in page
    assert registrar.get(WHERE).text.count("<tr>") == 0  # looking is no request
    answer = sends(registrar, f"{WHERE}/export", **ASKED)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert "data.json" in zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    listed = registrar.get(WHERE).text
    assert "已导出" in listed
    assert "沪C24680" not in listed
    manager = signed_in(house, "manager")
    shown = sends(manager, f"{WHERE}/new", **ASKED).text
    assert "低收入证明与包月" in shown
    assert "/personal-data/erasure" not in shown


@on_one_database
def test_two_members_of_staff_erase(house: House) -> None:
    registrar, manager = signed_in(house, "registrar"), signed_in(house, "manager")
    assert sends(registrar, f"{WHERE}/erasure", **ASKED).headers["location"] == f"{WHERE}?said=personal_data_proposed"
    own = registrar.get(WHERE).text
    assert "等待第二人" in own
    assert "/approval" not in own
    (request,) = set(re.findall(r"/personal-data/([\w-]+)/approval", manager.get(WHERE).text))
    assert sends(registrar, f"{WHERE}/{request}/approval").status_code == 409
    assert sends(manager, f"{WHERE}/{request}/rejection", reason=" ").status_code == 422
    done = sends(manager, f"{WHERE}/{request}/approval")
    assert done.headers["location"] == f"{WHERE}?said=personal_data_approval"
    assert "已删除" in registrar.get(f"{WHERE}?state=erased").text
    assert sends(registrar, f"{WHERE}/new", **ASKED).status_code == 404
    assert sends(manager, f"{WHERE}/erasure", **ASKED).status_code == 403


@on_one_database
def test_what_stands_in_the_way_and_what_is_wrong_is_said_in_chinese(house: House) -> None:
    a_stay(house.parts, "xinyi.c", "浙A00001", state="inside")
    registrar = signed_in(house, "registrar")
    page = sends(registrar, f"{WHERE}/new", **{**ASKED, "plate": "浙A00001"}).text
    assert "车辆还在场内" in page
    assert "/personal-data/erasure" not in page
    refused = sends(registrar, f"{WHERE}/erasure", **{**ASKED, "plate": "浙A00001"})
    assert (refused.status_code, "车辆还在场内" in refused.text) == (409, True)
    for field, wrong in (
        ("plate", {"plate": "??"}),
        ("site", {"plate": "", "household": "3-502"}),
        ("identity", {"identity": ""}),
        ("reason", {"reason": ""}),
    ):
        answer = sends(registrar, f"{WHERE}/new", **{**ASKED, **wrong})
        assert answer.status_code == 422, field
        assert 'aria-invalid="true"' in answer.text.split(f'id="f-{field}"')[1].split("</div>")[0], field


@on_one_database
def test_with_another_secret_key_the_others_are_listed_and_what_to_do_is_said(house: House) -> None:
    registrar = signed_in(house, "registrar")
    sends(registrar, f"{WHERE}/erasure", **ASKED)
    a_stay(house.parts, "xinyi.b", "浙B67890", at=EARLIER)
    before = house.parts.settings.secret_key
    object.__setattr__(house.parts.settings, "secret_key", "another secret of the tests")
    house.app = create_app(house.parts)
    registrar, manager = signed_in(house, "registrar"), signed_in(house, "manager")
    sends(registrar, f"{WHERE}/erasure", **{**ASKED, "plate": "浙B67890"})
    page = manager.get(WHERE)
    assert page.status_code == 200
    assert "密钥已更换，无法读取" in page.text
    assert "请点“不删除”结束它" in page.text
    assert page.text.count("/approval") == 1, "the other one can be decided"
    assert "浙B67890" in page.text
    listed = house.as_("manager").get("/api/v1/personal-data/requests").json()["items"]
    # Both were asked at the same moment: which of them is listed first is chance.
    assert {(one["subject"], one["unreadable"]) for one in listed} == {("浙B67890", False), (None, True)}
    gone = next(one["id"] for one in listed if one["unreadable"])
    assert sends(manager, f"{WHERE}/{gone}/approval").status_code == 422
    assert sends(manager, f"{WHERE}/{gone}/rejection", reason="沪C24680 重新申请").status_code == 303
    assert "密钥已更换" not in manager.get(WHERE).text
    with house.parts.store.reading() as connection:
        entry = t.AuditEntry.__table__
        said = (
            connection.execute(select(entry.c.reason).where(entry.c.action == "personal_data.reject")).scalars().all()
        )
    assert said == ["made under another secret_key"]
    object.__setattr__(house.parts.settings, "secret_key", before)


def test_every_kind_that_is_held_has_an_english_word() -> None:
    assert {one.table.__tablename__ for one in HOLDINGS} <= HELD.keys()


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("1200 fen", "¥12.00"),
        ("300 fen: the channel could not", "¥3.00：渠道未能办理"),
        ("candidates: 2; xinyi.s1 +1.20", "可能的停车记录 2 条；最可能 xinyi.s1"),
        ("3 pictures, 4 names", "图片 3、姓名 4"),
        ("publish 3, too_large 1", "越权发布 3 次、报文过大 1 次"),
        ("not_mine: 车牌不对", "不是我的车：车牌不对"),
        ("reason: at most 300 characters", "最多 300 个字"),
        ("2 statements fetched; 1 are missed", "获取账单 2 份；缺 1 份"),
        ("an open exception (no_entry) is about it; resolve it first", "有未处理的异常（无入场记录）"),
        ("from: not a day (YYYY-MM-DD)", "日期格式应为 2026-03-01"),
        ("there is no such shift, or not for you", "没有这项班次，或不在您的权限内"),
        ("there is no such account, or not for you", "没有这个账户，或不在您的权限内"),
        ("the refund was approved by wang", "该退款已同意：wang"),
        ("left of this payment: 300 fen, not 500; propose less", "这笔收款可退 ¥3.00，不是 ¥5.00，请减少金额"),
        ("xinyi: 2026-03-02 is open; close 2026-03-01 first", "xinyi：2026-03-02 还没有日结，请先结 2026-03-01"),
        ("reason: String should have at most 300 characters", "最多 300 个字"),
        ("amount_fen: 'x' is not an amount of yuan with at most two decimals", "'x' 不是金额"),
        ("said by nobody: 3 of them; or so", "said by nobody: 3 of them; or so"),
        ("", ""),
        ("line 1: no column 'plate'; vehicles has site, plate", "第 1 行：缺少一列 'plate'；应有 小区、车牌"),
        ("valid_to is missing", "缺少 valid_to"),
        ("household '3-101' is not one of site 'xinyi'; import households first", "小区 'xinyi' 没有登记房号 '3-101'"),
        (
            "line 7: 9 cells under 27 headings; download it again from the channel and import it unchanged",
            "第 7 行：表头 27 列，该行 9 格；请重新从渠道下载，不作改动直接导入",
        ),
        (": " * 600, ": " * 600),
        ("; " * 600, "; " * 600),
    ],
)
def test_what_a_flow_says_is_told_in_chinese(english: str, chinese: str) -> None:
    assert chinese in told(english)


def _said() -> set[str]:
    """Every text of the program, its values as {}."""
    found: set[str] = set()
    root = Path(words_told.__file__).parents[2]
    for path in (*root.glob("gateway/**/*.py"), *root.glob("billing/**/*.py")):
        if path.name.startswith("words_told"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.add("".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values))
    return found


def test_every_sentence_that_has_words_is_one_that_a_flow_says() -> None:
    said = "\n".join(_said())
    assert [english for english, _ in TOLD if _SENTENCE.sub("{}", english) not in said] == []
    assert len({english for english, _ in TOLD}) == len(TOLD)
