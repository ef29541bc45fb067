"""Cash that goes back: two persons, an open drawer that has it, the stay and the books to the fen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from controllers.events import Kind
from gateway.api.app import create_app
from gateway.flows import arrears_write_off, cash_refunds, shifts_reading, shifts_work, users
from gateway.flows.charges_books import By
from gateway.flows.charges_refusals import AlreadyDecided, SecondPersonNeeded
from gateway.flows.close import close_day
from gateway.flows.payment import Taken, take
from gateway.flows.reading import Slice
from gateway.flows.reconciliation import money
from gateway.flows.refusals import AmountNotDue, KeyReused, NotFound
from gateway.flows.shifts_reading import Seen
from gateway.flows.shifts_refusals import ShiftClosed
from gateway.flows.verify import verify
from gateway.wiring import Parts
from tests.gateway.house import PASSWORD, Client, Staff
from tests.gateway.meddling import named_after
from tests.gateway.trade import Street, local

LI, CHEN = By(operator="li", role="cashier"), By(operator="chen", role="manager")
WANG = By(operator="wang", role="cashier")


class Till(Street):
    """Cash at the exit, and back."""

    def paid(self, plate: str = "浙A12345", at: str = "09:00", out: str = "11:10", fen: int = 1000) -> Taken:
        self.passes("in-1", plate, at)
        self.arrives("out-1", plate, out, id=f"out-{plate}")
        stay = self.stay(plate).id
        paid = take(self.parts, stay_id=stay, channel="cash", amount_fen=fen, operator="li", role="cashier")
        self.clock.advance(seconds=5)
        self.deliver(self.mark("out-1", Kind.PASSED, self.clock.now(), f"out-{plate}"))
        return paid

    def proposed(self, paid: Taken, fen: int | None = None, key: str | None = None) -> cash_refunds.CashRefund:
        return cash_refunds.propose(self.parts, paid.id, "收费有误", LI, fen, key)

    def given(self, paid: Taken, fen: int | None = None, by: By = LI) -> cash_refunds.CashRefund:
        refund = self.proposed(paid, fen)
        cash_refunds.approve(self.parts, refund.id, refund.amount_fen, CHEN)
        return cash_refunds.pay_out(self.parts, refund.id, by)

    def refunds(self) -> list[cash_refunds.CashRefund]:
        with self.parts.store.reading() as connection:
            return [one for _, one in cash_refunds.refunds(connection, None, Slice(None, 100))]

    def holds(self) -> None:
        report = verify(self.parts)
        assert report.ok, report.first_failure

    def broken(self) -> str:
        report = verify(self.parts)
        assert report.first_failure is not None
        return report.first_failure.what

    def tampers(self, statement: str, **values: Any) -> None:
        with self.parts.store.writing() as connection:
            connection.execute(text(statement), values)
            connection.commit()


@pytest.fixture
def street(parts: Parts) -> Till:
    return Till(parts)


def drawer(street: Till) -> str:
    """The drawer with the most in it."""
    return max((fen, name) for name, fen in street.accounts().items() if name.startswith("assets:cash:"))[1]


def test_what_goes_back_leaves_the_drawer_and_the_stay(street: Till) -> None:
    paid = street.paid()
    refund = street.given(paid, 400)
    assert (refund.state, refund.given_up_fen, refund.paid_by) == ("paid", 400, "li")
    assert street.accounts() == {"income:parking": -1000, "waived:written_off": 400, drawer(street): 600}
    stay = street.stay("浙A12345")
    assert (stay.paid_fen, stay.payable_fen, stay.state) == (600, 1000, "left")
    assert refund.shift is not None
    with street.parts.store.reading() as connection:
        shift = shifts_reading.shift(connection, None, Seen("chen", supervises=True), refund.shift)
    assert shift["expected_fen"] == 600, "what should be in the drawer follows"
    street.holds()
    street.given(paid)
    assert street.stay("浙A12345").paid_fen == 0
    with pytest.raises(AmountNotDue):
        street.proposed(paid, 1)
    street.holds()


def test_the_days_reconciliation_sees_it_in_the_drawer_it_left(street: Till) -> None:
    """What came in and what went back, each in its own shift; nothing stands in the drawer that had taken it."""
    paid = street.paid()
    shifts_work.open_at(street.parts, "xinyi", "west", {"1000": 1}, "bank", WANG)
    refund = street.given(paid, 400, WANG)
    assert refund.shift is not None
    took = drawer(street).removeprefix("assets:cash:")
    assert took != refund.shift
    with street.parts.store.reading() as connection:
        frame = money.cash(connection, [("xinyi", took), ("xinyi", refund.shift)], "Asia/Shanghai")
    seen = {(row["shift"], row["kind"], row["amount_fen"]) for row in frame.iter_rows(named=True)}
    assert seen == {(took, "payment", 1000), (refund.shift, "refund", 400)}


def test_out_of_another_cashiers_drawer(street: Till) -> None:
    paid = street.paid()
    came = drawer(street)
    with pytest.raises(ShiftClosed):
        street.given(paid, 300, WANG)
    shifts_work.open_at(street.parts, "xinyi", "west", {"1000": 1}, "bank", WANG)
    approved = next(one for one in street.refunds() if one.state == "approved")
    refund = cash_refunds.pay_out(street.parts, approved.id, WANG)
    assert refund.shift is not None
    assert street.accounts()[came] == 1000
    assert street.accounts()[f"assets:cash:{refund.shift}"] == 700
    street.holds()


def test_a_drawer_without_so_much_gives_nothing(street: Till) -> None:
    paid = street.paid()
    shifts_work.open_at(street.parts, "xinyi", "west", {"100": 1}, "bank", WANG)
    with pytest.raises(cash_refunds.NotInTheDrawer):
        street.given(paid, 300, WANG)
    assert street.stay("浙A12345").paid_fen == 1000
    street.holds()


def test_four_eyes_the_amount_seen_and_once(street: Till) -> None:
    paid = street.paid()
    refund = street.proposed(paid, 400, "k")
    assert street.proposed(paid, 400, "k").id == refund.id
    with pytest.raises(KeyReused):
        street.proposed(paid, 500, "k")
    with pytest.raises(SecondPersonNeeded):
        cash_refunds.approve(street.parts, refund.id, 400, By(operator=" LI "))
    with pytest.raises(AmountNotDue):
        cash_refunds.approve(street.parts, refund.id, 399, CHEN)
    with pytest.raises(AlreadyDecided):
        cash_refunds.pay_out(street.parts, refund.id, LI)
    with pytest.raises(AmountNotDue):
        street.proposed(paid, 601)
    cash_refunds.approve(street.parts, refund.id, 400, CHEN)
    with pytest.raises(AlreadyDecided):
        cash_refunds.refuse(street.parts, refund.id, "改变主意", CHEN)
    first = cash_refunds.pay_out(street.parts, refund.id, LI)
    assert cash_refunds.pay_out(street.parts, refund.id, LI) == first
    assert street.accounts()[drawer(street)] == 600
    street.holds()


def test_refused_it_stays_where_it_is_and_may_be_asked_again(street: Till) -> None:
    paid = street.paid()
    refund = street.proposed(paid)
    assert cash_refunds.refuse(street.parts, refund.id, "票据不符", CHEN).state == "refused"
    street.given(paid)
    street.holds()


def test_what_a_channel_received_does_not_go_back_in_cash(street: Till) -> None:
    street.passes("in-1", "浙A12345", "09:00")
    street.arrives("out-1", "浙A12345", "11:10")
    stay = street.stay("浙A12345").id
    paid = take(street.parts, stay_id=stay, channel="wechat", amount_fen=1000)
    with pytest.raises(cash_refunds.NotCash):
        street.proposed(paid)
    with pytest.raises(NotFound):
        cash_refunds.propose(street.parts, "p-nothing", "x", LI)


def test_of_a_stay_that_goes_on_nothing_is_handed_out(street: Till) -> None:
    street.passes("in-1", "浙A12345", "09:00")
    street.clock.set(local("11:05"))
    paid = take(
        street.parts, stay_id=street.stay("浙A12345").id, channel="cash", amount_fen=1000, operator="li", role="cashier"
    )
    with pytest.raises(NotFound):
        street.given(paid)
    street.passes("out-1", "浙A12345", "11:15")
    approved = next(one for one in street.refunds() if one.state == "approved")
    assert cash_refunds.pay_out(street.parts, approved.id, LI).given_up_fen == 1000
    street.holds()


def test_on_a_closed_day_it_stands_on_the_day_on_which_it_was_handed_out(street: Till) -> None:
    paid = street.paid()
    street.clock.set(local("2026-03-03 02:00"))
    for day in ("2026-03-01", "2026-03-02"):
        close_day(street.parts, local(f"{day} 12:00").date(), None, "finance")
    street.clock.set(local("2026-03-03 10:00"))
    street.given(paid, 400)
    street.clock.set(local("2026-03-04 02:00"))
    close_day(street.parts, local("2026-03-03 12:00").date(), None, "finance")
    street.holds()


def test_written_off_and_given_back_do_not_meet(street: Till) -> None:
    """What a refund gives up is written off already: nothing is left to write off."""
    paid = street.paid()
    street.given(paid, 400)
    with pytest.raises(AmountNotDue):
        arrears_write_off.propose(street.parts, paid.stay, "x", LI)


def test_verify_finds_what_was_tampered_with(street: Till) -> None:
    paid = street.paid()
    refund = street.given(paid, 400)
    street.holds()
    for change, back, what in (
        ("amount_fen = 300, given_up_fen = 300", "amount_fen = 400, given_up_fen = 400", {"stay", "cash refund"}),
        ("decided_by = proposed_by", "decided_by = 'chen'", {"cash refund"}),
        ("state = 'approved'", "state = 'paid'", {"stay", "cash refund"}),
        ("given_up_fen = 0", "given_up_fen = 400", {"cash refund"}),
        ("shift_id = 'xinyi.other'", f"shift_id = '{refund.shift}'", {"stay", "cash refund"}),
    ):
        street.tampers(f"UPDATE cash_refund SET {change} WHERE id = :id", id=refund.id)
        assert street.broken() in what, change
        street.tampers(f"UPDATE cash_refund SET {back} WHERE id = :id", id=refund.id)
        street.holds()
    street.tampers("DELETE FROM cash_refund WHERE id = :id", id=refund.id)
    assert street.broken() in {"stay", "transaction"}


def test_verify_holds_it_against_the_trail(street: Till) -> None:
    refund = street.given(street.paid(), 400)
    street.holds()
    for change in (
        "proposed_by = 'wang'",
        "proposed_at = (SELECT min(started_at) FROM stay)",
        "decided_by = 'wang'",
        "decided_by = 'LI'",
        "decided_at = NULL",
        "paid_by = 'wang'",
        "paid_at = (SELECT min(started_at) FROM stay)",
        "paid_by = NULL",
    ):
        assert named_after(street.parts, f"UPDATE cash_refund SET {change} WHERE id = '{refund.id}'") == "cash refund"


def test_verify_misses_one_of_which_no_money_has_moved(street: Till) -> None:
    """Only the trail knows of it."""
    refund = street.proposed(street.paid(), 400)
    street.holds()
    for statement in ("UPDATE cash_refund SET amount_fen = 500", "DELETE FROM cash_refund"):
        assert named_after(street.parts, f"{statement} WHERE id = '{refund.id}'") == "cash refund"


def test_over_http_found_by_the_stay_and_paged(street: Till) -> None:
    app = create_app(street.parts, wall=street.parts.clock)
    staff = {}
    for name, role in (("li", "cashier"), ("chen", "manager"), ("zhou", "guard")):
        users.add(street.parts, name, role, [], PASSWORD, operator="test")
        client = Client(app)
        token = client.post("/api/v1/token", data={"username": name, "password": PASSWORD}).json()["access_token"]
        staff[name] = Staff(client, token)
    paid = street.paid()
    (payment,) = staff["li"].get(f"/api/v1/stays/{paid.stay}/payments").json()["items"]
    assert (payment["id"], payment["amount_fen"], payment["refunds_fen"]) == (paid.id, 1000, 0)
    asked = {"reason": "收费有误", "amount_fen": 100}
    path = f"/api/v1/payments/{paid.id}/refunds"
    assert staff["zhou"].post(path, asked).status_code == 403
    assert staff["li"].post("/api/v1/payments/p-none/refunds", asked).status_code == 404
    made = [staff["li"].post(path, asked).json()["id"] for _ in range(3)]
    assert staff["chen"].post(f"/api/v1/cash-refunds/{made[0]}/approval", {"amount_fen": 99}).status_code == 409
    assert staff["chen"].post(f"/api/v1/cash-refunds/{made[0]}/approval", {"amount_fen": 100}).status_code == 200
    assert staff["chen"].post(f"/api/v1/cash-refunds/{made[1]}/refusal", {"reason": "一次已够"}).status_code == 200
    assert staff["li"].post(f"/api/v1/cash-refunds/{made[1]}/payout").status_code == 409
    done = staff["li"].post(f"/api/v1/cash-refunds/{made[0]}/payout").json()
    assert (done["state"], done["paid_by"], done["amount_fen"]) == ("paid", "li", 100)
    first = staff["li"].get("/api/v1/cash-refunds", limit=2).json()
    rest = staff["li"].get("/api/v1/cash-refunds", limit=2, cursor=first["next"]).json()
    assert sorted(one["id"] for one in first["items"] + rest["items"]) == sorted(made)
    (payment,) = staff["li"].get(f"/api/v1/stays/{paid.stay}/payments").json()["items"]
    assert payment["refunds_fen"] == 200
    street.holds()


def test_two_tills_hand_it_out_once(street: Till) -> None:
    """At the same instant: one has the row, the other waits for it and is answered the same."""
    paid = street.paid()
    refund = street.proposed(paid, 300)
    cash_refunds.approve(street.parts, refund.id, 300, CHEN)
    shifts_work.open_at(street.parts, "xinyi", "west", {"10000": 1}, "bank", WANG)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda by: cash_refunds.pay_out(street.parts, refund.id, by), (LI, WANG)))
    assert done[0] == done[1]
    assert street.stay("浙A12345").paid_fen == 700
    street.holds()
