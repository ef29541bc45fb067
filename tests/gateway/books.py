"""A street's books for tests: recorded stays put into the tables as the event path leaves them, priced and posted for real."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import insert, select, text, update

from billing.bill import Benefits, Bill, StayToPrice, price
from billing.ledger import Posted, Transaction, settle
from billing.policy import parse
from gateway.flows import policies
from gateway.flows.posting import business_day_for, closed_through, rows
from gateway.runtime.ids import derive, derive_in_site
from gateway.store import tables as t
from gateway.wiring import Parts

SHANGHAI = ZoneInfo("Asia/Shanghai")
MONDAY = date(2026, 3, 2)
TUESDAY = date(2026, 3, 3)
WEDNESDAY = date(2026, 3, 4)
POLICY = """
[policy]
id = "hushu-residential"
version = 1
effective_from = 2026-01-01T00:00:00+08:00
timezone = "Asia/Shanghai"

[[tariff]]
vehicles = ["small"]
free_minutes = 30
cap = { per = "24h", fen = 2000 }
  [[tariff.band]]
  from = "00:00"
  to = "00:00"
  unit = { minutes = 30, fen = 200 }

[relative_allowance]
minutes_per_month = 3600
per = "household"
relations = ["parent", "child"]

[low_income]
exempts = ["parking"]
"""


def at(clock: str, day: date = MONDAY) -> datetime:
    """A local time of a day."""
    return datetime.combine(day, datetime.strptime(clock, "%H:%M").time(), SHANGHAI)  # noqa: DTZ007


def past_the_program(parts: Parts, statement: str, **values: Any) -> None:
    """As someone with the database file would: past the triggers and the foreign keys."""
    if not parts.store.postgres:
        with closing(sqlite3.connect(str(parts.store.engine.url.database))) as connection, connection:
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            assert connection.execute(statement, values).rowcount, statement
        return
    with parts.store.writing() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        assert connection.execute(text(statement), values).rowcount, statement
        connection.commit()


class Books:
    """Sites whose books opened on Monday. `stay` records a vehicle's visit, charged and paid."""

    def __init__(self, parts: Parts, sites: Sequence[str] = ("xinyi",), *, opened_on: date = MONDAY) -> None:
        self.parts = parts
        self.clock: Any = parts.clock
        self.clock.set(at("02:00", opened_on - timedelta(days=1)))
        self.policy = parse(POLICY)
        self.sites = tuple(sites)
        self.count = 0
        self.posted = 0
        policies.apply(parts, POLICY)
        self._rows: dict[Any, list[dict[str, Any]]] = {}
        self._add(t.Merchant, id="hushu", name="湖墅")
        for site in sites:
            self._add(
                t.Site, id=site, name=f"={site}", capacity=100, policy_id="hushu-residential", merchant_id="hushu"
            )
            self._add(t.Gate, site_id=site, id="east", tier="main", residents_only=False, staffed=True)
            self._add(t.Device, site_id=site, id="d1", vendor="native", password_hash="-")
            for lane, direction in (("in-1", "in"), ("out-1", "out")):
                self._add(
                    t.Lane,
                    site_id=site,
                    id=lane,
                    gate_id="east",
                    device_id="d1",
                    direction=direction,
                    loop=True,
                    passage_sensor=True,
                    offline_exit=False,
                )
            self._add(t.SiteBooks, site_id=site, opened_on=opened_on, closed_through=None)
            self._add(t.Shift, site_id=site, id="s-1", cashier="li", opened_at=self.clock.now())
        self.write()

    def stay(
        self,
        entry: datetime,
        leaves: datetime,
        *,
        site: str = "xinyi",
        pays: str | None = "wechat",
        owes: str = "pay_later",
        posted_at: datetime | None = None,
        **benefits: Any,
    ) -> str:
        """A visit of an ordinary car. `pays`: a channel, or None for a receivable. Returns the stay's id."""
        self.count += 1
        stay = derive_in_site(site, f"e{self.count}")
        facts, given = StayToPrice(entry, leaves), Benefits(**benefits)
        bill = price(self.policy, facts, given)
        paid = self._payment(site, stay, leaves, pays, bill.payable_fen) if pays is not None else {}
        postings, posted = settle(
            Posted(), gross_fen=bill.gross_fen, waived=bill.waived_by_kind(), paid=paid, owed_party=owes
        )
        if postings:
            self.post(site, stay, postings, posted_at or leaves)
        for kind, lane, instant in (("e", "in-1", entry), ("x", "out-1", leaves)):
            self._event(site, f"{kind}{self.count}", lane, instant, posted_at or instant)
        self._bill(site, stay, facts, given, bill, leaves)
        self._stay(
            site,
            stay,
            bill,
            entry=entry,
            leaves=leaves,
            paid_fen=sum(paid.values()),
            settlements=int(bool(postings)),
            posted=msgspec.to_builtins(posted),
        )
        return stay

    def post(self, site: str, stay: str, postings: Any, instant: datetime, *, reverses: str | None = None) -> str:
        """A transaction for a stay on the day that is open for its instant. Returns its id."""
        with self.parts.store.writing() as connection:
            through = closed_through(connection, [site])[site]
        day, belongs_to = business_day_for(instant, SHANGHAI, through)
        self.posted += 1
        key = f"{stay}:{self.posted}"
        transaction = Transaction(
            id=derive("t", key),
            site=site,
            business_day=day,
            belongs_to=belongs_to,
            at=instant,
            kind="charge",
            reference_kind="stay",
            reference=stay,
            operator=None,
            idempotency_key=key,
            reverses=reverses,
            postings=tuple(postings),
        )
        ledger, lines = rows([transaction])
        self._rows.setdefault(t.LedgerTransaction, []).extend(ledger)
        self._rows.setdefault(t.Posting, []).extend(lines)
        return transaction.id

    def write(self) -> None:
        """Store what was recorded since the last time."""
        order = [t.Merchant, t.Site, t.Gate, t.Device, t.Lane, t.LedgerTransaction, t.Posting]
        with self.parts.store.writing() as connection:
            for table in sorted(self._rows, key=lambda one: order.index(one) if one in order else len(order)):
                connection.execute(insert(table), self._rows[table])
            connection.commit()
        self._rows = {}

    def change(self, statement: str, **values: Any) -> None:
        past_the_program(self.parts, statement, **values)

    def one(self, statement: Any) -> Any:
        with self.parts.store.reading() as connection:
            return connection.execute(statement).scalar()

    def closed_through(self, site: str = "xinyi") -> date | None:
        found: date | None = self.one(select(t.SiteBooks.closed_through).where(t.SiteBooks.site_id == site))
        return found

    def _add(self, table: Any, **row: Any) -> None:
        self._rows.setdefault(table, []).append(row)

    def _payment(self, site: str, stay: str, at: datetime, channel: str, fen: int) -> dict[str, int]:
        """Money taken for the stay, if any is due; by the account that it is in."""
        if not fen:
            return {}
        cash = channel == "cash"
        self._add(
            t.Payment,
            site_id=site,
            id=f"p-{self.count}",
            stay_id=stay,
            channel=channel,
            at=at,
            amount_fen=fen,
            reference="-",
            operator=None,
            content_hash=bytes(32),
            shift_id="s-1" if cash else None,
            idempotency_key=f"p-{self.count}",
        )
        return {"assets:cash:s-1" if cash else f"assets:channel:{channel}": fen}

    def _bill(self, site: str, stay: str, facts: StayToPrice, given: Benefits, bill: Bill, leaves: datetime) -> None:
        """The bill that stands, with what it drew."""
        self._add(
            t.Bill,
            site_id=site,
            stay_id=stay,
            sequence=1,
            kind="exit",
            fixed_at=leaves,
            until=leaves,
            policy_id=bill.policy,
            policy_version=bill.version,
            minutes=bill.minutes,
            holder="h:1" if bill.drawn else None,
            gross_fen=bill.gross_fen,
            payable_fen=bill.payable_fen,
            drawn=bill.drawn,
            lines=[line.document() for line in bill.lines],
            facts={
                "stay": msgspec.to_builtins(facts),
                "benefits": msgspec.to_builtins(given),
                "prepaid_sequence": None,
                "vouchers_used": list(bill.vouchers_used),
                "charged": bill.charged,
            },
        )
        for month, minutes in bill.drawn.items():
            self._add(
                t.AllowanceDraw,
                site_id=site,
                stay_id=stay,
                sequence=1,
                holder="h:1",
                month=month,
                minutes=minutes,
                at=leaves,
            )
            self._draw(site, month, minutes)

    def _stay(self, site: str, stay: str, bill: Bill, *, entry: datetime, leaves: datetime, **booked: Any) -> None:
        plate = f"浙A{self.count:05d}"
        self._add(t.Presence, site_id=site, plate=plate, newest_at=leaves, reads=2)
        self._add(
            t.Stay,
            site_id=site,
            id=stay,
            plate=plate,
            vehicle="small",
            state="left",
            started_at=entry,
            entry_at=entry,
            exit_at=leaves,
            entry_lane="in-1",
            exit_lane="out-1",
            entry_device="d1",
            entry_event=f"e{self.count}",
            exit_device="d1",
            exit_event=f"x{self.count}",
            confirmed=True,
            exit_reason="paid",
            holds_space=False,
            policy_id=bill.policy,
            policy_version=bill.version,
            gross_fen=bill.gross_fen,
            bills=1,
            payable_fen=bill.payable_fen,
            **booked,
        )

    def _draw(self, site: str, month: str, minutes: int) -> None:
        balance = t.AllowanceBalance
        for row in self._rows.get(balance, []):
            if (row["site_id"], row["month"]) == (site, month):
                row["drawn_minutes"] += minutes
                return
        with self.parts.store.writing() as connection:
            mine = (balance.site_id == site, balance.holder == "h:1", balance.month == month)
            drawn = balance.drawn_minutes + minutes
            if connection.execute(update(balance).where(*mine).values(drawn_minutes=drawn)).rowcount:
                connection.commit()
                return
        self._add(balance, site_id=site, holder="h:1", month=month, limit_minutes=3600, drawn_minutes=minutes)

    def _event(self, site: str, event: str, lane: str, instant: datetime, received: datetime) -> None:
        self._add(
            t.PlateEventRow,
            site_id=site,
            device_id="d1",
            event_id=event,
            lane_id=lane,
            kind="plate",
            at=instant,
            device_at=instant,
            received_at=received,
            plate=None,
            plate_raw=None,
            buffered=False,
            digest=bytes(16),
            decision="open",
            reason="paid",
            completed=True,
        )
