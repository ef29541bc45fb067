"""A call of a vehicle without a plate whose phone is lost: whose it is is chosen in the console, and it goes out owing."""

from __future__ import annotations

import re

import pytest

from gateway.flows import users
from gateway.wiring import Parts
from tests.gateway.house import PASSWORD, Client
from tests.gateway.test_console import csrf_of, signed_in
from tests.gateway.test_lane_page import Lanes

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.fixture
def street(parts: Parts) -> Lanes:
    found = Lanes(parts)
    for role in ("console", "guard"):
        users.add(parts, role, role, [], PASSWORD, operator="test")
    return found


def person(street: Lanes, name: str) -> Client:
    return signed_in(street, name)  # type: ignore[arg-type]


def test_whose_it_is_is_chosen_and_it_goes_out_owing(street: Lanes) -> None:
    stay = street.parks(street.phone())
    event = street.waits("out-1", "11:10")
    street.phone("192.0.2.9").post(f"{street.page('out-1')}/help")
    console, guard = person(street, "console"), person(street, "guard")
    queue = console.get("/queue").text
    where = re.findall(r'href="(/queue/[^"]+/stay)"', queue)[0]
    page = console.get(where).text
    assert f'value="{stay}"' in page
    assert guard.get(where).status_code == 403
    assert '/stay"' not in guard.get("/queue").text.split('id="items"')[1]
    once = page.split('name="once" value="')[1].split('"')[0]
    form = {"csrf": csrf_of(page), "once": once, "reason": "按入场时间核对"}
    assert console.post(where, data={**form, "stay": ""}).status_code == 422
    assert console.post(where, data={**form, "stay": "xinyi.none"}).status_code == 404
    done = console.post(where, data={**form, "stay": stay})
    assert done.headers["location"] == "/queue?said=call-named"
    queue = console.get("/queue").text
    assert f'href="/stays/{stay}"' in queue
    assert 'value="pay_later"' in queue
    item = where.split("/")[2]
    left = {"csrf": csrf_of(queue), "does": "pay_later", "reason": "手机丢失", "once": "x"}
    assert console.post(f"/queue/{item}/acceptance", data=left).status_code == 303
    street.goes("out-1", "11:10:20", after=event)
    assert street.stays()[-1].exit_reason == "pay_later"
    street.holds()
    assert console.get(where).status_code == 404
