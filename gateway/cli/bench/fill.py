"""Years of past stays, written in bulk by the database itself: as many rows, as wide, with keys as scattered as real ones.

Rows are for size, not for reading: the fold never looks back at them, because every vehicle's `presence` says that its open history
begins after them. What it does look back at, the last two stays of whoever is measured, went through the event path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Index, Table

from gateway.cli.bench.street import LETTERS, PLATES, Layout
from gateway.store.tables import Base
from gateway.wiring import Parts

CHUNK = 50_000
# Whoever is inside parks for this long.
_STAYS_FOR = timedelta(hours=2)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A multiplier that scatters the numbers below 2^32 without two meeting.
_SCATTER, _SCATTERED = 2_654_435_761, 4_294_967_296
# Commands are kept for a shorter time than stays.
_COMMANDS_OF = 10
_FACTS = (
    '{"stay": {"entry": "2026-03-02T01:00:00Z", "exit": "2026-03-02T03:10:00Z", "vehicle": "small"}, "benefits": {"passes": [],'
    ' "allowance": null, "vouchers": []}, "vouchers_used": []}'
)
_LINES = (
    '[{"reason": "tariff", "from": "09:00", "to": "10:00", "minutes": 60, "fen": 400}, {"reason": "tariff", "from": "10:00", '
    '"to": "11:10", "minutes": 70, "fen": 600}, {"reason": "free_minutes", "minutes": 30, "fen": 0}]'
)


class _Words:
    """What the two databases say differently, over a stay's number `n`."""

    def __init__(self, postgres: bool, layout: Layout, vehicles: int, begin: datetime, step: timedelta) -> None:
        self.postgres = postgres
        self._begin, self._step = (begin - _EPOCH) // timedelta(microseconds=1), step // timedelta(microseconds=1)
        number = f"(n % {vehicles})"
        self.site = self._padded(f"({number} / {layout.stride}) % {layout.sites}", 2, "s")
        letter = f"substr('{LETTERS}', CAST({number} / 100000 AS int) + 1, 1)"
        self.plate = f"'浙' || {letter} || {self._padded(f'{number} % 100000', 5)}"

    def series(self, first: int, last: int) -> str:
        """Numbers [first, last) as `n`."""
        if self.postgres:
            return f"generate_series({first}::bigint, {last - 1}::bigint) AS series(n)"
        counted = f"SELECT {first} UNION ALL SELECT n + 1 FROM counted WHERE n < {last - 1}"  # noqa: S608 - numbers
        return f"(WITH RECURSIVE counted(n) AS ({counted}) SELECT n FROM counted) AS series"  # noqa: S608 - numbers

    def at(self, after: timedelta = timedelta(0)) -> str:
        micro = f"{self._begin + after // timedelta(microseconds=1)} + n * {self._step}"
        return f"to_timestamp(({micro}) / 1000000.0)" if self.postgres else f"({micro})"

    def day(self) -> str:
        return f"({self.at()})::date" if self.postgres else f"date({self.at()} / 1000000, 'unixepoch')"

    def scattered(self, prefix: str, salt: int = 0) -> str:
        """An id as long as a real one, at a random place among them. `prefix` is an expression."""
        value = f"((n + {salt}) * {_SCATTER}) % {_SCATTERED}"
        word = f"lpad(to_hex({value}), 8, '0')" if self.postgres else f"printf('%08x', {value})"
        return f"{prefix} || {word} || 'aaaaaaaaaaaa'"

    def counted(self, prefix: str) -> str:
        """An event's id: devices count."""
        return self._padded("n", 9, prefix)

    def blob(self, size: int) -> str:
        if self.postgres:
            return f"decode(substr(repeat(md5(n::text), {1 + size // 16}), 1, {2 * size}), 'hex')"
        return f"randomblob({size})"

    def json(self, text: str) -> str:
        return f"'{text}'::jsonb" if self.postgres else f"'{text}'"

    def _padded(self, expression: str, wide: int, prefix: str = "") -> str:
        if self.postgres:
            return f"'{prefix}' || lpad(({expression})::text, {wide}, '0')"
        return f"printf('{prefix}%0{wide}d', {expression})"


