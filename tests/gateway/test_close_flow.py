"""日结: a day is sealed once, in order, over everything that was posted and everyone who passed."""

from __future__ import annotations

import hashlib
import json
from datetime import date, timedelta

import pytest
import rfc8785
from sqlalchemy import func, select

from billing.close import read_document, read_lines
from gateway.flows.close import close_day, close_missed
from gateway.flows.refusals import NotClosable, NotFound
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.books import MONDAY, TUESDAY, WEDNESDAY, Books, at

NIGHT = at("02:00", TUESDAY)


def a_day(parts: Parts) -> Books:
    books = Books(parts)
    books.stay(at("09:00"), at("10:00"))
    books.stay(at("09:00"), at("11:00"), pays="cash")
    books.stay(at("12:00"), at("13:00"), low_income=True)
    books.stay(at("12:00"), at("13:00"), pays=None)
    books.stay(at("14:00"), at("14:20"))
    books.stay(at("15:00"), at("16:00"), pays=None, allowance={"2026-03": 30})
    books.stay(at("23:30"), at("00:30", TUESDAY))
    books.write()
    books.clock.set(NIGHT)
    return books


def document(books: Books, day: date = MONDAY, site: str = "xinyi"):
    close = t.DayClose
    return read_document(books.one(select(close.canonical).where(close.day == day, close.site_id == site)))


def test_a_day_is_sealed_over_its_money_and_its_passages(parts: Parts) -> None:
    books = a_day(parts)
    closed = close_day(parts, MONDAY)
    assert [(one.site, one.sequence) for one in closed.sites] == [("xinyi", 1)]
    assert books.closed_through() == MONDAY
    said = document(books)
    sums = said.totals.sums
    assert (sums.earned_fen, sums.waived_fen, sums.received_fen, sums.owed_fen) == (2400, 600, 1200, 600)
    assert said.totals.channels == {"wechat": 400, "cash": 800}
    assert said.totals.shifts == {"s-1": 800}
    assert said.totals.benefits == {"low_income": 400, "relative_allowance": 200}
    assert (said.passages.entries, said.passages.exits) == (7, 6)
    assert said.passages.by_state == {"left": 6}
    assert said.totals.lanes["out-1"].gross_fen == 2400
    assert said.transactions == 5
    assert sum(said.totals.accounts.values()) == 0


def test_the_hash_is_the_chain_over_the_canonical_bytes(parts: Parts) -> None:
    books = a_day(parts)
    closed = close_day(parts, MONDAY)
    canonical = bytes(books.one(select(t.DayClose.canonical)))
    assert closed.sites[0].hash == hashlib.sha256(bytes(32) + canonical).digest()
    assert rfc8785.dumps(json.loads(canonical)) == canonical
    assert closed.street_hash == hashlib.sha256(closed.sites[0].hash).digest()
    books.clock.set(at("02:00", WEDNESDAY))
    second = close_day(parts, TUESDAY)
    next_one = bytes(books.one(select(t.DayClose.canonical).where(t.DayClose.sequence == 2)))
    assert second.sites[0].hash == hashlib.sha256(closed.sites[0].hash + next_one).digest()
    assert document(books, TUESDAY).passages.exits == 1


def test_no_plate_is_in_a_close(parts: Parts) -> None:
    books = a_day(parts)
    close_day(parts, MONDAY)
    assert "浙" not in bytes(books.one(select(t.DayClose.canonical))).decode()
    lines = read_lines(bytes(books.one(select(t.DayClose.lines))))
    assert "浙" not in repr(lines)


def test_closing_again_gives_the_same(parts: Parts) -> None:
    books = a_day(parts)
    first = close_day(parts, MONDAY)
    books.clock.advance(days=3)
    assert close_day(parts, MONDAY) == first
    assert books.one(select(func.count()).select_from(t.DayClose)) == 1


def test_a_day_that_is_not_over_is_refused(parts: Parts) -> None:
    books = a_day(parts)
    books.clock.set(at("00:00", TUESDAY) - timedelta(microseconds=1))
    with pytest.raises(NotClosable, match="xinyi: 2026-03-02 is not over"):
        close_day(parts, MONDAY)
    books.clock.set(at("00:00", TUESDAY))
    close_day(parts, MONDAY)


def test_a_day_after_an_open_one_is_refused(parts: Parts) -> None:
    books = a_day(parts)
    books.clock.set(at("02:00", date(2026, 3, 6)))
    with pytest.raises(NotClosable, match="xinyi: 2026-03-04 is open; close 2026-03-02 first"):
        close_day(parts, date(2026, 3, 5))
    close_day(parts, MONDAY)
    with pytest.raises(NotClosable, match="2026-03-03 is open"):
        close_day(parts, WEDNESDAY)


def test_before_the_books_opened_there_is_nothing_to_close_first(parts: Parts) -> None:
    books = Books(parts, opened_on=WEDNESDAY)
    books.clock.set(at("12:00", WEDNESDAY))
    close_day(parts, TUESDAY)
    books.clock.set(at("12:00", date(2026, 3, 5)))
    close_day(parts, WEDNESDAY)
    with pytest.raises(NotClosable, match="before its first close"):
        close_day(parts, MONDAY)


