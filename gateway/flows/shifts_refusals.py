"""What is refused about shifts and drawers."""

from __future__ import annotations

from gateway.flows.refusals import Refused


class ShiftOpen(Refused):
    """The cashier has an open shift at this site already: count and close it first."""

    status = 409
    slug = "shift-open"


class DrawerTaken(Refused):
    """Another cashier's shift is open at this drawer: it is handed over or closed first."""

    status = 409
    slug = "drawer-taken"


class ShiftClosed(Refused):
    """The shift is closed."""

    status = 409
    slug = "shift-closed"


class NotCounted(Refused):
    """The drawer was not counted, or money has moved since: count it now."""

    status = 409
    slug = "not-counted"


class NotOffered(Refused):
    """The shift is not being handed over to you."""

    status = 409
    slug = "not-offered"


class AmountNotCounted(Refused):
    """It is not the amount that was counted: count the drawer together and hand it over again."""

    status = 409
    slug = "amount-not-counted"


class NotInTheSafe(Refused):
    """The safe does not hold so much: finance books what is brought from the bank first."""

    status = 409
    slug = "not-in-the-safe"
