"""The decision: does the barrier open, and what does the display say. Pure: facts in, decision out."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from controllers.commands import Action, Reason

OPEN_FOR = timedelta(seconds=8)
OPEN_AFTER_READ_MAX = timedelta(seconds=12)
LATE_AFTER = timedelta(seconds=10)
FUTURE_MAX = timedelta(minutes=5)
PAYMENT_OPENS_WITHIN = timedelta(minutes=5)
CONFIRM_WITHIN = timedelta(minutes=3)


class Verdict(msgspec.Struct, frozen=True):
    """`reason` is what the wire, displays and guards see; `true_reason` is kept apart, for those who administer it."""

    opens: bool
    reason: Reason
    true_reason: str

    @property
    def action(self) -> Action:
        return Action.OPEN if self.opens else Action.SHOW


class AtEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a vehicle that wants in. `standing` is what it would be let in as."""

    readable: bool = True
    free: bool = False
    blocked: bool = False
    registered: bool = False
    residents_only: bool = False
    full: bool = False
    standing: Reason = Reason.TEMPORARY
    true_standing: str = "temporary"


class AtExit(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a vehicle that wants out. `due_fen` is what is still to be paid for this stay alone."""

    readable: bool = True
    entry_known: bool = True
    plausible: bool = True
    due_fen: int = 0
    settled_by: Reason = Reason.FREE_MINUTES
    settled_truly_by: str = "free_minutes"
    may_pay_later: bool = False


def at_entry(facts: AtEntry) -> Verdict:
    """In this order: free classes always; then blocked, not registered, full (which refuses only visitors)."""
    if not facts.readable:
        return _refuse(Reason.UNREADABLE)
    if facts.free:
        return Verdict(True, Reason.FREE_CLASS, facts.true_standing)
    if facts.blocked:
        return _refuse(Reason.BLOCKED)
    if facts.residents_only and not facts.registered:
        return _refuse(Reason.NOT_REGISTERED)
    if facts.full and facts.standing is Reason.TEMPORARY:
        return _refuse(Reason.FULL)
    return Verdict(True, facts.standing, facts.true_standing)


def at_exit(facts: AtExit) -> Verdict:
    """Nobody is refused for a blocklist entry or old arrears: only this stay is due."""
    if not facts.readable:
        return _refuse(Reason.UNREADABLE)
    if not facts.entry_known or not facts.plausible:
        # The wire has no word of its own for an implausible stay: staff see the true reason.
        return Verdict(False, Reason.NO_ENTRY, "no_entry" if not facts.entry_known else "implausible_stay")
    if facts.due_fen <= 0:
        return Verdict(True, facts.settled_by, facts.settled_truly_by)
    if facts.may_pay_later:
        return Verdict(True, Reason.PAY_LATER, "pay_later")
    return _refuse(Reason.PAYMENT_DUE)


def expiry(decided_at: datetime, read_at: datetime) -> datetime:
    """When a command for a read must have acted: 8 s after the decision, never more than 12 s after the read.

    Our clock; the device's own follows by adding its offset.
    """
    return min(decided_at + OPEN_FOR, read_at + OPEN_AFTER_READ_MAX)


def _refuse(reason: Reason) -> Verdict:
    return Verdict(False, reason, reason.value)
