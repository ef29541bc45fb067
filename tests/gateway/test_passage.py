"""The corridor on both databases: who enters, who leaves, who pays, and what the books then say."""

from __future__ import annotations

from controllers.commands import Action, Reason
from controllers.events import Kind, Opening, Outcome
from gateway.wiring import Parts
from tests.gateway.trade import Street, local


def test_a_visitor_enters_is_asked_to_pay_and_stays_inside(street: Street) -> None:
    opened = street.passes("in-1", "浙A12345", "09:00")
    assert opened is not None
    assert (opened.action, opened.reason) == (Action.OPEN, Reason.TEMPORARY)
    asked = street.arrives("out-1", "浙A12345", "11:10")
    assert asked is not None
    assert (asked.action, asked.reason) == (Action.SHOW, Reason.PAYMENT_DUE)
    assert asked.pay is not None
    assert asked.pay.fen == 1000
    stay = street.stay("浙A12345")
    assert (stay.state, stay.gross_fen, stay.payable_fen) == ("inside", 1000, 1000)
    assert street.accounts() == {}


def test_a_short_visit_is_free_and_leaves(street: Street) -> None:
    street.passes("in-1", "浙A12345", "09:00")
    opened = street.passes("out-1", "浙A12345", "09:30")
    assert opened is not None
    assert opened.reason is Reason.FREE_MINUTES
    stay = street.stay("浙A12345")
    assert (stay.state, stay.gross_fen, stay.confirmed) == ("left", 0, True)


def test_a_resident_with_a_pass_passes_and_the_books_say_what_was_waived(street: Street) -> None:
    street.register(
        "passes",
        {"plate": "浙A00001", "pass": "resident-monthly", "valid_from": "2026-03-01", "valid_to": "2026-03-31"},
    )
    assert street.passes("in-1", "浙A00001", "09:00").reason is Reason.RESIDENT
    assert street.passes("out-1", "浙A00001", "12:00").reason is Reason.RESIDENT
    assert street.accounts() == {"income:parking": -1200, "waived:pass": 1200}


def test_a_low_income_household_reads_resident_on_the_wire(street: Street) -> None:
    street.register("households", {"household": "3-201", "name": "张三", "area_m2": "60"})
    street.register("vehicles", {"household": "3-201", "plate": "浙A00002", "vehicle": "small"})
    street.register(
        "certificates",
        {
            "household": "3-201",
            "number": "DB-1",
            "issuer": "民政局",
            "valid_from": "2026-01-01",
            "valid_to": "2026-12-31",
        },
    )
    assert street.passes("in-1", "浙A00002", "09:00").reason is Reason.RESIDENT
    assert street.passes("out-1", "浙A00002", "12:00").reason is Reason.RESIDENT
    assert street.accounts() == {"income:parking": -1200, "waived:low_income": 1200}


def test_a_relative_draws_on_the_households_allowance(street: Street) -> None:
    street.register("households", {"household": "3-201", "name": "张三", "area_m2": "60"})
    street.register(
        "relatives",
        {
            "household": "3-201",
            "plate": "浙A00003",
            "relation": "parent",
            "valid_from": "2026-01-01",
            "valid_to": "2026-12-31",
        },
    )
    assert street.passes("in-1", "浙A00003", "09:00").reason is Reason.RELATIVE_ALLOWANCE
    out = street.passes("out-1", "浙A00003", "12:00")
    assert out.reason is Reason.RELATIVE_ALLOWANCE
    assert "亲属免费 本月余 57 小时 0 分" in out.show
    assert street.drawn("household:3-201", "2026-03") == 180
    assert street.accounts() == {"income:parking": -1200, "waived:relative_allowance": 1200}


def test_free_classes_enter_even_where_nobody_else_may(parts: Parts) -> None:
    street = Street(parts, capacity=0)
    street.register("blocklist", {"plate": "浙A1234警", "reason": "a mistake", "valid_to": "2026-12-31"})
    assert street.passes("in-1", "浙A1234警", "09:00").reason is Reason.FREE_CLASS
    assert street.passes("out-1", "浙A1234警", "12:00").reason is Reason.FREE_CLASS
    assert street.arrives("in-1", "浙A77777", "12:01").reason is Reason.FULL


def test_blocked_not_registered_and_full_are_refused_in_this_order(parts: Parts) -> None:
    street = Street(parts, capacity=1)
    street.register("blocklist", {"plate": "浙A66666", "reason": "unpaid damage", "valid_to": "2026-12-31"})
    assert street.arrives("in-2", "浙A66666", "09:00").reason is Reason.BLOCKED
    assert street.arrives("in-2", "浙A77777", "09:01").reason is Reason.NOT_REGISTERED
    assert street.passes("in-1", "浙A77777", "09:02").reason is Reason.TEMPORARY
    assert street.arrives("in-1", "浙A88888", "09:03").reason is Reason.FULL
    assert [stay.plate for stay in street.stays()] == ["浙A77777"]


