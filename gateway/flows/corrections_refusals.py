"""What is refused about corrections. Each says what to do instead."""

from __future__ import annotations

from gateway.flows.refusals import Refused


class NotCorrectable(Refused):
    """Of this stay nothing can be corrected."""

    status = 409
    slug = "not-correctable"


class NothingToCorrect(Refused):
    """The record says so already."""

    status = 409
    slug = "nothing-to-correct"


class StaysOverlap(Refused):
    """Another stay of the vehicle would lose its entry or exit: correct that one first."""

    status = 409
    slug = "stays-overlap"


class EffectChanged(Refused):
    """What comes of the correction has changed since you looked at it: look again."""

    status = 409
    slug = "effect-changed"
