"""What drivers meet at the barrier: in, out, what they pay and why they do not."""

import pytest

from tests.acceptance.deployment import eventually
from tests.acceptance.device import minutes_ago, now
from tests.acceptance.estate import (
    AMBULANCE,
    BLOCKED,
    BLOCKED_AMBULANCE,
    BLOCKED_RESIDENT,
    LOW_INCOME,
    MINUTES_PER_MONTH,
    PASS,
    RELATIVES,
    TINY_PASS,
)
from tests.acceptance.trade import DUE_FEN, STAY_MINUTES, Street


def test_a_visitor_enters_pays_and_leaves(street: Street) -> None:
    visitor = street.a_visitor().entered(minutes=STAY_MINUTES)
    stay = visitor.stay("inside")
    assert stay["plate"] == visitor.name
    assert (stay["site"], stay["vehicle"], stay["exit_at"]) == ("xinyi", "small", None)

    barrier = visitor.at("out-1").is_shown("payment_due", fen=DUE_FEN)
    assert visitor.stay("inside")["id"] == stay["id"]
    cashier = street.staff["cashier"]
    wrong = cashier.takes(stay["id"], DUE_FEN - 100)
    assert wrong.status_code == 409
    assert wrong.headers["content-type"].startswith("application/problem+json")
    paid = cashier.takes(stay["id"], DUE_FEN)
    assert paid.status_code == 201, paid.text
    assert paid.json() | {"id": ""} == {"id": "", "stay": stay["id"], "channel": "cash", "amount_fen": DUE_FEN}

    opening = barrier.device.awaits(barrier.event["id"], "open")
    assert (opening["reason"], opening["lane"]) == ("paid", "out-1")
    barrier.passes()
    gone = visitor.stay("left")
    assert gone["id"] == stay["id"]
    assert (gone["gross_fen"], gone["payable_fen"], gone["paid_fen"]) == (DUE_FEN, DUE_FEN, DUE_FEN)
    assert gone["exit_at"] is not None
    bill = cashier.get(f"/api/v1/stays/{stay['id']}/bill").json()
    assert (bill["gross_fen"], bill["policy"], bill["version"]) == (DUE_FEN, "test-street", 1)
    assert sum(line["fen"] for line in bill["lines"]) == bill["payable_fen"]


def test_a_live_visitor_is_let_in_at_once_and_leaves_within_the_free_minutes(street: Street) -> None:
    visitor = street.a_visitor()
    entry = visitor.at("in-1").opens("temporary")
    opening = entry.device.awaits(entry.event["id"], "open")
    assert opening["ttl_ms"] <= 8_000
    eventually(lambda: opening["id"] in entry.device.receipted_results(), "the command's result has its receipt")
    entry.passes()
    visitor.stay("inside")
    visitor.at("out-1").opens("free_minutes").passes()
    assert visitor.stay("left")["gross_fen"] == 0


def test_paying_before_leaving_opens_at_the_exit(street: Street) -> None:
    visitor = street.a_visitor().entered()
    assert street.staff["console"].takes(visitor.stay("inside")["id"], DUE_FEN).status_code == 201
    visitor.at("out-1").opens("paid").passes()
    assert visitor.stay("left")["paid_fen"] == DUE_FEN


def test_the_same_payment_sent_twice_is_one_payment(street: Street) -> None:
    visitor = street.a_visitor().entered()
    stay = visitor.stay("inside")["id"]
    cashier = street.staff["cashier"]
    first = cashier.takes(stay, DUE_FEN, key=f"till-7-{stay}")
    again = cashier.takes(stay, DUE_FEN, key=f"till-7-{stay}")
    assert first.status_code == 201, first.text
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert visitor.stay("inside")["paid_fen"] == DUE_FEN
    assert 400 <= cashier.takes(stay, DUE_FEN + 1, key=f"till-7-{stay}").status_code < 500


