"""The page behind a lane's code, over HTTP: two phones, cookies, and a call for help that ends in pay-later."""

from __future__ import annotations

import pytest

from controllers.events import Kind
from gateway.api.app import create_app
from gateway.flows import users
from gateway.flows.lane_pass import codes
from gateway.flows.pay_token import token
from gateway.flows.verify import verify
from gateway.wiring import Parts
from tests.gateway.house import PASSWORD, Client, Staff
from tests.gateway.trade import Street, local


class Lanes(Street):
    """The street with its web application."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.app = create_app(parts, wall=parts.clock)

    def phone(self, address: str = "192.0.2.1") -> Client:
        return Client(self.app, address)

    def staff(self, name: str, role: str) -> Staff:
        users.add(self.parts, name, role, [], PASSWORD, operator="test")
        client = self.phone()
        said = client.post("/api/v1/token", data={"username": name, "password": PASSWORD})
        return Staff(client, said.json()["access_token"])

    def page(self, lane: str) -> str:
        return "/lane/" + codes.code_of(self.parts, f"xinyi.{lane}").url.rsplit("/", 1)[1]

    def waits(self, lane: str, at: str) -> str:
        self.arrives(lane, None, at)
        return f"e{self._events}"

    def parks(self, phone: Client, at: str = "09:00") -> str:
        """In by the page, and gone from the lane; its stay."""
        event = self.waits("in-1", at)
        phone.get(self.page("in-1"))
        assert "道闸已打开" in phone.post(self.page("in-1")).text
        self.clock.advance(seconds=4)
        self.deliver(self.mark("in-1", Kind.PASSED, self.clock.now(), event))
        return str(self.stays()[-1].id)

    def holds(self) -> None:
        report = verify(self.parts)
        assert report.ok, report.first_failure


@pytest.fixture
def street(parts: Parts) -> Lanes:
    return Lanes(parts)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What both databases do is held by the flows' own tests."""
    return sqlite_url


def test_a_phone_enters_pays_and_leaves(street: Lanes) -> None:
    phone = street.phone()
    street.parks(phone)
    street.waits("out-1", "11:10")
    looked = phone.get(street.page("out-1"))
    assert "09:00:00" in looked.text
    assert "离场" in looked.text
    gone = phone.post(street.page("out-1"))
    assert gone.status_code == 303
    bill = phone.get(gone.headers["location"])
    assert "¥10.00" in bill.text
    assert gone.headers["location"] in phone.get(street.page("out-1")).text, "the way back to the bill"


def test_looking_at_the_page_opens_nothing(street: Lanes) -> None:
    street.waits("in-1", "09:00")
    phone = street.phone()
    for _ in range(3):
        assert phone.get(street.page("in-1")).status_code == 200
    assert [command.action.value for command in street.commands] == ["show"]
    assert street.stays() == []


def test_a_phone_that_never_looked_opens_nothing(street: Lanes) -> None:
    """A form on somebody else's page, or a program without the cookie of the scan."""
    street.waits("in-1", "09:00")
    assert street.phone().post(street.page("in-1")).status_code == 409
    assert street.stays() == []


def test_an_answer_that_got_lost_is_given_again(street: Lanes) -> None:
    street.waits("in-1", "09:00")
    phone = street.phone()
    phone.get(street.page("in-1"))
    before = dict(phone.cookies)
    phone.post(street.page("in-1"))
    phone.cookies.clear()
    phone.cookies.update(before)
    assert "parkgate_vehicle" not in phone.cookies
    assert "道闸已打开" in phone.get(street.page("in-1")).text
    assert "parkgate_vehicle" in phone.cookies


def test_a_second_phone_gets_neither_in_nor_out(street: Lanes) -> None:
    first, second = street.phone(), street.phone("192.0.2.2")
    street.waits("in-1", "09:00")
    second.get(street.page("in-1"))
    first.get(street.page("in-1"))
    first.post(street.page("in-1"))
    refused = second.post(street.page("in-1"))
    assert refused.status_code == 409
    assert "另一部手机" in refused.text
    street.waits("out-1", "09:20")
    assert second.post(street.page("out-1")).status_code == 409
    # Cookies of a scan are of no use at another lane.
    assert second.post(street.page("in-2")).status_code == 409
    assert len(street.stays()) == 1


def test_whoever_asks_in_vain_again_and_again_has_to_wait(street: Lanes) -> None:
    phone = street.phone()
    phone.get(street.page("in-1"))
    answers = [phone.post(street.page("in-1")).status_code for _ in range(61)]
    assert answers == [409] * 60 + [429]
    assert street.phone("192.0.2.7").post(street.page("in-1")).status_code == 409


