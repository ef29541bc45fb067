"""Corrections at the same instant as the exits, the late reads and other corrections of the same vehicles, on PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from controllers.events import Kind, Opening
from gateway.flows import corrections
from gateway.flows.charges_books import By
from gateway.flows.event_path import EventPath
from gateway.flows.inbound import Inbound
from gateway.flows.refusals import Refused
from gateway.flows.verify import verify
from gateway.store.engine import Store, open_engine
from gateway.wiring import Parts
from tests.gateway.trade import Street, local

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
]

VEHICLES = 20


def right(number: int) -> str:
    return f"浙A{number:05d}"


def wrong(number: int) -> str:
    return f"浙B{number:05d}"


class Hand(threading.Thread):
    """Does its work piece by piece with connections of its own; again after a conflict, as a bridge and a client do."""

    def __init__(self, parts: Parts, name: str, work: Sequence[Callable[[Parts, EventPath], Any]], start: Any) -> None:
        super().__init__(name=name, daemon=True)
        self._store = Store(open_engine(parts.store.engine.url, pool_size=1))
        self._parts = replace(parts, store=self._store)
        self._path = EventPath(self._parts, planner=name)
        self._work, self._start = work, start
        self.refused: list[str] = []
        self.done = False

    def run(self) -> None:
        try:
            self._start.wait(60)
            for piece in self._work:
                self._do(piece)
            self.done = True
        finally:
            self._store.close()

    def _do(self, piece: Callable[[Parts, EventPath], Any]) -> None:
        for _ in range(30):
            try:
                piece(self._parts, self._path)
            except DBAPIError:
                time.sleep(0.02)
            except Refused as refused:
                self.refused.append(type(refused).__name__)
                return
            else:
                return
        raise AssertionError("it never came through")


def at_once(parts: Parts, *work: Sequence[Callable[[Parts, EventPath], Any]]) -> list[str]:
    start = threading.Barrier(len(work))
    hands = [Hand(parts, f"hand-{number}", pieces, start) for number, pieces in enumerate(work)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join(120)
    assert all(hand.done for hand in hands)
    return [one for hand in hands for one in hand.refused]


def told(*messages: Inbound) -> Callable[[Parts, EventPath], Any]:
    return lambda _, path: path.run(messages)


def said(stay: str, operator: str, **wanted: Any) -> Callable[[Parts, EventPath], Any]:
    def correct(parts: Parts, _path: EventPath) -> None:
        made = corrections.correct(parts, stay, corrections.Wanted(**wanted), "misread", By(operator=operator))
        if made.state == "proposed":
            corrections.approve(parts, made.id, By(operator=f"{operator}'s second"))

    return correct


def test_an_exit_late_reads_and_corrections_at_once(parts: Parts) -> None:
    street = Street(parts)
    entered, exits, late = [], [], []
    for number in range(VEHICLES):
        street.arrives("in-1", wrong(number), f"09:{number:02d}", id=f"in-{number}")
        entered.append(street.stay(wrong(number)).id)
    street.clock.set(local("11:30"))
    for number in range(VEHICLES):
        at = local(f"11:{number:02d}")
        out = f"out-{number}"
        exits.append(told(street.read("out-2", right(number), at, id=out, buffered=True, opening=Opening.OFFLINE_EXIT)))
        again = street.read("in-1", wrong(number), local(f"09:{number:02d}:20"), id=f"again-{number}", buffered=True)
        gone = street.mark("in-1", Kind.PASSED, local(f"09:{number:02d}:25"), f"again-{number}")
        late += [told(gone), told(again)]
    corrected = [said(stay, "mei", plate=right(number)) for number, stay in enumerate(entered)]
    moved = [said(stay, "wang", entry_at=local(f"08:{number:02d}")) for number, stay in enumerate(entered)]
    refused = at_once(parts, exits, late, corrected, moved, list(reversed(corrected)))
    # Of two who say the same one comes too late; who comes while something is proposed is told so.
    assert set(refused) <= {"NothingToCorrect", "AlreadyProposed", "NotCorrectable"}
    for number, stay_id in enumerate(entered):
        if not any(one.id == stay_id and one.plate == right(number) for one in street.stays()):
            corrected[number](parts, street.path)
    stays = [one for one in street.stays() if one.state != "void"]
    assert sorted(one.plate for one in stays) == [right(number) for number in range(VEHICLES)]
    for one in stays:
        assert (one.state, one.exit_lane, one.entry_lane) == ("left", "out-2", "in-1")
        assert one.entry_at.second == 0
    report = verify(parts)
    assert report.ok, report.first_failure
