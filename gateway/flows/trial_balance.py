"""试算平衡: what every account stood at, at an instant; debits and credits sum to the same, and the five always add up."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import Connection, and_, func, select

from billing.exports.audience import merge_accounts, open_to_all
from billing.ledger import FiveSums, Posting, five_sums
from gateway.flows.reading import Sites, within
from gateway.store import tables as t

_LEDGER, _POSTING = t.LedgerTransaction.__table__.c, t.Posting.__table__.c


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


def trial_balance(connection: Connection, allowed: Sites, at: datetime, site: str | None, role: str) -> TrialBalance:
    """Of what happened up to `at`, on whichever business day it stands: a day that was closed gets nothing more, an instant may.

    `allowed` are the sites that are summed; between them `clearing` goes out. `role`: who does not administer certificates sees
    low-income waivers and passes as one.
    """
    of_transaction = and_(_POSTING.site_id == _LEDGER.site_id, _POSTING.transaction_id == _LEDGER.id)
    rows = connection.execute(
        select(_POSTING.account, func.sum(_POSTING.amount_fen))
        .join(t.LedgerTransaction, of_transaction)
        .where(_LEDGER.at <= at, within(t.LedgerTransaction.site_id, allowed))
        .group_by(_POSTING.account)
    )
    accounts = {account: int(fen) for account, fen in rows}
    sums = five_sums(Posting(account, fen) for account, fen in accounts.items())
    shown = merge_accounts(accounts) if open_to_all(role) else accounts
    found = [Balance(account, max(0, fen), max(0, -fen)) for account, fen in sorted(shown.items()) if fen]
    debit, credit = sum(one.debit_fen for one in found), sum(one.credit_fen for one in found)
    return TrialBalance(at, site, found, debit, credit, sums, debit == credit and sums.add_up())