def test_codes_that_nobody_signed_lead_nowhere(street: Lanes) -> None:
    phone = street.phone()
    for wrong in ("xinyi.in-1", "xinyi.in-1~aaaa", "~", "a~b", "x" * 200, "xinyi.in-1~%F0%9F%9A%97"):
        for method, path in (("GET", ""), ("POST", ""), ("POST", "/help")):
            assert phone.request(method, f"/lane/{wrong}{path}").status_code == 404
    for cookie in ("x", "~", "a.b.c~d", "无牌"):
        street.waits("in-1", "09:00")
        headers = {"Cookie": f"parkgate_scan={cookie}; parkgate_vehicle={cookie}".encode()}
        assert phone.get(street.page("in-1"), headers=headers).status_code == 200


def test_staff_read_and_rotate_the_code(street: Lanes) -> None:
    manager, cashier = street.staff("chen", "manager"), street.staff("li", "cashier")
    old = street.page("in-1")
    assert cashier.get("/api/v1/lanes/xinyi.in-1/code").status_code == 403
    assert manager.get("/api/v1/lanes/xinyi.in-1/code").json()["generation"] == 1
    assert manager.get("/api/v1/lanes/xinyi.in-1/code/picture").text.startswith("<?xml")
    assert manager.get("/api/v1/lanes/xinyi.none/code").status_code == 404
    rotated = manager.post("/api/v1/lanes/xinyi.in-1/code/rotation", {"reason": "被人拍照上网"})
    assert rotated.json()["rotated_by"] == "chen"
    assert street.phone().get(old).status_code == 404
    assert street.phone().get(street.page("in-1")).status_code == 200


# --- help -------------------------------------------------------------------------------------------------------


def calls(staff: Staff) -> list[dict[str, object]]:
    return list(staff.get("/api/v1/exceptions", kind="help_call", state="any").json()["items"])


