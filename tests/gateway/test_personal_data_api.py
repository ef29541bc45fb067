"""Personal data through the API: who may ask, two members of staff, and answers that name nobody longer than they must."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from sqlalchemy import select

from gateway.flows import retention
from gateway.flows.users import ROLES
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import EARLIER, House, a_house, a_read, a_stay

BODY = {"plate": "沪C·24680", "identity": "核验单 2026-031", "reason": "本人申请"}
PATH = "/api/v1/personal-data"


@pytest.fixture
def house(parts: Parts) -> House:
    house = a_house(parts)
    a_stay(parts, "xinyi.a", "沪C24680", at=EARLIER, entry_event="e1", entry_device="d1")
    a_stay(parts, "archive.b", "沪C24680", at=EARLIER)
    a_read(parts, "xinyi", "e1", "沪C24680")
    return house


@pytest.fixture
def staff(house: House) -> dict[str, Any]:
    """A password is hashed slowly: only those who are asked for."""
    return Staff(house)


class Staff(dict[str, Any]):
    def __init__(self, house: House) -> None:
        super().__init__()
        self._house = house

    def __missing__(self, role: str) -> Any:
        self._house.hires(role, role)
        self[role] = self._house.as_(role)
        return self[role]


def test_a_registrar_is_handed_the_file(staff: dict[str, Any]) -> None:
    answer = staff["registrar"].post(f"{PATH}/exports", BODY)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        document = json.loads(archive.read("data.json"))
    assert {one["site_id"] for one in document["stays"]} == {"xinyi", "archive"}
    assert document["request"] == answer.headers["x-request-id"]


def test_an_erasure_takes_two_and_then_names_nobody(house: House, staff: dict[str, Any]) -> None:
    proposed = staff["registrar"].post(f"{PATH}/erasures", BODY)
    assert proposed.status_code == 201, proposed.text
    request = proposed.json()["id"]
    assert proposed.json()["subject"] == "沪C24680"
    alone = staff["registrar"].post(f"{PATH}/erasures/{request}/approval")
    assert (alone.status_code, alone.json()["type"]) == (409, "/problems/second-person-needed")
    done = staff["manager"].post(f"{PATH}/erasures/{request}/approval")
    assert done.status_code == 200, done.text
    assert (done.json()["state"], done.json()["subject"]) == ("erased", None)
    assert done.json()["done"] == {}  # by table it would tell a certificate from a pass
    (mine,) = staff["registrar"].get(f"{PATH}/requests", state="erased").json()["items"]
    assert mine["done"]["stay"] == 2
    again = staff["manager"].post(f"{PATH}/erasures/{request}/approval")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/already-decided")
    listed = staff["manager"].get(f"{PATH}/requests", state="erased").json()
    assert listed["items"][0]["done"] == {}
    assert [one["id"] for one in listed["items"]] == [request]
    assert "沪C24680" not in json.dumps(listed, ensure_ascii=False)
    with house.parts.store.reading() as connection:
        lines = connection.execute(select(t.AuditEntry.__table__)).all()
    assert "沪C24680" not in repr(lines)
    assert [line.action for line in lines if line.action.startswith("personal_data")] == [
        "personal_data.propose",
        "personal_data.erase",
    ]


def test_what_stands_in_the_way_is_said(house: House, staff: dict[str, Any]) -> None:
    a_stay(house.parts, "xinyi.c", "浙A00001", state="inside")
    refused = staff["registrar"].post(f"{PATH}/erasures", {**BODY, "plate": "浙A00001"})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/still-needed")
    assert "inside" in refused.json()["detail"]


def test_a_rejection_has_a_reason(staff: dict[str, Any]) -> None:
    request = staff["registrar"].post(f"{PATH}/erasures", BODY).json()["id"]
    assert staff["manager"].post(f"{PATH}/erasures/{request}/rejection", {}).status_code == 422
    done = staff["manager"].post(f"{PATH}/erasures/{request}/rejection", {"reason": "身份不符"})
    assert (done.status_code, done.json()["state"]) == (200, "rejected")


def test_a_manager_asks_for_no_erasure(staff: dict[str, Any]) -> None:
    """Why it is refused would tell who has a pass, and so who has a certificate. A manager decides what was proposed."""
    assert staff["manager"].post(f"{PATH}/erasures", BODY).status_code == 403


def test_what_cannot_be_used_is_refused(staff: dict[str, Any]) -> None:
    for body, status in (
        ({"plate": "浙A12345", "identity": "x", "reason": "y"}, 404),
        ({"identity": "x", "reason": "y"}, 422),
        ({"plate": "沪C24680", "household": "xinyi/1", "identity": "x", "reason": "y"}, 422),
        ({"household": "1", "identity": "x", "reason": "y"}, 422),
        ({"plate": "沪C24680", "reason": "y"}, 422),
        ({"plate": "沪C24680", "identity": " ", "reason": "y"}, 422),
    ):
        for what in ("exports", "erasures"):
            answer = staff["registrar"].post(f"{PATH}/{what}", body)
            assert answer.status_code == status, answer.text
            assert answer.headers["content-type"] == "application/problem+json"


def test_an_account_of_one_site_sees_and_erases_only_that_site(house: House, staff: dict[str, Any]) -> None:
    house.hires("hu", "registrar", "xinyi")
    house.hires("lu", "manager", "xinyi")
    request = house.as_("hu").post(f"{PATH}/erasures", BODY).json()["id"]
    assert house.as_("lu").post(f"{PATH}/erasures/{request}/approval").status_code == 200
    with house.parts.store.reading() as connection:
        plates = dict(connection.execute(select(t.Stay.id, t.Stay.plate)).all())
    assert plates["archive.b"] == "沪C24680"
    assert plates["xinyi.a"][0] == "#"
    whole = staff["registrar"].post(f"{PATH}/erasures", BODY).json()["id"]
    assert house.as_("lu").post(f"{PATH}/erasures/{whole}/approval").status_code == 404
    assert [one["id"] for one in house.as_("lu").get(f"{PATH}/requests").json()["items"]] == [request]


def test_nobody_else_may(staff: dict[str, Any]) -> None:
    for role in set(ROLES) - {"registrar", "manager"}:
        assert staff[role].post(f"{PATH}/exports", BODY).status_code == 403
        assert staff[role].post(f"{PATH}/erasures", BODY).status_code == 403
        assert staff[role].get(f"{PATH}/requests").status_code == 403


def test_what_was_deleted_is_shown_in_counts(house: House, staff: dict[str, Any]) -> None:
    retention.retire(house.parts)
    answer = staff["auditor"].get(f"{PATH}/retention")
    assert answer.status_code == 200
    assert {one["kind"] for one in answer.json()["items"]} == retention.KINDS.keys()
    assert {one["deleted"] for one in answer.json()["items"]} == {0}
    assert staff["guard"].get(f"{PATH}/retention").status_code == 403
