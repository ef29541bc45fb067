"""Vehicles that do not move, against themselves and the audit trail: a case stands as its steps say, and each step of staff left a line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select

from gateway.flows.verify_scope import Failure, Look
from gateway.flows.zombies import BECOMES, BY_ITSELF, OPEN
from gateway.store import tables as t

WHAT = "zombie"
_CASE, _STEP, _LINE = t.ZombieVehicle.__table__.c, t.ZombieStep.__table__.c, t.AuditEntry.__table__.c
_ACTIONS = {f"zombie.{step}": step for step in BECOMES}


def failures(look: Look) -> Iterator[Failure]:
    """Cases found in these days, and lines of them whose case is not there."""
    query = select(*_CASE).where(*look.scope.instants(_CASE.found_at)).order_by(_CASE.site_id, _CASE.id)
    for chunk in look.rows(query):
        names = [one.id for one in chunk]
        steps, lines = _steps(look, names), _lines(look, names)
        for one in chunk:
            why = _wrong(one, steps[one.id], lines[one.id])
            if why is not None:
                yield Failure(WHAT, one.id, why)
            look.count("zombies")
    told = select(_LINE.subject).where(_LINE.action.in_(sorted(_ACTIONS)), *look.scope.instants(_LINE.at))
    gone = look.connection.execute(
        told.where(_LINE.subject.not_in(select(_CASE.id))).order_by(_LINE.subject).limit(1)
    ).scalar()
    if gone is not None:
        yield Failure(WHAT, gone, "the audit trail tells of it, and it is not there")


def _steps(look: Look, names: Sequence[str]) -> defaultdict[str, list[Any]]:
    found: defaultdict[str, list[Any]] = defaultdict(list)
    query = select(*_STEP).where(_STEP.zombie_id.in_(names)).order_by(_STEP.zombie_id, _STEP.sequence)
    for row in look.connection.execute(query):
        found[row.zombie_id].append(row)
    return found


def _lines(look: Look, names: Sequence[str]) -> defaultdict[str, list[Any]]:
    found: defaultdict[str, list[Any]] = defaultdict(list)
    query = select(*_LINE).where(_LINE.subject.in_(names), _LINE.action.in_(sorted(_ACTIONS))).order_by(_LINE.id)
    for row in look.connection.execute(query):
        found[row.subject].append(row)
    return found


def _wrong(case: Any, steps: Sequence[Any], lines: Sequence[Any]) -> str | None:
    if [one.sequence for one in steps] != list(range(1, len(steps) + 1)):
        return "its steps do not follow one another"
    if not steps or (steps[0].step, steps[0].operator, steps[0].at) != ("found", BY_ITSELF, case.found_at):
        return "its first step is not that it was found"
    state = "found"
    for one in steps[1:]:
        if state not in OPEN:
            return "a step follows its end"
        if (one.step, state) != ("notice", "contacted"):
            state = BECOMES.get(one.step, one.step)
    if case.state != state:
        return f"its steps leave it {state}, not {case.state}"
    if case.ended_at != (None if state in OPEN else steps[-1].at):
        return "it ended at another time than its last step"
    if steps[-1].step == "moved" and steps[-1].operator != BY_ITSELF:
        return "who moves is let go by the program"
    said = [(one.at, one.operator, one.step) for one in steps[1:] if one.step != "moved"]
    if said != [(one.at, one.operator, _ACTIONS[one.action]) for one in lines]:
        return "the audit trail says otherwise what was done, when or by whom"
    if any(one.site_id != case.site_id or one.detail.get("stay") != case.stay_id for one in lines):
        return "the audit trail says that it is another stay"
    return None
