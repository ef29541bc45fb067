"""Passes, charges and what was owed: income by day against the periods, every payment, charge, refund and credit against its postings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Row, and_, func, select

from billing.ledger import WAIVED
from billing.passes import earned_on
from billing.vouchers import owed_on
from gateway.flows import shifts
from gateway.flows.charges_books import PREPAID, REFUND
from gateway.flows.charges_posting import LOW_INCOME, receivable
from gateway.flows.passes_records import SoldPeriod, sold_period
from gateway.flows.verify_scope import ROWS_AT_A_TIME, Failure, Look, chunks
from gateway.store import books
from gateway.store import tables as t

_PERIOD, _INCOME, _RUN = t.PassPeriod.__table__.c, t.PassIncome.__table__.c, t.PassIncomeRun.__table__.c
_CHARGE, _PAYMENT = t.Charge.__table__.c, t.ChargePayment.__table__.c
_REFUND, _CREDIT = t.PassRefund.__table__.c, t.ArrearsCredit.__table__.c
_LEDGER = t.LedgerTransaction.__table__.c

Accounts = dict[str, int]


def failures(look: Look) -> Iterator[Failure]:
    """Periods with their income, then its runs, payments, charges, refunds and credits; each in the order of (site, id)."""
    yield from _periods(look)
    yield from _runs(look)
    yield from _payments(look)
    yield from _charges(look)
    yield from _refunds(look)
    yield from _credits(look)


# ---------------------------------------------------------------------- periods and their income


def _periods(look: Look) -> Iterator[Failure]:
    held = books.books_of(look.connection)
    query = select(*_PERIOD).order_by(_PERIOD.site_id, _PERIOD.id)
    if look.scope.from_day is not None:
        query = query.where(_PERIOD.end_day > look.scope.from_day)
    if look.scope.to_day is not None:
        query = query.where(_PERIOD.first_day <= look.scope.to_day)
    for site, rows in _by_site(look, query):
        income = _income_of(look, site, [row.id for row in rows])
        paid = _paid_for(look, site, "pass", [row.id for row in rows])
        charged = _charged(look, site, [row.id for row in rows])
        closed_through = held[site][1] if site in held else None
        for row in rows:
            period = sold_period(row)
            why = _wrong_income(period, income.get(row.id, {}), closed_through)
            why = why or _wrong_price(period, paid.get(row.id, 0), charged.get(row.id))
            if why is not None:
                yield Failure("pass_period", row.id, why)
            look.count("pass_periods")
    orphan = (
        select(_INCOME.period_id, _INCOME.day)
        .outerjoin(t.PassPeriod, and_(_PERIOD.site_id == _INCOME.site_id, _PERIOD.id == _INCOME.period_id))
        .where(_PERIOD.id.is_(None))
        .limit(1)
    )
    for period_id, day in look.connection.execute(orphan):
        yield Failure("pass_income", f"{period_id}:{day}", f"there is no period {period_id}")


def _wrong_income(period: SoldPeriod, income: dict[date, tuple[int, int]], closed_through: date | None) -> str | None:
    """Every day up to the next one to be earned has its row with what the period gives it, and no other day has one."""
    gross, waived = period.gross(), period.waived()
    if closed_through is not None and period.next_day < min(period.until, closed_through + timedelta(days=1)):
        return f"{period.next_day} is closed and not earned"
    days = [period.first_day + timedelta(days=n) for n in range((period.next_day - period.first_day).days)]
    for day in days:
        expected = (earned_on(gross, day), earned_on(waived, day))
        if day not in income:
            return f"its income of {day} is not there"
        if income[day] != expected:
            return f"its income of {day} is {income[day][0]} fen ({income[day][1]} waived), the period gives {expected[0]} ({expected[1]})"
    strange = sorted(income.keys() - set(days))
    if strange:
        return f"it has income of {strange[0]}, which is no day of it that is earned"
    return None


def _wrong_price(period: SoldPeriod, paid: int, charged: tuple[int, int] | None) -> str | None:
    """What was to be paid was paid at the counter, or charged."""
    payable = period.gross_fen - period.waived_fen
    if charged is not None:
        return None if charged == (period.gross_fen, period.waived_fen) else "its charge is of another amount"
    return None if paid == payable else f"{payable} fen were to be paid for it, {paid} were"


def _income_of(look: Look, site: str, periods: Sequence[str]) -> dict[str, dict[date, tuple[int, int]]]:
    found: dict[str, dict[date, tuple[int, int]]] = defaultdict(dict)
    rows = look.connection.execute(
        select(_INCOME.period_id, _INCOME.day, _INCOME.income_fen, _INCOME.waived_fen).where(
            _INCOME.site_id == site, _INCOME.period_id.in_(periods)
        )
    )
    for period_id, day, fen, waived in rows:
        found[period_id][day] = (fen, waived)
    return found


def _charged(look: Look, site: str, periods: Sequence[str]) -> dict[str, tuple[int, int]]:
    rows = look.connection.execute(
        select(_CHARGE.period_id, _CHARGE.gross_fen, _CHARGE.waived_fen).where(
            _CHARGE.site_id == site, _CHARGE.period_id.in_(periods)
        )
    )
    return {row.period_id: (row.gross_fen, row.waived_fen) for row in rows}


def _runs(look: Look) -> Iterator[Failure]:
    query = select(*_RUN).where(*look.scope.days(_RUN.day)).order_by(_RUN.site_id, _RUN.id)
    for site, rows in _by_site(look, query):
        ids = [row.id for row in rows]
        sums = {
            row.run_id: (row[1], int(row[2]), int(row[3]))
            for row in look.connection.execute(
                select(_INCOME.run_id, func.count(), func.sum(_INCOME.income_fen), func.sum(_INCOME.waived_fen))
                .where(_INCOME.site_id == site, _INCOME.run_id.in_(ids))
                .group_by(_INCOME.run_id)
            )
        }
        posted = _posted(look, site, "charge", ids)
        for row in rows:
            said = (row.periods, row.income_fen, row.waived_fen)
            expected = {
                "income:pass": -row.income_fen,
                WAIVED + LOW_INCOME: row.waived_fen,
                PREPAID: row.income_fen - row.waived_fen,
            }
            why = None if sums.get(row.id, (0, 0, 0)) == said else f"it says {said}, its rows {sums.get(row.id)}"
            why = why or _differs(posted.get(row.id, {}), expected)
            if why is not None:
                yield Failure("pass_income_run", row.id, why)
            look.count("pass_income_runs")


# ---------------------------------------------------------------------- money


def _payments(look: Look) -> Iterator[Failure]:
    query = select(*_PAYMENT).where(*look.scope.instants(_PAYMENT.at)).order_by(_PAYMENT.site_id, _PAYMENT.id)
    for site, rows in _by_site(look, query):
        posted = _posted(look, site, "payment", [row.id for row in rows])
        kinds = _kinds(look, site, [row.subject for row in rows])
        for row in rows:
            account = shifts.account(row.channel, row.shift_id)
            against = _against(row, kinds)
            why = _differs(posted.get(row.id, {}), {account: row.amount_fen, against: -row.amount_fen})
            if why is not None:
                yield Failure("charge_payment", row.id, why)
            look.count("charge_payments")


def _against(payment: Row[Any], kinds: dict[str, str]) -> str:
    """The account off which a payment goes. `kinds`: of the charges, by their ids."""
    match payment.purpose:
        case "pass":
            return PREPAID
        case "arrears":
            return f"clearing:{payment.subject.partition('.')[0]}"
        case "voucher":
            return owed_on(payment.subject)
        case _:
            return receivable(kinds.get(payment.subject, "unknown"))


def _kinds(look: Look, site: str, charges: Sequence[str]) -> dict[str, str]:
    rows = look.connection.execute(
        select(_CHARGE.id, _CHARGE.kind).where(_CHARGE.site_id == site, _CHARGE.id.in_(charges))
    )
    return {row.id: row.kind for row in rows}


def _charges(look: Look) -> Iterator[Failure]:
    query = select(*_CHARGE).where(*look.scope.instants(_CHARGE.charged_at)).order_by(_CHARGE.site_id, _CHARGE.id)
    for site, rows in _by_site(look, query):
        ids = [row.id for row in rows]
        posted, paid = _posted(look, site, "charge", ids), _paid_for(look, site, "charge", ids)
        undone = set(
            look.connection.execute(
                select(_LEDGER.reverses).where(
                    _LEDGER.site_id == site, _LEDGER.reverses.in_([row.transaction_id for row in rows])
                )
            ).scalars()
        )
        for row in rows:
            why = _wrong_charge(row, posted.get(row.id, {}), paid.get(row.id, 0))
            if why is None and (row.reversed_at is not None) != (row.transaction_id in undone) and row.transaction_id:
                why = "it says it is reversed and is not" if row.reversed_at is not None else "it was reversed unsaid"
            if why is not None:
                yield Failure("charge", row.id, why)
            look.count("charges")


def _wrong_charge(row: Row[Any], posted: Accounts, paid: int) -> str | None:
    if row.paid_fen != paid:
        return f"{row.paid_fen} fen are said to be paid, its payments sum to {paid}"
    payable = row.gross_fen - row.waived_fen
    if row.reversed_at is not None:
        # Undone: what remains is what was paid, owed back or handed back by now.
        handed = {account: fen for account, fen in posted.items() if account.startswith(("assets:cash", "assets:chan"))}
        owed_back = -row.paid_fen - sum(handed.values())
        return _differs(posted, {receivable(row.kind): row.paid_fen, REFUND: owed_back, **handed})
    if row.kind == "pass":
        return _differs(posted, {receivable("pass"): payable, PREPAID: -payable})
    expected = {
        receivable("property_fee"): payable,
        WAIVED + LOW_INCOME: row.waived_fen,
        "income:property_fee": -row.gross_fen,
    }
    return _differs(posted, expected)


def _refunds(look: Look) -> Iterator[Failure]:
    query = select(*_REFUND).where(*look.scope.instants(_REFUND.proposed_at)).order_by(_REFUND.site_id, _REFUND.id)
    for site, rows in _by_site(look, query):
        posted = _posted(look, site, "refund", [row.id for row in rows])
        for row in rows:
            found = posted.get(row.id, {})
            if row.state in {"proposed", "refused"}:
                why = _differs(found, {})
            else:
                # What went off an unpaid charge is no money: it is what the other two lines leave.
                prepaid = found.get(PREPAID, 0)
                expected = {PREPAID: prepaid, receivable("pass"): row.amount_fen - prepaid}
                if row.state == "paid":
                    expected[shifts.account(row.channel, row.shift_id)] = -row.amount_fen
                else:
                    expected[REFUND] = -row.amount_fen
                why = _differs(found, expected)
                why = why or ("more is paid back than was paid" if prepaid < row.amount_fen else None)
                why = why or ("who proposed it decided it" if row.decided_by == row.proposed_by else None)
            if why is not None:
                yield Failure("pass_refund", row.id, why)
            look.count("pass_refunds")


def _credits(look: Look) -> Iterator[Failure]:
    """What another site collected stands there, with the same amount."""
    query = select(*_CREDIT).where(*look.scope.instants(_CREDIT.at)).order_by(_CREDIT.site_id, _CREDIT.id)
    for _, rows in _by_site(look, query):
        taken = {
            (row.site_id, row.id): row
            for row in look.connection.execute(
                select(_PAYMENT.site_id, _PAYMENT.id, _PAYMENT.subject, _PAYMENT.amount_fen).where(
                    _PAYMENT.site_id.in_({row.collected_at_site for row in rows}),
                    _PAYMENT.id.in_([row.id for row in rows]),
                )
            )
        }
        for row in rows:
            there = taken.get((row.collected_at_site, row.id))
            if there is None:
                yield Failure("arrears_credit", row.id, f"there is no such payment at {row.collected_at_site}")
            elif (there.subject, there.amount_fen) != (row.stay_id, row.amount_fen):
                yield Failure("arrears_credit", row.id, f"the payment at {row.collected_at_site} is another one")
            look.count("arrears_credits")
    uncredited = (
        select(_PAYMENT.id)
        .outerjoin(t.ArrearsCredit, and_(_CREDIT.id == _PAYMENT.id, _CREDIT.collected_at_site == _PAYMENT.site_id))
        .where(_PAYMENT.purpose == "arrears", _CREDIT.id.is_(None))
        .limit(1)
    )
    for payment in look.connection.execute(uncredited).scalars():
        yield Failure("charge_payment", payment, "the site of its stay has no credit for it")


# ---------------------------------------------------------------------- what they share


def _by_site(look: Look, query: Any) -> Iterator[tuple[str, list[Row[Any]]]]:
    """A query's rows in chunks of one site each. The query is in the order of sites."""
    found = look.connection.execute(query.execution_options(yield_per=ROWS_AT_A_TIME))
    for chunk in chunks(found):
        by_site: dict[str, list[Row[Any]]] = {}
        for row in chunk:
            by_site.setdefault(row.site_id, []).append(row)
        yield from by_site.items()


