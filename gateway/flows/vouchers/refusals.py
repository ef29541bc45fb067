"""What is refused about vouchers. To a driver every refusal of a code says little: whoever guesses learns nothing."""

from __future__ import annotations

from gateway.flows.refusals import Refused


class VoucherNotValid(Refused):
    """The code is not one of this site's vouchers."""

    status = 422
    slug = "voucher-not-valid"


class VoucherUsed(Refused):
    """The voucher has been used already."""

    status = 409
    slug = "voucher-used"


class VoucherNotIssued(Refused):
    """The voucher was never issued to anybody, or was returned: keep it and tell the registrar."""

    status = 409
    slug = "voucher-not-issued"


class VoucherOver(Refused):
    """The voucher is void, or not valid at this time."""

    status = 409
    slug = "voucher-over"


class VoucherNotNow(Refused):
    """The stay takes no voucher now."""

    status = 409
    slug = "voucher-not-now"


class VoucherState(Refused):
    """A voucher of this range is not in a state in which this can be done."""

    status = 409
    slug = "voucher-state"


class QuotaReached(Refused):
    """The household has taken as many vouchers this month as it may."""

    status = 409
    slug = "voucher-quota-reached"


class MonthNotClosed(Refused):
    """The month is not closed at this site: what was used in it may still change."""

    status = 409
    slug = "month-not-closed"
