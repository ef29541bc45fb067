"""What staff are refused at a lane, and in the queue of what needs a person."""

from __future__ import annotations

from gateway.flows.refusals import Refused


class OpeningUnderWay(Refused):
    """The barrier is being opened for this vehicle already; wait until it is said what became of it."""

    status = 409
    slug = "opening-under-way"


class NotWhileOpen(Refused):
    """An emergency is declared for the site: its barriers stay open until it is ended."""

    status = 409
    slug = "emergency-declared"


class DeviceAway(Refused):
    """The lane's device is not connected: nothing that is sent would arrive. Somebody has to go there."""

    status = 409
    slug = "device-away"


class NotAtTheLane(Refused):
    """The vehicle does not stand at the lane, or was read too long ago: wait until it is read again."""

    status = 409
    slug = "not-at-the-lane"


class Claimed(Refused):
    """Somebody else works on this already."""

    status = 409
    slug = "claimed"


class AlreadyResolved(Refused):
    """Somebody has resolved it already."""

    status = 409
    slug = "already-resolved"


class AlreadyDeclared(Refused):
    """An emergency is declared for this site already."""

    status = 409
    slug = "already-declared"


class OtherLanes(Refused):
    """What would open is not what was shown: look at it again."""

    status = 409
    slug = "other-lanes"
