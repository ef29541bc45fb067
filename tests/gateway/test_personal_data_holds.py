"""Who is not erased yet: nobody erases alone, and what is still needed stands in the way."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from gateway.flows import personal_data
from gateway.flows.personal_data import AlreadyDecided, SamePerson
from gateway.flows.personal_data_holds import StillNeeded
from gateway.store import tables as t
from tests.gateway.people import (
    VISITOR,
    days_later,
    put,
    rows,
    visit,
)
from tests.gateway.privacy import PLATE, asking, erased, two_days_of_everybody
from tests.gateway.trade import Street

# --- two persons, and what stands in the way -------------------------------------------------------------------------


def test_nobody_erases_alone(street: Street) -> None:
    two_days_of_everybody(street)
    proposed = personal_data.propose(street.parts, PLATE, asking("li"))
    assert proposed["subject"] == VISITOR
    assert personal_data.propose(street.parts, PLATE, asking("zhao"))["id"] == proposed["id"]
    with pytest.raises(SamePerson):
        personal_data.approve(street.parts, proposed["id"], operator="li", origin="")
    done = personal_data.approve(street.parts, proposed["id"], operator="wu", origin="")
    assert (done["decided_by"], done["subject"]) == ("wu", None)
    assert done["done"]["stay"] == 2
    for again in ("wu", "zhao"):
        with pytest.raises(AlreadyDecided):
            personal_data.approve(street.parts, proposed["id"], operator=again, origin="")


def test_a_proposal_can_be_rejected_and_names_nobody_any_more(street: Street) -> None:
    two_days_of_everybody(street)
    proposed = personal_data.propose(street.parts, PLATE, asking("li"))
    done = personal_data.reject(street.parts, proposed["id"], operator="li", origin="", reason="申请人撤回")
    assert (done["state"], done["subject"]) == ("rejected", None)
    assert [one.sealed for one in rows(street, t.PersonalDataRequest)] == [None]
    assert street.stays()[-1].plate == VISITOR


def test_who_is_inside_is_not_erased(street: Street) -> None:
    visit(street, VISITOR, "2026-03-02")
    street.passes("in-1", VISITOR, "2026-03-03 09:00")
    street.clock.advance(hours=1)
    with pytest.raises(StillNeeded, match="inside") as refused:
        personal_data.propose(street.parts, PLATE, asking())
    assert [hold.why for hold in refused.value.holds] == ["inside"]
    assert VISITOR not in str(refused.value)


def test_who_came_back_since_the_proposal_is_not_erased(street: Street) -> None:
    visit(street, VISITOR, "2026-03-02")
    days_later(street, 1)
    proposed = personal_data.propose(street.parts, PLATE, asking())
    street.passes("in-1", VISITOR, "2026-03-04 09:00")
    street.clock.advance(hours=1)
    with pytest.raises(StillNeeded, match="inside"):
        personal_data.approve(street.parts, proposed["id"], operator="wu", origin="")
    assert street.stays()[0].plate == VISITOR
    assert [one.state for one in rows(street, t.PersonalDataRequest)] == ["proposed"]


def test_who_was_at_a_gate_a_moment_ago_is_not_erased(street: Street) -> None:
    visit(street, VISITOR, "2026-03-02")
    with pytest.raises(StillNeeded, match="10 minutes"):
        personal_data.propose(street.parts, PLATE, asking())


def test_who_owes_is_not_erased(street: Street) -> None:
    visit(street, VISITOR, "2026-03-02", pays=False)
    days_later(street, 1)
    with pytest.raises(StillNeeded, match="fen are owed") as refused:
        personal_data.propose(street.parts, PLATE, asking())
    assert "owes" in {hold.why for hold in refused.value.holds}


def test_who_is_in_dispute_is_not_erased(street: Street) -> None:
    stay = visit(street, VISITOR, "2026-03-02")
    days_later(street, 1)
    put(
        street,
        t.ExceptionItem,
        site_id="xinyi",
        id="x-1",
        kind="bill_disputed",
        subject=stay,
        state="open",
        opened_at=street.clock.now(),
        stay_id=stay,
    )
    with pytest.raises(StillNeeded, match="bill_disputed"):
        personal_data.propose(street.parts, PLATE, asking())
    with street.parts.store.writing() as connection:
        connection.execute(update(t.ExceptionItem).values(state="resolved", resolution=f"{VISITOR} 已解释"))
        connection.commit()
    erased(street, PLATE)
    assert rows(street, t.ExceptionItem) == []


def test_who_is_on_the_blocklist_is_not_erased(street: Street) -> None:
    visit(street, VISITOR, "2026-03-02")
    street.register("blocklist", {"plate": VISITOR, "reason": "逃费"})
    days_later(street, 1)
    with pytest.raises(StillNeeded, match="blocklist"):
        personal_data.propose(street.parts, PLATE, asking())
