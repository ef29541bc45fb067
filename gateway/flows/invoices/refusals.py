"""What is refused about electronic invoices."""

from __future__ import annotations

from collections.abc import Sequence

from billing.invoices import Problem
from gateway.flows.refusals import Invalid, Refused


class InvoiceNotOffered(Refused):
    """The site's merchant issues no electronic invoices; ask at the booth."""

    status = 422
    slug = "invoice-not-offered"


class NothingToInvoice(Refused):
    """Nothing was paid for this stay, or an invoice covers all of it already."""

    status = 409
    slug = "nothing-to-invoice"


class InvoiceUnderWay(Refused):
    """An invoice of this stay is under way; staff can put its buyer right until it is sent, finance reverses it once it is there."""

    status = 409
    slug = "invoice-under-way"


class InvoiceNotThere(Refused):
    """The invoice is not in a state for this."""

    status = 409
    slug = "invoice-not-in-state"


class NoSuchInvoice(Refused):
    """There is no such invoice, or not for you."""

    status = 404
    slug = "not-found"


class BuyerWrong(Invalid):
    """What an invoice should say of its buyer cannot be used."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.fields = tuple(one.field for one in problems)
        super().__init__("; ".join(f"{one.field}: {one.words}" for one in problems))
