"""`GET /jobs`: what each job last did and when it runs next, for who looks after all of the street."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.cli.main import main
from gateway.jobs.runner import Jobs
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import House, a_house
from tests.gateway.test_console import csrf_of, signed_in

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def ran(parts: Parts, house: House) -> dict[str, Any]:
    """Each job once, in a process that leads."""

    def breaks() -> None:
        raise RuntimeError("no such luck")

    jobs = Jobs(parts, [("sweep", 3600.0, lambda: "2 stays swept"), ("retention", 3600.0, breaks)], holder="a")
    jobs.tick()
    try:
        for name, _, work in jobs._periodic:
            jobs._run(name, work)
    finally:
        jobs._stand_down(wait=True)
    house.hires("li", "manager")
    return {one["name"]: one for one in house.as_("li").get("/api/v1/jobs").json()["items"]}


def test_a_job_says_what_it_did_and_when_it_runs_again(parts: Parts) -> None:
    house = a_house(parts)
    found = ran(parts, house)
    assert (found["sweep"]["outcome"], found["sweep"]["failed"]) == ("2 stays swept", False)
    assert (found["retention"]["outcome"], found["retention"]["failed"]) == ("failed: RuntimeError: no such luck", True)
    assert found["sweep"]["next_at"] is not None
    with parts.store.reading() as connection:
        kept = connection.execute(select(t.JobRun.next_at).where(t.JobRun.name == "sweep")).scalar_one()
    assert kept is not None


def test_while_nobody_schedules_nothing_runs_next(parts: Parts) -> None:
    house = a_house(parts)
    ran(parts, house)
    clock: Any = parts.clock
    clock.advance(seconds=timedelta(minutes=1).total_seconds())
    assert {one["next_at"] for one in house.as_("li").get("/api/v1/jobs").json()["items"]} == {None}


def test_only_who_looks_after_the_whole_street_sees_them(parts: Parts) -> None:
    house = a_house(parts)
    house.hires("xi", "manager", "xinyi")
    house.hires("au", "auditor")
    house.hires("fang", "finance")
    assert house.as_("xi").get("/api/v1/jobs").status_code == 403
    assert house.as_("au").get("/api/v1/jobs").status_code == 200
    assert house.as_("fang").get("/api/v1/jobs").status_code == 403


class TestRunNow:
    def asks(self, house: House, who: str, name: str = "sweep") -> int:
        return int(house.as_(who).post(f"/api/v1/jobs/{name}/run").status_code)

    def sweep(self, house: House) -> dict[str, Any]:
        found = house.as_("li").get("/api/v1/jobs").json()["items"]
        return next(one for one in found if one["name"] == "sweep")

    def test_it_is_done_once_where_the_lease_is_and_told_even_if_it_was_nothing(self, parts: Parts, clock: Any) -> None:
        house, done = a_house(parts), threading.Semaphore(0)
        house.hires("li", "manager")
        leads, waits = (Jobs(parts, [("sweep", 3600.0, done.release)], holder=name) for name in ("a", "b"))
        leads.tick()
        waits.tick()
        try:
            leads._run("sweep", lambda: "2 stays swept")
            clock.advance(seconds=5)
            assert [self.asks(house, "li"), self.asks(house, "li"), self.asks(house, "li", "none")] == [202, 409, 404]
            assert self.sweep(house)["asked_by"] == "li"
            waits.tick()
            leads.tick()
            assert done.acquire(timeout=90)
        finally:
            leads._stand_down(wait=True)
        told = self.sweep(house)
        assert (told["outcome"], told["asked_by"]) == ("nothing to do", None)
        assert not done.acquire(blocking=False)
        with parts.store.reading() as connection:
            line = select(t.AuditEntry.operator, t.AuditEntry.subject).where(t.AuditEntry.action == "job.run")
            assert [tuple(row) for row in connection.execute(line)] == [("li", "sweep")]

    @on_one_database
    def test_only_who_answers_for_the_whole_street_and_while_somebody_schedules(
        self, parts: Parts, clock: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        house = a_house(parts)
        ran(parts, house)
        for name, role, *sites in (("xi", "manager", "xinyi"), ("au", "auditor"), ("fang", "finance")):
            house.hires(name, role, *sites)
            assert self.asks(house, name) == 403
        browser = signed_in(house, "li")
        page = browser.get("/admin/jobs").text
        clock.advance(seconds=1)
        for csrf, status in (("made up", 303), (csrf_of(page), 303), (csrf_of(page), 409)):
            assert browser.post("/admin/jobs/sweep/run", data={"csrf": csrf}).status_code == status
        assert "已要求执行" in browser.get("/admin/jobs").text
        assert "立即执行" not in signed_in(house, "au").get("/admin/jobs").text
        monkeypatch.setenv("PARKGATE_DATABASE_URL", str(parts.store.engine.url))
        with pytest.raises(SystemExit) as left:
            main(["jobs", "--now", "retention"])
        # Whoever schedules has ended by the clock of the command.
        assert (left.value.code, "No process does the scheduled work" in capsys.readouterr().err) == (2, True)
        clock.advance(minutes=5)
        assert self.asks(house, "li", "retention") == 409