def test_an_exit_without_an_entry_goes_to_a_person_and_costs_nothing(street: Street) -> None:
    told = street.arrives("out-1", "浙A12345", "09:00")
    assert (told.action, told.reason) == (Action.SHOW, Reason.NO_ENTRY)
    assert street.stay("浙A12345").state == "no_entry"
    assert street.situations() == {"no_entry": 1}


def test_an_entry_that_arrives_after_its_exit_makes_the_stay_whole(street: Street) -> None:
    street.clock.set(local("12:00"))
    street.deliver(street.read("out-1", "浙A12345", local("12:00"), id="out"))
    street.deliver(street.mark("out-1", Kind.PASSED, local("12:00:05"), "out", opening=Opening.HAND))
    street.deliver(street.read("in-1", "浙A12345", local("09:00"), id="in", buffered=True))
    street.deliver(street.mark("in-1", Kind.PASSED, local("09:00:05"), "in", buffered=True))
    stay = street.stay("浙A12345")
    assert (stay.state, stay.gross_fen, stay.payable_fen, stay.paid_fen) == ("left", 1200, 1200, 0)
    assert "no_entry" not in street.situations()
    assert street.accounts() == {"income:parking": -1200, "assets:receivable:hand": 1200}


def test_a_second_entry_ends_the_first_stay_uncharged(street: Street) -> None:
    street.passes("in-1", "浙A12345", "09:00")
    street.passes("in-1", "浙A12345", "2026-03-03 09:00")
    assert [stay.state for stay in street.stays()] == ["missing_exit", "inside"]
    assert street.situations() == {"missing_exit": 1}
    assert street.accounts() == {}


def test_a_stay_beyond_what_is_plausible_is_never_charged_without_a_person(street: Street) -> None:
    street.passes("in-1", "浙A12345", "09:00")
    told = street.arrives("out-1", "浙A12345", "2026-03-20 09:00")
    assert told.reason is Reason.NO_ENTRY
    assert street.situations() == {"implausible_stay": 1}
    street.goes("out-1", "2026-03-20 09:01", after="e3", opening=Opening.HAND)
    assert street.stay("浙A12345").state == "exception"
    assert street.accounts() == {}


def test_a_reversed_exit_lets_the_stay_go_on(street: Street) -> None:
    street.register(
        "passes",
        {"plate": "浙A00001", "pass": "resident-monthly", "valid_from": "2026-03-01", "valid_to": "2026-03-31"},
    )
    street.passes("in-1", "浙A00001", "09:00")
    street.arrives("out-1", "浙A00001", "10:00", id="out")
    assert street.stay("浙A00001").state == "left"
    street.deliver(street.mark("out-1", Kind.REVERSED, local("10:00:20"), "out"))
    assert street.stay("浙A00001").state == "inside"
    assert street.accounts() == {}
    street.passes("out-1", "浙A00001", "12:00")
    assert street.accounts() == {"income:parking": -1200, "waived:pass": 1200}


def test_a_reversed_entry_is_void(street: Street) -> None:
    street.arrives("in-1", "浙A12345", "09:00", id="in")
    street.deliver(street.mark("in-1", Kind.REVERSED, local("09:00:20"), "in"))
    assert [stay.state for stay in street.stays()] == ["void"]


def test_the_same_event_again_changes_nothing_and_is_receipted_again(street: Street) -> None:
    street.clock.set(local("09:00"))
    event = street.read("in-1", "浙A12345", local("09:00"))
    street.deliver(event)
    again = street.deliver(event, event)
    assert again.event_receipts == {("xinyi", "d1"): ["e1", "e1"]}
    assert len(street.stays()) == 1
    assert len(street.commands) == 1


def test_the_same_id_with_other_content_is_quarantined_and_the_first_stands(street: Street) -> None:
    street.arrives("in-1", "浙A12345", "09:00", id="x")
    other = street.deliver(street.read("in-1", "浙A99999", local("09:00"), id="x"))
    assert other.event_receipts == {("xinyi", "d1"): ["x"]}
    assert street.quarantine() == ["other_content"]
    assert [stay.plate for stay in street.stays()] == ["浙A12345"]


def test_unknown_lanes_and_the_far_future_are_quarantined(street: Street) -> None:
    street.clock.set(local("09:00"))
    street.deliver(street.read("in-9", "浙A12345", local("09:00")), street.read("in-1", "浙A12345", local("09:06")))
    assert sorted(street.quarantine()) == ["from_the_future", "unknown_lane"]
    assert street.stays() == []


def test_a_late_event_is_history_and_gets_no_command(street: Street) -> None:
    street.clock.set(local("09:00:11"))
    street.deliver(street.read("in-1", "浙A12345", local("09:00")))
    assert street.commands == []
    assert street.stay("浙A12345").state == "inside"


