"""Vehicles that do not move (僵尸车): found in time, once; what is done about them stays on record; whoever moves is let go."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import DatabaseError

from gateway.flows import verify_zombies, zombies
from gateway.flows.charges_books import By
from gateway.flows.reading import Document, Slice
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.verify_scope import Look, Scope
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import House
from tests.gateway.test_console import csrf_of, signed_in
from tests.gateway.trade import SHANGHAI, Street, local

LEE = By(operator="lee", role="guard")
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def street(parts: Parts) -> Street:
    """One that came on 2 March and stands; one that came and left."""
    street = Street(parts)
    street.passes("in-1", "浙A00001", "09:00")
    street.passes("in-1", "浙A00002", "09:10")
    street.passes("out-1", "浙A00002", "09:20")
    return street


def cases(parts: Parts, state: str | None = "open") -> list[Document]:
    with parts.store.reading() as connection:
        page = Slice(None, 50)
        return [one for _, one in zombies.listed(connection, None, page, state=state, now=parts.clock.now())]


def found(street: Street) -> Document:
    street.clock.set(local("2026-06-01 09:00"))
    assert zombies.look(street.parts) == "1 vehicles found, 0 moved"
    (case,) = cases(street.parts)
    return case


def test_who_stands_for_long_enough_is_found_once(street: Street) -> None:
    street.clock.set(local("2026-05-31 08:00"))
    assert zombies.look(street.parts) == ""
    case = found(street)
    assert (case["plate"], case["state"], case["days"]) == ("浙A00001", "found", 90)
    assert case["since"] == street.stay("浙A00001").entry_at + timedelta(seconds=5)
    street.clock.advance(days=3)
    assert zombies.look(street.parts) == ""
    with street.parts.store.reading() as connection:
        steps = zombies.one(connection, None, case["id"], street.clock.now())["steps"]
    assert [(one["step"], one["operator"]) for one in steps] == [("found", "parkgate")]


def test_a_site_may_wait_longer_or_never_look(street: Street) -> None:
    for days in (0, 120):
        with street.parts.store.writing() as connection:
            connection.execute(update(t.Site).values(zombie_days=days))
            connection.commit()
        street.clock.set(local("2026-06-01 09:00"))
        assert zombies.look(street.parts) == ""


def test_notice_contact_and_tow_in_their_order(street: Street) -> None:
    case = found(street)["id"]
    with pytest.raises(zombies.NoticeFirst):
        zombies.step(street.parts, None, case, "towed", "挡住消防通道", LEE)
    with pytest.raises(Invalid):
        zombies.step(street.parts, None, case, "notice", "  ", LEE)
    for _ in range(2):
        done = zombies.step(street.parts, None, case, "notice", "贴单于挡风玻璃", LEE)
        assert done["state"] == "notified"
    assert zombies.step(street.parts, None, case, "contact", "电话已打, 答应一周内移走", LEE)["state"] == "contacted"
    assert zombies.step(street.parts, None, case, "notice", "第二次贴单", LEE)["state"] == "contacted"
    done = zombies.step(street.parts, None, case, "towed", "拖至停车场", LEE)
    assert (done["state"], done["ended_at"]) == ("towed", street.clock.now())
    assert [one["step"] for one in done["steps"]] == ["found", "notice", "contact", "notice", "towed"]
    with pytest.raises(zombies.CaseOver):
        zombies.step(street.parts, None, case, "cleared", "看错了", LEE)
    assert cases(street.parts) == []
    with street.parts.store.reading() as connection:
        trail = connection.execute(
            select(t.AuditEntry.action).where(t.AuditEntry.action.startswith("zombie.")).order_by(t.AuditEntry.id)
        )
        assert list(trail.scalars()) == ["zombie.notice", "zombie.contact", "zombie.notice", "zombie.towed"]
    street.clock.advance(days=1)
    assert zombies.look(street.parts) == ""


def test_who_moves_is_let_go_and_found_again_when_it_stands_again(street: Street) -> None:
    case = found(street)
    street.clock.set(local("2026-06-02 09:00"))
    street.passes("out-1", "浙A00001", "2026-06-02 09:00")
    assert zombies.look(street.parts) == "0 vehicles found, 1 moved"
    (over,) = cases(street.parts, "moved")
    assert (over["id"], over["state"]) == (case["id"], "moved")
    street.passes("in-1", "浙A00001", "2026-06-03 09:00")
    street.clock.set(local("2026-10-03 09:00"))
    assert zombies.look(street.parts) == "1 vehicles found, 0 moved"
    assert {one["state"] for one in cases(street.parts, None)} == {"moved", "found"}


def test_what_was_cleared_is_not_found_again_where_it_stands(street: Street) -> None:
    case = found(street)["id"]
    zombies.step(street.parts, None, case, "cleared", "车主住院, 家属已登记", LEE)
    street.clock.advance(days=200)
    assert zombies.look(street.parts) == ""


def test_steps_only_grow(street: Street) -> None:
    found(street)
    for change in (t.ZombieStep.__table__.delete(), update(t.ZombieStep).values(operator="nobody")):
        with street.parts.store.writing() as connection, pytest.raises(DatabaseError):
            connection.execute(change)


MEDDLED: dict[str, Any] = {
    "its state": update(t.ZombieVehicle).values(state="cleared"),
    "its end": update(t.ZombieVehicle).values(ended_at=local("2026-06-01 10:00")),
    "its stay": update(t.ZombieVehicle).values(stay_id="xinyi.another"),
    "when it was found": update(t.ZombieVehicle).values(found_at=local("2026-05-01 10:00")),
    "that it was": t.ZombieVehicle.__table__.delete(),
    "who did it": update(t.ZombieStep).where(t.ZombieStep.sequence == 2).values(operator="nobody"),
    "what was done": update(t.ZombieStep).where(t.ZombieStep.sequence == 2).values(step="contact"),
    "when": update(t.ZombieStep).where(t.ZombieStep.sequence == 2).values(at=local("2026-06-01 08:00")),
    "a step": t.ZombieStep.__table__.delete().where(t.ZombieStep.sequence == 2),
    "the line": t.AuditEntry.__table__.delete().where(t.AuditEntry.action == "zombie.notice"),
}


@on_one_database
@pytest.mark.parametrize("what", MEDDLED)
def test_verify_holds_and_finds_whatever_is_changed_past_the_program(street: Street, what: str) -> None:
    case = found(street)["id"]
    zombies.step(street.parts, None, case, "notice", "贴单", LEE)
    zombies.step(street.parts, None, case, "contact", "已联系", LEE)
    look = Look(None, Scope(None, None, SHANGHAI), Counter(), lambda _: None)  # type: ignore[arg-type]
    with street.parts.store.writing() as connection:
        look = replace(look, connection=connection)
        assert list(verify_zombies.failures(look)) == []
        for table in ("zombie_step", "audit_entry"):
            for trigger in connection.exec_driver_sql(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,)
            ).all():
                connection.exec_driver_sql(f"DROP TRIGGER {trigger[0]}")
        connection.execute(MEDDLED[what])
        assert {one.what for one in verify_zombies.failures(look)} == {"zombie"}


def test_of_another_site_there_is_nothing(street: Street) -> None:
    case = found(street)["id"]
    with pytest.raises(NotFound):
        zombies.step(street.parts, frozenset({"archive"}), case, "notice", "x", LEE)


@on_one_database
def test_over_http_a_tow_is_a_managers_word(street: Street) -> None:
    case = found(street)["id"]
    staff = House(street.parts).one_of_each()
    where = f"/api/v1/zombie-vehicles/{case}"
    assert staff["committee"].get(where).status_code == 403
    assert staff["guard"].post(f"{where}/steps", {"step": "notice", "note": "贴单"}).json()["state"] == "notified"
    assert staff["guard"].post(f"{where}/steps", {"step": "towed", "note": "拖走"}).status_code == 403
    assert staff["manager"].post(f"{where}/steps", {"step": "moved", "note": "x"}).status_code == 422
    assert staff["manager"].post(f"{where}/steps", {"step": "towed", "note": "拖走"}).json()["state"] == "towed"
    assert staff["guard"].get("/api/v1/zombie-vehicles").json()["items"] == []
    assert [one["id"] for one in staff["auditor"].get("/api/v1/zombie-vehicles", state="towed").json()["items"]] == [
        case
    ]


@on_one_database
def test_a_long_list_comes_page_by_page(street: Street) -> None:
    case = found(street)
    with street.parts.store.writing() as connection:
        for number in range(4):
            row = {"site_id": "xinyi", "id": f"xinyi.z{number}", "stay_id": f"xinyi.gone{number}", "state": "cleared"}
            at = {"since": case["since"], "found_at": case["found_at"], "ended_at": case["found_at"]}
            connection.execute(insert(t.ZombieVehicle).values(**row, **at))
        connection.commit()
    house = House(street.parts)
    house.hires("ann", "auditor")
    seen, cursor = [], None
    for _ in range(3):
        more = {} if cursor is None else {"cursor": cursor}
        answer = house.as_("ann").get("/api/v1/zombie-vehicles", state="any", limit=2, **more).json()
        seen += [one["id"] for one in answer["items"]]
        cursor = answer["next"]
    assert (len(seen), len(set(seen)), cursor) == (5, 5, None)


@on_one_database
class TestPages:
    def test_a_guard_puts_a_notice_on_it_and_sees_who_did(self, street: Street) -> None:
        case = found(street)["id"]
        house = House(street.parts)
        house.hires("lee", "guard", "xinyi")
        lee = signed_in(house, "lee")
        page = lee.get("/zombies").text
        assert "浙A00001" in page
        where = f"/zombies/{case}"
        page = lee.get(where).text
        assert 'value="towed"' not in page
        answer = lee.post(where, data={"csrf": csrf_of(page), "step": "notice", "note": "贴单"})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{where}?said=saved")
        page = lee.get(where).text
        assert "贴单" in page
        assert "lee" in page
        assert lee.post(where, data={"csrf": csrf_of(page), "step": "towed", "note": "x"}).status_code == 403
        assert lee.post(where, data={"csrf": "made up", "step": "cleared", "note": "x"}).status_code == 303
        assert [one["state"] for one in cases(street.parts)] == ["notified"]

    def test_who_only_reads_has_no_form(self, street: Street) -> None:
        case = found(street)["id"]
        house = House(street.parts)
        house.hires("ann", "auditor")
        assert "<textarea" not in signed_in(house, "ann").get(f"/zombies/{case}").text
        assert signed_in(house, "ann").get("/zombies/xinyi.nothing").status_code == 404
