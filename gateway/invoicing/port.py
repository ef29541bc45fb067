"""The port of providers of electronic invoices (数电票): what the flows ask of one, and what it answers.

A provider carries an invoice to the tax authority and brings back its number and its PDF; that takes a while, so it is asked again.
Everything goes under a number of ours that stays the same: sent twice it is one invoice. It knows no database.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

import msgspec

from billing.invoices import Content, Seller

Cause = Literal["mistake", "refund"]
"""Why an invoice is reversed (红冲原因): 开票有误, or 销售折让 where money went back."""


class InvoicingError(Exception):
    """The provider did not answer, or not in time: what became of it is not known. Ask again. The words name no buyer."""


class State(StrEnum):
    """How an invoice, or a red one, stands at the provider."""

    PENDING = "pending"
    ISSUED = "issued"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """It has never come there, or was lost there: send it again."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says. `number` has 20 digits; `detail`: why it was refused, without anything of the buyer."""

    state: State
    number: str | None = None
    issued_at: datetime | None = None
    pdf: bytes | None = None
    detail: str = ""


class ToReverse(msgspec.Struct, frozen=True, kw_only=True):
    """A red invoice over the whole of a blue one (全额红冲). `number` is ours, `of_number` the blue one's."""

    number: str
    of_number: str
    of_issued_at: datetime
    amount_fen: int
    tax_fen: int
    cause: Cause
    seller: Seller


class Provider(Protocol):
    """The account of one merchant at a provider."""

    def issue(self, content: Content) -> Said:
        """Send an invoice. Raises `InvoicingError`."""
        ...

    def query(self, number: str) -> Said:
        """How an invoice of ours stands. Raises `InvoicingError`."""
        ...

    def reverse(self, asked: ToReverse) -> Said:
        """Send a red invoice. Raises `InvoicingError`."""
        ...

    def query_red(self, number: str) -> Said:
        """How a red invoice of ours stands. Raises `InvoicingError`."""
        ...
