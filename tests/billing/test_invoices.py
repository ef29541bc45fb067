"""Electronic invoices, the pure part: tax numbers, completeness, the tax in an amount, and which of them need a red one."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import invoices
from billing.invoices import PARKING_CODE, STANDS, Buyer, Content, Goods, Held, Premises, Seller

# Printed on the companies' own invoices.
REAL = ("91330100799655058B", "9144030071526726XG", "91110000802100433B", "914403001922038216", "91310000775785552L")
COMPANY = Buyer(kind="company", title="杭州某某科技有限公司", tax_number=REAL[0])
PERSON = Buyer(kind="person", title="王小明")
STATES = (
    "requested",
    "submitted",
    "issued",
    "refused",
    "withdrawn",
    "red_requested",
    "red_submitted",
    "red_refused",
    "red_issued",
)


def content(**changed: Any) -> Content:
    said = Content(
        number="iv1",
        amount_fen=1000,
        buyer=COMPANY,
        seller=Seller(title="湖墅停车管理有限公司", tax_number=REAL[1]),
        goods=Goods(code=PARKING_CODE, category="经营租赁", name="车辆停放服务", rate=Decimal("0.09")),
        premises=Premises(region="浙江省-杭州市-拱墅区", address="湖墅南路 1 号"),
        place="信义坊",
        plate="浙A12345",
        entry_at=datetime(2026, 3, 2, 1, tzinfo=UTC),
        exit_at=datetime(2026, 3, 2, 3, 10, tzinfo=UTC),
    )
    return msgspec.structs.replace(said, **changed)


@pytest.mark.parametrize("number", REAL)
def test_numbers_of_real_companies_hold(number: str) -> None:
    assert invoices.tax_number_holds(number)


@given(st.sampled_from(REAL), st.integers(0, 17), st.sampled_from("0123456789ABCDEFGHJKLMNPQRTUWXY"))
def test_one_wrong_character_is_always_found(number: str, place: int, character: str) -> None:
    wrong = number[:place] + character + number[place + 1 :]
    assert invoices.tax_number_holds(wrong) == (wrong == number)


@pytest.mark.parametrize("number", ["", REAL[0][:-1], REAL[0] + "0", REAL[0].lower(), "9133010079965505８B", "0" * 18])
def test_what_has_not_the_shape_is_no_tax_number(number: str) -> None:
    assert not invoices.tax_number_holds(number)


@pytest.mark.parametrize(
    ("buyer", "fields"),
    [
        (COMPANY, []),
        (PERSON, []),
        (msgspec.structs.replace(PERSON, email="wang@example.com", phone="13800000000"), []),
        (msgspec.structs.replace(COMPANY, tax_number=""), ["tax_number"]),
        (msgspec.structs.replace(PERSON, tax_number=REAL[0]), ["tax_number"]),
        (msgspec.structs.replace(PERSON, title=""), ["title"]),
        (msgspec.structs.replace(PERSON, title="王\u202e小明"), ["title"]),
        (msgspec.structs.replace(PERSON, title="王" * 101), ["title"]),
        (msgspec.structs.replace(PERSON, email="wang@example", phone="one"), ["email", "phone"]),
    ],
)
def test_a_form_says_which_of_its_fields_are_wrong(buyer: Buyer, fields: list[str]) -> None:
    assert [one.field for one in invoices.problems_of_buyer(buyer)] == fields


def test_what_people_type_is_tidied() -> None:
    typed = Buyer(kind="company", title="  杭州某某 科技  ", tax_number=f" {REAL[0].lower()} ", phone="138 0000 0000")
    tidied = invoices.tidy(typed)
    assert (tidied.title, tidied.tax_number, tidied.phone) == ("杭州某某 科技", REAL[0], "13800000000")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"amount_fen": 0}, "amount"),
        ({"plate": ""}, "plate"),
        ({"plate": "#x7k2"}, "plate"),
        ({"seller": Seller(title="", tax_number=REAL[1])}, "seller.title"),
        ({"seller": Seller(title="湖墅", tax_number="1")}, "seller.tax_number"),
        ({"premises": Premises(region="杭州", address="湖墅南路 1 号")}, "premises"),
        ({"premises": Premises(region="浙江省-杭州市", address="")}, "premises"),
        ({"goods": Goods(code="1", category="经营租赁", name="车辆停放服务", rate=Decimal(0))}, "goods"),
        ({"goods": Goods(code=PARKING_CODE, category="经营租赁", name="停车", rate=Decimal("1.09"))}, "rate"),
        ({"exit_at": datetime(2026, 3, 2, tzinfo=UTC)}, "period"),
        ({"buyer": msgspec.structs.replace(COMPANY, tax_number=REAL[0][:-1] + "C")}, "tax_number"),
    ],
)
def test_an_invoice_goes_out_whole_or_not_at_all(changed: dict[str, Any], field: str) -> None:
    assert invoices.problems_of(content()) == []
    assert [one.field for one in invoices.problems_of(content(**changed))] == [field]


def test_what_an_invoice_says_of_a_stay() -> None:
    said = content()
    assert (said.tax_fen, said.line) == (83, "*经营租赁*车辆停放服务")
    assert said.remark(ZoneInfo("Asia/Shanghai")) == "停车费 浙A12345 信义坊 2026-03-02 09:00 至 2026-03-02 11:10"


@pytest.mark.parametrize(
    ("fen", "words"),
    [
        (0, "零元整"),
        (5, "伍分"),
        (105, "壹元零伍分"),
        (1050, "壹拾元伍角整"),
        (100_500, "壹仟零伍元整"),
        (10_000_500, "壹拾万零伍元整"),
        (123_456_789, "壹佰贰拾叁万肆仟伍佰陆拾柒元捌角玖分"),
    ],
)
def test_amounts_in_words(fen: int, words: str) -> None:
    assert invoices.in_words(fen) == words


held = st.lists(
    st.builds(lambda number, state, fen: Held(str(number), state, fen), st.integers(), st.sampled_from(STATES), st.integers(1, 500)),
    max_size=6,
    unique_by=lambda one: one.id,
)  # fmt: skip


@given(held, st.integers(0, 1500))
def test_what_is_not_reversed_is_covered_and_no_more_is_reversed_than_needs_be(
    found: list[Held], received: int
) -> None:
    reverse = invoices.to_reverse(received, found)
    stands = [one for one in found if one.state == "issued"]
    left = [one for one in stands if one.id not in reverse]
    assert set(reverse) <= {one.id for one in stands}
    assert sum(one.amount_fen for one in left) <= received
    # The newest go, and the oldest of those that go had to.
    assert stands == left + [one for one in stands if one.id in reverse]
    if reverse:
        last = next(one for one in stands if one.id == reverse[-1])
        assert sum(one.amount_fen for one in [*left, last]) > received


@given(held, st.integers(0, 1500))
def test_open_is_what_was_received_and_nothing_covers(found: list[Held], received: int) -> None:
    covered = sum(one.amount_fen for one in found if one.state in STANDS | {"submitted"})
    assert invoices.open_fen(received, found) + covered == received