def test_what_was_posted_before_the_books_opened_is_closed_first(parts: Parts) -> None:
    books = Books(parts, opened_on=WEDNESDAY)
    books.stay(at("09:00"), at("10:00"))
    books.write()
    books.clock.set(at("02:00", date(2026, 3, 5)))
    with pytest.raises(NotClosable, match="2026-03-03 is open; close 2026-03-02 first"):
        close_day(parts, WEDNESDAY)


def test_a_street_day_stays_as_it_was_closed_when_another_site_comes(parts: Parts) -> None:
    books = Books(parts, ("xinyi", "b1"))
    books.change("UPDATE site_books SET opened_on = '2026-03-04' WHERE site_id = 'b1'")
    books.clock.set(at("02:00", date(2026, 3, 5)))
    closed = close_day(parts, MONDAY)
    assert [one.site for one in closed.sites] == ["xinyi"]
    assert list(close_missed(parts, WEDNESDAY))[-2:] == [("b1", WEDNESDAY), ("xinyi", WEDNESDAY)]
    assert close_day(parts, MONDAY) == closed
    assert [one.site for one in close_day(parts, WEDNESDAY).sites] == ["b1", "xinyi"]


def test_books_that_do_not_balance_are_not_sealed(parts: Parts) -> None:
    books = a_day(parts)
    books.change("UPDATE posting SET amount_fen = amount_fen + 1 WHERE account = 'assets:cash:s-1'")
    with pytest.raises(NotClosable, match="xinyi: the books of 2026-03-02 do not"):
        close_day(parts, MONDAY)
    assert books.closed_through() is None


def test_an_unknown_site_is_not_found(parts: Parts) -> None:
    a_day(parts)
    with pytest.raises(NotFound):
        close_day(parts, MONDAY, "nowhere")


def test_the_streets_hash_is_over_its_sites_in_the_order_of_their_ids(parts: Parts) -> None:
    books = Books(parts, ("xinyi", "b2", "b10"))
    books.stay(at("09:00"), at("10:00"), site="b10")
    books.write()
    books.clock.set(NIGHT)
    closed = close_day(parts, MONDAY)
    assert [one.site for one in closed.sites] == ["b10", "b2", "xinyi"]
    assert closed.street_hash == hashlib.sha256(b"".join(one.hash for one in closed.sites)).digest()
    assert close_day(parts, MONDAY, "b2").sites == closed.sites[1:2]


def test_what_comes_late_stands_on_the_next_open_day_and_the_close_holds(parts: Parts) -> None:
    books = a_day(parts)
    first = close_day(parts, MONDAY)
    books.clock.set(at("09:00", TUESDAY))
    books.stay(at("18:00"), at("19:00"), posted_at=None)
    books.write()
    books.clock.set(at("02:00", WEDNESDAY))
    close_day(parts, TUESDAY)
    late = document(books, TUESDAY).late
    assert [(one.day, one.transactions, one.sums.earned_fen) for one in late] == [("2026-03-02", 1, 400)]
    assert close_day(parts, MONDAY) == first


def test_missed_days_are_closed_in_order(parts: Parts) -> None:
    books = Books(parts, ("a", "b"))
    books.clock.set(at("03:00", date(2026, 3, 5)))
    closed = list(close_missed(parts, WEDNESDAY))
    expected = [(site, day) for day in (MONDAY, TUESDAY, WEDNESDAY) for site in ("a", "b")]
    assert closed == expected
    assert list(close_missed(parts, WEDNESDAY)) == []


def test_a_site_that_refuses_does_not_hold_up_the_others(parts: Parts) -> None:
    books = Books(parts, ("a", "b"))
    books.stay(at("09:00"), at("10:00"), site="a")
    books.write()
    books.change("UPDATE posting SET amount_fen = amount_fen + 1 WHERE account = 'income:parking'")
    books.clock.set(at("02:00", WEDNESDAY))
    with pytest.raises(NotClosable, match="a: the books of 2026-03-02"):
        list(close_missed(parts, TUESDAY))
    assert (books.closed_through("a"), books.closed_through("b")) == (None, TUESDAY)


def test_open_exceptions_are_carried_over_with_their_age(parts: Parts) -> None:
    books = a_day(parts)
    item = {"site_id": "xinyi", "kind": "no_passage", "subject": "s1", "opened_at": at("10:00"), "state": "open"}
    books._add(t.ExceptionItem, id="x1", **item)
    books._add(t.ExceptionItem, id="x2", **{**item, "subject": "s2", "opened_at": at("10:00", date(2026, 2, 27))})
    books._add(t.ExceptionItem, id="x3", **{**item, "subject": "s3", "state": "resolved"})
    books._add(t.ExceptionItem, id="x4", **{**item, "subject": "s4", "opened_at": at("00:10", TUESDAY)})
    books.write()
    close_day(parts, MONDAY)
    assert [(one.kind, one.age_days, one.count) for one in document(books).exceptions] == [
        ("no_passage", 0, 1),
        ("no_passage", 3, 1),
    ]


def test_a_close_is_never_changed_or_deleted(parts: Parts) -> None:
    a_day(parts)
    close_day(parts, MONDAY)
    for statement in ("UPDATE day_close SET sequence = 9", "DELETE FROM day_close"):
        with (
            pytest.raises(Exception, match="only ever grows"),
            parts.store.writing() as connection,
        ):
            connection.exec_driver_sql(statement)
