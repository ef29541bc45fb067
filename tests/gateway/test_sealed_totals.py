"""The totals of a match are held against the rows themselves: whoever changes a total, or a row, and every digest beside it, is named all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select, update

from billing.close import Sealed
from billing.reconciled import DayMatched, Said, Total, digest_of, read_document, read_lines, seal
from gateway.flows import estate
from gateway.flows.reconciliation.arrived import Missing
from gateway.flows.statements_rows import Seal
from gateway.flows.verify import failures, verify
from gateway.flows.verify_scope import Look, Scope
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.statements import Deal
from tests.gateway.reconciling import DAY, Morning
from tests.gateway.trade import SITE

_RUN, _CLOSE = t.ReconciliationRun.__table__, t.DayClose.__table__
_STATEMENT, _ROW, _LINE = t.ChannelStatement.__table__, t.ChannelStatementRow.__table__, t.AuditEntry.__table__


@pytest.fixture
def street(parts: Any) -> Morning:
    """Two paid by phone; the day is sealed."""
    street = Morning(parts)
    street.pays("09:10")
    street.pays("11:10", "alipay")
    street.night()
    for channel in ("wechat", "alipay"):
        street.tells(channel)
    assert street.reconciles().sealed
    street.holds()
    return street


class Forger:
    """Somebody with the database who knows every digest of a match, and makes them fit: of the run, of the seal, of the import."""

    def __init__(self, street: Morning) -> None:
        self.parts = street.parts

    def totals(self, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], site: str = "xinyi") -> None:
        with self.parts.store.writing() as connection:
            self._unguarded(connection)
            run = connection.execute(select(_RUN).where(_RUN.c.site_id == site)).one()
            totals = change([dict(one) for one in run.totals])
            self._match(connection, run, totals)
            self._record(connection, run, totals)
            connection.commit()

    def row(self, **values: Any) -> None:
        """A row of WeChat's statement says something else, and the statement, its digest and its import say so too."""
        with self.parts.store.writing() as connection:
            self._unguarded(connection)
            statement = connection.execute(select(_STATEMENT).where(_STATEMENT.c.channel == "wechat")).one()
            mine = _ROW.c.statement_id == statement.id
            connection.execute(update(_ROW).where(mine).values(**values))
            content = Seal()
            for row in connection.execute(select(_ROW).where(mine).order_by(_ROW.c.line)).mappings():
                content.add(dict(row))
            connection.execute(
                update(_STATEMENT).where(_STATEMENT.c.id == statement.id).values(payments_fen=values["amount_fen"])
            )
            (line,) = connection.execute(select(_LINE).where(_LINE.c.action == "statement.import wechat")).all()
            connection.execute(
                update(_LINE).where(_LINE.c.id == line.id).values(detail=line.detail | {"content": content.hex()})
            )
            connection.commit()

    def _unguarded(self, connection: Any) -> None:
        if self.parts.store.postgres:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            return
        for (name,) in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.exec_driver_sql(f"DROP TRIGGER {name}")

    def _match(self, connection: Any, run: Any, totals: list[dict[str, Any]]) -> None:
        digest = digest_of(
            msgspec.convert(run.statements, list[Said]),
            [Missing(**one) for one in run.missing],
            msgspec.convert(totals, list[Total]),
            [],
        )
        connection.execute(update(_RUN).where(_RUN.c.site_id == run.site_id).values(totals=totals, digest=digest))

    def _record(self, connection: Any, run: Any, totals: list[dict[str, Any]]) -> None:
        mine = (_CLOSE.c.site_id == run.site_id, _CLOSE.c.kind == "reconciled")
        record = connection.execute(select(_CLOSE).where(*mine)).one()
        document, (_, breaks) = read_document(bytes(record.canonical)), read_lines(bytes(record.lines))
        day = DayMatched(
            site=record.site_id, day=record.day, close=bytes.fromhex(document.close), run=document.run, breaks=breaks,
            statements=document.statements, totals=msgspec.convert(totals, list[Total]),
        )  # fmt: skip
        made: Sealed = seal(day, sequence=1, previous_hash=bytes(record.previous_hash))
        values = {"hash": made.record.hash, "canonical": made.record.canonical, "lines": made.lines}
        connection.execute(update(_CLOSE).where(*mine).values(**values))


def named(street: Morning) -> tuple[str, str, str]:
    first = verify(street.parts).first_failure
    assert first is not None
    return first.what, first.id, first.why


