"""The codes at lanes on their pages: listed by gate, printed, and renewed once by who may."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.api import access
from gateway.flows.lane_pass import codes
from gateway.flows.users import ROLES
from gateway.flows.verify import verify
from gateway.wiring import Parts
from tests.gateway.house import Client, House, a_house
from tests.gateway.test_console import csrf_of, signed_in

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
LANE, WHERE = "xinyi.in-1", "/lane-codes/xinyi.in-1"


@pytest.fixture
def house(parts: Parts) -> House:
    house = a_house(parts)
    for role in ROLES:
        house.hires(role, role)
    house.hires("kim", "manager", "archive")
    return house


def renews(person: Client, reason: str, version: str = "1") -> Any:
    token = csrf_of(person.get(WHERE).text)
    return person.post(f"{WHERE}/rotation", data={"csrf": token, "reason": reason, "version": version})


def test_they_are_listed_by_gate_and_printed(parts: Parts, house: House) -> None:
    console = signed_in(house, "console")
    page = console.get("/lane-codes?site=xinyi").text
    for named in ("east", LANE, "xinyi.out-1", "/lane-codes/print?site=xinyi&amp;gate=east"):
        assert named in page, named
    assert "archive.in-1" not in page
    paper = console.get("/lane-codes/print?site=xinyi&gate=east").text
    assert paper.count('class="paper"') == 2
    assert f"/api/v1/lanes/{LANE}/code/picture" in paper
    assert "停车请扫码" in paper
    assert "Parking: scan here" in paper
    assert console.get("/lane-codes/print?site=xinyi&gate=west").status_code == 404
    assert codes.code_of(parts, LANE).url in console.get(WHERE).text
    assert codes.codes(parts, frozenset({"xinyi"}))[LANE] == codes.code_of(parts, LANE)


def test_it_is_renewed_once_with_a_reason(parts: Parts, house: House) -> None:
    manager, before = signed_in(house, "manager"), codes.code_of(parts, LANE).url
    refused = renews(manager, " ")
    assert refused.status_code == 422
    assert 'aria-invalid="true"' in refused.text.split('id="f-reason"')[1].split("</div>")[0]
    assert codes.code_of(parts, LANE).url == before
    assert renews(manager, "被涂改").headers["location"] == f"{WHERE}?said=code_renewed"
    assert renews(manager, "被涂改").status_code == 409, "sent twice"
    now = codes.code_of(parts, LANE)
    assert (now.generation, now.rotated_by, now.url == before) == (2, "manager", False)
    assert codes.lane_of(parts, before.rsplit("/", 1)[1]) is None
    assert verify(parts).ok


def test_they_are_for_who_looks_after_gates(house: House) -> None:
    for role in ROLES:
        person, sees = signed_in(house, role), access.allowed(role, "GET", "/lanes/{lane_id}/code")
        for where in ("/lane-codes", WHERE):
            assert person.get(where).status_code == (200 if sees else 403), (role, where)
        may = access.allowed(role, "POST", "/lanes/{lane_id}/code/rotation")
        assert (f"{WHERE}/rotation" in person.get(WHERE).text) is may, role
        if not may:
            assert renews(person, "x").status_code == 403, role
    kim = signed_in(house, "kim")
    assert (kim.get(WHERE).status_code, "xinyi.in-1" in kim.get("/lane-codes").text) == (404, False)
