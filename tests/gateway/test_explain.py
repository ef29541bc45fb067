"""Why a stay costs what it costs, why a gate opened: from what was stored then, also months later, never telling on anybody."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from sqlalchemy import delete, select, update

from controllers.adapters import native
from controllers.commands import Action
from controllers.events import Kind, Outcome
from gateway.cli.main import cli
from gateway.flows import explain_gate, payment, policies, staff_commands
from gateway.flows.charges_books import By
from gateway.flows.explain import event_explanation, stay_explanation
from gateway.flows.refusals import NotFound
from gateway.flows.staff_commands import Asked
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import a_house
from tests.gateway.trade import POLICY, Street, local

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def street(parts: Parts) -> Street:
    return Street(parts)


def why(street: Street, event: str, *, device: str = "d1", lang: Any = "zh", truly: bool = False) -> dict[str, Any]:
    return event_explanation(street.parts, "xinyi", device, event, language=lang, truly=truly)


def of_stay(street: Street, plate: str, *, lang: Any = "zh", truly: bool = False) -> dict[str, Any]:
    return stay_explanation(street.parts, street.stay(plate).id, language=lang, truly=truly)


def paid_visit(street: Street, plate: str = "浙A12345") -> None:
    street.passes("in-1", plate, "09:00", id="in")
    street.arrives("out-1", plate, "11:10", id="out")
    street.clock.set(local("11:10:30"))
    payment.take(
        street.parts, stay_id=street.stay(plate).id, channel="wechat", amount_fen=1000, operator="li", role="cashier"
    )
    street.goes("out-1", "11:10:40", after="out")


def poor(street: Street, plate: str = "浙D99999") -> None:
    street.register("households", {"household": "h99", "name": "王", "area_m2": "40"})
    street.register("vehicles", {"household": "h99", "plate": plate, "vehicle": "small"})
    street.register(
        "certificates",
        {"household": "h99", "number": "DB-7", "issuer": "民政", "valid_from": "2026-01-01", "valid_to": "2027-01-01"},
    )


def test_a_paid_stay(street: Street) -> None:
    paid_visit(street)
    found = of_stay(street, "浙A12345")
    assert (found["policy"], found["version"]) == ("hushu-residential", 1)
    assert found["sentences"] == [
        "2026-03-02 09:00:00 入场，2026-03-02 11:10:00 到出口。",
        "hushu-residential 第 1 版：停车 130 分钟。",
        "03-02 09:00–10:00：1 个计费单元，4.00 元。〔第 1 版 tariff.1.band.1.first.1：08:00–20:00，第 1 个单元 60 分钟 4.00 元〕",
        "03-02 10:00–11:10：3 个计费单元，每个 2.00 元，共 6.00 元。〔第 1 版 tariff.1.band.1.unit：08:00–20:00，每开始 30 分钟 2.00 元〕",
        "应收 10.00 元，优免 0.00 元，应付 10.00 元。",
        "2026-03-02 11:10:30 已付 10.00 元（微信支付）。",
        "已付 10.00 元，尚欠 0.00 元。",
        "状态：已离场，已付清。",
    ]
    assert [bill["stands"] for bill in found["bills"]][-1] is True
    assert "Paid 10.00 yuan, 0.00 yuan still due." in of_stay(street, "浙A12345", lang="en")["sentences"]


def test_why_did_this_gate_open(street: Street) -> None:
    paid_visit(street)
    entered = why(street, "in")
    assert (entered["decision"], entered["reason"], entered["lane"]) == ("open", "temporary", "xinyi.in-1")
    assert "决定：放行；原因：临时车，准予入场。" in entered["sentences"]
    left = why(street, "out")
    assert left["reason"] == "paid"
    said = left["sentences"]
    assert said[0] == "2026-03-02 11:10:00 出口车道 out-1：识别到车牌。"
    assert said[1] == "决定：放行；原因：已付清。"
    assert any("只显示，不开闸，原因：待付款" in one for one in said)
    assert any("开闸，原因：已付清" in one for one in said)
    assert "2026-03-02 11:10:40 车辆通过。" in said
    assert "当时没有登记任何优免。" in said
    assert said[-1] == "应收 10.00 元，优免 0.00 元，应付 10.00 元。"
    # What the read was completed by leads to the same answer.
    with street.parts.store.reading() as connection:
        mark = connection.execute(t.PlateEventRow.__table__.select().where(t.PlateEventRow.for_event == "out")).one()
    assert why(street, mark.event_id)["event"] == "out"
    english = why(street, "out", lang="en")["sentences"]
    assert "Decision: it opened, for: it was paid." in english


def test_a_stay_tells_what_its_gates_were_told_by_whom_and_what_came_of_it(street: Street) -> None:
    plate, li = "浙A12345", By(operator="li", role="guard")
    let_in = street.passes("in-1", plate, "09:00", id="in")
    assert let_in is not None
    street.deliver(street.result(let_in))
    street.arrives("out-1", plate, "11:00", id="tried")
    street.deliver(street.mark("out-1", Kind.REVERSED, local("11:01"), "tried"))
    street.arrives("out-1", plate, "11:20", id="out")
    street.clock.set(local("11:21"))
    asked = Asked(action=Action.OPEN, reason="车主手机没电", note="现金另付")
    given = staff_commands.command(street.parts, "xinyi.out-1", asked, li)
    with street.parts.store.reading() as connection:
        payload = connection.execute(select(t.CommandRow.payload).where(t.CommandRow.id == given.id)).scalar_one()
    said = street.result(native.decode_command(payload), Outcome.REFUSED)
    street.deliver(msgspec.structs.replace(said, result=msgspec.structs.replace(said.result, detail="motor too hot")))
    stay = street.stay(plate).id
    gates = explain_gate.of_stay(street.parts, stay, language="zh")
    assert [(one.which, one.event, one.lane) for one in gates] == [
        ("entry", "in", "xinyi.in-1"),
        ("between", "tried", "xinyi.out-1"),
        ("exit", "out", "xinyi.out-1"),
    ]
    entry, tried, left = (one.sentences for one in gates)
    assert entry[-1] == "2026-03-02 09:00:05 车辆通过。"
    assert any("指令：开闸，原因：临时车，准予入场；道闸已抬起（" in one for one in entry)
    assert tried[-1] == "2026-03-02 11:01:00 车辆倒退。"
    assert any("只显示，不开闸，原因：待付款；" in one for one in tried)
    by_hand = "2026-03-02 11:21:00 指令：开闸，原因：工作人员放行，操作员 li（车主手机没电）；设备拒绝执行（"
    assert next(one for one in left if one.startswith(by_hand)).endswith("：motor too hot。")
    told = str(explain_gate.of_stay(street.parts, stay, language="en"))
    assert "open, for: let through by staff, by li (车主手机没电); the device refused it" in told
    assert "the barrier rose" in told
    with pytest.raises(NotFound):
        explain_gate.of_stay(street.parts, "xinyi.nothing", language="zh")


def test_of_a_pass_others_hear_that_it_is_a_resident_at_the_gates_too(street: Street) -> None:
    poor(street)
    street.passes("in-1", "浙D99999", "09:00", id="in")
    street.passes("out-1", "浙D99999", "11:00", id="out")
    stay = street.stay("浙D99999").id
    assert "低保" not in str(explain_gate.of_stay(street.parts, stay, language="zh"))
    assert "低保" in str(explain_gate.of_stay(street.parts, stay, language="zh", truly=True))


def test_why_did_this_gate_stay_shut(street: Street) -> None:
    street.register("blocklist", {"plate": "浙B66666", "reason": "欠费", "valid_to": "2026-12-31"})
    street.arrives("in-1", "浙B66666", "09:00", id="blocked")
    assert "决定：未放行；原因：在禁入名单上。" in why(street, "blocked")["sentences"]
    street.arrives("out-1", "浙B77777", "09:30", id="stranger")
    found = why(street, "stranger")
    assert (found["reason"], found["policy"]) == ("no_entry", None)
    street.arrives("in-1", None, "09:40", id="mud")
    assert why(street, "mud")["sentences"][0].endswith("未能识别车牌。")


def test_the_allowance_as_it_was_then(street: Street) -> None:
    street.register("households", {"household": "h1", "name": "", "area_m2": "80"})
    street.register(
        "relatives", {"household": "h1", "plate": "浙B10000", "relation": "parent", "valid_from": "", "valid_to": ""}
    )
    for day in (2, 3):
        street.passes("in-1", "浙B10000", f"2026-03-0{day} 09:00", id=f"in{day}")
        street.passes("out-1", "浙B10000", f"2026-03-0{day} 11:00", id=f"out{day}")
    first, second = why(street, "out2")["sentences"], why(street, "out3")["sentences"]
    assert "当时登记的优免：亲属免费时长 2026-03 余 60 小时 0 分。" in first
    assert "亲属免费时长 2026-03：本次用 120 分钟，余 58 小时 0 分。" in first
    assert "当时登记的优免：亲属免费时长 2026-03 余 58 小时 0 分。" in second
    assert "亲属免费时长 2026-03：本次用 120 分钟，余 56 小时 0 分。" in second
    assert "h1" not in json.dumps([first, second])


def test_poverty_is_told_to_nobody_but_those_who_administer_it(street: Street) -> None:
    poor(street)
    street.register("households", {"household": "h1", "name": "", "area_m2": "80"})
    street.register("vehicles", {"household": "h1", "plate": "浙C10000", "vehicle": "small"})
    street.register(
        "passes",
        {"plate": "浙C10000", "pass": "resident-monthly", "valid_from": "2026-03-01", "valid_to": "2026-04-01"},
    )
    for plate, name in (("浙D99999", "poor"), ("浙C10000", "rich")):
        street.passes("in-1", plate, "09:00", id=f"{name}-in")
        street.passes("out-1", plate, "11:10", id=f"{name}-out")
    for lang in ("zh", "en"):
        stays = [of_stay(street, plate, lang=lang)["sentences"] for plate in ("浙D99999", "浙C10000")]
        assert stays[0] == stays[1]
        exits = [why(street, f"{name}-out", lang=lang) for name in ("poor", "rich")]
        assert exits[0]["sentences"] == exits[1]["sentences"]
        assert exits[0]["reason"] == exits[1]["reason"] == "resident"
        assert why(street, "poor-in", lang=lang)["sentences"] == why(street, "rich-in", lang=lang)["sentences"]
    truly = why(street, "poor-out", truly=True)
    assert truly["reason"] == "low_income"
    assert any("低保优免" in one for one in truly["sentences"])
    assert any("低保优免" in one for one in of_stay(street, "浙D99999", truly=True)["sentences"])


@on_one_database
def test_the_api_shows_the_true_name_to_two_roles_only(street: Street) -> None:
    poor(street)
    street.passes("in-1", "浙D99999", "09:00", id="in")
    street.passes("out-1", "浙D99999", "11:10", id="out")
    stay = street.stay("浙D99999").id
    # The house's site file is another; the stays are there all the same.
    staff = a_house(street.parts, "xinyi", "archive").one_of_each()
    for role, somebody in staff.items():
        answers = [
            somebody.get(f"/api/v1/stays/{stay}/explanation", lang="en"),
            somebody.get("/api/v1/events/xinyi/d1/out/explanation"),
        ]
        if role == "committee":
            assert {answer.status_code for answer in answers} == {403}
            continue
        assert {answer.status_code for answer in answers} == {200}
        tells = any(word in answer.text for answer in answers for word in ("低保", "low_income", "low-income"))
        assert tells is (role in {"registrar", "finance"}), role
        assert "浙" not in "".join(answer.text for answer in answers)
    assert staff["guard"].get("/api/v1/stays/xinyi.nothing/explanation").status_code == 404
    assert staff["guard"].get("/api/v1/events/xinyi/d1/nothing/explanation").status_code == 404
    house = a_house(street.parts, "xinyi", "archive")
    house.hires("elsewhere", "guard", "archive")
    assert house.as_("elsewhere").get(f"/api/v1/stays/{stay}/explanation").status_code == 404
    assert house.as_("elsewhere").get("/api/v1/events/xinyi/d1/out/explanation").status_code == 404


def test_months_later_without_the_plate_and_without_the_event(street: Street) -> None:
    paid_visit(street)
    stay, before = street.stay("浙A12345").id, of_stay(street, "浙A12345")["sentences"]
    said = why(street, "out")["sentences"]
    policies.apply(
        street.parts,
        POLICY.format(mode="pay_first").replace("version = 1", "version = 2").replace("2025-01", "2026-06"),
    )
    with street.parts.store.writing() as connection:
        connection.execute(update(t.Stay).values(plate=""))
        connection.execute(update(t.PlateEventRow).values(plate=None, plate_raw=None))
        connection.commit()
    street.clock.set(local("2026-12-01 09:00"))
    assert stay_explanation(street.parts, stay, language="zh")["sentences"] == before
    assert why(street, "out")["sentences"] == said
    with street.parts.store.writing() as connection:
        connection.execute(delete(t.PlateEventRow))
        connection.commit()
    left = why(street, "out")
    assert left["sentences"][0].startswith("2026-03-02 11:10:00 出口车道 out-1：识别记录已按保存期限删除")
    assert any("开闸，原因：已付清" in one for one in left["sentences"])
    assert left["sentences"][-1] == said[-1]
    with street.parts.store.writing() as connection:
        connection.execute(delete(t.CommandRow))
        connection.commit()
    assert "离场原因：已付清。" in why(street, "out")["sentences"]
    assert why(street, "in")["lane"] == "xinyi.in-1"


def test_two_versions_around_midnight(street: Street) -> None:
    """Who entered before it pays by the older one, and the explanation says so."""
    newer = POLICY.format(mode="pay_first").replace("version = 1", "version = 2").replace("2025-01-01T", "2026-03-03T")
    policies.apply(street.parts, newer.replace("fen = 100", "fen = 300"))
    street.passes("in-1", "浙A11111", "2026-03-02 23:59:59", id="a")
    street.passes("in-1", "浙A22222", "2026-03-03 00:00:00", id="b")
    street.arrives("out-1", "浙A11111", "2026-03-03 01:10", id="c")
    street.arrives("out-1", "浙A22222", "2026-03-03 01:12", id="d")
    first, second = of_stay(street, "浙A11111"), of_stay(street, "浙A22222")
    assert (first["version"], second["version"]) == (1, 2)
    assert "〔第 1 版 tariff.1.band.2.unit：20:00–08:00，每开始 60 分钟 1.00 元〕" in first["sentences"][2]
    assert "〔第 2 版 tariff.1.band.2.unit：20:00–08:00，每开始 60 分钟 3.00 元〕" in second["sentences"][2]
    assert (street.stay("浙A11111").payable_fen, street.stay("浙A22222").payable_fen) == (200, 600)


@on_one_database
def test_the_command(street: Street, tmp_path: Any) -> None:
    paid_visit(street)
    config = tmp_path / "parkgate.toml"
    config.write_text(f'database_url = "{street.parts.settings.database_url}"\nsecret_key = "x"\n')
    stay = street.stay("浙A12345").id
    run = CliRunner().invoke(cli, ["explain", stay, "--config", str(config)])
    assert run.exit_code == 0, run.output
    assert "应收 10.00 元，优免 0.00 元，应付 10.00 元。" in run.output
    run = CliRunner().invoke(cli, ["explain", "--event", "xinyi/d1/out", "--lang", "en", "--config", str(config)])
    assert "Decision: it opened, for: it was paid." in run.output
    run = CliRunner().invoke(cli, ["explain", "--event", "xinyi/d1/out", "--json", "--config", str(config)])
    assert json.loads(run.output)["stay"] == stay
    for wrong in (["nothing"], ["--event", "xinyi/d1"], ["--event", "xinyi/d1/none"], [], [stay, "--event", "a/b/c"]):
        assert CliRunner().invoke(cli, ["explain", *wrong, "--config", str(config)]).exit_code == 2


def test_what_is_not_there(street: Street) -> None:
    for ask in (lambda: of_stay_id(street, "xinyi.none"), lambda: why(street, "none"), lambda: of_stay_id(street, "")):
        with pytest.raises(NotFound):
            ask()


def of_stay_id(street: Street, stay: str) -> dict[str, Any]:
    return stay_explanation(street.parts, stay, language="zh")


@on_one_database
def test_a_stay_that_nobody_can_price(street: Street) -> None:
    street.passes("in-1", "浙A12345", "2026-03-02 09:00", id="in")
    street.arrives("out-1", "浙A12345", "2026-03-12 09:00", id="out")
    found = of_stay(street, "浙A12345")
    assert found["policy"] is None or found["bills"]
    assert found["sentences"][0].startswith("2026-03-02 09:00:00 入场")
    assert why(street, "out")["decision"] == "refuse"
    assert timedelta(days=10) == street.stay("浙A12345").exit_at - street.stay("浙A12345").entry_at