def test_a_command_never_outlives_twelve_seconds_after_the_read(street: Street) -> None:
    street.clock.set(local("09:00:06"))
    street.deliver(street.read("in-1", "浙A12345", local("09:00")))
    assert street.commands[0].expires_at == local("09:00:12")
    assert street.commands[0].ttl_ms == 6000


def test_a_clock_offset_is_corrected_for_and_given_back(street: Street) -> None:
    street.clock.set(local("09:00"))
    street.deliver(street.status(offset_ms=60_000))
    street.deliver(street.read("in-1", "浙A12345", local("09:01")))
    assert street.stay("浙A12345").entry_at == local("09:00")
    assert street.commands[0].expires_at == local("09:01:08")


def test_read_again_within_a_minute_it_is_the_same_passage(street: Street) -> None:
    street.passes("in-1", "浙A12345", "09:00")
    street.arrives("out-1", "浙A12345", "11:10:00")
    again = street.arrives("out-1", "浙A12345", "11:10:45")
    assert again.pay.fen == 1000
    assert street.stay("浙A12345").exit_at == local("11:10:00")


def test_a_barrier_that_does_not_obey_is_a_situation_and_the_stay_is_not_over(street: Street) -> None:
    street.passes("in-1", "浙A12345", "09:00")
    opened = street.arrives("out-1", "浙A12345", "09:20")
    assert street.stay("浙A12345").state == "left"
    street.deliver(street.result(opened, Outcome.EXPIRED))
    assert street.stay("浙A12345").state == "inside"
    assert street.situations() == {"command_not_confirmed": 1}
    assert street.arrives("out-1", "浙A12345", "09:20:15").action is Action.OPEN
    assert street.stay("浙A12345").state == "left"


def test_on_a_lane_without_a_sensor_the_commands_result_confirms(street: Street) -> None:
    street.register(
        "passes",
        {"plate": "浙A00001", "pass": "resident-monthly", "valid_from": "2026-03-01", "valid_to": "2026-03-31"},
    )
    opened = street.arrives("in-2", "浙A00001", "09:00")
    street.deliver(street.result(opened))
    assert street.stay("浙A00001").confirmed


def test_an_offline_exit_becomes_a_receivable_with_its_reason(street: Street) -> None:
    street.clock.set(local("14:00"))
    street.deliver(
        street.read("in-1", "浙A12345", local("09:00"), id="in", buffered=True),
        street.mark("in-1", Kind.PASSED, local("09:00:05"), "in", buffered=True, opening=Opening.LIST),
        street.read("out-2", "浙A12345", local("11:10"), id="out", buffered=True, opening=Opening.OFFLINE_EXIT),
    )
    assert street.stay("浙A12345").state == "left"
    assert street.accounts() == {"income:parking": -1000, "assets:receivable:offline": 1000}


def test_tailgating_and_hand_openings_are_put_in_front_of_staff(street: Street) -> None:
    street.passes("in-1", "浙A12345", "09:00", id="in")
    street.goes("in-1", "09:00:09", after="in")
    street.deliver(street.mark("in-1", Kind.OPENED_BY_HAND, local("09:00:30"), None))
    assert street.situations() == {"tailgating": 1, "opened_by_hand": 1}


def test_an_unlicensed_vehicle_needs_a_person_and_repeats_are_counted(street: Street) -> None:
    assert street.arrives("in-1", None, "09:00").reason is Reason.UNREADABLE
    street.arrives("in-1", None, "09:00:15")
    assert street.situations() == {"unreadable": 1}
    assert street.stays() == []


def test_where_everybody_leaves_first_the_bill_is_owed_until_the_limit(parts: Parts) -> None:
    street = Street(parts, mode="leave_first")
    street.passes("in-1", "浙A12345", "09:00")
    assert street.passes("out-1", "浙A12345", "12:00").reason is Reason.PAY_LATER
    assert street.accounts() == {"income:parking": -1200, "assets:receivable:pay_later": 1200}
    street.passes("in-1", "浙A12345", "13:00")
    assert street.arrives("out-1", "浙A12345", "14:00").reason is Reason.PAYMENT_DUE


def test_a_households_second_vehicle_inside_pays_as_a_visitor(street: Street) -> None:
    street.register("households", {"household": "3-201", "name": "张三", "area_m2": "60"})
    for plate in ("浙A00001", "浙A00002"):
        street.register("vehicles", {"household": "3-201", "plate": plate, "vehicle": "small"})
        street.register(
            "passes", {"plate": plate, "pass": "resident-monthly", "valid_from": "2026-03-01", "valid_to": "2026-03-31"}
        )
    assert street.passes("in-1", "浙A00001", "09:00").reason is Reason.RESIDENT
    assert street.passes("in-1", "浙A00002", "09:05").reason is Reason.TEMPORARY
    assert street.arrives("out-1", "浙A00002", "12:00").reason is Reason.PAYMENT_DUE
    assert street.passes("out-1", "浙A00001", "12:10").reason is Reason.RESIDENT