def test_a_reference_is_a_note_and_may_repeat(street: Street) -> None:
    """Only `Idempotency-Key` makes two calls one; two drivers at one till may carry the same reference."""
    for visitor in (street.a_visitor().entered(), street.a_visitor().entered()):
        path = f"/api/v1/stays/{visitor.stay('inside')['id']}/payments"
        document = {"channel": "cash", "amount_fen": DUE_FEN, "reference": "till 7"}
        paid = street.staff["cashier"].post(path, document)
        assert paid.status_code == 201, paid.text


def test_other_channels_are_simulated_in_a_test_deployment(street: Street) -> None:
    visitor = street.a_visitor().entered()
    paid = street.staff["cashier"].takes(visitor.stay("inside")["id"], DUE_FEN, channel="wechat")
    assert (paid.status_code, paid.json()["channel"]) == (201, "wechat")


def test_a_resident_with_a_pass_comes_and_goes(street: Street) -> None:
    resident = street.a_vehicle(PASS[0])
    resident.at("in-2").opens("resident").passes()
    resident.stay("inside")
    resident.at("out-1").opens("resident").passes()
    resident.stay("left")


def test_a_pass_covers_a_long_stay(street: Street) -> None:
    resident = street.a_vehicle(PASS[1]).entered()
    resident.at("out-1").opens("resident").passes()
    stay = resident.stay("left")
    assert (stay["gross_fen"], stay["payable_fen"], stay["paid_fen"]) == (DUE_FEN, 0, 0)
    bill = street.staff["finance"].get(f"/api/v1/stays/{stay['id']}/bill").json()
    assert {line["kind"] for line in bill["lines"]} == {"unit", "pass"}


def test_a_low_income_household_is_a_resident_like_any_other(street: Street) -> None:
    neighbour = street.a_vehicle(LOW_INCOME[0])
    neighbour.at("in-1").opens("resident").passes()
    neighbour.stay("inside")
    neighbour.at("out-1").opens("resident").passes()
    neighbour = street.a_vehicle(LOW_INCOME[1]).entered()
    neighbour.at("out-1").opens("resident").passes()
    stay = neighbour.stay("left")
    assert (stay["gross_fen"], stay["payable_fen"]) == (DUE_FEN, 0)
    for role in ("cashier", "console", "auditor"):
        bill = street.staff[role].get(f"/api/v1/stays/{stay['id']}/bill")
        assert bill.status_code == 200, bill.text
        assert "low_income" not in bill.text
        assert "resident" in bill.text
    assert "low_income" in street.staff["finance"].get(f"/api/v1/stays/{stay['id']}/bill").text
    wire = b"".join(payload for device in street.devices.values() for _, payload, _ in device.heard).lower()
    assert b"low_income" not in wire
    assert b"certificate" not in wire


def test_a_relative_is_free_until_the_allowance_is_used_up(street: Street) -> None:
    at = now()
    if minutes_ago(2 * STAY_MINUTES).month != at.month:
        pytest.skip("the first hours of a month draw from two months")
    first = street.a_vehicle(RELATIVES[0]).entered()
    first.at("out-1").opens("relative_allowance").passes()
    stay = first.stay("left")
    assert (stay["gross_fen"], stay["payable_fen"]) == (DUE_FEN, 0)
    drawn = street.staff["console"].get(f"/api/v1/stays/{stay['id']}/bill").json()["drawn"]
    assert list(drawn) == [f"{at:%Y-%m}"]
    assert STAY_MINUTES <= sum(drawn.values()) <= STAY_MINUTES + 1
    assert MINUTES_PER_MONTH - sum(drawn.values()) in (
        89,
        90,
    )  # of the next 110: the first hour and half an hour, or nearly


def test_a_used_up_allowance_leaves_the_rest_to_pay(street: Street) -> None:
    if minutes_ago(6 * STAY_MINUTES).month != now().month:
        pytest.skip("the first hours of a month draw from two months")
    relative = street.a_vehicle(RELATIVES[1]).entered(minutes=290)
    # 290 minutes are 400 + 8 × 200; 200 of them are free: the first hour, four half hours, 20 of the next 30 minutes.
    due = 3 * 200 + 66
    barrier = relative.at("out-1").is_shown("payment_due", fen=due)
    stay = relative.stay("inside")["id"]
    assert street.staff["cashier"].takes(stay, due).status_code == 201
    assert barrier.device.awaits(barrier.event["id"], "open")["reason"] == "paid"
    barrier.passes()
    relative.stay("left")


