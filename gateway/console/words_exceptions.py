"""What an exception of the queue is called, by its kind."""

from __future__ import annotations

from typing import Final, Literal

from billing.exports.words import EXCEPTIONS

# Kinds of exceptions come from the flows; the board shows the word where it has one, else the kind as it is.
EXCEPTION_WORDS: Final[dict[Literal["zh", "en"], dict[str, str]]] = {
    "zh": EXCEPTIONS,
    "en": {
        "no_entry": "no entry known",
        "missing_exit": "missing exit",
        "implausible_stay": "implausible stay",
        "unpaid_exit": "left unpaid",
        "overpaid": "paid beyond the bill",
        "payment_mismatch": "a payment is not what was ordered",
        "refund_failed": "a refund was not made",
        "correction_proposed": "a correction waits for a second person",
        "help_call": "call for help",
        "bill_disputed": "a driver disputes a bill",
        "invoice_refused": "an invoice was not issued",
        "red_invoice_refused": "a red invoice was not issued",
        "unreadable": "plate unreadable",
        "blocked": "blocked vehicle",
        "not_registered": "not registered",
        "not_confirmed": "opened, nobody passed",
        "command_not_confirmed": "command not obeyed",
        "barrier_fault": "barrier fault",
        "held_open": "to be lowered by hand after an emergency",
        "opened_by_hand": "opened by hand",
        "opened_without_event": "passed without a read",
        "tailgating": "tailgating",
        "alarm": "device alarm",
        "door_guessing": "codes tried out at a small gate",
        "clock_off": "a device's clock is off",
        "device_refused": "a device was refused",
        "messages_lost": "what a device said is lost",
        "calendar_unknown": "holidays not known",
        "statement_missing": "a channel's statement is missing",
        "day_not_closed": "a day is not closed",
        "voucher_count": "voucher stock does not fit",
        "voucher_reused": "voucher used twice",
        "voucher_refused": "voucher refused",
        "voucher_unmatched": "voucher without a stay",
    },
}
