"""What a driver finds beside the bill: a receipt, somebody to tell what is wrong, and the own stay at a lane's code."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.api.app import create_app
from gateway.console.words import WORDS
from gateway.console.words_driver import DRIVER
from gateway.flows import attending, cash_refunds, payment, quote
from gateway.flows.charges_books import By
from gateway.flows.lane_pass import codes
from gateway.flows.pay_token import token
from gateway.flows.verify import verify
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import Client
from tests.gateway.trade import Street, local

pytestmark = pytest.mark.filterwarnings("error")
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PLATE = "浙A12345"


class Driver(Street):
    """Somebody with a phone: came at nine."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.app = create_app(parts, wall=parts.clock)
        self.phone = Client(self.app)
        self.passes("in-1", PLATE, "09:00:30")
        self.clock.set(local("11:00"))
        self.mine = str(self.stay(PLATE).id)
        self.page = f"/pay/{token(parts.settings.secret(), self.mine)}"
        self.lane = f"/lane/{codes.code_of(parts, 'xinyi.out-1').url.rsplit('/', 1)[1]}"

    def pays(self) -> str:
        due = int(quote.bill_document(self.parts, self.mine)["payable_fen"])
        return payment.take(
            self.parts, stay_id=self.mine, channel="cash", amount_fen=due, operator="kim", role="console"
        ).id

    def leaves(self) -> None:
        self.arrives("out-1", PLATE, "11:05", id="out")
        self.goes("out-1", "11:05:10", after="out")

    def asks(self, plate: str = PLATE, clock: str = "09:00", day: str = "2026-03-02", **more: Any) -> Any:
        phone = more.pop("phone", self.phone)
        return phone.post(f"{self.lane}/stay", data={"plate": plate, "day": day, "clock": clock})

    def queue(self) -> list[Any]:
        item = t.ExceptionItem.__table__
        with self.parts.store.reading() as connection:
            return list(connection.execute(select(item).where(item.c.kind == "bill_disputed")))


@pytest.fixture
def driver(parts: Parts) -> Driver:
    return Driver(parts)


class TestReceipt:
    def test_what_was_paid_and_what_went_back(self, driver: Driver) -> None:
        assert f"{driver.page}/receipt" not in driver.phone.get(driver.page).text
        assert driver.phone.get(f"{driver.page}/receipt").status_code == 404
        paid = driver.pays()
        assert f"{driver.page}/receipt" in driver.phone.get(driver.page).text
        page = driver.phone.get(f"{driver.page}/receipt").text
        assert "¥8.00" in page
        assert "信义坊" in page
        assert PLATE not in page
        assert "kim" not in page
        driver.leaves()
        refund = cash_refunds.propose(driver.parts, paid, "多收", By(operator="kim", role="console"), 300)
        cash_refunds.approve(driver.parts, refund.id, 300, By(operator="zhao", role="finance"))
        assert "−¥3.00" not in driver.phone.get(f"{driver.page}/receipt").text
        cash_refunds.pay_out(driver.parts, refund.id, By(operator="kim", role="console"))
        page = driver.phone.get(f"{driver.page}/receipt?lang=en").text
        assert "−¥3.00" in page
        assert "¥5.00" in page

    def test_an_address_that_nobody_signed_shows_nothing(self, driver: Driver) -> None:
        driver.pays()
        for made_up in (f"/pay/{driver.mine}~aaaaaaaaaaaaaaaaaaaa/receipt", f"/pay/{driver.mine}/receipt"):
            assert driver.phone.get(made_up).status_code == 404


