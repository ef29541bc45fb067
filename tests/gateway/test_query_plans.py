"""No statement of the event path, of a payment, of the outbox or of the sweep goes through a table that grows for years."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar

import psycopg
import pytest
from sqlalchemy import event

from controllers.events import Kind
from gateway.flows import corrections, payment, quote
from gateway.flows.charges_books import By
from gateway.flows.sweep import sweep
from gateway.publish.outbox import waiting
from gateway.store import fact_queries
from gateway.store.engine import Store, open_engine
from gateway.store.keyed import Keyed
from gateway.store.tables import Base
from gateway.wiring import Parts
from tests.gateway.trade import Street

# What a street has a fixed number of. All others grow with time.
SMALL = {"site", "merchant", "site_books", "policy_version", "gate", "lane", "device", "device_state", "user_account"}
SMALL |= {"job_lease", "offline_list", "alembic_version", "emergency"}
GROWING = set(Base.metadata.tables) - SMALL

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Cursor(sqlite3.Cursor):
    """Keeps every statement as the driver is given it: with its parameters unbound, as the planner sees it."""

    seen: ClassVar[set[str]] = set()

    def execute(self, sql: str, parameters: Any = ()) -> "Cursor":
        self.seen.add(sql)
        super().execute(sql, parameters)
        return self

    def executemany(self, sql: str, parameters: Any) -> "Cursor":
        self.seen.add(sql)
        super().executemany(sql, parameters)
        return self


class Connection(sqlite3.Connection):
    def cursor(self, _factory: Any = None) -> Cursor:
        return super().cursor(Cursor)


@contextmanager
def watched_store(database_url: str) -> Iterator[Store]:
    """A store whose connections keep what they are asked. Its engines share nothing with other tests'."""
    engine = open_engine(database_url)
    watched = {"cursor_factory": Asked} if engine.dialect.name == "postgresql" else {"factory": Connection}
    opened = Store(engine)
    for one in {engine, opened.by_index}:
        event.listen(one, "do_connect", lambda _d, _r, _a, options: options.update(watched))
    yield opened
    opened.close()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with watched_store(database_url) as opened:
        yield opened


def plan(connection: sqlite3.Connection, statement: str) -> list[str]:
    parameters = [None] * statement.count("?")
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]


def scanned(steps: list[str]) -> set[str]:
    found = {match[1] for step in steps if (match := re.match(r"SCAN (\w+)(?! VIRTUAL)", step))}
    return found & GROWING


class Asked(psycopg.Cursor[Any]):
    """The same for PostgreSQL: every statement with the parameters of its last run."""

    seen: ClassVar[dict[str, Any]] = {}

    def execute(self, query: Any, params: Any = None, **options: Any) -> "Asked":
        self.seen[str(query)] = params
        super().execute(query, params, **options)
        return self


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_every_statement_could_find_its_rows_by_an_index(parts: Parts, database_url: str) -> None:
    """A planner that is told to avoid them goes through a table only where no index serves."""
    street = Street(parts)
    Asked.seen.clear()
    a_day(street)
    asked = {one: given for one, given in Asked.seen.items() if re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT)", one)}
    assert len(asked) > 25
    slow: dict[str, set[str]] = {}
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        connection.execute("SET enable_seqscan = off")
        for one, given in asked.items():
            steps = [row[0] for row in connection.execute(f"EXPLAIN {one}".encode(), given)]
            found = {match[1] for step in steps if (match := re.search(r"Seq Scan on (\w+)", step))} & GROWING
            if found:
                slow[one] = found
    assert not slow


@on_sqlite
def test_every_statement_finds_its_rows_by_an_index(parts: Parts, database_url: str) -> None:
    street = Street(parts)
    Cursor.seen = set()
    a_day(street)
    statements = {one for one in Cursor.seen if re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT|WITH)", one)}
    assert len(statements) > 25
    with sqlite3.connect(database_url.removeprefix("sqlite:///")) as connection:
        slow = {one: found for one in statements if (found := scanned(plan(connection, one)))}
    connection.close()
    assert not slow


@on_sqlite
@pytest.mark.parametrize(
    ("query", "index"), [(fact_queries.INSIDE, "uq_stay_one_inside"), (fact_queries.CLAIMS_INSIDE, "ix_stay_space")]
)
def test_whoever_is_inside_is_found_without_those_who_left(
    parts: Parts, database_url: str, query: Keyed, index: str
) -> None:
    """Both ask for stays that are inside: through the index of all stays of a site, each year would make them slower."""
    Cursor.seen = set()
    with parts.store.reading() as connection:
        query.rows(connection, [("xinyi", "101")[: 1 + (index == "ix_stay_space")]])
    (statement,) = [one for one in Cursor.seen if one.startswith("SELECT")]
    with sqlite3.connect(database_url.removeprefix("sqlite:///")) as connection:
        steps = plan(connection, statement)
    connection.close()
    assert any(f"USING INDEX {index} " in step for step in steps), steps


