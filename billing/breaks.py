"""对账差异: what may become of a break, by whom, and what is posted when it is settled. Pure; integer fen, a debit positive.

    open ─┬─ claim, release, note ─ open
          ├─ carry over ─ carried_over ─ (as open)
          ├─ settle ─┬─ resolved
          │          └─ awaiting_approval ─┬─ approve ─ resolved
          │                                └─ reject, withdraw ─ open
          └─ (a run) ─ cleared ─ (a run) ─ open

What stands in `suspense:<break>` leaves it whole, in one transaction, or not at all: a break that is resolved holds nothing there.
Source: the contract "money".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final, Literal

import msgspec

from billing.cash import SAFE, drawer
from billing.ledger import WRITTEN_OFF, Posting
from billing.people import same_person

State = Literal["open", "carried_over", "awaiting_approval", "cleared", "resolved"]
How = Literal["matched", "adjusted", "written_off"]
Target = Literal["fee", "channel", "bank", "safe", "refund", "income", "written_off"]

UNSETTLED: Final[tuple[State, ...]] = ("open", "carried_over", "awaiting_approval")
KINDS: Final = (
    *("channel_only", "book_only", "amount_mismatch", "status_mismatch", "duplicate", "cut_off", "refund_mismatch"),
    *("fee_mismatch", "cash_over", "cash_short", "unpaid_exit", "opened_without_event", "missing_exit"),
    "voucher_count",
)
"""As in the contract, in its order."""
TARGETS: Final[tuple[Target, ...]] = ("fee", "channel", "bank", "safe", "refund", "income", "written_off")
# Money that nobody had booked can be owed back, or be income; money that is missing cannot.
_OF_A_SURPLUS: Final = frozenset({"refund", "income"})
_OF_A_CHANNEL: Final = frozenset({"fee", "channel"})
SAFE_ACCOUNT: Final = drawer(SAFE)
_FIXED: Final[Mapping[str, str]] = {
    "fee": "expense:channel_fee",
    "bank": "assets:bank",
    "safe": SAFE_ACCOUNT,
    "refund": "liability:refund",
    "income": "income:parking",
    "written_off": WRITTEN_OFF,
}
_CHANNEL: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,19}")
MATCHED_MAX: Final = 20
CARRIED_DAYS_MAX: Final = 366


class NotNow(ValueError):
    """The break does not stand so that this can be done with it."""


class Taken(ValueError):
    """Somebody else has taken the break on."""


class SecondPerson(ValueError):
    """Who proposed it does not decide it."""


class NotPosted(ValueError):
    """It cannot be posted so."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A resolution: what leaves suspense by the account that it goes to, and the breaks that it is matched with.

    `to` is signed as the other side is posted, and sums to what stands in suspense.
    """

    how: How
    by: str
    to: dict[str, int] = {}
    others: tuple[str, ...] = ()


class Break(msgspec.Struct, frozen=True, kw_only=True):
    """A break as far as it matters for what becomes of it.

    `amount_fen`: how much is in question, 0 or more. `suspense_fen`: what stands in `suspense:<id>` now: below 0 where there is money
    that the books did not have, above 0 where the books had money that is not there. `proposal` while it awaits approval.
    """

    id: str
    kind: str
    channel: str = ""
    amount_fen: int = 0
    suspense_fen: int = 0
    state: State = "open"
    owner: str | None = None
    carried_to: date | None = None
    proposal: Proposal | None = None


class Settled(msgspec.Struct, frozen=True):
    """What it comes to: the break, those that it was matched with, and what is posted; nothing while it awaits approval."""

    item: Break
    others: tuple[Break, ...] = ()
    postings: tuple[Posting, ...] = ()


class Rules(msgspec.Struct, frozen=True):
    """Breaks of more than `alone_fen` are settled by two. What is written off always is."""

    alone_fen: int

    def takes_two(self, item: Break, proposal: Proposal) -> bool:
        gives_up = proposal.how == "written_off" or WRITTEN_OFF in proposal.to
        # Of the whole break, also where only a part of it goes a way of its own: many small parts are no small break.
        return gives_up or max(item.amount_fen, abs(item.suspense_fen)) > self.alone_fen


def suspense(break_id: str) -> str:
    """The account in which its money stands."""
    return f"suspense:{break_id}"


def age_days(day: date, as_of: date) -> int:
    """For how many days a break has been there at the end of a day."""
    return max(0, (as_of - day).days)


def claim(item: Break, by: str) -> Break:
    """Take it on. Again by the same person is the same. Raises `NotNow`, `Taken`."""
    _workable(item)
    _mine(item, by)
    return msgspec.structs.replace(item, owner=by)


def release(item: Break, by: str, *, supervises: bool = False) -> Break:
    """Give it back to the queue: one's own, or a supervisor anybody's. Raises `NotNow`, `Taken`."""
    _workable(item)
    if item.owner is None:
        raise NotNow("nobody has taken it on")
    if not supervises:
        _mine(item, by)
    return msgspec.structs.replace(item, owner=None)


def carry_over(item: Break, by: str, to: date, today: date) -> Break:
    """挂账 to a named day after today. Raises `NotNow`, `Taken`."""
    _workable(item)
    _mine(item, by)
    if not 0 < (to - today).days <= CARRIED_DAYS_MAX:
        raise NotPosted(f"it is carried over to a day after {today}, within {CARRIED_DAYS_MAX} days")
    return msgspec.structs.replace(item, state="carried_over", carried_to=to, owner=by)


def matched(item: Break, by: str, others: Sequence[Break] = ()) -> tuple[Proposal, tuple[Break, ...]]:
    """It is explained by other breaks whose differences cancel its own to the fen, or by a record of which no money is in question.

    Raises `NotPosted`.
    """
    if len(others) > MATCHED_MAX or len({item.id, *(one.id for one in others)}) != len(others) + 1:
        raise NotPosted(f"it is matched with 1 to {MATCHED_MAX} others, each once")
    left = item.suspense_fen + sum(one.suspense_fen for one in others)
    if left:
        with_them = "with them" if others else "by itself"
        raise NotPosted(f"{left} fen are left in suspense {with_them}: match what cancels it, or adjust it")
    to = {suspense(one.id): -one.suspense_fen for one in others if one.suspense_fen}
    return Proposal(how="matched", by=by, to=to, others=tuple(one.id for one in others)), tuple(others)


def adjusted(item: Break, by: str, parts: Mapping[str, int | None]) -> Proposal:
    """All that stands in suspense goes to these accounts, by their words in `TARGETS`. One alone may leave its amount out.

    Amounts are positive fen. Raises `NotPosted`.
    """
    if not item.suspense_fen:
        raise NotPosted("no money of it stands in suspense: match it, or write it off with a reason")
    whole = abs(item.suspense_fen)
    given = {word: whole if fen is None and len(parts) == 1 else fen for word, fen in parts.items()}
    if not given or any(fen is None or fen <= 0 for fen in given.values()):
        raise NotPosted("say how many fen go to each account")
    total = sum(fen or 0 for fen in given.values())
    if total != whole:
        raise NotPosted(f"{whole} fen stand in suspense, the parts come to {total}")
    if list(given) == ["written_off"]:
        return written_off(item, by)
    sign = 1 if item.suspense_fen > 0 else -1
    to = {account_of(item, word): sign * (fen or 0) for word, fen in given.items()}
    return Proposal(how="adjusted", by=by, to=to)


def written_off(item: Break, by: str) -> Proposal:
    """Nobody will explain it: what stands in suspense, if anything, is given up."""
    to = {WRITTEN_OFF: item.suspense_fen} if item.suspense_fen else {}
    return Proposal(how="written_off", by=by, to=to)


def account_of(item: Break, word: str) -> str:
    """The account that a word of `TARGETS` means for this break. Raises `NotPosted`."""
    open_to = targets_of(item.channel, item.suspense_fen)
    if word not in open_to:
        raise NotPosted(f"{word[:20]}: of this break money can go to {', '.join(open_to)}")
    return f"assets:channel:{item.channel}" if word == "channel" else _FIXED[word]


def targets_of(channel: str, suspense_fen: int) -> list[Target]:
    """The words of the accounts to which what stands in suspense may go."""
    surplus = suspense_fen < 0
    of_channel = channel not in {"", "cash"} and _CHANNEL.fullmatch(channel) is not None
    return [
        one for one in TARGETS if (surplus or one not in _OF_A_SURPLUS) and (of_channel or one not in _OF_A_CHANNEL)
    ]


def may_settle(item: Break, by: str) -> None:
    """Raises `NotNow`, `Taken`."""
    _workable(item)
    _mine(item, by)


def settle(item: Break, proposal: Proposal, others: Sequence[Break], rules: Rules) -> Settled:
    """Resolve it, or put it before a second person. Whoever does takes it on. Raises `NotNow`, `Taken`, `NotPosted`."""
    for one in (item, *others):
        may_settle(one, proposal.by)
    owned = msgspec.structs.replace(item, owner=proposal.by)
    if rules.takes_two(item, proposal) or any(rules.takes_two(one, proposal) for one in others):
        _adds_up(owned, proposal, others)
        return Settled(msgspec.structs.replace(owned, state="awaiting_approval", carried_to=None, proposal=proposal))
    return _resolved(owned, proposal, others)


def approve(item: Break, by: str, others: Sequence[Break] = ()) -> Settled:
    """A second person posts it as it was proposed.

    Raises `NotNow`, `Taken`, `SecondPerson`, and `NotPosted` where by now other money stands in suspense.
    """
    proposal = _proposed(item)
    _another(proposal, by)
    for one in others:
        may_settle(one, proposal.by)
    return _resolved(item, proposal, others)


def reject(item: Break, by: str) -> Break:
    """A second person does not agree: it is open again. Raises `NotNow`, `SecondPerson`."""
    _another(_proposed(item), by)
    return msgspec.structs.replace(item, state="open", proposal=None)


def withdraw(item: Break, by: str) -> Break:
    """Who proposed it has thought better. Raises `NotNow`, `Taken`."""
    if not same_person(_proposed(item).by, by):
        raise Taken("somebody else proposed it: reject it")
    return msgspec.structs.replace(item, state="open", proposal=None)


def _workable(item: Break) -> None:
    if item.state not in UNSETTLED:
        raise NotNow(f"the break is {item.state}")
    if item.state == "awaiting_approval":
        raise NotNow("a resolution of it awaits approval: decide that one first")


def _mine(item: Break, by: str) -> None:
    if item.owner is not None and not same_person(item.owner, by):
        raise Taken(f"{item.owner} has taken the break on")


def _proposed(item: Break) -> Proposal:
    if item.state != "awaiting_approval" or item.proposal is None:
        raise NotNow(f"nothing is proposed for it; it is {item.state}")
    return item.proposal


def _another(proposal: Proposal, by: str) -> None:
    if same_person(proposal.by, by):
        raise SecondPerson("who proposed it cannot decide it: it takes a second person")


def _adds_up(item: Break, proposal: Proposal, others: Sequence[Break]) -> None:
    """What was proposed still empties suspense, of this break and of those that it is matched with."""
    if sum(proposal.to.values()) != item.suspense_fen:
        raise NotPosted("other money stands in suspense than when it was proposed: propose it again")
    if tuple(one.id for one in others) != proposal.others:
        raise NotPosted("it was proposed to match it with others")
    for one in others:
        if proposal.to.get(suspense(one.id), 0) != -one.suspense_fen:
            raise NotPosted(f"other money stands in suspense of {one.id} than when it was proposed: propose it again")


def _resolved(item: Break, proposal: Proposal, others: Sequence[Break]) -> Settled:
    _adds_up(item, proposal, others)
    lines = [Posting(suspense(item.id), -item.suspense_fen), *(Posting(to, fen) for to, fen in proposal.to.items())]
    postings = tuple(line for line in lines if line.amount_fen)
    return Settled(_emptied(item), tuple(_emptied(one, proposal.by) for one in others), postings)


def _emptied(item: Break, owner: str | None = None) -> Break:
    return msgspec.structs.replace(
        item, state="resolved", suspense_fen=0, carried_to=None, proposal=None, owner=item.owner or owner
    )