def more(side: str, channel: str, **changed: int) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    def change(totals: list[dict[str, Any]]) -> list[dict[str, Any]]:
        mine = [one for one in totals if (one["side"], one["channel"]) == (side, channel)]
        for one in mine:
            one.update({name: one[name] + by for name, by in changed.items()})
        assert mine
        return totals

    return change


@pytest.mark.parametrize(
    "change",
    [
        more("channel", "wechat", fen=100),
        more("channel", "alipay", rows=1),
        more("books", "wechat", fen=-1),
        more("books", "alipay", rows=1, fen=800),
        lambda totals: [one for one in totals if one["channel"] != "alipay"],
        lambda totals: [*totals, {**totals[0], "channel": "unionpay"}],
    ],
    ids=["fen there", "rows there", "fen here", "rows here", "left out", "made up"],
)
def test_a_total_that_was_changed_with_every_digest_is_named(street: Morning, change: Any) -> None:
    Forger(street).totals(change)
    what, name, why = named(street)
    assert (what, name) == ("reconciliation_run", f"xinyi:{DAY}:1")
    assert "its totals of" in why


def test_without_a_change_the_forger_leaves_no_trace(street: Morning) -> None:
    """So what the others are named for is their change."""
    Forger(street).totals(lambda totals: totals)
    street.holds()


def test_a_row_that_was_changed_with_its_statement_and_its_import_is_named(street: Morning) -> None:
    Forger(street).row(amount_fen=100)
    what, _, why = named(street)
    assert what == "reconciliation_run"
    assert "its totals of wechat are 1 rows and 500 fen, the statements have 1 and 100" in why


def test_an_order_that_was_put_in_after_the_match_is_named(street: Morning) -> None:
    order = t.PaymentOrder.__table__
    with street.parts.store.writing() as connection:
        row = dict(connection.execute(select(order).where(order.c.channel == "wechat")).mappings().one())
        connection.execute(insert(order).values({**row, "id": "x" * 26}))
        connection.commit()
    (why,) = wrong_runs(street.parts)
    assert "the books have 2" in why


def wrong_runs(parts: Parts) -> list[str]:
    with parts.store.reading() as connection:
        look = Look(connection, Scope(None, None, parts.settings.zone), Counter(), lambda _: None)
        return [one.why for one in failures(look) if one.what == "reconciliation_run"]


def test_what_is_told_after_a_match_is_not_held_against_it(parts: Parts) -> None:
    """A callback that was lost: paid on the day, told a day later; the day was sealed meanwhile."""
    street = Morning(parts)
    street.passes("in-1", "浙A00001", "09:00")
    street.arrives("out-1", "浙A00001", "2026-03-02 11:10", id="out")
    number, due = street.orders(str(street.stay("浙A00001").id), "wechat")
    paid_at = street.clock.now()
    street.night()
    street.tells()
    assert street.reconciles().sealed
    street.clock.advance(hours=9)
    street.is_told(number, due, "wechat", paid_at=paid_at)
    street.holds()
    again = street.reconciles()
    assert street.kinds(again) == {"book_only": 1}
    street.holds()


def test_a_row_of_a_till_elsewhere_counts_there(parts: Parts) -> None:
    """No order leads to it, so it came in at the account's home; a guard elsewhere wrote the payer's reference down."""
    street = Morning(parts)
    later = SITE.format(capacity=10).split("[[site]]", 1)[1].replace('id = "xinyi"', 'id = "later"')
    estate.apply(parts, SITE.format(capacity=100) + "\n[[site]]" + later)
    street.pays("09:10")
    at = street.clock.now()
    taken = {"site_id": "later", "id": "later.p", "stay_id": "later.s", "reference": "P1", "idempotency_key": "k"}
    with parts.store.writing() as connection:
        connection.execute(
            insert(t.Payment.__table__).values(**taken, channel="wechat", amount_fen=500, at=at, content_hash=bytes(32))
        )
        connection.commit()
    street.deals["wechat"].append(Deal(order="P1", number="42P1", at=at, amount_fen=500, fee_fen=3))
    street.night()
    street.tells()
    assert street.reconciles().breaks == ()
    with parts.store.reading() as connection:
        rows = {row.site_id: row.totals for row in connection.execute(select(_RUN.c.site_id, _RUN.c.totals))}
    assert [(one["side"], one["fen"]) for one in rows["later"]] == [("books", 500), ("channel", 500)]
    assert wrong_runs(parts) == []
    Forger(street).totals(more("channel", "wechat", fen=100), "later")
    (why,) = wrong_runs(parts)
    assert "the statements have 1 and 500" in why
