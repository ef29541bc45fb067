"""Vouchers at the desk: made, issued, signed for, given back, void, expired, and the stock adds up."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from gateway.flows.refusals import Invalid, KeyReused, NotFound
from gateway.flows.vouchers import books, register
from gateway.flows.vouchers.refusals import (
    QuotaReached,
    VoucherOver,
    VoucherState,
)
from gateway.runtime.settings import Settings
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.trade import local
from tests.gateway.voucher_desk import Desk


class TestBooks:
    def test_serials_count_up_within_the_site(self, desk: Desk) -> None:
        first, second = desk.book(count=10), desk.book("amount", 500, 5)
        assert (first.first_serial, first.last_serial) == (1, 10)
        assert (second.first_serial, second.last_serial) == (11, 15)
        assert first.id.startswith("xinyi.")
        assert desk.states() == {"stock": 15}
        desk.holds()

    def test_the_same_key_is_the_same_book(self, desk: Desk) -> None:
        first = desk.book(idempotency_key="b1")
        assert desk.book(idempotency_key="b1") == first
        with pytest.raises(KeyReused):
            desk.book(count=11, idempotency_key="b1")
        assert desk.states() == {"stock": 10}

    @pytest.mark.parametrize(
        ("wrong", "word"),
        [
            ({"kind": "day"}, "kind"),
            ({"value": 0}, "value"),
            ({"count": 5_001}, "count"),
            ({"valid_to": local("2026-03-01 00:00")}, "valid_to"),
            ({"valid_from": local("2026-01-01 00:00"), "valid_to": local("2026-02-01 00:00")}, "valid_to"),
            ({"buyer": "nobody"}, "buyer"),
            ({"title": "x" * 61}, "title"),
        ],
    )
    def test_a_book_that_cannot_be_is_refused(self, desk: Desk, wrong: dict[str, Any], word: str) -> None:
        with pytest.raises(Invalid, match=f"^{word}:"):
            desk.book(**wrong)
        assert desk.states() == {}

    def test_a_site_that_is_not_there(self, desk: Desk) -> None:
        with pytest.raises(NotFound):
            books.make_book(
                desk.parts, site="atlantis", kind="hour", value=60, count=1, operator="x",
                valid_from=local("09:00"), valid_to=local("2026-04-01 00:00"),
            )  # fmt: skip

    def test_what_happened_to_a_voucher_cannot_be_changed(self, desk: Desk) -> None:
        desk.book()
        for change in ("UPDATE voucher_movement SET kind = 'issue'", "DELETE FROM voucher_movement"):
            with pytest.raises(DBAPIError, match="only ever grows"), desk.parts.store.writing() as connection:
                connection.execute(text(change))


class TestRegister:
    def test_who_took_what_is_on_record(self, desk: Desk) -> None:
        book = desk.book()
        issue = desk.issue(3, 5, purpose="wedding", signature="sheet 7/12", taker="Ms Wang")
        (row,) = desk.rows(t.VoucherIssue)
        assert (row.id, row.first_serial, row.last_serial) == (issue.id, 3, 5)
        assert (row.taker, row.purpose, row.signature, row.operator) == (
            "Ms Wang",
            "wedding",
            "sheet 7/12",
            "registrar",
        )
        assert (desk.state(2), desk.state(3), desk.state(6)) == ("stock", "issued", "stock")
        assert desk.stock(book.id).issued == 3
        assert "Wang" not in str([row.detail for row in desk.rows(t.AuditEntry)]), (
            "the register ends, the trail does not"
        )
        desk.holds()

    def test_it_is_all_or_nothing(self, desk: Desk) -> None:
        desk.book()
        desk.issue(5)
        with pytest.raises(VoucherState, match="00000005 is issued"):
            desk.issue(3, 7)
        with pytest.raises(NotFound, match="00000011"):
            desk.issue(9, 11)
        assert desk.states() == {"stock": 9, "issued": 1}

    def test_two_books_are_two_issues(self, desk: Desk) -> None:
        desk.book(count=2), desk.book("amount", 500, 2)
        with pytest.raises(VoucherState, match="several books"):
            desk.issue(2, 3)

    def test_nothing_is_handed_out_without_a_signature_and_a_name(self, desk: Desk) -> None:
        desk.book()
        for missing in ("purpose", "signature", "taker"):
            with pytest.raises(Invalid, match=f"^{missing}:"):
                desk.issue(1, **{missing: " "})
        with pytest.raises(Invalid, match="household"):  # the other way to say who
            desk.issue(1, taker="")

    def test_a_household_takes_no_more_than_its_quota_of_the_month(self, desk: Desk) -> None:
        desk.street.register("households", {"household": "101", "name": "x", "area_m2": "50"})
        desk.book(count=60)
        desk.issue(1, 15, household="101")
        with pytest.raises(QuotaReached, match="5 are left"):
            desk.issue(16, 21, household="101")
        desk.issue(16, 20, household="101")
        with pytest.raises(QuotaReached):
            desk.issue(21, household="101")
        desk.give_back(1, 3)
        desk.issue(1, 3, household="101")
        with pytest.raises(QuotaReached):
            desk.issue(21, household="101")
        desk.street.clock.set(local("2026-03-31 23:59"))
        with pytest.raises(QuotaReached):
            desk.issue(21, household="101")
        desk.holds()

    def test_the_next_month_is_another_quota(self, desk: Desk) -> None:
        desk.street.register("households", {"household": "101", "name": "x", "area_m2": "50"})
        desk.book(count=60, valid_to=local("2026-06-01 00:00"))
        desk.issue(1, 20, household="101")
        desk.street.clock.set(local("2026-04-01 00:00"))
        assert desk.issue(21, 40, household="101").month == "2026-04"

    def test_an_unknown_household_takes_nothing(self, desk: Desk) -> None:
        desk.book()
        with pytest.raises(NotFound, match="household 999"):
            desk.issue(1, household="999")

    def test_no_quota_means_no_limit(self, desk: Desk) -> None:
        desk.street.register("households", {"household": "101", "name": "x", "area_m2": "50"})
        desk.parts = without_quota(desk.parts)
        desk.book(count=60)
        desk.issue(1, 60, household="101")
        assert desk.states() == {"issued": 60}

    def test_a_merchants_book_is_for_no_household(self, desk: Desk) -> None:
        desk.street.register("households", {"household": "101", "name": "x", "area_m2": "50"})
        books.register_buyer(
            desk.parts, site="xinyi", buyer="cafe", kind="merchant", name="转角咖啡", operator="registrar"
        )
        desk.book(buyer="cafe")
        with pytest.raises(Invalid, match="household"):
            desk.issue(1, household="101")
        desk.issue(1, 10, taker="转角咖啡")

    def test_what_is_returned_can_be_issued_again(self, desk: Desk) -> None:
        book = desk.book()
        desk.issue(1, 5)
        assert desk.give_back(4, 5) == 2
        assert desk.give_back(4, 5) == 0, "a repeat changes nothing"
        assert desk.states() == {"stock": 5, "issued": 3, "returned": 2}
        desk.issue(5, taker="Ms Wang")
        assert desk.walked(5) == ["make", "issue", "return", "issue"]
        assert desk.stock(book.id).issued == 4
        with pytest.raises(VoucherState):
            desk.give_back(4, 6)
        desk.holds()

    def test_the_same_key_is_the_same_issue(self, desk: Desk) -> None:
        desk.book()
        first = desk.issue(1, 2, idempotency_key="i1")
        assert desk.issue(1, 2, idempotency_key="i1") == first
        with pytest.raises(KeyReused):
            desk.issue(1, 2, idempotency_key="i1", purpose="other")
        assert desk.states() == {"stock": 8, "issued": 2}

    def test_void_counts_apart_whether_it_was_issued_or_not(self, desk: Desk) -> None:
        book = desk.book()
        desk.issue(1, 3)
        assert desk.void(3, 4) == 2
        stock = desk.stock(book.id)
        assert (stock.issued, stock.void, stock.scrapped, stock.outstanding) == (3, 1, 1, 2)
        with pytest.raises(VoucherState):
            desk.issue(3)
        desk.holds()


def without_quota(parts: Parts) -> Parts:
    settings: Settings = parts.settings.model_copy(update={"voucher_household_month_max": 0})
    return Parts(settings=settings, clock=parts.clock, store=parts.store, metrics=parts.metrics)


class TestExpiry:
    def test_what_was_not_used_in_time_expires(self, desk: Desk) -> None:
        book = desk.book()
        desk.issue(1, 6)
        desk.give_back(6, 6)
        assert register.expire(desk.parts) == 0
        desk.street.clock.set(local("2026-04-02 23:00"))
        assert register.expire(desk.parts) == 0  # codes collected without a network may still come
        desk.street.clock.set(local("2026-04-03 00:00"))
        assert register.expire(desk.parts) == 10
        assert register.expire(desk.parts) == 0
        stock = desk.stock(book.id)
        assert (stock.issued, stock.expired, stock.scrapped, stock.outstanding) == (5, 5, 5, 0)
        desk.holds()

    def test_one_that_was_presented_in_time_does_not(self, desk: Desk) -> None:
        (code,) = desk.issued(valid_to=local("13:00"))
        desk.street.passes("in-1", "浙A12345", "09:00")
        desk.street.clock.set(local("12:59"))
        desk.present("浙A12345", code)
        desk.street.clock.set(local("13:30"))
        assert register.expire(desk.parts) == 0
        out = desk.street.arrives("out-1", "浙A12345", "13:30")
        assert out is not None
        assert desk.state(1) == "used"

    def test_an_old_book_is_issued_to_nobody(self, desk: Desk) -> None:
        desk.book()
        desk.street.clock.set(local("2026-04-02 00:00"))
        with pytest.raises(VoucherOver):
            desk.issue(1)
