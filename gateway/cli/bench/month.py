"""A month of recorded stays, as the event path leaves them behind: bills by the billing engine, what they posted, allowances drawn
in the order in which they were fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Final, NamedTuple

from sqlalchemy import Connection, insert

from billing.benefits import PassPeriod
from billing.ledger import Posted, Transaction, settle
from billing.policy import Policy
from gateway.cli.bench.report import Progress
from gateway.cli.bench.street import Layout, plate
from gateway.flows import posting, rows_of
from gateway.flows.pricing import Around, Drawable, Priced, Standing, bill_stay
from gateway.runtime.ids import derive, derive_in_site
from gateway.store.records import BillRecord, StayRecord
from gateway.store.tables import Bill, LedgerTransaction, Posting, Stay
from gateway.wiring import Parts

DAYS: Final = 31
_HOMES: Final = 400
_CHUNK: Final = 2_000


class _Kind(NamedTuple):
    """Of a hundred stays so many; between which hours they begin, and how many minutes they last."""

    name: str
    share: int
    begins: tuple[int, int]
    lasts: tuple[int, int]


# Visits by day, residents at night.
_KINDS: Final = (
    _Kind("visitor", 40, (7, 21), (10, 420)),
    _Kind("relative", 10, (8, 19), (60, 540)),
    _Kind("resident", 40, (17, 23), (480, 900)),
    _Kind("delivery", 10, (7, 21), (3, 28)),
)


class _Planned(NamedTuple):
    leaves: datetime
    number: int
    enters: datetime
    site: str
    kind: str
    plate: str
    household: str | None


class Month:
    """From `start` on, at the sites of a layout. The same seed gives the same month."""

    def __init__(self, parts: Parts, layout: Layout, policy: Policy, start: datetime, seed: int = 1) -> None:
        self._parts = parts
        self._layout = layout
        self._policy = policy
        self._start = start
        self._random = Random(seed)  # noqa: S311 - vehicles, not secrets
        self._drawn: dict[tuple[str, str, str], int] = {}

    def write(self, stays: int, bar: Progress) -> None:
        """In the order in which they leave."""
        planned = sorted(self._plan(number, stays) for number in range(stays))
        for first in range(0, stays, _CHUNK):
            with self._parts.store.writing() as connection:
                self._store(connection, planned[first : first + _CHUNK])
                connection.commit()
            bar.step(min(_CHUNK, stays - first))

    def _plan(self, number: int, stays: int) -> _Planned:
        kind = self._random.choices(_KINDS, [one.share for one in _KINDS])[0]
        shortest, longest = kind.lasts
        minutes = self._random.randint(shortest, longest)
        first_hour, last_hour = kind.begins
        begins = self._random.randrange(first_hour * 3600, last_hour * 3600)
        enters = self._start + timedelta(days=self._random.randrange(DAYS - 1), seconds=begins)
        home = self._random.randrange(_HOMES)
        resident = kind.name == "resident"
        # A visitor comes four times a month.
        vehicle = home if resident else _HOMES + self._random.randrange(max(1, stays // 4))
        return _Planned(
            enters + timedelta(minutes=minutes),
            number,
            enters,
            self._layout.site(number % self._layout.sites),
            kind.name,
            plate(vehicle),
            f"h{home}" if resident or kind.name == "relative" else None,
        )

    def _store(self, connection: Connection, planned: Sequence[_Planned]) -> None:
        stays, bills, transactions = [], [], []
        for one in planned:
            stay, bill, transaction = self._stay(one)
            stays.append(rows_of.stay(stay))
            bills.append(rows_of.bill(bill))
            transactions += [transaction] if transaction.postings else []
        connection.execute(insert(Stay), stays)
        connection.execute(insert(Bill), bills)
        ledger, postings = posting.rows(transactions)
        if ledger:
            connection.execute(insert(LedgerTransaction), ledger)
            connection.execute(insert(Posting), postings)

    def _stay(self, one: _Planned) -> tuple[StayRecord, BillRecord, Transaction]:
        name = derive_in_site(one.site, str(one.number))
        stay = StayRecord(
            site=one.site, id=name, plate=one.plate, vehicle="small", plate_colour="blue", state="left",
            started_at=one.enters, entry_at=one.enters, exit_at=one.leaves, entry_lane="d0-0", exit_lane="d0-1",
            entry_device="d0", entry_event=f"{name}-in", exit_device="d0", exit_event=f"{name}-out", confirmed=True,
            exit_reason="paid", household=one.household if one.kind == "resident" else None, holds_space=False,
            policy_id=self._policy.id, policy_version=self._policy.version, gross_fen=0, payable_fen=0, paid_fen=0, bills=1,
            settlements=1, vouchers=0, posted=Posted(),
        )  # fmt: skip
        priced = self._priced(one, stay)
        bill = priced.bill
        stay.gross_fen, stay.payable_fen = bill.gross_fen, bill.payable_fen
        stay.paid_fen = bill.payable_fen
        paid = {"assets:channel:wechat": bill.payable_fen} if bill.payable_fen else {}
        postings, stay.posted = settle(
            stay.posted, gross_fen=bill.gross_fen, waived=bill.waived_by_kind(), paid=paid, owed_party=None
        )
        transaction = Transaction(
            id=derive("t", one.site, name),
            site=one.site,
            business_day=one.leaves.astimezone(self._policy.zone).date(),
            belongs_to=None,
            at=one.leaves,
            kind="charge",
            reference_kind="stay",
            reference=name,
            operator=None,
            idempotency_key=f"{name}:1",
            reverses=None,
            postings=postings,
        )
        record = BillRecord(one.site, name, 1, "exit", one.leaves, one.leaves, bill, priced.holder, priced.facts)
        return stay, record, transaction

    def _priced(self, one: _Planned, stay: StayRecord) -> Priced:
        passes: tuple[PassPeriod, ...] = ()
        allowances: list[Drawable] = []
        if one.kind == "resident":
            end = self._start + timedelta(days=DAYS)
            passes = (PassPeriod(self._policy.passes[0].id, self._start, end),)
        elif one.kind == "relative":
            allowances = [self._left(one)]
        listed = frozenset({"delivery"}) if one.kind == "delivery" else frozenset()
        what = Standing(free_class=next(iter(listed), None), registers=listed)
        priced = bill_stay(
            self._policy, stay, one.leaves, what, Around(passes=passes, allowances=allowances), early=None
        )
        for month, minutes in priced.bill.drawn.items():
            self._drawn[one.site, priced.holder or "", month] += minutes
        return priced

    def _left(self, one: _Planned) -> Drawable:
        rule = self._policy.relative_allowance
        limit = rule.minutes_per_month if rule is not None else 0
        months = {f"{at.astimezone(self._policy.zone):%Y-%m}" for at in (one.enters, one.leaves)}
        holder = f"household:{one.household}"
        left = {month: limit - self._drawn.setdefault((one.site, holder, month), 0) for month in sorted(months)}
        return Drawable(holder, left)
