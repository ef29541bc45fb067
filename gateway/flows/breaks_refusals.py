"""What is refused about breaks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from billing.breaks import NotNow, NotPosted, SecondPerson, Taken
from gateway.flows.charges_refusals import SecondPersonNeeded
from gateway.flows.refusals import Refused


class BreakTaken(Refused):
    """Somebody else has taken the break on."""

    status = 409
    slug = "break-taken"


class BreakNotOpen(Refused):
    """The break does not stand so that this can be done with it."""

    status = 409
    slug = "break-not-open"


class BreakChanged(Refused):
    """The break has changed since you looked at it: look again."""

    status = 409
    slug = "break-changed"


class NotSettledSo(Refused):
    """The difference cannot be settled so."""

    status = 409
    slug = "not-settled-so"


@contextmanager
def refusing() -> Iterator[None]:
    """What the pure half refuses, as refusals of a flow."""
    try:
        yield
    except NotNow as why:
        raise BreakNotOpen(str(why)) from None
    except Taken as why:
        raise BreakTaken(str(why)) from None
    except SecondPerson as why:
        raise SecondPersonNeeded(str(why)) from None
    except NotPosted as why:
        raise NotSettledSo(str(why)) from None
