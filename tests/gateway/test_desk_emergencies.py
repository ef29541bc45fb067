"""应急放行 on its page, without script: what opens is named before it opens, what each lane did is told, every page says that it stands."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from gateway.api import access
from gateway.flows.users import ROLES
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import MORNING, Client, House, a_house, heard
from tests.gateway.test_console import csrf_of, signed_in

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
WHERE = "/emergencies"


@pytest.fixture
def house(parts: Parts) -> House:
    house = a_house(parts)
    for role in ROLES:
        house.hires(role, role)
    house.hires("lee", "guard", "archive")
    heard(parts, "xinyi", at=MORNING, in_1="closed", out_1="closed")
    return house


def asks(person: Client, act: str = "declaration", **fields: str) -> Any:
    return person.post(f"{WHERE}/{act}", data={"csrf": csrf_of(person.get(WHERE).text), **fields})


def declares(person: Client, **fields: str) -> Any:
    """The first step, and the second with what the first one showed."""
    seen = re.search(r'name="seen" value="([^"]*)"', asks(person, **fields).text)
    assert seen is not None
    return asks(person, **fields, seen=seen[1], what="declare")


def commands(parts: Parts) -> list[Any]:
    with parts.store.reading() as connection:
        row = t.CommandRow
        return list(connection.execute(select(row.site_id, row.lane_id, row.action).order_by(row.site_id, row.lane_id)))


def became(parts: Parts, lane: str, state: str) -> None:
    with parts.store.writing() as connection:
        row = t.CommandRow
        mine = (row.site_id == "xinyi", row.lane_id == lane)
        connection.execute(update(row).where(*mine).values(state=state, outcome_at=parts.clock.now()))
        connection.commit()


def row_of(page: str, lane: str) -> str:
    return page.partition(f"<small>{lane}</small>")[2].partition("</tr>")[0]


def test_what_opens_is_named_and_only_then_opens(parts: Parts, house: House) -> None:
    guard = signed_in(house, "guard")
    assert f'href="{WHERE}"' in guard.get("/").text, "one step from the board"
    looked = asks(guard, site="xinyi", reason="3 幢起火")
    assert looked.status_code == 200
    for named in ("xinyi 小区", "xinyi.in-1", "xinyi.out-1"):
        assert named in looked.text.split('id="opens"')[1], named
    assert commands(parts) == []
    other = asks(guard, site="xinyi", reason="3 幢起火", seen="xinyi.in-1", what="declare")
    assert (other.status_code, "要开的车道已有变化" in other.text, commands(parts)) == (409, True, [])
    done = declares(guard, site="xinyi", reason="3 幢起火")
    assert done.headers["location"] == f"{WHERE}?said=emergency_declaration"
    assert commands(parts) == [("xinyi", "in-1", "hold_open"), ("xinyi", "out-1", "hold_open")]
    assert asks(guard, site="xinyi", reason="again", what="declare", seen="").status_code == 409


@pytest.mark.parametrize(("field", "typed"), [("site", {"reason": "x"}), ("reason", {"site": "xinyi", "reason": " "})])
def test_what_is_wrong_stands_at_its_field(parts: Parts, house: House, field: str, typed: dict[str, str]) -> None:
    answer = asks(signed_in(house, "guard"), **typed)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text.split(f'id="f-{field}"')[1].split("</div>")[0]
    assert commands(parts) == []


def test_a_guard_of_one_site_opens_that_one_and_no_other(parts: Parts, house: House) -> None:
    lee = signed_in(house, "lee")
    assert asks(lee, site="xinyi", reason="x").status_code == 404
    declares(lee, site="*", reason="火警")
    assert {one.site_id for one in commands(parts)} == {"archive"}


def test_what_really_happened_at_each_lane_is_told(parts: Parts, house: House) -> None:
    manager = signed_in(house, "manager")
    declares(manager, site="xinyi", reason="火警")
    assert "等待结果" in row_of(manager.get(WHERE).text, "xinyi.in-1")
    became(parts, "in-1", "accepted")
    became(parts, "out-1", "done")
    page = manager.get(WHERE).text
    assert "未确认" in row_of(page, "xinyi.in-1"), "it was taken, and nobody saw it move"
    assert "已动作" in row_of(page, "xinyi.out-1")
    assert page.index("<small>xinyi.in-1</small>") < page.index("<small>xinyi.out-1</small>")
    assert "请派人到现场" in page
    with parts.store.writing() as connection:
        said = {"seen_at": parts.clock.now() + timedelta(seconds=30), "barrier": {"in-1": "open", "out-1": "closed"}}
        connection.execute(update(t.DeviceState).where(t.DeviceState.site_id == "xinyi").values(**said))
        connection.commit()
    page = manager.get(WHERE).text
    assert "已动作" in row_of(page, "xinyi.in-1"), "it says so itself"
    assert "未确认" in row_of(page, "xinyi.out-1"), "it has come down again"


def test_it_is_ended_with_a_reason_and_names_what_a_person_lowers(parts: Parts, house: House) -> None:
    with parts.store.writing() as connection:
        connection.execute(update(t.Lane).where(t.Lane.id == "in-1").values(loop=False))
        connection.commit()
    console = signed_in(house, "console")
    declares(console, site="xinyi", reason="火警")
    assert re.search(r"须派人到现场落杆：[^<]*xinyi\.in-1", console.get(WHERE).text)
    refused = asks(console, "end", site="xinyi", reason="")
    assert refused.status_code == 422
    assert 'aria-invalid="true"' in refused.text.split('id="f-xinyi-reason"')[1].split("</div>")[0]
    assert asks(console, "end", site="xinyi", reason="已扑灭").headers["location"] == f"{WHERE}?said=emergency_end"
    page = console.get(WHERE).text
    assert "须人工落杆" in row_of(page, "xinyi.in-1")
    assert "已扑灭" in page
    assert 'class="notice bad alarm"' not in page


def test_every_page_says_that_it_stands_to_whoever_has_the_site(house: House) -> None:
    declares(signed_in(house, "manager"), site="xinyi", reason="火警")
    for role, where in (("guard", "/"), ("guard", "/queue"), ("finance", "/money/days"), ("committee", "/doors")):
        page = signed_in(house, role).get(where).text
        banner = page.split('class="notice bad alarm"')[1].split("</p>")[0]
        assert "xinyi 小区" in banner, where
        assert (WHERE in banner) is access.allowed(role, "GET", "/emergencies"), role
    assert 'class="notice bad alarm"' not in signed_in(house, "lee").get("/").text


def test_who_may_declare_and_who_may_end(parts: Parts, house: House) -> None:
    declares(signed_in(house, "manager"), site="archive", reason="火警")
    for role in ROLES:
        page = signed_in(house, role).get(WHERE)
        assert page.status_code == (200 if access.allowed(role, "GET", "/emergencies") else 403), role
        for what, call in (("declaration", "/emergencies"), ("end", "/emergencies/end")):
            may = access.allowed(role, "POST", call)
            assert (f'action="{WHERE}/{what}"' in page.text) is may, (role, what)
            if not may:
                form = {"csrf": csrf_of(page.text), "site": "xinyi", "reason": "x"}
                assert signed_in(house, role).post(f"{WHERE}/{what}", data=form).status_code == 403, (role, what)
