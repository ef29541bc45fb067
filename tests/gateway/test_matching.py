"""An exit without an entry finds its stay: for staff by rank, without a person only as far as the policy lets it. On both databases."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from controllers.events import Opening, PlateColour
from gateway.api import matching_shapes
from gateway.flows import matching
from gateway.flows.charges_books import By
from gateway.flows.matching import match_waiting
from gateway.flows.refusals import NotFound
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.correction_office import Office
from tests.gateway.rules import Ruled, tariff
from tests.gateway.trade import local

TRULY, MISREAD, TWIN = "浙A12348", "浙A1234B", "浙A1Z34B"
LETS = "[matching]\nlead = 2\nfen_max = 1000"


def office_of(parts: Parts, *rules: str) -> Office:
    return Office(parts, Ruled(parts, tariff(), *rules))


def unknown(office: Office, plate: str = MISREAD) -> Any:
    return next(one for one in office.street.stays() if one.plate == plate and one.state == "no_entry")


def leaves_misread(office: Office, at: str = "11:10", plate: str = MISREAD, **more: Any) -> Any:
    return office.street.arrives("out-1", plate, at, id="away", **more)


def ranked(office: Office, name: str = "li") -> dict[str, Any]:
    answer = office.as_(name).get(f"/api/v1/stays/{unknown(office).id}/candidates")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_staff_see_whose_exit_it_may_be_and_why(parts: Parts) -> None:
    office = office_of(parts)
    office.street.passes("in-1", TRULY, "09:00")
    office.street.passes("in-1", "浙B77777", "09:10")
    command = leaves_misread(office)
    assert (command.action, command.reason) == ("show", "no_entry")
    found = ranked(office)
    assert (found["plate"], found["exit_event"], found["known"]) == (MISREAD, "away", False)
    [one] = found["candidates"]
    assert (one["plate"], one["stay"], one["payable_fen"]) == (TRULY, office.street.stay(TRULY).id, 1000)
    assert one["changes"] == [{"place": 6, "stands": "8", "read": "B", "similar": True}]
    assert one["score"] == one["lead"] > 2
    assert one["wrong"] == "exit"
    # No policy lets it: nothing happens by itself, however clear it is.
    assert one["alone"] is False
    assert match_waiting(parts) == 0
    assert office.street.situations()["no_entry"] == 1
    # A person who looked at the pictures puts it right.
    office.corrects(found["stay"], plate=TRULY)
    assert "no_entry" not in office.street.situations()
    assert office.street.stay(TRULY).exit_event == "away"
    office.check()


def test_a_clear_one_finds_its_stay_where_the_policy_lets_it(parts: Parts) -> None:
    office = office_of(parts, LETS)
    street = office.street
    street.passes("in-1", TRULY, "09:00")
    entered = street.stay(TRULY)
    leaves_misread(office)
    assert ranked(office)["candidates"][0]["alone"] is True
    before = len(office.rows(t.CommandRow))
    assert match_waiting(parts) == 1
    assert match_waiting(parts) == 0
    assert len(office.rows(t.CommandRow)) == before, "no gate opens by it"
    stay = street.stay(TRULY)
    assert (stay.id, stay.exit_event, stay.payable_fen) == (entered.id, "away", 1000)
    assert "no_entry" not in street.situations()
    [record] = office.sees(stay.id)["corrections"]
    assert (record["by"], record["plate_before"], record["plate_after"]) == ("parkgate", MISREAD, TRULY)
    # Nothing that is kept for good names a plate.
    line = next(row for row in office.rows(t.AuditEntry) if row.action == "stay.correct")
    assert TRULY[1:] not in line.reason
    assert MISREAD[1:] not in line.reason
    # Its next read, misread again, is shown what it owes.
    again = street.arrives("out-1", MISREAD, "11:10:15", id="again")
    assert again is not None
    assert (again.action, again.reason) == ("show", "payment_due")
    office.check()


@pytest.mark.parametrize(
    "why",
    ["dear", "twin", "known", "registered", "waits", "late", "colour"],
)
def test_what_is_not_clear_or_dear_is_left_to_a_person(parts: Parts, why: str) -> None:
    office = office_of(parts, LETS.replace("1000", "999") if why == "dear" else LETS)
    street = office.street
    if why == "known":
        street.passes("in-1", MISREAD, "07:00")
        street.arrives("out-1", MISREAD, "07:10", id="before")
        street.goes("out-1", "07:11", after="before")
    if why == "registered":
        street.register("free-vehicles", {"plate": MISREAD, "class": "ambulance", "valid_to": "2026-12-31"})
    street.passes("in-1", TRULY, "09:00", **({"plate_colour": PlateColour.BLUE} if why == "colour" else {}))
    if why == "twin":
        street.passes("in-1", TWIN, "09:10")
    if why == "waits":
        street.arrives("out-2", TRULY, "11:09", id="waits")
    leaves_misread(office, **({"plate_colour": PlateColour.GREEN} if why == "colour" else {}))
    if why == "late":
        street.clock.set(local("11:17"))
    assert match_waiting(parts) == 0
    found = ranked(office)
    assert found["known"] is (why in {"known", "registered"})
    assert TRULY in [one["plate"] for one in found["candidates"]]
    if why != "late":
        assert [one["alone"] for one in found["candidates"] if one["alone"]] == []
        [item] = [row for row in office.rows(t.ExceptionItem) if row.kind == "no_entry"]
        assert item.state == "open"
        assert item.detail.startswith(f"candidates: {len(found['candidates'])}; {found['candidates'][0]['stay']} +")
        assert TRULY not in item.detail
    assert street.stay(TRULY).state == "inside"
    office.check()


def test_a_bill_that_would_rise_after_the_exit_is_never_taken_alone(parts: Parts) -> None:
    office = office_of(parts, LETS)
    street = office.street
    street.passes("in-1", TRULY, "09:00")
    leaves_misread(office)
    street.goes("out-1", "11:11", after="away", opening=Opening.HAND)
    assert match_waiting(parts) == 0
    assert office.rows(t.StayCorrection) == []
    assert unknown(office)
    office.check()


def test_only_an_exit_without_an_entry_is_looked_for(parts: Parts) -> None:
    office = office_of(parts)
    office.street.passes("in-1", TRULY, "09:00")
    stay = office.street.stay(TRULY).id
    answer = office.as_("li").get(f"/api/v1/stays/{stay}/candidates")
    assert (answer.status_code, answer.json()["candidates"]) == (200, [])
    assert office.as_("li").get("/api/v1/stays/xinyi.nothing/candidates").status_code == 404


@pytest.mark.parametrize(
    ("record", "model"),
    [
        (matching.Ranked, matching_shapes.Ranked),
        (matching.Proposed, matching_shapes.Proposed),
        (matching.Difference, matching_shapes.Difference),
    ],
)
def test_what_is_described_is_what_is_answered(record: type[msgspec.Struct], model: Any) -> None:
    assert [one.encode_name for one in msgspec.structs.fields(record)] == list(model.model_fields)


def test_the_camera_itself_says_which_character_it_doubts(parts: Parts) -> None:
    """Of two that are as like, the one whose difference lies where the camera was unsure."""
    office = office_of(parts)
    office.street.passes("in-1", TRULY, "09:00")
    office.street.passes("in-1", TWIN, "09:10")
    leaves_misread(office, certainties=(0.99, 0.99, 0.99, 0.99, 0.99, 0.99, 0.4))
    first, second = ranked(office)["candidates"]
    assert (first["plate"], second["plate"]) == (TRULY, TWIN)
    assert first["lead"] > 1
    # It is beside the event: the same read, told again without it, is the same event.
    outcome = office.street.deliver(office.street.read("out-1", MISREAD, local("11:10"), id="away"))
    assert (outcome.repeats, office.street.quarantine()) == (1, [])


def test_several_exits_are_weighed_at_once_as_each_alone(parts: Parts) -> None:
    office = office_of(parts)
    for minute, plate in enumerate((TRULY, TWIN, "浙B77777", "沪C24680")):
        office.street.passes("in-1", plate, f"09:0{minute}")
    exits = ("浙A1234B", "浙B7777Z", "京K99999")
    for minute, plate in enumerate(exits):
        office.street.arrives("out-1", plate, f"11:1{minute}", id=f"away-{minute}")
    stays = [unknown(office, plate).id for plate in exits]
    with parts.store.reading() as connection:
        found = matching.likeliest(parts, connection, stays)
        assert matching.likeliest(parts, connection, []) == {}
    alone = {stay: matching.ranked(parts, stay).candidates for stay in stays}
    assert [len(alone[stay]) for stay in stays] == [2, 1, 0]
    assert found == {
        stay: tuple(msgspec.structs.replace(one, payable_fen=None) for one in each) for stay, each in alone.items()
    }


def test_what_somebody_chose_is_put_right_at_the_end_that_was_misread(parts: Parts) -> None:
    office = office_of(parts)
    by = By(operator="mei", role="manager")
    office.street.passes("in-1", TRULY, "09:00")
    leaves_misread(office)
    with pytest.raises(NotFound):
        matching.settle(parts, unknown(office).id, "xinyi.nobody", "看图", by)
    made = matching.settle(parts, unknown(office).id, office.street.stay(TRULY).id, "看图", by)
    assert (made.plate_before, made.plate_after) == (MISREAD, TRULY)
    # Here the register knows the plate that was read at the exit: it was the entry that was misread.
    office.street.register("free-vehicles", {"plate": "浙E88888", "class": "ambulance", "valid_to": "2026-12-31"})
    office.street.passes("in-1", "浙E8888B", "11:20")
    office.street.arrives("out-2", "浙E88888", "11:40", id="right")
    entered = office.street.stay("浙E8888B").id
    made = matching.settle(parts, unknown(office, "浙E88888").id, entered, "看图", by)
    assert (made.stay, made.plate_before, made.plate_after) == (entered, "浙E8888B", "浙E88888")
    assert office.street.stay("浙E88888").exit_event == "right"
    assert "no_entry" not in office.street.situations()
    office.check()