def fill(
    parts: Parts, layout: Layout, stays: int, vehicles: int, *, until: datetime, step_done: Callable[[int], None]
) -> None:
    """So many stays of so many vehicles over the year before `until`. `step_done` is told of stays written."""
    if vehicles > PLATES:
        raise ValueError(f"there are {PLATES} plates")
    step = timedelta(days=365) / stays
    words = _Words(parts.store.postgres, layout, vehicles, until - step * stays - _STAYS_FOR, step)
    tables = _rows(words)
    # psycopg and the remainders of the series both speak in percent signs.
    percent = "%%" if parts.store.postgres else "%"
    indexes = [index for table in Base.metadata.sorted_tables if table.name in _FILLED for index in _indexes(table)]
    with _in_a_hurry(parts) as connection:
        for index in indexes:
            index.drop(connection)
        _commit(connection)
        for first in range(0, stays, CHUNK):
            last = min(stays, first + CHUNK)
            for name, columns, condition in tables:
                source = f"FROM {words.series(first, last)} WHERE {condition(stays)}"
                _insert(connection, name, columns, source, percent)
            _commit(connection)
            step_done(last - first)
        _presences(connection, words, vehicles, until, percent)
        _commit(connection)
        for index in indexes:
            index.create(connection)
        _commit(connection)


@contextmanager
def _in_a_hurry(parts: Parts) -> Iterator[Connection]:
    """A connection on which nothing waits for the disk and no foreign key is looked up. It goes with its settings."""
    with parts.store.engine.connect() as connection:
        for word in (
            (
                "SET session_replication_role = replica",
                "SET synchronous_commit = off",
                "SET maintenance_work_mem = '512MB'",
            )
            if parts.store.postgres
            else (
                "ROLLBACK",
                "PRAGMA foreign_keys=OFF",
                "PRAGMA synchronous=OFF",
                "PRAGMA cache_size=-1000000",
                "BEGIN",
            )
        ):
            connection.exec_driver_sql(word)
        try:
            yield connection
        finally:
            connection.invalidate()


def _commit(connection: Connection) -> None:
    """And go on, on the same connection."""
    connection.commit()
    connection.begin()


def _insert(connection: Connection, table: str, columns: dict[str, str], source: str, percent: str) -> None:
    statement = f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns.values())} {source}"
    connection.exec_driver_sql(statement.replace("%", percent))


_FILLED = {"stay", "plate_event", "command", "bill", "ledger_transaction", "posting", "payment", "presence"}


def _indexes(table: Table) -> list[Index]:
    return sorted(table.indexes, key=lambda index: str(index.name))


def _presences(connection: Connection, words: _Words, vehicles: int, until: datetime, percent: str) -> None:
    """Every vehicle was seen here before, and its open history begins after all that was filled in."""
    micro = (until - _EPOCH) // timedelta(microseconds=1)
    at = f"to_timestamp({micro} / 1000000.0)" if words.postgres else str(micro)
    columns = {"site_id": words.site, "plate": words.plate, "newest_at": at, "history_from": at, "reads": "10"}
    _insert(connection, "presence", columns, f"FROM {words.series(0, vehicles)}", percent)


_Table = tuple[str, dict[str, str], Callable[[int], str]]


def _rows(words: _Words) -> list[_Table]:
    """What one stay leaves behind: four events, a bill, a share of payments with their ledger, and commands for a while."""

    def always(_stays: int) -> str:
        return "1 = 1"

    def pays(_stays: int) -> str:
        return "n % 3 = 0"

    def lately(stays: int) -> str:
        return f"n >= {stays - stays // _COMMANDS_OF}"

    stay = words.scattered(f"{words.site} || '.'")
    left = _STAYS_FOR
    found: list[_Table] = [("stay", _stay(words, stay), always)]
    for way, after in (("in", timedelta(0)), ("out", left)):
        name = words.counted(f"past-{way}-")
        found.append(("plate_event", _event(words, name, way, after, "plate"), always))
        found.append(
            ("plate_event", _event(words, f"{name} || '-p'", way, after + timedelta(seconds=4), "passed"), always)
        )
        found.append(("command", _command(words, name, way, after, stay), lately))
    found.append(("bill", _bill(words, stay), always))
    found.append(("ledger_transaction", _ledger(words, stay), pays))
    entry = words.scattered("'t-'")
    for line, account, fen in ((0, "assets:channel:wechat", 1000), (1, "income:parking", -1000)):
        columns = {"site_id": words.site, "transaction_id": entry, "line": str(line), "account": f"'{account}'"}
        found.append(("posting", {**columns, "amount_fen": str(fen)}, pays))
    found.append(("payment", _payment(words, stay), pays))
    return found