def _posted(look: Look, site: str, kind: str, references: Sequence[str]) -> dict[str, Accounts]:
    """What the ledger holds for causes of a kind, by cause and account."""
    posting = t.Posting.__table__.c
    rows = look.connection.execute(
        select(_LEDGER.reference, posting.account, func.sum(posting.amount_fen))
        .join(t.Posting, and_(posting.site_id == _LEDGER.site_id, posting.transaction_id == _LEDGER.id))
        .where(_LEDGER.site_id == site, _LEDGER.reference_kind == kind, _LEDGER.reference.in_(references))
        .group_by(_LEDGER.reference, posting.account)
    )
    found: dict[str, Accounts] = defaultdict(dict)
    for reference, account, fen in rows:
        found[reference][account] = int(fen)
    return found


def _paid_for(look: Look, site: str, purpose: str, subjects: Sequence[str]) -> dict[str, int]:
    rows = look.connection.execute(
        select(_PAYMENT.subject, func.sum(_PAYMENT.amount_fen))
        .where(_PAYMENT.site_id == site, _PAYMENT.purpose == purpose, _PAYMENT.subject.in_(subjects))
        .group_by(_PAYMENT.subject)
    )
    return {subject: int(fen) for subject, fen in rows}


def _differs(posted: Accounts, expected: Accounts) -> str | None:
    """The first account on which the ledger holds something else."""
    for account in sorted(posted.keys() | expected.keys()):
        if posted.get(account, 0) != expected.get(account, 0):
            return (
                f"the ledger holds {posted.get(account, 0)} fen on {account} for it, it says {expected.get(account, 0)}"
            )
    return None
