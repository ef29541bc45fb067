"""What is proposed for an item of the queue, and done by one key: for the vehicle that was read, by who may, once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import event

from gateway.api.app import create_app
from gateway.flows import help_calls, users
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import PASSWORD, Client, an_exception
from tests.gateway.people import JPEG, put, rows
from tests.gateway.test_console import csrf_of, signed_in
from tests.gateway.trade import Street

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


class Watched(Street):
    """The street, with a console, a guard and a manager."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.app = create_app(parts, wall=parts.clock)
        for name, role in (("kim", "console"), ("lee", "guard"), ("mia", "manager")):
            users.add(parts, name, role, [], PASSWORD, operator="test")

    def person(self, name: str) -> Client:
        return signed_in(self, name)  # type: ignore[arg-type]


@pytest.fixture
def street(parts: Parts) -> Watched:
    return Watched(parts)


def accept(person: Client, item: str | None = None, **changed: str) -> Any:
    """Press what the newest item's proposal is, as the page has it."""
    page = person.get("/queue").text
    form = page.split('class="proposal"')[1].split("</form>")[0]
    name = item or page.split('id="item-')[1].split('"')[0]
    values = {part.split('"')[0]: part.split('value="')[1].split('"')[0] for part in form.split('name="')[1:]}
    return person.post(f"/queue/{name}/acceptance", data={**values, **changed})


def test_one_key_opens_for_the_vehicle_that_waits_and_the_item_is_done_with(street: Watched) -> None:
    street.arrives("out-1", "浙D44444", "12:30")
    kim = street.person("kim")
    assert "核对后放行：无入场记录" in kim.get("/queue").text
    done = accept(kim)
    where = done.headers["location"]
    assert (done.status_code, where.endswith("&said=accepted-open")) == (303, True)
    # What came of it is asked for by the page that is shown then.
    command = kim.get(where).text.split('data-command="')[1].split('"')[0]
    assert kim.get(command).json()["state"] == "planned"
    assert street.situations() == {}
    assert "核对后放行" in kim.get("/lanes/xinyi.out-1").text


def test_who_followed_on_anothers_heels_is_shown_by_what_a_person_can_use(street: Watched) -> None:
    street.passes("in-1", "浙A12345", "09:00", id="in")
    street.goes("in-1", "09:00:09", after="in")
    kim = street.person("kim")
    page = kim.get("/queue").text
    item = page.split('id="items"')[1].split("</li>")[0]
    for said in ("紧跟此车之后", "浙A12345", "in-1", "09:00:09"):
        assert said in item, said
    marks = {row.event_id for row in rows(street, t.PlateEventRow) if row.kind == "passed"}
    assert not [one for one in marks if re.search(rf">[^<]*\b{re.escape(one)}\b", item)], "no id of the store"
    where = re.findall(r'href="(/events/[^"]+)"', item)[0]
    assert "车辆通过" in kim.get(where).text


def test_the_same_form_sent_twice_opens_once(street: Watched) -> None:
    street.arrives("out-1", "浙D44444", "12:30")
    kim = street.person("kim")
    page = kim.get("/queue").text
    item = page.split('id="item-')[1].split('"')[0]
    form = {"csrf": csrf_of(page), "does": "open", "reason": "核对", "once": "k1"}
    assert kim.post(f"/queue/{item}/acceptance", data=form).status_code == 303
    # The item is done with: the repeat is told so, and opens nothing.
    assert kim.post(f"/queue/{item}/acceptance", data=form).status_code == 409
    assert kim.get("/lanes/xinyi.out-1").text.count("核对") == 1


def test_another_vehicle_that_has_come_to_stand_there_is_not_let_through(street: Watched) -> None:
    street.arrives("out-1", "浙D44444", "12:30")
    kim = street.person("kim")
    item = kim.get("/queue").text.split('id="item-')[1].split('"')[0]
    street.arrives("out-1", "浙E55555", "12:31")
    refused = accept(kim, item)
    assert refused.status_code == 409
    assert "车辆已不在道闸前" in refused.text
    assert street.situations() == {"no_entry": 2}


def test_what_somebody_works_on_is_not_accepted_by_another(street: Watched) -> None:
    street.arrives("out-1", "浙D44444", "12:30")
    kim, lee = street.person("kim"), street.person("lee")
    page = kim.get("/queue").text
    item = page.split('id="item-')[1].split('"')[0]
    kim.post(f"/queue/{item}/claim", data={"csrf": csrf_of(page)})
    seen = lee.get("/queue").text
    assert 'class="proposal"' not in seen
    form = {"csrf": csrf_of(seen), "does": "open", "reason": "x", "once": "k"}
    assert lee.post(f"/queue/{item}/acceptance", data=form).status_code == 409
    assert street.situations() == {"no_entry": 1}


def test_nobody_is_offered_or_given_what_the_role_does_not_do(street: Watched) -> None:
    street.arrives("out-1", "浙D44444", "12:30")
    mia = street.person("mia")
    assert 'value="resolution"' in mia.get("/queue").text
    assert accept(mia, does="open").status_code == 403
    assert accept(mia, csrf="made up").headers["location"] == "/queue"
    assert street.situations() == {"no_entry": 1}
    assert accept(mia).headers["location"] == "/queue?said=accepted-resolution"
    assert street.situations() == {}


