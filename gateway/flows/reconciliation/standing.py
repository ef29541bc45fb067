"""What did not agree, kept: a break is written when a run first finds it, and cleared when a run finds it no more.

Money under investigation stands in `suspense:<break>`, so that `assets:channel:<channel>` is what the channel says: posted once when the
break is found, and back when it is cleared, on the first open day, with the day that it belongs to. Whoever calls holds the site's books.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import func, insert, select, text, update

from billing.breaks import UNSETTLED, suspense
from billing.ledger import Posting
from billing.reconciled import in_question
from gateway.flows.charges_books import Desk
from gateway.flows.posting import day_bounds
from gateway.flows.shifts import CASH, account
from gateway.runtime.ids import derive_in_site
from gateway.store import tables as t

SUSPENSE: Final = "suspense"
"""Kind of the transactions by which a run puts money under investigation, and takes it back."""

# The words of the index `ix_posting_suspense`: a database uses a partial index only where it can see that its condition holds.
_IN_SUSPENSE = text("substr(account, 1, 9) = 'suspense:'")
_BREAK, _POSTING = t.ReconciliationBreak.__table__.c, t.Posting.__table__.c
_OF_A_STAY: Final = frozenset({"unpaid_exit", "missing_exit"})
_EVIDENCE: Final = (
    *("book_fen", "channel_fen", "book_status", "channel_status", "expected_millifen", "told_millifen"),
    *("books", "lines"),
)


class Break(msgspec.Struct, frozen=True):
    """A break as a run found it: the columns of its row that a run decides."""

    id: str
    values: dict[str, Any]

    @property
    def difference_fen(self) -> int:
        return int(self.values["difference_fen"])


def break_of(site: str, row: Mapping[str, Any]) -> Break:
    """A row of `billing.reconciliation.frames.BREAKS`. Its id follows from what the match calls it."""
    kind, about, subject = row["kind"], row["about"], row["subject"] or ""
    money = in_question(row)
    shift = subject if about == "shift" else None
    stay = subject if kind in _OF_A_STAY or about in {"payment", "refund"} else ""
    values = {
        "key": row["key"],
        "day": row["day"],
        "kind": kind,
        "about": about,
        "channel": row["channel"] or "",
        "account": row["account"] or "",
        "order_number": row["order_number"] or "",
        "refund_number": row["refund_number"] or "",
        "stay_id": stay or None,
        "shift_id": shift,
        "subject": subject if about in {"opening", "voucher_book"} else "",
        "amount_fen": money.amount_fen,
        "difference_fen": money.difference_fen,
        "waits_for": row["waits_for"],
        "evidence": {name: row[name] for name in _EVIDENCE if row[name] is not None},
    }
    return Break(break_id(site, kind, shift or f"{row['key']} {row['day']}"), values)


def break_id(site: str, kind: str, what: str) -> str:
    """The name of a break, the same in every run. `what`: the match's key and the day, of a drawer its shift.

    A drawer's break has the name under which its difference stands in suspense since the shift ended (`shifts_books.settle`).
    """
    return derive_in_site(site, "break", kind, what)


def stored(desk: Desk, day: date) -> dict[str, Any]:
    """The breaks of a site's day, by id."""
    where = (_BREAK.site_id == desk.site, _BREAK.day == day)
    return {row.id: row for row in desk.connection.execute(select(*_BREAK).where(*where).with_for_update())}


