"""`parkgate verify`: what was changed past the program is found, and the first row named."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from billing.ledger import Posting
from gateway.flows.close import close_day
from gateway.flows.verify import verify
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.books import MONDAY, TUESDAY, WEDNESDAY, Books, at


def two_days(parts: Parts) -> Books:
    """Monday and Tuesday closed, Wednesday open; a late visit of Monday stands on Tuesday."""
    books = Books(parts, ("mishixiang", "xinyi"))
    books.stay(at("09:00"), at("10:00"))
    books.stay(at("09:00"), at("11:00"), pays="cash", site="mishixiang")
    books.stay(at("12:00"), at("13:00"), low_income=True)
    books.stay(at("15:00"), at("17:00"), allowance={"2026-03": 90})
    books.stay(at("14:00"), at("14:20"))
    books.write()
    books.clock.set(at("02:00", TUESDAY))
    close_day(parts, MONDAY)
    books.stay(at("22:00"), at("23:00"), pays=None, owes="offline", posted_at=at("09:00", TUESDAY))
    books.stay(at("10:00", TUESDAY), at("12:00", TUESDAY))
    books.write()
    books.clock.set(at("02:00", WEDNESDAY))
    close_day(parts, TUESDAY)
    books.stay(at("10:00", WEDNESDAY), at("12:00", WEDNESDAY), pays="alipay")
    books.write()
    return books


def failure(parts: Parts) -> tuple[str, str, str]:
    report = verify(parts)
    assert not report.ok
    assert report.first_failure is not None
    return report.first_failure.what, report.first_failure.id, report.first_failure.why


def test_books_that_hold(parts: Parts) -> None:
    two_days(parts)
    seen: dict[str, int] = {}

    def progress(kind: str) -> None:
        seen[kind] = seen.get(kind, 0) + 1

    report = verify(parts, progress=progress)
    assert (report.ok, report.first_failure) == (True, None)
    counted = {"transactions": 7, "stays": 8, "bills": 8, "payments": 5, "allowances": 1, "closes": 4}
    assert report.checked.items() >= counted.items()
    assert seen["stays"] == 8


def test_empty_books_hold(parts: Parts) -> None:
    assert verify(parts).ok


def test_days_can_be_chosen(parts: Parts) -> None:
    books = two_days(parts)
    books.change("UPDATE stay SET paid_fen = paid_fen + 1 WHERE exit_event = 'x8'")
    assert verify(parts, MONDAY, TUESDAY).ok
    assert verify(parts, MONDAY, TUESDAY).checked["closes"] == 4
    assert verify(parts, TUESDAY, TUESDAY).checked["closes"] == 2
    assert not verify(parts, WEDNESDAY, None).ok


def transaction_of(books: Books, number: int) -> Any:
    """The ledger transaction of the stay that left with the n-th event."""
    stay = select(t.Stay.id).where(t.Stay.exit_event == f"x{number}").scalar_subquery()
    return books.one(select(t.LedgerTransaction.id).where(t.LedgerTransaction.reference == stay))


def stay_of(books: Books, number: int) -> Any:
    return books.one(select(t.Stay.id).where(t.Stay.exit_event == f"x{number}"))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE posting SET amount_fen = amount_fen + 100 WHERE transaction_id = :id AND line = 0",
        "UPDATE posting SET amount_fen = amount_fen * 2 WHERE transaction_id = :id",
        "UPDATE posting SET account = 'assets:bank' WHERE transaction_id = :id AND line = 1",
        "DELETE FROM posting WHERE transaction_id = :id AND line = 1",
        "DELETE FROM posting WHERE transaction_id = :id",
        "UPDATE ledger_transaction SET kind = 'payment' WHERE id = :id",
        "UPDATE ledger_transaction SET reference = 'xinyi.nothing' WHERE id = :id",
        "UPDATE ledger_transaction SET operator = 'li' WHERE id = :id",
        "UPDATE ledger_transaction SET belongs_to = '2026-02-27' WHERE id = :id",
        "UPDATE ledger_transaction SET business_day = '2026-03-04' WHERE id = :id",
        "UPDATE ledger_transaction SET idempotency_key = 'another' WHERE id = :id",
    ],
)
@pytest.mark.parametrize("number", [1, 8])
def test_a_changed_transaction_is_named(parts: Parts, change: str, number: int) -> None:
    books = two_days(parts)
    changed = transaction_of(books, number)
    if number == 8:
        change = change.replace("'2026-03-04'", "'2026-03-03'")
    books.change(change, id=changed)
    what, name, _ = failure(parts)
    assert (what, name) == ("transaction", changed)


def test_a_deleted_transaction_is_missed_by_its_stay(parts: Parts) -> None:
    books = two_days(parts)
    deleted, stay = transaction_of(books, 8), stay_of(books, 8)
    books.change("DELETE FROM posting WHERE transaction_id = :id", id=deleted)
    books.change("DELETE FROM ledger_transaction WHERE id = :id", id=deleted)
    what, name, why = failure(parts)
    assert (what, name) == ("stay", stay)
    assert "the ledger holds 0 fen" in why


def test_a_transaction_deleted_from_a_closed_day_with_its_stay_is_named_by_the_close(parts: Parts) -> None:
    books = two_days(parts)
    deleted, stay = transaction_of(books, 1), stay_of(books, 1)
    books.change("DELETE FROM posting WHERE transaction_id = :id", id=deleted)
    books.change("DELETE FROM ledger_transaction WHERE id = :id", id=deleted)
    for table in ("bill", "payment"):
        books.change(f"DELETE FROM {table} WHERE stay_id = :id", id=stay)
    books.change("DELETE FROM stay WHERE id = :id", id=stay)
    what, name, why = failure(parts)
    assert (what, name) == ("close", "xinyi:2026-03-02")
    assert why == f"transaction {deleted} was sealed and is not there"


def test_a_transaction_slipped_into_a_closed_day_is_named(parts: Parts) -> None:
    books = two_days(parts)
    stay = stay_of(books, 1)
    books.change("UPDATE site_books SET closed_through = NULL WHERE site_id = 'xinyi'")
    postings = (Posting("assets:bank", 5), Posting("liability:prepaid", -5))
    slipped = books.post("xinyi", stay, postings, at("10:00"))
    undo = tuple(Posting(posting.account, -posting.amount_fen) for posting in postings)
    books.post("xinyi", stay, undo, at("10:00", WEDNESDAY), reverses=slipped)
    books.write()
    books.change("UPDATE site_books SET closed_through = '2026-03-03' WHERE site_id = 'xinyi'")
    what, name, why = failure(parts)
    assert (what, name) == ("close", "xinyi:2026-03-02")
    assert why == f"transaction {slipped} stands on the day and was not sealed"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE stay SET posted = :json WHERE id = :id", "the ledger holds"),
        ("UPDATE stay SET paid_fen = 1 WHERE id = :id", "1 fen are said to be paid"),
        ("UPDATE stay SET gross_fen = gross_fen + 200 WHERE id = :id", "fen gross"),
        ("UPDATE stay SET payable_fen = 0 WHERE id = :id", "payable"),
        ("UPDATE stay SET bills = 2 WHERE id = :id", "2 bills"),
        ("UPDATE stay SET exit_at = entry_at WHERE id = :id", "its exit is said to be at"),
        ("UPDATE payment SET amount_fen = 1 WHERE stay_id = :id", "payments sum to 1"),
        ("UPDATE payment SET channel = 'alipay' WHERE stay_id = :id", "its payments are"),
        ("DELETE FROM payment WHERE stay_id = :id", "payments sum to 0"),
        ("DELETE FROM bill WHERE stay_id = :id", "1 bills"),
        ("DELETE FROM presence WHERE plate = (SELECT plate FROM stay WHERE id = :id)", "its vehicle ever came"),
    ],
)
def test_a_changed_stay_is_named(parts: Parts, change: str, says: str) -> None:
    books = two_days(parts)
    stay = stay_of(books, 1)
    values = {"json": '{"income_fen": 7}'} if ":json" in change else {}
    if parts.store.postgres:
        change = change.replace(":json", "CAST(:json AS jsonb)")
    books.change(change, id=stay, **values)
    what, name, why = failure(parts)
    assert (what, name) == ("stay", stay)
    assert says in why


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE bill SET gross_fen = gross_fen + 1 WHERE stay_id = :id",
        "UPDATE bill SET payable_fen = payable_fen - 1 WHERE stay_id = :id",
        "UPDATE bill SET minutes = minutes + 1 WHERE stay_id = :id",
        "UPDATE bill SET policy_version = 9 WHERE stay_id = :id",
        "UPDATE bill SET lines = '[]' WHERE stay_id = :id",
        "UPDATE bill SET drawn = '{\"2026-03\": 9}' WHERE stay_id = :id",
        "UPDATE bill SET facts = '{}' WHERE stay_id = :id",
    ],
)
def test_a_changed_bill_is_named(parts: Parts, change: str) -> None:
    books = two_days(parts)
    stay = stay_of(books, 4)
    books.change(change, id=stay)
    assert failure(parts)[:2] == ("bill", f"{stay}:1")


def test_a_changed_policy_is_found_by_the_bills_under_it(parts: Parts) -> None:
    books = two_days(parts)
    books.change("UPDATE policy_version SET text = replace(text, 'fen = 200', 'fen = 300')")
    what, _, why = failure(parts)
    assert what == "bill"
    assert "priced again" in why


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE allowance_balance SET drawn_minutes = drawn_minutes - 1",
        "UPDATE allowance_balance SET limit_minutes = drawn_minutes + 10, drawn_minutes = drawn_minutes + 1",
        "DELETE FROM allowance_balance",
    ],
)
def test_a_changed_allowance_is_named(parts: Parts, change: str) -> None:
    books = two_days(parts)
    books.change(change)
    assert failure(parts)[:2] == ("allowance", "xinyi:h:1:2026-03")


def test_a_changed_draw_is_named_by_its_stay(parts: Parts) -> None:
    books = two_days(parts)
    books.change("UPDATE allowance_draw SET minutes = minutes + 1")
    assert failure(parts)[:2] == ("stay", stay_of(books, 4))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE day_close SET hash = previous_hash WHERE site_id = 'xinyi' AND sequence = 1", "xinyi:2026-03-02"),
        ("UPDATE day_close SET previous_hash = hash WHERE site_id = 'xinyi' AND sequence = 2", "xinyi:2026-03-03"),
        ("UPDATE day_close SET sequence = 7 WHERE site_id = 'xinyi' AND sequence = 2", "xinyi:2026-03-03"),
        ("UPDATE day_close SET day = '2026-03-09' WHERE site_id = 'xinyi' AND sequence = 2", "xinyi:2026-03-09"),
        ("UPDATE day_close SET lines = canonical WHERE site_id = 'xinyi' AND sequence = 2", "xinyi:2026-03-03"),
        ("DELETE FROM day_close WHERE site_id = 'xinyi' AND sequence = 1", "xinyi:2026-03-03"),
    ],
)
def test_a_changed_close_is_named(parts: Parts, change: str, named: str) -> None:
    two_days(parts).change(change)
    assert failure(parts)[:2] == ("close", named)


def test_changed_figures_of_a_close_are_found(parts: Parts) -> None:
    books = two_days(parts)
    canonical = bytes(books.one(select(t.DayClose.canonical).where(t.DayClose.site_id == "mishixiang")))
    forged = canonical.replace(b'"received_fen":800', b'"received_fen":900')
    assert forged != canonical
    books.change(
        "UPDATE day_close SET canonical = :forged WHERE site_id = 'mishixiang' AND sequence = 1", forged=forged
    )
    assert failure(parts) == ("close", "mishixiang:2026-03-02", "its hash is not the hash of its canonical bytes")


def test_a_last_close_taken_away_is_found_by_the_books(parts: Parts) -> None:
    books = two_days(parts)
    books.change("DELETE FROM day_close WHERE site_id = 'xinyi' AND sequence = 2")
    assert failure(parts)[:2] == ("books", "xinyi")


def test_a_free_stay_deleted_from_a_closed_day_is_found_where_nothing_came_late(parts: Parts) -> None:
    books = Books(parts)
    books.stay(at("14:00"), at("14:20"))
    books.write()
    books.clock.set(at("02:00", TUESDAY))
    close_day(parts, MONDAY)
    stay = stay_of(books, 1)
    books.change("DELETE FROM bill WHERE stay_id = :id", id=stay)
    books.change("DELETE FROM stay WHERE id = :id", id=stay)
    assert failure(parts) == ("close", "xinyi:2026-03-02", f"stay {stay} was sealed and is not there")


def test_an_event_that_came_late_may_change_the_stays_of_a_closed_day(parts: Parts) -> None:
    books = two_days(parts)
    stay = stay_of(books, 5)
    books.change("DELETE FROM bill WHERE stay_id = :id", id=stay)
    books.change("DELETE FROM stay WHERE id = :id", id=stay)
    assert verify(parts).ok


def test_a_reversal_undoes_exactly_what_it_names(parts: Parts) -> None:
    books = two_days(parts)
    stay, wrong = stay_of(books, 8), transaction_of(books, 8)
    postings = (Posting("income:parking", 100), Posting("assets:channel:alipay", -100))
    name = books.post("xinyi", stay, postings, at("13:00", WEDNESDAY), reverses=wrong)
    books.write()
    what, found, why = failure(parts)
    assert (what, found) == ("transaction", name)
    assert "does not undo" in why


def test_a_posting_of_no_transaction_is_named(parts: Parts) -> None:
    books = two_days(parts)
    books.change("INSERT INTO posting VALUES ('xinyi', 't-none', 0, 'assets:bank', 5)")
    assert failure(parts)[:2] == ("posting", "t-none:0")


def test_nothing_in_a_failure_names_a_vehicle(parts: Parts) -> None:
    books = two_days(parts)
    books.change("UPDATE stay SET paid_fen = 1 WHERE exit_event = 'x1'")
    assert "浙" not in "".join(failure(parts))