def _stay(words: _Words, stay: str) -> dict[str, str]:
    due = "CASE WHEN n % 3 = 0 THEN 1000 ELSE 0 END"
    return {
        "site_id": words.site,
        "id": stay,
        "plate": words.plate,
        "vehicle": "'small'",
        "plate_colour": "'blue'",
        "state": "'left'",
        "started_at": words.at(),
        "entry_at": words.at(),
        "exit_at": words.at(_STAYS_FOR),
        "entry_lane": "'d0-0'",
        "exit_lane": "'d0-1'",
        "entry_device": "'d0'",
        "entry_event": words.counted("past-in-"),
        "exit_device": "'d0'",
        "exit_event": words.counted("past-out-"),
        "confirmed": "TRUE",
        "exit_reason": "'paid'",
        "holds_space": "FALSE",
        "policy_id": "'hushu-residential'",
        "policy_version": "3",
        "gross_fen": "1000",
        "payable_fen": due,
        "paid_fen": due,
        "bills": "1",
        "settlements": "1",
        "posted": words.json('{"income_fen": 1000, "received": {"assets:channel:wechat": 1000}}'),
    }


def _event(words: _Words, name: str, way: str, after: timedelta, kind: str) -> dict[str, str]:
    at = words.at(after)
    reads = kind == "plate"
    return {
        "site_id": words.site,
        "device_id": "'d0'",
        "event_id": name,
        "lane_id": "'d0-0'" if way == "in" else "'d0-1'",
        "kind": f"'{kind}'",
        "at": at,
        "device_at": at,
        "received_at": at,
        "plate": words.plate,
        "plate_raw": words.plate if reads else "NULL",
        "plate_colour": "'blue'" if reads else "NULL",
        "confidence": "0.987" if reads else "NULL",
        "vehicle": "'small'" if reads else "NULL",
        "for_event": "NULL" if reads else words.counted(f"past-{way}-"),
        "buffered": "FALSE",
        "digest": words.blob(16),
        "decision": "'open'" if reads else "NULL",
        "reason": "'paid'" if reads else "NULL",
        "completed": "TRUE",
        "went": "FALSE",
    }


def _command(words: _Words, event: str, way: str, after: timedelta, stay: str) -> dict[str, str]:
    return {
        "site_id": words.site,
        "id": words.scattered("'c-'", 1 if way == "in" else 2_000_000_000),
        "device_id": "'d0'",
        "lane_id": "'d0-0'" if way == "in" else "'d0-1'",
        "event_id": event,
        "stay_id": stay,
        "action": "'open'",
        "reason": "'paid'",
        "true_reason": "'paid'",
        "payload": words.blob(280),
        "planned_at": words.at(after),
        "expires_at": words.at(after + timedelta(seconds=8)),
        "state": "'done'",
        "outcome_at": words.at(after + timedelta(seconds=1)),
        "planner": "'bridge-1'",
    }


def _bill(words: _Words, stay: str) -> dict[str, str]:
    return {
        "site_id": words.site,
        "stay_id": stay,
        "sequence": "1",
        "kind": "'exit'",
        "fixed_at": words.at(_STAYS_FOR),
        "until": words.at(_STAYS_FOR),
        "policy_id": "'hushu-residential'",
        "policy_version": "3",
        "minutes": "120",
        "gross_fen": "1000",
        "payable_fen": "CASE WHEN n % 3 = 0 THEN 1000 ELSE 0 END",
        "drawn": words.json("{}"),
        "facts": words.json(_FACTS),
        "lines": words.json(_LINES),
    }


def _ledger(words: _Words, stay: str) -> dict[str, str]:
    return {
        "site_id": words.site,
        "id": words.scattered("'t-'"),
        "business_day": words.day(),
        "at": words.at(_STAYS_FOR),
        "kind": "'payment'",
        "reference_kind": "'stay'",
        "reference": stay,
        "idempotency_key": words.scattered("'payment:'"),
        "content_hash": words.blob(32),
    }


def _payment(words: _Words, stay: str) -> dict[str, str]:
    return {
        "site_id": words.site,
        "id": words.scattered("'p-'"),
        "stay_id": stay,
        "channel": "'wechat'",
        "amount_fen": "1000",
        "reference": words.scattered("'ref-'"),
        "at": words.at(_STAYS_FOR),
        "idempotency_key": words.scattered("'key:'"),
        "content_hash": words.blob(32),
    }


def rows(parts: Parts) -> dict[str, int]:
    """How many rows the filled tables hold."""
    with parts.store.reading() as connection:
        return {name: int(_count(connection, name)) for name in sorted(_FILLED)}


def _count(connection: Connection, name: str) -> Any:
    return connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one()  # noqa: S608 - our own names
