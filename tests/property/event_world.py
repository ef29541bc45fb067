"""A small street for properties of the event path, with everything that must hold whatever its devices tell."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import event, select

from billing.ledger import Posting as LedgerPosting
from billing.ledger import five_sums
from controllers.adapters import native
from controllers.commands import Command
from controllers.events import CommandResult
from controllers.events import Outcome as Became
from gateway.flows import estate, policies, registers
from gateway.flows.event_path import EventPath
from gateway.flows.inbound import Inbound, ResultIn
from gateway.flows.outcome import Outcome
from gateway.flows.sweep import sweep
from gateway.flows.verify import verify
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Settings
from gateway.store import tables as t
from gateway.store.engine import Store, open_engine
from gateway.wiring import Parts
from tests.conftest import FakeClock
from tests.gateway.trade import POLICY, SITE, local
from tests.property.event_told import MOTHER, POLICE, RESIDENT, SECOND, SON, START, VISITOR, Told

HOUSEHOLD, OTHER_HOUSEHOLD = "household:3-201", "household:3-202"
HOLDERS = (HOUSEHOLD, OTHER_HOUSEHOLD)
ALLOWANCE_MINUTES = 200

# Lorries have a price of their own, and the west gate is open to visitors here.
RULES = (
    POLICY.format(mode="pay_first")
    .replace("minutes_per_month = 3600", f"minutes_per_month = {ALLOWANCE_MINUTES}")
    .replace('vehicles = ["small", "large", "motorcycle"]', 'vehicles = ["small", "motorcycle"]')
    .replace(
        "[[free_class]]",
        """[[tariff]]
vehicles = ["large"]
free_minutes = 15
leave_within_minutes = 15
cap = { per = "24h", fen = 9000 }
  [[tariff.band]]
  from = "00:00"
  to = "00:00"
  unit = { minutes = 60, fen = 900 }