class TestDispute:
    def test_it_comes_before_a_person_once_and_changes_no_money(self, driver: Driver) -> None:
        before = driver.phone.get(driver.page).text.count("¥8.00")
        for words in ("十点才进来", "真的是十点"):
            sent = driver.phone.post(f"{driver.page}/dispute", data={"what": "times", "words": words})
            assert (sent.status_code, "已提交" in sent.text) == (200, True)
        (item,) = driver.queue()
        assert (item.stay_id, item.count, item.state) == (driver.mine, 2, "open")
        assert "异议正在核对" in driver.phone.get(driver.page).text
        attending.resolve(driver.parts, None, item.id, "录像无误", "车主不服", By(operator="kim", role="console"))
        page = driver.phone.get(driver.page).text
        assert "异议已处理" in page
        assert "车主不服" not in page
        assert driver.phone.get(driver.page).text.count("¥8.00") == before
        report = verify(driver.parts)
        assert report.ok, report.first_failure

    @pytest.mark.parametrize(
        "said", [{}, {"what": "other"}, {"what": "nonsense"}, {"what": "paid", "words": "x" * 201}]
    )
    def test_what_says_nothing_is_asked_for_again(self, driver: Driver, said: dict[str, str]) -> None:
        sent = driver.phone.post(f"{driver.page}/dispute", data=said)
        assert (sent.status_code, "请选择" in sent.text) == (422, True)
        assert driver.queue() == []

    @on_one_database
    def test_who_has_no_page_disputes_nothing_and_nobody_floods_the_queue(self, driver: Driver) -> None:
        made_up = driver.phone.post(f"/pay/{driver.mine}~a/dispute", data={"what": "paid"})
        assert (made_up.status_code, driver.queue()) == (404, [])
        said = [driver.phone.post(f"{driver.page}/dispute", data={"what": "paid"}).status_code for _ in range(61)]
        assert set(said[:-1]) == {200}
        assert said[-1] == 429


class TestOwnStay:
    @pytest.mark.parametrize("hour", ["09:00", "08:56", "09:05"])
    def test_plate_and_time_lead_to_the_bill(self, driver: Driver, hour: str) -> None:
        assert f"{driver.lane}/stay" in driver.phone.get(driver.lane).text
        assert driver.phone.get(f"{driver.lane}/stay").status_code == 200
        found = driver.asks("浙 a·12345", hour)
        assert (found.status_code, found.headers["location"]) == (303, driver.page)

    @on_one_database
    def test_what_does_not_fit_is_answered_alike_whatever_it_is(self, driver: Driver) -> None:
        wrong_time = driver.asks(clock="09:20")
        nobody = driver.asks("浙A99999", "09:00")
        other_day = driver.asks(day="2026-03-01")
        assert {one.status_code for one in (wrong_time, nobody, other_day)} == {404}
        strip = [one.text.replace(plate, "").replace(clock, "") for one, plate, clock in ((wrong_time, PLATE, "09:20"), (nobody, "浙A99999", "09:00"))]  # fmt: skip
        assert strip[0] == strip[1]

    @on_one_database
    def test_nobody_tries_many_times_with_a_plate_whatever_address_they_have(self, driver: Driver) -> None:
        for number in range(5):
            elsewhere = Client(driver.app, f"198.51.100.{number}")
            assert driver.asks(clock=f"10:{number:02d}", phone=elsewhere).status_code == 404
        # Now not even what is right, and not in another spelling either.
        assert driver.asks().status_code == 429
        assert driver.asks("浙a·12345").status_code == 429
        driver.clock.set(driver.clock.now() + timedelta(hours=25))
        assert driver.asks().status_code == 303

    @on_one_database
    def test_nobody_tries_many_plates_from_an_address(self, driver: Driver) -> None:
        said = [driver.asks(f"浙A{number:05d}").status_code for number in range(61)]
        assert set(said[:60]) == {404}
        assert said[60] == 429

    @on_one_database
    @pytest.mark.parametrize(
        ("plate", "hour", "day"),
        [
            ("浙A", "09:00", "2026-03-02"),
            (PLATE, "", "2026-03-02"),
            (PLATE, "25:00", "2026-03-02"),
            (PLATE, "9", "now"),
        ],
    )
    def test_what_cannot_be_meant_is_said_at_its_field(self, driver: Driver, plate: str, hour: str, day: str) -> None:
        said = driver.asks(plate, hour, day)
        assert (said.status_code, 'aria-invalid="true"' in said.text) == (422, True)

    @on_one_database
    def test_without_the_code_of_a_lane_nobody_asks(self, driver: Driver) -> None:
        for way in (driver.phone.get("/lane/xinyi.out-1~a/stay"), driver.phone.post("/lane/nothing/stay")):
            assert way.status_code == 404


def test_both_languages_have_every_word() -> None:
    assert DRIVER["zh"].keys() == DRIVER["en"].keys()
    assert WORDS["zh"].keys() == WORDS["en"].keys()
