"""Double entry in integer fen: transactions that sum to zero, and the settlement of a stay. Source: the contract "money".

A debit is positive, a credit negative. Rows hold ids of stays, never plates or names: when personal data is deleted, the
ledger still stands.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache

import msgspec

# Largest integer that every JSON reader keeps exactly (RFC 8785); a hundred thousand million yuan is beyond any street.
_FEN_MAX = 2**53 - 1
_POSTINGS_MAX = 1_000
_ACCOUNT = re.compile(
    r"assets:cash:(?P<shift>{id})|assets:channel:{name}|assets:bank|assets:receivable:{name}"
    r"|income:(?:parking|pass|property_fee)|waived:{name}|expense:channel_fee|liability:(?:prepaid|refund)"
    r"|suspense:{id}|clearing:[a-z0-9-]{{1,40}}".format(
        id=r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name=r"[a-z0-9][a-z0-9_-]{0,63}"
    )
)
# What a plate or a Chinese name would bring into the books: anything outside printable ASCII.
_IDENTIFIER = re.compile(r"[!-~]{1,200}")
RECEIVABLE = "assets:receivable:"
WAIVED = "waived:"
WRITTEN_OFF = "waived:written_off"
"""What was given up by two people: contra income, as a benefit is; it has no tariff and no rule, only a reason."""


class Unbalanced(ValueError):
    """The postings do not sum to zero, or there are fewer than two of them."""


class NotAnAccount(ValueError):
    """Not an account of the chart, or an identifier that is no plain id (a plate or a name has no place in the ledger)."""


class Posting(msgspec.Struct, frozen=True, gc=False):
    """One line of a transaction: `amount_fen` is positive for a debit and negative for a credit, never 0."""

    account: str
    amount_fen: int


class Transaction(msgspec.Struct, frozen=True):
    """What happened to money at one instant, and what caused it.

    `belongs_to` is set where the instant's own day was closed already: the transaction stands on `business_day`, the first
    open one. `reference_kind` and `reference` name the cause (stay, charge, voucher, payment, refund, break, close).
    """

    id: str
    site: str
    business_day: date
    belongs_to: date | None
    at: datetime
    kind: str
    reference_kind: str
    reference: str
    operator: str | None
    idempotency_key: str
    reverses: str | None
    postings: tuple[Posting, ...]

    def content_hash(self) -> bytes:
        """SHA-256 (32 bytes) over the RFC 8785 form of everything that the transaction says."""
        return hashlib.sha256(
            _CANONICAL.encode(
                {
                    "at": self.at.astimezone(UTC).isoformat(),
                    "belongs_to": None if self.belongs_to is None else self.belongs_to.isoformat(),
                    "business_day": self.business_day.isoformat(),
                    "id": self.id,
                    "idempotency_key": self.idempotency_key,
                    "kind": self.kind,
                    "operator": self.operator,
                    "postings": [(posting.account, posting.amount_fen) for posting in self.postings],
                    "reference": self.reference,
                    "reference_kind": self.reference_kind,
                    "reverses": self.reverses,
                    "site": self.site,
                }
            )
        ).digest()

    def asks_the_same(self, other: Transaction) -> bool:
        """Whether a repeat under the same idempotency key has the same content; when it came and where it stands may differ."""
        return (self.site, self.kind, self.reference_kind, self.reference, self.operator, self.reverses) == (
            other.site,
            other.kind,
            other.reference_kind,
            other.reference,
            other.operator,
            other.reverses,
        ) and self.postings == other.postings


# With string keys from ASCII, strings and integers only, msgspec's sorted form is the RFC 8785 form, at a tenth of the time.
_CANONICAL = msgspec.json.Encoder(order="sorted")


@lru_cache(maxsize=4096)
def is_account(account: str) -> bool:
    """Whether the name is in the chart of accounts."""
    return _ACCOUNT.fullmatch(account) is not None


def check(transaction: Transaction) -> None:
    """Raises `Unbalanced` or `NotAnAccount`, naming the transaction."""
    postings = transaction.postings
    if not 2 <= len(postings) <= _POSTINGS_MAX:
        raise Unbalanced(f"{transaction.id}: {len(postings)} postings, a transaction has 2 to {_POSTINGS_MAX}")
    total = 0
    for posting in postings:
        if not is_account(posting.account):
            raise NotAnAccount(f"{transaction.id}: {posting.account!r} is not an account")
        if posting.amount_fen == 0 or abs(posting.amount_fen) > _FEN_MAX:
            raise Unbalanced(f"{transaction.id}: {posting.amount_fen} fen on {posting.account}")
        total += posting.amount_fen
    if total != 0:
        raise Unbalanced(f"{transaction.id}: the postings sum to {total} fen, not to 0")
    identifiers = (
        transaction.id,
        transaction.site,
        transaction.kind,
        transaction.reference_kind,
        transaction.reference,
        transaction.idempotency_key,
        transaction.reverses or "-",
    )
    for identifier in identifiers:
        if not _IDENTIFIER.fullmatch(identifier):
            raise NotAnAccount(f"{transaction.id}: {identifier!r} is not a plain id")


def reversal(
    of: Transaction,
    *,
    id: str,  # noqa: A002 - the field's name
    business_day: date,
    belongs_to: date | None,
    at: datetime,
    operator: str | None,
    idempotency_key: str,
) -> Transaction:
    """The transaction that undoes `of` and names it. The original stays."""
    return Transaction(
        id=id,
        site=of.site,
        business_day=business_day,
        belongs_to=belongs_to,
        at=at,
        kind="reversal",
        reference_kind=of.reference_kind,
        reference=of.reference,
        operator=operator,
        idempotency_key=idempotency_key,
        reverses=of.id,
        postings=tuple(Posting(posting.account, -posting.amount_fen) for posting in of.postings),
    )


class FiveSums(msgspec.Struct, frozen=True):
    """What was earned (gross), waived, received, is owed and is disputed, in fen.

    `earned = waived + received + owed + disputed`, always. A channel's fee is part of what was received; what we owe to drivers
    (prepaid, refunds) counts against what is owed, and so does what stands between sites.
    """

    earned_fen: int
    waived_fen: int
    received_fen: int
    owed_fen: int
    disputed_fen: int

    def add_up(self) -> bool:
        return self.earned_fen == self.waived_fen + self.received_fen + self.owed_fen + self.disputed_fen


def _sum_of(account: str) -> int:
    """Which of the five an account belongs to, by position."""
    head = account.split(":", 1)[0]
    if head == "income":
        return 0
    if head == "waived":
        return 1
    if head == "suspense":
        return 4
    if head in {"liability", "clearing"} or account.startswith(RECEIVABLE):
        return 3
    return 2


_HEADS = ("income", None, "assets", "liability", "suspense")


def folded(account: str) -> str:
    """An account that counts among the five sums as this one does: what was waived keeps its benefit, of all others the head is enough."""
    return _HEADS[_sum_of(account)] or account


def five_sums(postings: Iterable[Posting]) -> FiveSums:
    """The five sums of any set of postings."""
    sums = [0, 0, 0, 0, 0]
    for posting in postings:
        sums[_sum_of(posting.account)] += posting.amount_fen
    return FiveSums(-sums[0], sums[1], sums[2], sums[3], sums[4])


class Posted(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the ledger holds for a stay, in fen, all positive.

    `income_fen = waived + received + owed − prepaid_fen + written_off_fen`. `received` is by asset account, `waived` by benefit, `owed`
    by the receivable's party; at most one party at a time. `written_off_fen` is what was given up of it: positive of what was owed,
    negative of what was paid beyond the bill.
    """

    income_fen: int = 0
    waived: dict[str, int] = {}
    received: dict[str, int] = {}
    owed: dict[str, int] = {}
    prepaid_fen: int = 0
    written_off_fen: int = 0


