"""Many rows in one statement, several statements in one go: the same on both databases."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from sqlalchemy import Table, select, update
from sqlalchemy.exc import IntegrityError

from gateway.store import tables as t
from gateway.store.bulk import Bulk, BulkInsert
from gateway.store.engine import Store
from gateway.store.prepared import find, in_one_go

AT = datetime(2026, 3, 2, 9, 0, 0, 123_456, tzinfo=UTC)
AUDIT = cast("Table", t.AuditEntry.__table__)
IMAGE = cast("Table", t.Quarantine.__table__)
BALANCE = cast("Table", t.AllowanceBalance.__table__)
ENTRIES = select(AUDIT.c.subject, AUDIT.c.at, AUDIT.c.detail).order_by(AUDIT.c.subject)
BALANCES = select(BALANCE.c.holder, BALANCE.c.drawn_minutes).order_by(BALANCE.c.holder)


def entry(subject: str, **detail: Any) -> dict[str, Any]:
    words = {"operator": "kim", "action": "test", "site_id": "", "origin": "", "reason": "“quoted” \\ 浙A"}
    return {"at": AT, "subject": subject, "detail": detail, **words}


def balance(holder: str, drawn: int = 0) -> dict[str, Any]:
    return {"site_id": "s", "holder": holder, "month": "2026-03", "limit_minutes": 60, "drawn_minutes": drawn}


@pytest.mark.parametrize("number", [1, 3])
def test_what_is_written_is_read(store: Store, number: int) -> None:
    rows = [entry(f"s{place}", nested={"list": [1, None, True]}, text="浙A'\"\\") for place in range(number)]
    with store.writing() as connection:
        BulkInsert(AUDIT).write(connection, rows)
        connection.commit()
    with store.reading() as connection:
        found = find(connection, ENTRIES)
    assert [(row.subject, row.at, row.detail) for row in found] == [
        (row["subject"], row["at"], row["detail"]) for row in rows
    ]


def test_bytes_and_nothing_are_written_as_they_are(store: Store) -> None:
    row = {
        "site_id": "s",
        "device_id": "d",
        "topic": "t",
        "payload": bytes(range(256)),
        "digest": b"\x00" * 16,
        "code": "c",
        "detail": "",
        "event_id": None,
        "count": 1,
        "received_at": AT,
    }
    with store.writing() as connection:
        BulkInsert(IMAGE).write(connection, [row])
        found = find(connection, select(IMAGE.c.payload, IMAGE.c.digest, IMAGE.c.event_id))
        connection.commit()
    assert (bytes(found[0].payload), bytes(found[0].digest), found[0].event_id) == (row["payload"], row["digest"], None)


def test_each_row_changes_its_own(store: Store) -> None:
    changed = Bulk(
        BALANCE,
        lambda given: (
            update(BALANCE)
            .where(BALANCE.c.site_id == given("of_site_id"), BALANCE.c.holder == given("of_holder"))
            .values(drawn_minutes=given("is_drawn_minutes"))
        ),
    )
    with store.writing() as connection, in_one_go(connection):
        BulkInsert(BALANCE).write(connection, [balance("a"), balance("b"), balance("c")])
        changed.write(
            connection,
            [{"of_site_id": "s", "of_holder": holder, "is_drawn_minutes": n} for holder, n in (("a", 1), ("c", 3))],
        )
        connection.commit()
    with store.reading() as connection:
        assert [tuple(row) for row in find(connection, BALANCES)] == [("a", 1), ("b", 0), ("c", 3)]


def test_a_row_that_is_there_stays(store: Store) -> None:
    with store.writing() as connection:
        BulkInsert(BALANCE).write(connection, [balance("a", 5)])
        BulkInsert(BALANCE, unless_there=True).write(connection, [balance("a"), balance("b")])
        connection.commit()
    with store.reading() as connection:
        assert [tuple(row) for row in find(connection, BALANCES)] == [("a", 5), ("b", 0)]


def test_a_key_that_is_taken_is_refused_whenever_it_comes_out(store: Store) -> None:
    with pytest.raises(IntegrityError):
        twice_the_same(store)
    with store.writing() as connection, in_one_go(connection):
        assert find(connection, BALANCES) == []
        BulkInsert(BALANCE).write(connection, [balance("a")])
        connection.commit()
    with store.reading() as connection:
        assert len(find(connection, BALANCES)) == 1


def twice_the_same(store: Store) -> None:
    with store.writing() as connection, in_one_go(connection):
        BulkInsert(BALANCE).write(connection, [balance("a"), balance("a")])
        BulkInsert(BALANCE).write(connection, [balance("b")])
        connection.commit()