[[free_class]]""",
        1,
    )
)
_SITE = SITE.format(capacity=1000).replace("residents_only = true", "residents_only = false")


class ProcessDied(Exception):
    """The process ended here."""


class World:
    """One street on one database: the service as its devices meet it."""

    def __init__(self, url: str) -> None:
        engine = open_engine(url, pool_size=8)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _careless)
        self._dies = False
        store = Store(engine)
        event.listen(store.by_index, "commit", self._commit)
        self.clock = FakeClock(START - timedelta(days=3))
        self.parts = Parts(
            settings=Settings(database_url=url, secret_key="a secret of the tests only", test=True, http_port=0),
            clock=self.clock,
            store=store,
            metrics=Metrics(),
        )
        self.begin()

    def begin(self) -> None:
        """Nothing has happened yet."""
        self.clock.set(START - timedelta(days=3))
        self.path = EventPath(self.parts, planner="test")
        self.commands: list[Command] = []
        self.receipted: set[str] = set()
        self.heard: set[str] = set()

    def _commit(self, _connection: Any) -> None:
        if self._dies:
            self._dies = False
            raise ProcessDied

    def close(self) -> None:
        self.parts.store.close()

    def settle_down(self, policy: str = "") -> None:
        """What is configured before the first vehicle comes."""
        policies.apply(self.parts, policy or RULES)
        estate.apply(self.parts, _SITE)
        for kind, rows in _REGISTERS.items():
            report = registers.import_rows(self.parts, kind, [{"site": "xinyi", **row} for row in rows])
            assert report.ok, report.problems

    # ------------------------------------------------------------------ delivery

    def deliver(
        self, told: Sequence[Told | ResultIn], *, buffered: bool = True, dies: str | None = None
    ) -> Outcome | None:
        """One batch. `dies`: `before` the commit, or `after` it and before anything is published."""
        now = self.clock.now()
        messages: list[Inbound] = [
            one.message(now, buffered=buffered) if isinstance(one, Told) else one for one in told
        ]
        self.heard |= {one.id for one in told if isinstance(one, Told)}
        if dies == "before":
            self._dies = True
            with contextlib.suppress(ProcessDied):
                self.path.run(messages)
            self._dies = False
            self.path = EventPath(self.parts, planner="test")
            return None
        outcome = self.path.run(messages)
        if dies == "after":
            self.path = EventPath(self.parts, planner="test")
            return None
        self.commands += [native.decode_command(planned.payload) for planned in outcome.commands]
        for ids in outcome.event_receipts.values():
            self.receipted |= set(ids)
        return outcome

    def result(self, command: Command, became: Became) -> ResultIn:
        device = "d1" if command.lane.endswith("1") else "d2"
        said = CommandResult(command=command.id, outcome=became, at=self.clock.now())
        return ResultIn(
            site="xinyi",
            device=device,
            result=said,
            received_at=self.clock.now(),
            topic=native.topic("xinyi", device, "result"),
            payload=native.encode(said),
        )

    def hours_later(self) -> None:
        """What no event tells is swept up, as the jobs do."""
        self.clock.advance(hours=2)
        sweep(self.parts)

    # ------------------------------------------------------------------ what the database holds

    def all(self, statement: Any) -> Sequence[Any]:
        with self.parts.store.reading() as connection:
            return connection.execute(statement).fetchall()

    def stay_rows(self) -> list[Any]:
        return list(self.all(select(t.Stay.__table__).order_by(t.Stay.plate, t.Stay.started_at, t.Stay.id)))

    def stays(self) -> list[tuple[Any, ...]]:
        """(plate, entry, exit, state, gross): what invariant 2 promises. A void stay is none."""
        found = [
            (row.plate, _minute(row.entry_at), _minute(row.exit_at), row.state, row.gross_fen or 0)
            for row in self.stay_rows()
            if row.state != "void"
        ]
        return sorted(found, key=lambda stay: (stay[0], stay[1] or stay[2], stay))

    def payable(self, plates: Iterable[str] = (VISITOR, RESIDENT, POLICE)) -> list[tuple[Any, ...]]:
        """For vehicles that share no balance."""
        return [
            (row.plate, _minute(row.entry_at), row.payable_fen or 0)
            for row in self.stay_rows()
            if row.plate in plates and row.state != "void"
        ]

    def drawn(self, holder: str = HOUSEHOLD) -> dict[str, tuple[int, int]]:
        """Drawn and limit of each month."""
        balances = t.AllowanceBalance.__table__
        rows = self.all(select(balances).where(balances.c.holder == holder))
        return {row.month: (row.drawn_minutes, row.limit_minutes) for row in rows}

    def standing_bills(self) -> list[Any]:
        """Of each stay the bill that stands, if any does."""
        last = {(row.stay_id): row for row in self.all(select(t.Bill.__table__).order_by(t.Bill.sequence))}
        return [row for row in last.values() if row.kind != "void"]

    # ------------------------------------------------------------------ what holds always

    def check(self, *, verified: bool = True) -> None:
        """`verified`: `parkgate verify` as well, which takes as long as all the rest of an example."""
        stored = {row.event_id for row in self.all(select(t.PlateEventRow.event_id))}
        assert self.receipted <= stored, "an event was receipted and is not in the database"
        self._check_books()
        self._check_allowances()
        self._check_commands()
        plates = [row.plate for row in self.stay_rows() if row.state == "inside"]
        assert len(plates) == len(set(plates)), "a vehicle is inside twice"
        if verified:
            report = verify(self.parts)
            assert report.ok, report.first_failure

    def _check_books(self) -> None:
        postings = self.all(select(t.Posting.__table__))
        sums: dict[str, int] = {}
        for row in postings:
            sums[row.transaction_id] = sums.get(row.transaction_id, 0) + row.amount_fen
        assert not any(sums.values()), "a ledger transaction does not sum to zero"
        five = five_sums(LedgerPosting(row.account, row.amount_fen) for row in postings)
        assert five.add_up(), five
        received = sum(row.amount_fen for row in postings if row.account.startswith("assets:channel"))
        payments = self.all(select(t.Payment.__table__))
        assert received == sum(row.amount_fen for row in payments), "money was lost, or counted twice"
        self._check_receivables(postings)

    def _check_receivables(self, postings: Sequence[Any]) -> None:
        """Who left owes what is due; so does who came back at once; who has not left yet, or waits at an exit again, nothing new."""
        stay_of = {
            row.id: row.idempotency_key.rsplit(":", 1)[0] for row in self.all(select(t.LedgerTransaction.__table__))
        }
        owed: dict[str, int] = {}
        for row in postings:
            if row.account.startswith("assets:receivable"):
                stay = stay_of[row.transaction_id]
                owed[stay] = owed.get(stay, 0) + row.amount_fen
        exits = {bill.stay_id for bill in self.standing_bills() if bill.kind == "exit"}
        for row in self.stay_rows():
            if row.state == "inside" and row.exit_at is not None:
                continue
            # A stay that turns out to have no exit keeps the bill that somebody paid for, until a person decides.
            billed = row.id in exits if row.state == "inside" else row.state == "left" or row.paid_fen
            due = max(0, (row.payable_fen or 0) - row.paid_fen) if billed else 0
            assert owed.pop(row.id, 0) == due, f"{row.plate} {row.started_at}: the receivable is not what the stay owes"

    def _check_allowances(self) -> None:
        draws: dict[tuple[str, str], int] = {}
        for row in self.all(select(t.AllowanceDraw.__table__)):
            key = (row.holder, row.month)
            draws[key] = draws.get(key, 0) + row.minutes
        for holder in HOLDERS:
            for month, (drawn, limit) in self.drawn(holder).items():
                booked = draws.get((holder, month), 0)
                assert drawn == booked, f"{holder} {month}: {drawn} drawn, {booked} booked"
                assert 0 <= drawn <= limit or not drawn, f"{holder} {month}: overdrawn"
                assert drawn <= ALLOWANCE_MINUTES, f"{holder} {month}: overdrawn"
        assert all(0 <= minutes <= ALLOWANCE_MINUTES for minutes in draws.values()), draws
        self._check_bills(draws)

    def _check_bills(self, draws: dict[tuple[str, str], int]) -> None:
        """An allowance's draws over a month are the minutes that the bills show."""
        drawn: dict[str, int] = {}
        shown = 0
        for bill in self.standing_bills():
            shown += sum(line["minutes"] for line in bill.lines if line["kind"] == "relative_allowance")
            for month, minutes in bill.drawn.items():
                drawn[month] = drawn.get(month, 0) + minutes
        by_month: dict[str, int] = {}
        for (_, month), minutes in draws.items():
            by_month[month] = by_month.get(month, 0) + minutes
        assert drawn == {month: minutes for month, minutes in by_month.items() if minutes}
        assert shown == sum(drawn.values()), "the lines show other minutes than were drawn"

    def _check_commands(self) -> None:
        reads = {row.event_id: row for row in self.all(select(t.PlateEventRow.__table__))}
        for row in self.all(select(t.CommandRow.__table__)):
            of = reads[row.event_id]
            assert not of.buffered, "a buffered event got a command"
            if row.true_reason != "payment":
                assert row.expires_at <= of.at + timedelta(seconds=12), "a command outlives its read"
        assert len({command.id for command in self.commands}) == len(self.commands), "a command was given twice"


def _minute(instant: datetime | None) -> str | None:
    """Readable in a failure: day and clock in Shanghai, to the second."""
    return None if instant is None else f"{instant.astimezone(local('00:00').tzinfo):%m-%d %H:%M:%S}"


def _careless(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=OFF").close()


_FOREVER = {"valid_from": "2026-01-01", "valid_to": "2026-12-31"}
_REGISTERS: dict[str, list[dict[str, str]]] = {
    "households": [{"household": name, "name": "张三", "area_m2": "60"} for name in ("3-201", "3-202")],
    "vehicles": [{"household": "3-202", "plate": plate, "vehicle": "small"} for plate in (RESIDENT, SECOND)],
    "passes": [{"plate": plate, "pass": "resident-monthly", **_FOREVER} for plate in (RESIDENT, SECOND)],
    "relatives": [
        {"household": "3-201", "plate": MOTHER, "relation": "parent", **_FOREVER},
        {"household": "3-201", "plate": SON, "relation": "child", **_FOREVER},
        {"household": "3-202", "plate": SON, "relation": "child_in_law", **_FOREVER},
    ],
}
