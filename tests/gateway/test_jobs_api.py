"""`GET /jobs`: what each job last did and when it runs next, for who looks after all of the street."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from gateway.jobs.runner import Jobs
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import House, a_house


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
