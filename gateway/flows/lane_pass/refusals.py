"""What is refused to whoever scans a lane's code, and to who renews it. Every one of them opens nothing."""

from __future__ import annotations

from gateway.flows.refusals import Refused


class NobodyWaits(Refused):
    """No vehicle without a plate stands at this lane: drive up to the barrier and wait until the display shows it."""

    status = 409
    slug = "nobody-waits"


class ClaimedBefore(Refused):
    """Another phone has scanned for the vehicle that stands at this lane."""

    status = 409
    slug = "claimed-before"


class ScanOver(Refused):
    """The scan is too old or was used: scan the lane's code again."""

    status = 409
    slug = "scan-over"


class NoStay(Refused):
    """The phone came with no vehicle that is inside here: press the help button."""

    status = 409
    slug = "no-stay"


class Renewed(Refused):
    """The code was renewed since it was shown: look at it again."""

    status = 409
    slug = "code-renewed"
