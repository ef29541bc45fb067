"""Electronic invoices as OpenAPI shows them. Money is integer fen."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from gateway.api.passes_shapes import Asked

State = Literal[
    "requested",
    "submitted",
    "issued",
    "refused",
    "withdrawn",
    "red_requested",
    "red_submitted",
    "red_refused",
    "red_issued",
]


class InvoiceAsked(Asked):
    """A company (企业) has a tax number (统一社会信用代码), a person (个人) has none."""

    kind: Literal["person", "company"]
    title: Annotated[str, Field(max_length=200)]
    tax_number: Annotated[str, Field(max_length=40)] = ""
    email: Annotated[str, Field(max_length=100)] = ""
    phone: Annotated[str, Field(max_length=40)] = ""


class Invoice(BaseModel):
    id: str
    site: str
    stay: str
    merchant: str
    state: State
    requested_at: datetime
    requested_by: str | None = Field(description="null: the driver")
    kind: str
    title: str
    tax_number: str
    email: str
    phone: str
    amount_fen: int = Field(description="with the tax in it; 0 until it is sent")
    tax_fen: int
    rate: str
    submitted_at: datetime | None = Field(description="from then on what it says is fixed")
    number: str | None = Field(description="发票号码, 20 digits")
    issued_at: datetime | None
    red_cause: Literal["mistake", "refund"] | None
    red_requested_at: datetime | None
    red_requested_by: str | None = Field(description="null: money went back")
    red_number: str | None
    red_issued_at: datetime | None
    replaces: str | None = Field(description="the one whose rest it is, or that was refused")
    problem: str