class Keeper:
    """Writes what a run found on a site's day. `run` is its sequence; `changes` counts what it wrote."""

    def __init__(self, desk: Desk, day: date, run: int, cleared_by: str, operator: str | None) -> None:
        self.desk, self.day, self.run, self.cleared_by, self.operator = desk, day, run, cleared_by, operator
        self.changes = 0

    def keep(self, found: Mapping[str, Break]) -> None:
        """What is there, and what is there no more."""
        standing = stored(self.desk, self.day)
        for name in sorted(found):
            self._is_there(found[name], standing.get(name))
        for name in sorted(standing.keys() - found.keys()):
            self._is_gone(standing[name])

    # ------------------------------------------------------------------ found

    def _is_there(self, one: Break, row: Any) -> None:
        if row is None:
            self._new(one)
        elif row.state in UNSETTLED:
            if self._differs(one, row):
                self._write(row, "changed", one, state=row.state)
        elif row.state == "cleared" or row.difference_fen != one.difference_fen:
            self._write(row, "found_again", one, state="open")

    def _differs(self, one: Break, row: Any) -> bool:
        return any(getattr(row, name) != value for name, value in one.values.items())

    def _new(self, one: Break) -> None:
        moved = self._of_its_shift(one) if one.values["channel"] == CASH else None
        wanted = -one.difference_fen if moved is None else moved
        transaction = self._post(one.id, 1, one.values, wanted) if moved is None else None
        row = {
            "site_id": self.desk.site,
            "id": one.id,
            **one.values,
            "suspense_fen": wanted,
            "found_at": self.desk.now,
            "found_by": self.run,
            "state": "open",
            "version": 1,
        }
        self.desk.connection.execute(insert(t.ReconciliationBreak).values(**row))
        self._step(one.id, 1, "found", "open", one.values, transaction)

    def _of_its_shift(self, one: Break) -> int:
        """What the end of the shift put into suspense: 0 where no shift ended here."""
        return self.in_suspense([one.id])[one.id]

    def _write(self, row: Any, action: str, one: Break, *, state: str) -> None:
        drawer = one.values["channel"] == CASH
        wanted = row.suspense_fen if drawer else -one.difference_fen
        version = row.version + 1
        transaction = self._post(row.id, version, one.values, wanted - row.suspense_fen)
        again = {"resolution": None, "cleared_by": None, "ended_at": None} if state == "open" else {}
        self._update(row.id, **one.values, **again, suspense_fen=wanted, state=state, version=version)
        self._step(row.id, version, action, state, one.values, transaction)

    # ------------------------------------------------------------------ gone

    def _is_gone(self, row: Any) -> None:
        if row.state == "cleared" or (row.state == "resolved" and not row.suspense_fen):
            return
        if row.channel == CASH and row.suspense_fen:
            return  # its shift has ended: only people settle it
        version = row.version + 1
        transaction = self._post(row.id, version, {"day": row.day, "channel": row.channel}, -row.suspense_fen)
        left = self.in_suspense([row.id])[row.id]
        if left:
            self._leave_to_people(row, version, left, transaction)
            return
        why = "neighbour" if row.kind == "cut_off" else self.cleared_by
        ended = {
            "cleared_by": why,
            "ended_at": self.desk.now,
            "carried_to": None,
            "resolution": None,
            "waits_for": None,
        }
        self._update(row.id, **ended, difference_fen=0, suspense_fen=0, state="cleared", version=version)
        facts = {"amount_fen": row.amount_fen, "difference_fen": 0}
        self._step(row.id, version, "cleared", "cleared", facts, transaction, why)

    def _leave_to_people(self, row: Any, version: int, left: int, transaction: str | None) -> None:
        """People had settled it, and now there never was a difference: what they posted is left, for people."""
        if transaction is None and row.difference_fen == 0:
            return
        facts = {"amount_fen": abs(left), "difference_fen": 0}
        ended = {"resolution": None, "ended_at": None, "waits_for": None}
        self._update(row.id, **facts, **ended, suspense_fen=0, state="open", version=version)
        self._step(row.id, version, "found_again", "open", facts, transaction)

    # ------------------------------------------------------------------ what both write

    def _post(self, name: str, version: int, of: Mapping[str, Any], fen: int) -> str | None:
        """Put so much into suspense (a debit positive), out of what stands at the channel."""
        lines = (Posting(suspense(name), fen), Posting(account(of["channel"], None), -fen))
        if not fen:
            return None
        # An instant of its own day, so that the ledger says where it belongs.
        at = day_bounds(of["day"], self.desk.zone)[1] - timedelta(microseconds=1)
        return self.desk.post(
            SUSPENSE, ("break", name), f"break:{name}:{version}", lines, at=at, operator=self.operator
        )

    def _update(self, name: str, **values: Any) -> None:
        mine = (_BREAK.site_id == self.desk.site, _BREAK.id == name)
        self.desk.connection.execute(update(t.ReconciliationBreak).where(*mine).values(**values))

    def _step(
        self,
        name: str,
        version: int,
        action: str,
        state: str,
        of: Mapping[str, Any],
        transaction: str | None,
        why: str = "",
    ) -> None:
        self.changes += 1
        self.desk.connection.execute(
            insert(t.ReconciliationStep).values(
                site_id=self.desk.site,
                break_id=name,
                sequence=version,
                at=self.desk.now,
                action=action,
                state=state,
                run=self.run,
                operator=self.operator,
                reason=why,
                amount_fen=of["amount_fen"],
                difference_fen=of["difference_fen"],
                transaction_id=transaction,
            )
        )

    def in_suspense(self, names: Collection[str]) -> dict[str, int]:
        """What stands in suspense for these breaks now, a debit positive."""
        accounts = {suspense(name): name for name in names}
        found = self.desk.connection.execute(
            select(_POSTING.account, func.sum(_POSTING.amount_fen))
            .where(_POSTING.site_id == self.desk.site, _IN_SUSPENSE, _POSTING.account.in_(sorted(accounts)))
            .group_by(_POSTING.account)
        )
        return dict.fromkeys(names, 0) | {accounts[name]: int(fen) for name, fen in found}


def found_at_a_drawer(desk: Desk, shift: str, kind: str, difference_fen: int, transaction: str | None) -> None:
    """A shift ends now with more or less in its drawer than there should be: its break, from this moment on."""
    name = break_id(desk.site, kind, shift)
    money = {"amount_fen": abs(difference_fen), "difference_fen": difference_fen}
    row = {
        "site_id": desk.site,
        "id": name,
        "key": f"{kind}:{desk.site}:{shift}",
        "day": desk.today,
        "kind": kind,
        "about": "shift",
        "channel": CASH,
        "account": "",
        "order_number": "",
        "refund_number": "",
        "shift_id": shift,
        "subject": "",
        **money,
        "suspense_fen": -difference_fen,
        "evidence": {},
        "found_at": desk.now,
        "state": "open",
        "version": 1,
    }
    step = {
        "site_id": desk.site,
        "break_id": name,
        "sequence": 1,
        "at": desk.now,
        "action": "found",
        "state": "open",
        "operator": desk.by.operator,
        "reason": "",
        **money,
        "transaction_id": transaction,
    }
    desk.connection.execute(insert(t.ReconciliationBreak).values(**row))
    desk.connection.execute(insert(t.ReconciliationStep).values(**step))
