"""Where in a vehicle's past the next event must begin to fold. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from billing.policy import Policy
from controllers.passages import SAME_PASSAGE, DerivedStay

# The first stay of a history was read at its entry for a minute at most, so what is told of later than a minute after that cannot
# be about its entry any more.
STANDS_AFTER: Final = 2 * SAME_PASSAGE


class Began(NamedTuple):
    """A stay: when the vehicle was first read for it, and when it left."""

    at: datetime
    left_at: datetime | None


def history_from(real: Sequence[Began], folded: Iterable[DerivedStay], back_soon: timedelta | None) -> datetime | None:
    """The beginning of the last stay but one, and of what that one may go on from. None: nothing is known of the vehicle.

    `real`: its stays, oldest first, void ones not counted. The first of a history must stand, as `folded` tells: who was read at its
    entry for long may be told to have backed away by an event that is much later.
    """
    read_until = {
        passage.first.at: passage.newest.at for one in folded if (passage := one.entry or one.exit) is not None
    }
    first = max(0, len(real) - 2)
    while first:
        came = real[first].at
        stands = read_until.get(came, came) - came <= SAME_PASSAGE
        left = real[first - 1].left_at
        goes_on = back_soon is not None and left is not None and came - left <= back_soon
        if stands and not goes_on:
            break
        first -= 1
    return real[first].at if real else None


def back_soon(versions: Iterable[Policy]) -> timedelta | None:
    """How soon after an exit an entry may, under one of these, make two stays one; None where stays never go on."""
    most = max(
        (policy.reentry_minutes_most for policy in versions if policy.reentry_minutes_most is not None), default=None
    )
    # Whole minutes are counted: the seconds of both instants may add almost one more.
    return None if most is None else timedelta(minutes=most + 1)
