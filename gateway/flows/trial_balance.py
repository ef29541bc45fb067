"""试算平衡: what every account stood at, at an instant; debits and credits sum to the same, and the five always add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, and_

from billing.exports.audience import merge_accounts, open_to_all
from billing.ledger import FiveSums, Posting, five_sums
from gateway.flows.reading import Sites, named
from gateway.flows.sums.accounts import of_ledger, stood_before
from gateway.store import tables as t

_LEDGER = t.LedgerTransaction.__table__.c
_A_DAY = timedelta(days=1)


class Balance(msgspec.Struct, frozen=True):
    """What an account stands at, in fen: on the debit or on the credit side, the other 0."""

    account: str
    debit_fen: int
    credit_fen: int


class TrialBalance(msgspec.Struct, frozen=True):
    """Accounts in the order of their names, without those at nothing. `balances`: debits are credits, and the five add up."""

    at: datetime
    site: str | None
    accounts: list[Balance]
    debit_fen: int
    credit_fen: int
    sums: FiveSums
    balances: bool


def trial_balance(
    connection: Connection, allowed: Sites, at: datetime, site: str | None, role: str, zone: ZoneInfo
) -> TrialBalance:
    """Of what happened up to `at`, on whichever business day it stands: a day that was closed gets nothing more, an instant may.

    `allowed` are the sites that are summed; between them `clearing` goes out. `role`: who does not administer certificates sees
    low-income waivers and passes as one.
    """
    accounts: Counter[str] = Counter()
    for account, fen in _stood(connection, named(connection, allowed), at, zone):
        accounts[account] += fen
    sums = five_sums(Posting(account, fen) for account, fen in accounts.items())
    shown = merge_accounts(accounts) if open_to_all(role) else accounts
    found = [Balance(account, max(0, fen), max(0, -fen)) for account, fen in sorted(shown.items()) if fen]
    debit, credit = sum(one.debit_fen for one in found), sum(one.credit_fen for one in found)
    return TrialBalance(at, site, found, debit, credit, sums, debit == credit and sums.add_up())


def _stood(connection: Connection, sites: Sequence[str], at: datetime, zone: ZoneInfo) -> Iterator[tuple[str, int]]:
    """Account and fen; some accounts more than once.

    Nothing stands on a day before its own. So of the days two before the instant, by the clock of whichever time zone they were booked in,
    everything has happened; on later ones some has; and beyond the day after it only what says to which earlier day it belongs.
    """
    today = at.astimezone(UTC).date()
    settled, ahead = today - 2 * _A_DAY, today + _A_DAY
    for (_, account), fen in stood_before(connection, sites, settled + _A_DAY, zone).items():
        yield account, fen
    day = _LEDGER.business_day
    for when in (
        and_(day > settled, day <= ahead, _LEDGER.at <= at),
        and_(day > ahead, _LEDGER.belongs_to.is_not(None), _LEDGER.at <= at),
    ):
        for account, debit, credit in of_ledger(connection, sites, when):
            yield account, debit - credit