def test_emergency_plates_are_free_by_their_grammar(street: Street) -> None:
    police = street.a_vehicle("浙A1234警", plate_colour="white")
    police.at("in-2").opens("free_class").passes()
    police.stay("inside")
    police.at("out-1").opens("free_class").passes()
    police.stay("left")


def test_registered_free_vehicles_are_free_even_after_hours(street: Street) -> None:
    ambulance = street.a_vehicle(AMBULANCE).entered()
    ambulance.at("out-1").opens("free_class").passes()
    stay = ambulance.stay("left")
    assert (stay["gross_fen"], stay["payable_fen"]) == (DUE_FEN, 0)


def test_a_lane_without_a_sensor_is_passed_by_the_commands_result(street: Street) -> None:
    visitor = street.a_visitor()
    visitor.at("in-1").opens("temporary").passes()
    visitor.stay("inside")
    visitor.at("out-2").opens("free_minutes")
    visitor.stay("left")


class TestRefusals:
    def test_blocked_vehicles_stay_out_free_ones_excepted(self, street: Street) -> None:
        street.a_vehicle(BLOCKED).at("in-1").is_shown("blocked")
        street.a_vehicle(BLOCKED).at("in-2").is_shown("blocked")
        street.a_vehicle(BLOCKED_RESIDENT).at("in-1").is_shown("blocked")
        street.a_vehicle(BLOCKED_AMBULANCE).at("in-1").opens("free_class").backs_away()

    def test_a_gate_for_residents_refuses_visitors(self, street: Street) -> None:
        street.a_visitor().at("in-2").is_shown("not_registered")
        street.a_vehicle(LOW_INCOME[2]).at("in-2").opens("resident").backs_away()

    def test_a_full_site_refuses_only_visitors_and_after_the_other_reasons(self, street: Street) -> None:
        first = street.a_visitor("tiny")
        first.at("in-1").opens("temporary").passes()
        first.stay("inside")
        street.a_visitor("tiny").at("in-1").is_shown("full")
        street.a_visitor("tiny").at("in-2").is_shown("not_registered")
        street.a_vehicle(BLOCKED, "tiny").at("in-1").is_shown("blocked")
        street.a_vehicle(TINY_PASS, "tiny").at("in-1").opens("resident").passes()
        street.a_vehicle("浙A0110警", "tiny", plate_colour="white").at("in-1").opens("free_class").passes()
        first.at("out-1").opens("free_minutes").passes()
        first.stay("left")

    def test_nobody_leaves_without_an_entry_unseen(self, street: Street) -> None:
        stranger = street.a_visitor()
        stranger.at("out-1").is_shown("no_entry")
        street.is_alive()

    def test_a_plate_that_cannot_be_read_is_shown_so(self, street: Street) -> None:
        device = street.device_of("xinyi", "in-1")
        event = device.plate("in-1", None, plate_colour=None, confidence=None)
        device.deliver(event)
        assert device.awaits(event["id"], "show")["reason"] == "unreadable"


def test_a_second_entry_ends_the_first_stay_as_missing_its_exit(street: Street) -> None:
    visitor = street.a_visitor().entered()
    first = visitor.stay("inside")
    visitor.at("in-1").opens("temporary").passes()
    assert visitor.stay("missing_exit")["id"] == first["id"]
    assert visitor.stay("inside")["id"] != first["id"]


def test_backing_away_voids_the_entry(street: Street) -> None:
    visitor = street.a_visitor()
    visitor.at("in-1").opens("temporary").backs_away()
    visitor.stay("void")
    assert [stay["state"] for stay in visitor.stays] == ["void"]


def test_backing_away_from_the_exit_leaves_the_vehicle_inside(street: Street) -> None:
    visitor = street.a_visitor().entered()
    visitor.at("out-1").is_shown("payment_due", fen=DUE_FEN).backs_away()
    assert visitor.stay("inside")["exit_at"] is None