def test_a_call_ends_in_pay_later_and_the_lane_opens_for_the_one_that_waits(street: Lanes) -> None:
    console = street.staff("wang", "console")
    street.passes("in-1", "浙A12345", "09:00")
    street.arrives("out-1", "浙A12345", "11:10", id="out")
    stay = street.stay("浙A12345").id
    page = f"/pay/{token(street.parts.settings.secret(), stay)}"
    phone = street.phone()
    assert "已呼叫" in phone.post(f"{page}/help").text
    assert "已呼叫" in phone.post(f"{page}/help").text
    call = calls(console)[0]
    assert (call["stay"], call["lane"], call["event"], call["count"]) == (stay, "xinyi.out-1", "out", 2)
    street.clock.set(local("11:11:00"))
    answer = console.post(f"/api/v1/exceptions/{call['id']}/pay-later", {"reason": "没有手机，没有现金"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["owed_fen"], answer.json()["opened"]) == (1000, True)
    opened = street._all(_commands())[-1]
    assert (opened.action, opened.reason, opened.event_id, opened.operator) == ("open", "pay_later", "out", "wang")
    assert opened.expires_at == local("11:11:08")
    street.goes("out-1", "11:11:06", after="out")
    left = street.stay("浙A12345")
    assert (left.state, left.exit_reason, left.confirmed) == ("left", "pay_later", True)
    assert street.accounts() == {"income:parking": -1000, "assets:receivable:pay_later": 1000}
    done = calls(console)[0]
    assert (done["state"], done["resolved_by"]) == ("resolved", "wang")
    assert "没有手机" in str(done["resolution"])
    assert console.get("/api/v1/arrears", site="xinyi").json()["items"][0]["stay"] == stay
    again = console.post(f"/api/v1/exceptions/{call['id']}/pay-later", {"reason": "again"})
    assert again.status_code == 409
    assert phone.post(f"{page}/help").status_code == 404, "the stay has ended"
    street.holds()


def test_nobody_is_let_out_who_is_not_there_or_owes_nothing(street: Lanes) -> None:
    console, guard = street.staff("wang", "console"), street.staff("zhou", "guard")
    street.passes("in-1", "浙A12345", "09:00")
    stay = street.stay("浙A12345").id
    page = f"/pay/{token(street.parts.settings.secret(), stay)}"
    street.phone().post(f"{page}/help")
    address = f"/api/v1/exceptions/{calls(console)[0]['id']}/pay-later"
    why = {"reason": "求助"}
    assert guard.post(address, why).status_code == 403
    assert console.post(address, {"reason": " "}).status_code == 422
    assert console.post(address, why).json()["type"].endswith("not-at-the-lane"), "still parked"
    street.arrives("out-1", "浙A12345", "09:20", id="out", opening=None)
    assert console.post(address, why).status_code == 409, "the barrier is open already: nothing is due"
    street.arrives("in-1", "浙B22222", "10:00")
    assert console.post("/api/v1/exceptions/x-nothing/pay-later", why).status_code == 404
    item = street.situations()
    assert item == {"help_call": 1}


def test_one_that_was_read_too_long_ago_or_has_backed_away_is_not_let_out(street: Lanes) -> None:
    console = street.staff("wang", "console")
    street.passes("in-1", "浙A12345", "09:00")
    street.arrives("out-1", "浙A12345", "11:10", id="out")
    page = f"/pay/{token(street.parts.settings.secret(), street.stay('浙A12345').id)}"
    street.phone().post(f"{page}/help")
    address = f"/api/v1/exceptions/{calls(console)[0]['id']}/pay-later"
    street.clock.set(local("11:15"))
    assert console.post(address, {"reason": "求助"}).status_code == 409
    street.deliver(street.mark("out-1", Kind.REVERSED, local("11:15:10"), "out"))
    assert console.post(address, {"reason": "求助"}).status_code == 409
    assert street.accounts() == {}
    street.arrives("out-1", "浙A12345", "11:20", id="again")
    assert console.post(address, {"reason": "求助"}).json()["opened"]
    street.holds()


def test_a_call_from_the_lane_says_which_stay_waits_there(street: Lanes) -> None:
    console, phone = street.staff("wang", "console"), street.phone()
    street.passes("in-1", "浙A12345", "09:00")
    street.arrives("in-1", "浙B22222", "09:01")
    assert "已呼叫" in phone.post(f"{street.page('in-1')}/help").text
    street.arrives("out-1", "浙A12345", "11:10", id="out")
    assert "已呼叫" in phone.post(f"{street.page('out-1')}/help").text
    of_out, of_in = calls(console)
    assert (of_in["lane"], of_in["stay"]) == ("xinyi.in-1", None), "nobody pays at an entry"
    assert (of_out["lane"], of_out["stay"]) == ("xinyi.out-1", street.stay("浙A12345").id)
    other = street.staff("li", "console")
    assert other.post(f"/api/v1/exceptions/{of_out['id']}/claim", {}).status_code == 200
    address, why = f"/api/v1/exceptions/{of_out['id']}/pay-later", {"reason": "只有现金"}
    assert console.post(address, why).json()["detail"].startswith("li works on this")
    other.post(f"/api/v1/exceptions/{of_out['id']}/release", {})
    answer = console.post(address, why)
    assert answer.json() | {"stay": "", "id": ""} == {
        "id": "",
        "site": "xinyi",
        "stay": "",
        "lane": "xinyi.out-1",
        "opened": True,
        "owed_fen": 1000,
        "resolved_by": "wang",
    }


def test_a_lost_phone_is_found_by_lane_and_time_and_leaves_owing(street: Lanes) -> None:
    console = street.staff("wang", "console")
    stay = street.parks(street.phone())
    event = street.waits("out-1", "11:10")
    other = street.phone("192.0.2.9")
    looked = other.get(street.page("out-1"))
    assert "没有在场" in looked.text
    assert "已呼叫" in other.post(f"{street.page('out-1')}/help").text
    call = calls(console)[0]
    assert (call["stay"], call["lane"], call["event"]) == (None, "xinyi.out-1", event)
    found = console.get("/api/v1/stays", site="xinyi", plate="无牌", state="inside", **{"from": "2026-03-02"}).json()
    assert [(one["id"], one["entry_lane"]) for one in found["items"]] == [(stay, "xinyi.in-1")]
    base = f"/api/v1/exceptions/{call['id']}"
    assert console.post(f"{base}/pay-later", {"reason": "求助"}).status_code == 422, "whose is it?"
    named = console.post(f"{base}/stay", {"stay": stay, "reason": "按入场时间和照片核对"})
    assert named.status_code == 200, named.text
    assert (named.json()["owed_fen"], named.json()["opened"]) == (1000, False)
    assert console.post(f"{base}/pay-later", {"reason": "手机丢失"}).json()["opened"]
    street.goes("out-1", "11:10:20", after=event)
    assert street.stays()[-1].exit_reason == "pay_later"
    street.holds()


def _commands() -> object:
    from sqlalchemy import select

    from gateway.store import tables as t

    return select(t.CommandRow.__table__).order_by(t.CommandRow.planned_at, t.CommandRow.id)