def settle(
    posted: Posted,
    *,
    gross_fen: int,
    waived: Mapping[str, int],
    paid: Mapping[str, int],
    owed_party: str | None,
) -> tuple[tuple[Posting, ...], Posted]:
    """The postings that bring the ledger from `posted` to what the stay is now, and what it then holds.

    The target: income `gross_fen`, `waived` by benefit, `paid` by asset account (everything received so far, in fen). What remains
    is owed by `owed_party`. If that is None, it stays with the party that owed before: a part payment only shrinks a receivable.
    What was paid beyond what is payable stands as `liability:prepaid`; a refund is proposed elsewhere. What was written off stays so as
    far as it still would be open. Only differences are posted, so the order in which payments arrive does not change the final state;
    nothing to post gives no postings.

    Raises `ValueError` for a negative amount, for more waived than earned, and where something remains that nobody owes.
    """
    waived_to = _positive(waived)
    received_to = _positive(paid)
    remaining = gross_fen - sum(waived_to.values())
    if gross_fen < 0 or remaining < 0:
        raise ValueError(f"a gross of {gross_fen} fen cannot hold {sum(waived_to.values())} fen waived")
    remaining -= sum(received_to.values())
    written_off_to = min(max(posted.written_off_fen, min(remaining, 0)), max(remaining, 0))
    remaining -= written_off_to
    owed_to: dict[str, int] = {}
    if remaining > 0:
        party = owed_party or next(iter(posted.owed), None)
        if party is None:
            raise ValueError(f"{remaining} fen remain and nobody is named who owes them")
        owed_to[party] = remaining
    prepaid_to = max(0, -remaining)
    target = Posted(gross_fen, waived_to, received_to, owed_to, prepaid_to, written_off_to)

    postings: list[Posting] = []
    if gross_fen != posted.income_fen:
        postings.append(Posting("income:parking", posted.income_fen - gross_fen))
    _differences(postings, WAIVED, posted.waived, waived_to)
    _differences(postings, "", posted.received, received_to)
    _differences(postings, RECEIVABLE, posted.owed, owed_to)
    if prepaid_to != posted.prepaid_fen:
        postings.append(Posting("liability:prepaid", posted.prepaid_fen - prepaid_to))
    if written_off_to != posted.written_off_fen:
        postings.append(Posting(WRITTEN_OFF, written_off_to - posted.written_off_fen))
    return tuple(postings), target


