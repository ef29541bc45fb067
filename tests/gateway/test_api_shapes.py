"""What OpenAPI says of passes, charges, arrears and vouchers is what their flows answer: the same fields, field by field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from gateway.api import arrears_shapes, breaks_shapes, orders_shapes, passes_shapes, statement_shapes, voucher_shapes
from gateway.api.shapes import FoundBreak
from gateway.flows import (
    arrears,
    arrears_agreements,
    arrears_reminders,
    arrears_write_off,
    breaks_books,
    breaks_evidence,
    breaks_reading,
    breaks_repeats,
    charges,
    charges_money,
    passes,
    passes_refund,
    statements,
    statements_fetch,
)
from gateway.flows.orders import records
from gateway.flows.reconciliation import reading
from gateway.flows.vouchers import books, offline, payments, redeem, register


@pytest.mark.parametrize(
    ("record", "model"),
    [
        (arrears.Owed, arrears_shapes.Owed),
        (arrears.Collected, arrears_shapes.Collected),
        (arrears_agreements.Agreement, arrears_shapes.Agreement),
        (arrears_reminders.Message, arrears_shapes.Reminder),
        (arrears_reminders.Batch, arrears_shapes.ReminderBatch),
        (arrears_write_off.WriteOff, arrears_shapes.WriteOff),
        (breaks_books.Step, breaks_shapes.Step),
        (breaks_reading.WholeBreak, breaks_shapes.WholeBreak),
        (breaks_evidence.Evidence, breaks_shapes.Evidence),
        (breaks_evidence.Booked, breaks_shapes.Booked),
        (breaks_evidence.Picture, breaks_shapes.Picture),
        (breaks_evidence.Posted, breaks_shapes.Posted),
        (breaks_evidence.StatementLine, breaks_shapes.StatementLine),
        (breaks_repeats.Month, breaks_shapes.Month),
        (breaks_repeats.Repeat, breaks_shapes.Repeat),
        (charges.SiteRun, passes_shapes.SiteRun),
        (charges_money.Paid, passes_shapes.ChargePaid),
        (passes.SoldNow, passes_shapes.PassSold),
        (passes_refund.Refund, passes_shapes.Refund),
        (reading.Break, FoundBreak),
        (statements.Imported, statement_shapes.Imported),
        (statements_fetch.Fetched, statement_shapes.Fetched),
        (books.Book, voucher_shapes.Book),
        (offline.Redemption, voucher_shapes.Redemption),
        (records.Order, orders_shapes.Order),
        (records.Refund, orders_shapes.Refund),
        (payments.Paid, voucher_shapes.BuyerPaid),
        (redeem.Presented, voucher_shapes.Presented),
        (register.Issue, voucher_shapes.Issue),
    ],
)
def test_a_model_has_the_fields_of_its_record(record: type[msgspec.Struct], model: type[BaseModel]) -> None:
    answered = [field.encode_name for field in msgspec.structs.fields(record)]
    assert answered == [field.alias or name for name, field in model.model_fields.items()]
    for name, field in zip(answered, model.model_fields.values(), strict=True):
        assert _null(field.annotation) == _null(_type_of(record, name)), name


def _type_of(record: type[msgspec.Struct], name: str) -> Any:
    return next(field.type for field in msgspec.structs.fields(record) if field.encode_name == name)


def _null(annotation: Any) -> bool:
    """Whether null is one of its values."""
    return type(None) in getattr(annotation, "__args__", ())
