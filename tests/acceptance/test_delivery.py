"""Events as networks really deliver them: twice, late, out of order, broken; and a service that is restarted between."""

import json
import signal
from typing import Any

import pytest

from tests.acceptance.deployment import eventually
from tests.acceptance.device import minutes_ago, now, rfc3339
from tests.acceptance.estate import AMBULANCE, BLOCKED, BLOCKED_RESIDENT, LOW_INCOME, PASS
from tests.acceptance.trade import DUE_FEN, STAY_MINUTES, Street


class TestRepeatsAndOrder:
    def test_a_repeated_event_is_receipted_again_and_changes_nothing(self, street: Street) -> None:
        visitor = street.a_visitor()
        entry = visitor.at("in-1").opens("temporary").passes()
        stay = visitor.stay("inside")
        device, event = entry.device, entry.event
        for _ in range(3):
            seen = device.times_receipted(event["id"])
            device.send(event)
            eventually(lambda seen=seen: device.times_receipted(event["id"]) > seen, "a receipt for the repeat")
        assert [found["id"] for found in visitor.stays] == [stay["id"]]
        assert entry.reasons == ["temporary"]

    def test_a_repeat_told_as_buffered_is_the_same_event(self, street: Street) -> None:
        visitor = street.a_visitor()
        entry = visitor.at("in-1").opens("temporary").passes()
        stay = visitor.stay("inside")
        entry.device.deliver(entry.event | {"buffered": True})
        assert [found["id"] for found in visitor.stays] == [stay["id"]]

    def test_a_repeated_exit_is_charged_once(self, street: Street) -> None:
        visitor = street.a_visitor().entered()
        barrier = visitor.at("out-1").is_shown("payment_due", fen=DUE_FEN)
        stay = visitor.stay("inside")["id"]
        assert street.staff["cashier"].takes(stay, DUE_FEN).status_code == 201
        barrier.device.awaits(barrier.event["id"], "open")
        barrier.passes()
        visitor.stay("left")
        barrier.device.deliver(barrier.event)
        gone = visitor.stay("left")
        assert (gone["gross_fen"], gone["paid_fen"]) == (DUE_FEN, DUE_FEN)
        assert len(visitor.stays) == 1
        assert sorted(set(barrier.reasons)) == ["paid", "payment_due"]

    def test_the_same_id_with_other_content_does_not_count(self, street: Street) -> None:
        first, second = street.a_visitor(), street.a_visitor()
        entry = first.at("in-1").opens("temporary").passes()
        seen = entry.device.times_receipted(entry.event["id"])
        entry.device.send(entry.event | {"plate": second.name})
        eventually(lambda: entry.device.times_receipted(entry.event["id"]) > seen, "a receipt for the impostor")
        first.stay("inside")
        assert second.stays == []

    def test_a_second_read_at_the_same_lane_is_the_same_passage(self, street: Street) -> None:
        visitor = street.a_visitor()
        visitor.at("in-1").opens("temporary")
        again = visitor.at("in-1").opens("temporary")
        again.passes()
        visitor.stay("inside")
        assert len(visitor.stays) == 1

    def test_an_exit_told_before_its_entry_ends_as_if_in_order(self, street: Street) -> None:
        visitor = street.a_visitor()
        visitor.left(minutes=30, opening="offline_exit")
        visitor.entered(minutes=STAY_MINUTES)
        stay = visitor.stay("left")
        assert (stay["gross_fen"], stay["paid_fen"]) == (600, 0)
        assert stay["entry_lane"].endswith("in-1")
        assert stay["exit_lane"].endswith("out-1")

    @pytest.mark.parametrize("order", [(1, 0, 3, 2), (3, 2, 1, 0), (2, 0, 3, 1), (3, 1, 0, 2)])
    def test_four_buffered_events_in_any_order_make_one_stay(self, street: Street, order: tuple[int, ...]) -> None:
        visitor = street.a_visitor()
        events = visitor.told_late("in-3", STAY_MINUTES) + visitor.told_late("out-3", 30, opening="offline_exit")
        street.device_of("xinyi", "in-3").deliver(*(events[place] for place in order))
        stay = visitor.stay("left")
        assert (stay["gross_fen"], len(visitor.stays)) == (600, 1)

    def test_a_passage_may_be_confirmed_before_its_plate_arrives(self, street: Street) -> None:
        visitor = street.a_visitor()
        device = street.device_of("xinyi", "in-1")
        plate = device.plate("in-1", visitor.name)
        device.deliver(device.event("in-1", "passed", for_=plate["id"]))
        device.deliver(plate)
        visitor.stay("inside")


class TestNoStaleCommand:
    def test_a_late_event_is_kept_but_gets_no_command(self, street: Street) -> None:
        visitor = street.a_visitor()
        device = street.device_of("xinyi", "in-1")
        late = device.plate("in-1", visitor.name, minutes_ago(1))
        device.deliver(late, device.event("in-1", "passed", minutes_ago(0.9), for_=late["id"]))
        visitor.stay("inside")
        street.is_alive()  # a later event of the same device has its command, and the late one none
        assert device.commands(late["id"]) == []

    def test_a_buffered_event_gets_no_command(self, street: Street) -> None:
        visitor = street.a_visitor()
        device = street.device_of("xinyi", "in-1")
        buffered = device.plate("in-1", visitor.name, buffered=True)
        device.deliver(buffered)
        street.is_alive()
        assert device.commands(buffered["id"]) == []

    def test_every_command_for_a_device_carries_its_limits(self, street: Street) -> None:
        street.is_alive()
        given = [command for device in street.devices.values() for command in device.commands()]
        assert any(command["action"] != "show" for command in given)
        for command in given:
            assert {"id", "action", "lane", "event", "reason", "show", "say", "pay"} <= set(command)
            if command["action"] != "show":
                assert command["expires_at"][-6] in "+-" or command["expires_at"].endswith("Z")
                assert 0 < command["ttl_ms"] <= 12_000