def write_off(posted: Posted, fen: int) -> tuple[tuple[Posting, ...], Posted]:
    """The postings that give up what a stay owes (`fen` positive) or what was paid beyond its bill (negative), and what is then held.

    Raises `ValueError` for more than is open, or for nothing.
    """
    owed = sum(posted.owed.values())
    if fen == 0 or not -posted.prepaid_fen <= fen <= owed:
        raise ValueError(f"{fen} fen cannot be given up of {owed} owed and {posted.prepaid_fen} paid beyond the bill")
    after = msgspec.structs.replace(posted, written_off_fen=posted.written_off_fen + fen)
    if fen > 0:
        party = next(iter(posted.owed))
        left = {party: owed - fen} if owed > fen else {}
        return (Posting(WRITTEN_OFF, fen), Posting(RECEIVABLE + party, -fen)), msgspec.structs.replace(after, owed=left)
    after = msgspec.structs.replace(after, prepaid_fen=posted.prepaid_fen + fen)
    return (Posting("liability:prepaid", -fen), Posting(WRITTEN_OFF, fen)), after


def give_back(posted: Posted, account: str, fen: int) -> tuple[tuple[Posting, ...], Posted]:
    """The postings that take money off a stay which it received on an asset account, and what is then held.

    First goes what was paid beyond the bill. What goes beyond that was due: it is given up, so that nobody owes it again. Raises
    `ValueError` for more than was received there, or for nothing.
    """
    received = posted.received.get(account, 0)
    if not 0 < fen <= received:
        raise ValueError(f"{fen} fen cannot be given back of {received} received on {account}")
    beyond = min(fen, posted.prepaid_fen)
    postings = [Posting("liability:prepaid", beyond), Posting(WRITTEN_OFF, fen - beyond), Posting(account, -fen)]
    after = msgspec.structs.replace(
        posted,
        received=_positive({**posted.received, account: received - fen}),
        prepaid_fen=posted.prepaid_fen - beyond,
        written_off_fen=posted.written_off_fen + fen - beyond,
    )
    return tuple(posting for posting in postings if posting.amount_fen), after


def _positive(amounts: Mapping[str, int]) -> dict[str, int]:
    """Without what is nothing, in the order of names, so that equal states are equal bytes."""
    if any(fen < 0 for fen in amounts.values()):
        raise ValueError(f"a negative amount in {dict(amounts)}")
    return {name: amounts[name] for name in sorted(amounts) if amounts[name]}


def _differences(postings: list[Posting], prefix: str, before: Mapping[str, int], after: Mapping[str, int]) -> None:
    if before == after:
        return
    for name in sorted(before.keys() | after.keys()):
        difference = after.get(name, 0) - before.get(name, 0)
        if difference:
            postings.append(Posting(prefix + name, difference))


def balances(posted: Posted) -> dict[str, int]:
    """The balance of each account that `posted` stands for: what the stay's transactions must sum to, without zeros."""
    found = {"income:parking": -posted.income_fen, "liability:prepaid": -posted.prepaid_fen}
    found |= {WAIVED + benefit: fen for benefit, fen in posted.waived.items()}
    found |= posted.received
    found |= {RECEIVABLE + party: fen for party, fen in posted.owed.items()}
    found[WRITTEN_OFF] = posted.written_off_fen
    return {account: fen for account, fen in found.items() if fen}
