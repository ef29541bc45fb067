"""Why a stay cannot be priced. Whoever asks shows the words; a gate sends the stay to its exception queue."""

from __future__ import annotations


class CannotPrice(Exception):
    """The stay cannot be priced."""

    def __init__(self, detail: str = "") -> None:
        words = (type(self).__doc__ or "").strip().rstrip(".")
        super().__init__(f"{words}: {detail}" if detail else words)


class ExitBeforeEntry(CannotPrice):
    """The exit is before the entry."""


class UnknownVehicle(CannotPrice):
    """Not a vehicle type; it is one of small, large, motorcycle."""


class NoRelativeAllowance(CannotPrice):
    """An allowance was given, but the policy has no [relative_allowance]."""


class CalendarUnknown(CannotPrice):
    """The holidays of a year that the policy's kinds of day depend on are not known yet."""

    def __init__(self, year: int) -> None:
        super().__init__(str(year))
        self.year = year


class StayTooLong(CannotPrice):
    """The stay has more charging units than a bill can hold."""


class TimeOutOfRange(CannotPrice):
    """A time outside the years 1970 to 9990, or without a time zone."""


class TooManyBenefits(CannotPrice):
    """More passes or vouchers were presented than one stay can take."""


class BadVoucher(CannotPrice):
    """Not a voucher; write minutes:N, amount:N (fen) or whole_stay."""


class BadMonth(CannotPrice):
    """Not a month; write YYYY-MM."""


class BadTime(CannotPrice):
    """Not a time; write 2026-11-20T09:00, with or without seconds and an offset such as +08:00."""


class BadLine(CannotPrice):
    """The line is not a stay."""
