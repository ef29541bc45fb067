"""People at small gates (小门): what each shows at the reader, and the door, which falls shut behind whoever it opened for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from controllers.commands import Action as CommandAction
from controllers.events import Outcome
from simulators.agenda import PLANNED, Action, Agenda
from simulators.barrier import Cause
from simulators.gate import Answered
from simulators.manners import seconds
from simulators.transport import Key
from simulators.yard import Yard

FALLS_SHUT_AFTER = seconds(5)


class Visit(NamedTuple):
    """Somebody at a small gate's reader. `credential`: a card's number, or the code that is typed."""

    site: str
    lane: str
    at: datetime
    credential: str


class Doors:
    """Carries visits out on the small gates of a yard. No vehicle comes there, and nothing waits for what becomes of a visit."""

    def __init__(self, yard: Yard, agenda: Agenda) -> None:
        self._yard, self._agenda = yard, agenda
        self._devices = {
            (key.site, name): key
            for key, gate in yard.gates.items()
            for name, lane in gate.lanes.items()
            if lane.spec.door
        }

    def plan(self, visits: Iterable[Visit]) -> None:
        """Put visits on the agenda. Raises `KeyError` for a lane that is no door of the yard's."""
        for visit in visits:
            self._write(visit.at, self._devices[visit.site, visit.lane], visit)

    def answered(self, key: Key, one: Answered) -> None:
        """What a device has been told: a door that opened falls shut by itself, which is said by no event."""
        lane = one.command.lane
        if (
            one.command.action is CommandAction.OPEN
            and one.outcome is Outcome.DONE
            and (key.site, lane) in self._devices
        ):

            def falls(at: datetime) -> None:
                state = self._yard.gates[key].lanes[lane]
                if not state.held:
                    state.fall(Cause.AUTOMATIC, None, at)

            self._agenda.write(one.at + FALLS_SHUT_AFTER, Action(key, falls))

    def _write(self, at: datetime, key: Key, visit: Visit) -> None:
        def shown(when: datetime) -> None:
            self._yard.gates[key].credential_shown(visit.lane, when, visit.credential)
            self._yard.send(key)

        self._agenda.write(at, Action(key, shown), PLANNED)