@on_sqlite
@pytest.mark.parametrize(
    ("query", "index"),
    [
        (fact_queries.STAYS, "ix_stay_vehicle (site_id=? AND plate=? AND started_at>?)"),
        (fact_queries.STAYS, "ix_voucher_stay (site_id=? AND stay_id=?)"),
        (fact_queries.VOUCHERS, "ix_voucher_stay (site_id=? AND stay_id=?)"),
        (fact_queries.PAST, "ix_stay_vehicle (site_id=? AND plate=? AND started_at>?)"),
        (fact_queries.CLAIMS_LEFT, "ix_stay_vehicle (site_id=? AND plate=? AND started_at>?)"),
        (fact_queries.CLAIMS_LEFT, "ix_resident_vehicle_site_id_household_id (site_id=? AND household_id=?)"),
    ],
)
def test_what_a_bill_depends_on_is_found_by_vehicle_and_time(
    parts: Parts, database_url: str, query: Keyed, index: str
) -> None:
    """Not through all stays of the site, nor through all that the vehicle ever had."""
    Cursor.seen = set()
    with parts.store.reading() as connection:
        query.ask(connection, [("xinyi", "101")], since=parts.clock.now())
    (statement,) = [one for one in Cursor.seen if one.startswith("SELECT")]
    with sqlite3.connect(database_url.removeprefix("sqlite:///")) as connection:
        steps = plan(connection, statement)
    connection.close()
    assert any(index in step for step in steps), steps


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("query", "condition"),
    [
        (fact_queries.STAYS, "(plate)::text = anon_1.key1) AND (started_at >="),
        (fact_queries.BILLS_OF_VEHICLES, "(plate)::text = anon_1.key1) AND (started_at >="),
        (fact_queries.BILLS_OF_VEHICLES, "(stay_id)::text = (stay.id)::text"),
        (fact_queries.PAST, "(plate)::text = anon_1.key1) AND (started_at >="),
        (fact_queries.CLAIMS_LEFT, "(plate)::text = (resident_vehicle.plate)::text) AND (started_at >="),
        (fact_queries.CLAIMS_LEFT, "(household_id)::text = anon_1.key1"),
    ],
)
def test_postgresql_finds_it_by_vehicle_and_time_too(parts: Parts, query: Keyed, condition: str) -> None:
    Asked.seen.clear()
    with parts.store.reading() as connection:
        query.ask(connection, [("xinyi", "101")], since=parts.clock.now())()
    ((statement, given),) = [(one, given) for one, given in Asked.seen.items() if one.startswith("SELECT")]
    with parts.store.deciding() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        steps = [row[0] for row in driver.execute(f"EXPLAIN {statement}".encode(), given)]
        connection.rollback()
    assert any("Index Cond" in step and condition in step for step in steps), steps


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_event_path_goes_by_its_indexes_also_where_a_table_was_small_when_it_was_planned(parts: Parts) -> None:
    """PostgreSQL plans once for a connection: through the whole table, while that holds a handful of rows."""
    street = Street(parts)
    a_day(street)
    with parts.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    with parts.store.deciding() as connection:
        told = connection.exec_driver_sql(
            "EXPLAIN UPDATE plate_event SET completed = true FROM json_to_recordset('[]') AS given(s text, d text, e text)"
            " WHERE site_id = s AND device_id = d AND event_id = e"
        )
        steps = [row[0] for row in told]
        connection.rollback()
    assert any("Index Scan using pk_plate_event" in step for step in steps), steps
    assert not any("Hash" in step or "Seq Scan" in step for step in steps), steps


def a_day(street: Street) -> None:
    """Something of everything that the path does."""
    clock, parts = street.clock, street.parts
    for number in range(3):
        read = street.read("in-1", f"浙A0000{number}", clock.now())
        street.deliver(read)
        street.deliver(
            street.mark("in-1", Kind.PASSED, clock.advance(seconds=5), read.event.id),
            street.result(street.commands[-1]),
        )
    street.deliver(street.read("in-2", "浙A99999", clock.advance(minutes=1)))
    clock.advance(hours=3)
    read = street.read("out-1", "浙A00001", clock.now())
    street.deliver(read)
    known, also = set(Cursor.seen), dict(Asked.seen)
    stay, misread = street.stay("浙A00001"), street.stay("浙A00000")
    Cursor.seen, Asked.seen = known, also  # what the test itself asks does not count
    due = int(quote.bill_document(parts, stay.id)["payable_fen"])
    payment.take(parts, stay_id=stay.id, channel="cash", amount_fen=due, operator="kim", role="cashier")
    assert waiting(parts.store, clock.now(), "bridge-1")
    street.deliver(street.read("out-1", "浙A77777", clock.advance(minutes=1)))
    street.deliver(street.read("out-2", "浙A00002", clock.advance(minutes=1), buffered=True))
    right = corrections.Wanted(plate="浙A00009", entry_at=misread.entry_at - timedelta(minutes=2))
    corrections.correct(parts, misread.id, right, "misread", By(operator="mei"))
    street.deliver(street.read("in-1", "浙A00000", misread.entry_at - timedelta(seconds=1), buffered=True))
    clock.advance(minutes=5)
    assert sweep(parts)