BROKEN: list[tuple[str, bytes]] = [
    ("nothing", b""),
    ("not UTF-8", b'{"id": "\xff\xfe"}'),
    ("not JSON", b"plate=A12345"),
    ("a list", b"[1, 2, 3]"),
    ("deeply nested", b"[" * 50_000),
    ("too large", json.dumps({"id": "large", "filler": "x" * 70_000}).encode()),
    ("a number that is none", b'{"id": "nan", "at": NaN, "confidence": 1e999}'),
]


class TestQuarantine:
    @pytest.mark.parametrize(("what", "payload"), BROKEN, ids=[what for what, _ in BROKEN])
    def test_a_broken_payload_stops_nothing(self, street: Street, what: str, payload: bytes) -> None:
        street.device_of("xinyi", "in-1").publish("event", payload)
        street.device_of("xinyi", "in-1").publish("result", payload)
        street.device_of("xinyi", "in-1").publish("status", payload)
        street.is_alive()

    @pytest.mark.parametrize(
        "wrong",
        [
            {"lane": "in-99"},
            {"lane": "in-2"},  # another device's
            {"device": "d2"},
            {"kind": "levitated"},
            {"at": "yesterday"},
            {"at": None},
            {"at": "2026-03-02T09:00:00"},  # no offset
            {"confidence": 7},
            {"plate": 12345},
            {"plate_colour": "mauve"},
            {"vehicle": "tank"},
        ],
        ids=str,
    )
    def test_an_event_outside_the_table_is_receipted_and_has_no_effect(
        self, street: Street, wrong: dict[str, Any]
    ) -> None:
        visitor = street.a_visitor()
        device = street.device_of("xinyi", "in-1")
        device.deliver(device.plate("in-1", visitor.name) | wrong)
        street.is_alive()
        assert visitor.stays == []

    def test_an_event_from_the_future_has_no_effect(self, street: Street) -> None:
        visitor = street.a_visitor()
        device = street.device_of("xinyi", "in-1")
        device.deliver(device.plate("in-1", visitor.name, minutes_ago(-60)))
        street.is_alive()
        assert visitor.stays == []

    def test_unknown_fields_are_ignored(self, street: Street) -> None:
        visitor = street.a_visitor()
        device = street.device_of("xinyi", "in-1")
        event = device.plate("in-1", visitor.name) | {"weather": {"rain": True}}
        device.deliver(event)
        assert device.awaits(event["id"], "open")["reason"] == "temporary"

    def test_a_result_for_no_command_of_ours_is_receipted_or_kept_apart(self, street: Street) -> None:
        device = street.device_of("xinyi", "in-1")
        answer = {"command": "never-sent", "outcome": "done", "at": rfc3339(now()), "detail": None}
        device.publish("result", answer)
        street.is_alive()


class TestOfflineList:
    def test_it_holds_who_may_enter_offline_and_never_the_blocked(self, street: Street) -> None:
        device = street.device_of("xinyi", "in-1")
        wanted = {PASS[6], LOW_INCOME[2], AMBULANCE}
        plates = device.awaits_list(lambda plates: wanted <= set(plates))
        assert BLOCKED not in plates
        assert BLOCKED_RESIDENT not in plates
        whole = device.messages("list")[-1]
        assert whole["full"] is True
        assert isinstance(whole["version"], int)
        for entry in whole["entries"]:
            assert set(entry) == {"plate", "until"}

    def test_a_device_that_says_it_has_another_version_gets_the_whole_list(self, street: Street) -> None:
        device = street.device_of("xinyi", "out-1")
        device.awaits_list(lambda plates: PASS[6] in plates)
        before = len(device.messages("list"))
        device.publish("status", device.status(list_version=987_654), retain=True)
        eventually(lambda: len(device.messages("list")) > before, "the whole list again", 30)


class TestRestarts:
    """What has a receipt is there; what has none is sent again; nothing happens twice."""

    @pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
    def test_a_restart_between_events_loses_and_doubles_nothing(self, street: Street, how: signal.Signals) -> None:
        visitor = street.a_visitor().entered()
        stay = visitor.stay("inside")
        arriving = [street.a_visitor() for _ in range(20)]
        device = street.device_of("xinyi", "in-3")
        events = [event for one in arriving for event in one.told_late("in-3", STAY_MINUTES)]
        device.send(*events[:20])
        status = street.parkgate.stop(how)
        if how == signal.SIGTERM:
            assert status in (0, -signal.SIGTERM)
        street.parkgate.start()
        device.deliver(*events, seconds=180)
        for one in arriving:
            one.stay("inside")
        assert visitor.stay("inside")["id"] == stay["id"]
        barrier = visitor.at("out-1").is_shown("payment_due", fen=DUE_FEN)
        assert street.staff["cashier"].takes(stay["id"], DUE_FEN).status_code == 201
        barrier.device.awaits(barrier.event["id"], "open")
        barrier.passes()
        assert visitor.stay("left")["paid_fen"] == DUE_FEN

    def test_the_database_is_whole_after_all_that(self, street: Street) -> None:
        verified = street.parkgate.run("verify", "--json")
        assert json.loads(verified.stdout)["ok"] is True