def test_a_blocked_vehicle_is_let_in_by_no_single_key(street: Watched) -> None:
    street.register("blocklist", {"plate": "浙C66666", "reason": "多次尾随"})
    street.arrives("in-1", "浙C66666", "12:30")
    assert street.situations() == {"blocked": 1}
    kim = street.person("kim")
    assert 'value="resolution"' in kim.get("/queue").text.split('class="proposal"')[1]
    assert "已劝离，未放行" in kim.get("/queue").text


def test_without_a_reason_nothing_is_done(street: Watched) -> None:
    street.arrives("out-1", "浙D44444", "12:30")
    assert accept(street.person("kim"), reason=" ").status_code == 422
    assert street.situations() == {"no_entry": 1}


def test_what_has_waited_for_long_says_so(street: Watched) -> None:
    an_exception(street.parts, "xinyi", "a", "alarm", at=street.clock.now())
    kim = street.person("kim")
    assert "late" not in kim.get("/queue").text.split('<ol class="items"')[1].split("</ol>")[0]
    street.clock.advance(minutes=6)
    page = kim.get("/queue").text
    assert 'class="item late"' in page
    assert "6 分" in page


def test_a_call_from_a_known_stay_is_let_out_owing_by_one_key(street: Watched) -> None:
    street.passes("in-1", "浙B12345", "09:00")
    street.arrives("out-1", "浙B12345", "11:00")
    stay = street.stay("浙B12345").id
    help_calls.call_from_page(street.parts, stay)
    kim = street.person("kim")
    assert "先离后付" in kim.get("/queue").text
    assert accept(kim).headers["location"] == "/queue?said=accepted-pay_later"
    assert street.situations() == {}
    assert "先离后付，已与车主说明" in kim.get("/queue?state=resolved").text


def test_what_was_read_is_seen_with_its_picture_by_who_works_on_it(street: Watched) -> None:
    street.arrives("out-1", "浙D44444", "12:30")
    read = f"e{street._events}"
    kim = street.person("kim")
    assert "浙D44444" in kim.get("/queue").text
    assert "<img" not in kim.get("/queue").text
    put(street, t.Image, site_id="xinyi", device_id="d1", event_id=read, jpeg=JPEG, received_at=street.clock.now())
    page = kim.get("/queue").text
    picture = page.split('<img src="')[1].split('"')[0]
    found = kim.get(picture)
    assert (found.status_code, found.content, found.headers["content-type"]) == (200, JPEG, "image/jpeg")
    users.add(street.parts, "ann", "auditor", [], PASSWORD, operator="test")
    ann = street.person("ann")
    assert "<img" not in ann.get("/queue").text
    assert ann.get(picture).status_code == 403
    assert kim.get(picture.replace("/picture", "x/picture")).status_code == 404


def misread(street: Watched, exit_: str = "浙A1234B", entry: str = "浙A12348") -> None:
    street.passes("in-1", entry, "09:00")
    street.arrives("out-1", exit_, "12:30")


def test_whose_an_exit_may_be_is_put_right_by_one_key_by_who_corrects(street: Watched) -> None:
    misread(street)
    put(street, t.Image, site_id="xinyi", device_id="d1", event_id="e1", jpeg=JPEG, received_at=street.clock.now())
    mia = street.person("mia")
    page = mia.get("/queue").text
    assert re.search(r'name="candidate" value="[^"]+" required data-nth="1" checked', page)
    assert "浙A12348" in page
    assert "8→B" in page
    assert mia.get(page.split('class="shot" href="')[1].split('"')[0]).content == JPEG
    assert accept(mia, reason=" ").status_code == 422
    assert accept(mia, candidate="xinyi.nobody").status_code == 404
    assert street.situations() == {"no_entry": 1}
    assert accept(mia).headers["location"] == "/queue?said=accepted-match-made"
    assert street.situations() == {}
    assert street.stay("浙A12348").exit_lane == "out-1"


def test_who_does_not_correct_sees_whose_it_may_be_and_cannot_choose(street: Watched) -> None:
    misread(street)
    kim = street.person("kim")
    page = kim.get("/queue").text
    assert 'class="whose"' in page
    assert 'name="candidate"' not in page
    assert 'value="open"' in page.split('class="proposal"')[1]
    assert accept(kim, does="match", candidate=street.stay("浙A12348").id).status_code == 403
    assert street.situations() == {"no_entry": 1}


def test_what_is_likelier_nobodys_is_chosen_by_no_single_key(street: Watched) -> None:
    misread(street, exit_="浙A1WQ4K")
    page = street.person("mia").get("/queue").text
    assert 'data-key="a"' in page.split('value="resolution"')[1]
    assert 'name="candidate"' in page
    assert "checked" not in page.split('id="items"')[1].split("</ol>\n")[0].split("<dl")[0]


def test_a_full_queue_asks_no_more_than_one_with_one_item(street: Watched) -> None:
    asked: list[str] = []
    for engine in {street.parts.store.engine, street.parts.store.by_index}:
        event.listen(engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    misread(street)
    mia = street.person("mia")
    mia.get("/queue")
    asked.clear()
    mia.get("/queue")
    one = len(asked)
    for number in range(5):
        misread(street, f"浙B1234{number}", f"浙B1234{number + 5}")
    asked.clear()
    assert mia.get("/queue").text.count('class="whose"') == 6
    assert len(asked) == one
