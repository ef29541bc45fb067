"""Electronic invoices: asked for once, complete or refused, over what was paid, and reversed when money goes back."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select

from billing.invoices import Buyer
from gateway.flows import cash_refunds, estate, payment
from gateway.flows.charges_books import By
from gateway.flows.close import close_day
from gateway.flows.export import export_day
from gateway.flows.invoices import asking, records, sending
from gateway.flows.invoices.refusals import (
    BuyerWrong,
    InvoiceNotOffered,
    InvoiceNotThere,
    InvoiceUnderWay,
    NoSuchInvoice,
    NothingToInvoice,
)
from gateway.flows.quote import bill_document
from gateway.flows.refusals import NotFound
from gateway.flows.verify import verify
from gateway.invoicing.accounts import Invoicing
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.channel_house import PLATE, channels, local
from tests.gateway.invoice_office import COMPANY, PERSON, WANG, Office, site_file

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def office(parts: Parts, tmp_path: Path) -> Iterator[Office]:
    with channels(parts.clock) as provider:
        yield Office(parts, provider, tmp_path / "keys")


def test_a_driver_who_has_paid_gets_an_invoice_over_what_was_paid(office: Office) -> None:
    stay = office.pays_and_leaves()
    asked = office.asks(stay)
    assert (asked.state, asked.amount_fen) == ("requested", 0)
    sending.tend(office.parts)
    sent = office.invoice(asked.id)
    assert (sent.state, sent.amount_fen, sent.tax_fen, sent.rate) == ("submitted", 1000, 83, "0.09")
    office.time_passes()
    done = office.invoice(asked.id)
    assert (done.state, len(done.number or ""), done.title) == ("issued", 20, COMPANY.title)
    assert records.pdf(office.parts, asked.id, "blue").startswith(b"%PDF")
    with pytest.raises(NoSuchInvoice):
        records.pdf(office.parts, asked.id, "red")
    with pytest.raises(NothingToInvoice):
        office.asks(stay)
    assert office.tax.sent == (1, 0)
    office.holds()


def test_asked_before_leaving_it_is_sent_after_it(office: Office) -> None:
    stay = office.parks()
    office.clock.set(local("11:00"))
    with pytest.raises(NothingToInvoice):
        office.asks(stay)
    office.pays_now(stay)
    asked = office.asks(stay)
    sending.tend(office.parts)
    assert office.invoice(asked.id).state == "requested"
    office.passes("out-1", PLATE, "11:05:00")
    office.time_passes()
    done = office.invoice(asked.id)
    assert (done.state, done.amount_fen) == ("issued", office.stay(PLATE).paid_fen)
    office.holds()


def test_the_same_again_is_the_same_and_until_it_is_sent_the_buyer_may_be_put_right(office: Office) -> None:
    stay = office.pays_and_leaves()
    first = office.asks(stay)
    assert office.asks(stay).id == first.id
    with pytest.raises(InvoiceUnderWay, match="until it is sent"):
        office.asks(stay, PERSON)  # whoever stood at the exit's display has the page, too
    assert office.asks(stay, PERSON, WANG).title == PERSON.title
    sending.tend(office.parts)
    assert office.asks(stay, PERSON).id == first.id
    with pytest.raises(InvoiceUnderWay):
        office.asks(stay)
    assert len(office.invoices()) == 1
    lines = office._all(select(t.AuditEntry.operator).where(t.AuditEntry.action == "invoice.request"))
    assert [line.operator for line in lines] == ["driver", "wang"]


@on_one_database
@pytest.mark.parametrize(
    "buyer",
    [
        Buyer(kind="company", title="杭州某某科技有限公司", tax_number="91330100799655058C"),
        Buyer(kind="person", title=" "),
    ],
)
def test_a_buyer_that_is_wrong_leaves_nothing(office: Office, buyer: Buyer) -> None:
    stay = office.pays_and_leaves()
    with pytest.raises(BuyerWrong) as refused:
        office.asks(stay, buyer)
    assert buyer.tax_number not in refused.value.detail or not buyer.tax_number
    assert office.invoices() == []


@on_one_database
def test_who_has_no_provider_offers_none(office: Office) -> None:
    stay = office.pays_and_leaves()
    office.parts = replace(office.parts, invoicing=Invoicing({}))
    with pytest.raises(InvoiceNotOffered):
        office.asks(stay)
    assert asking.offered(office.parts, stay) is None
    with pytest.raises(NotFound):
        office.asks("xinyi.nobody")


def test_money_that_goes_back_in_part_reverses_the_whole_and_the_rest_gets_a_new_one(office: Office) -> None:
    first = office.issued()
    office.refunds_of(first.stay, 400)
    assert office.invoice(first.id).state == "red_requested"
    office.holds()
    office.time_passes(6)
    red, rest = office.invoices()
    assert (red.state, red.red_cause, len(red.red_number)) == ("red_issued", "refund", 20)
    assert (rest.state, rest.amount_fen, rest.replaces, rest.buyer_title) == ("issued", 600, first.id, COMPANY.title)
    assert records.pdf(office.parts, first.id, "red").startswith(b"%PDF")
    assert office.tax.sent == (2, 1)
    office.holds()


def test_all_of_it_goes_back_and_nothing_is_invoiced_any_more(office: Office) -> None:
    first = office.issued()
    office.refunds_of(first.stay, 1000)
    office.time_passes(6)
    assert [row.state for row in office.invoices()] == ["red_issued"]
    with pytest.raises(NothingToInvoice):
        office.asks(first.stay)
    office.holds()


@on_one_database
def test_a_refund_while_the_invoice_is_on_its_way_is_seen_when_it_is_there(office: Office) -> None:
    asked = office.asks(office.pays_and_leaves())
    sending.tend(office.parts)
    office.refunds_of(asked.stay, 400)
    assert office.invoice(asked.id).state == "submitted"
    office.holds()
    office.time_passes(8)
    assert [(row.state, row.amount_fen) for row in office.invoices()] == [("red_issued", 1000), ("issued", 600)]
    office.holds()


@on_one_database
def test_a_refund_before_it_was_sent_needs_no_red_one(office: Office) -> None:
    asked = office.asks(office.pays_and_leaves())
    office.refunds_of(asked.stay, 400)
    office.time_passes()
    assert [(row.state, row.amount_fen) for row in office.invoices()] == [("issued", 600)]
    late = office.asks(office.pays_and_leaves("浙A22222"))
    office.refunds_of(late.stay, 1000)
    office.time_passes()
    assert office.invoice(late.id).state == "withdrawn"
    office.holds()


def test_a_wrong_title_is_reversed_by_finance_and_asked_for_anew(office: Office) -> None:
    first = office.issued(buyer=PERSON)
    reversed_ = asking.reverse(office.parts, first.id, "抬头填错", WANG)
    assert (reversed_.state, reversed_.red_cause) == ("red_requested", "mistake")
    with pytest.raises(InvoiceNotThere):
        asking.reverse(office.parts, first.id, "抬头填错", WANG)
    with pytest.raises(NothingToInvoice):
        office.asks(first.stay, COMPANY)  # before the red one is there, two would say the same money
    office.time_passes()
    second = office.asks(first.stay, COMPANY)
    office.time_passes()
    assert [(row.state, row.amount_fen) for row in office.invoices()] == [("red_issued", 1000), ("issued", 1000)]
    assert office.invoice(second.id).number != first.number
    office.holds()


@pytest.mark.parametrize("when", ["sent", "red"])
def test_a_provider_that_forgets_or_is_away_makes_no_second_one(office: Office, when: str) -> None:
    asked = office.asks(office.pays_and_leaves())
    if when == "red":
        office.time_passes()
        asking.reverse(office.parts, asked.id, "抬头填错", WANG)
    office.tax.away = True
    office.time_passes()
    assert office.invoice(asked.id).state == ("submitted" if when == "sent" else "red_submitted")
    office.tax.away = False
    sending.tend(office.parts)
    office.restarts()
    office.clock.advance(seconds=3700)
    office.time_passes()
    done = office.invoice(asked.id)
    assert done.state == ("issued" if when == "sent" else "red_issued")
    assert office.tax.sent == ((1, 0) if when == "sent" else (0, 1))
    office.holds()


@on_one_database
def test_what_is_incomplete_does_not_go_out_and_is_sent_when_it_is_put_right(parts: Parts, tmp_path: Path) -> None:
    with channels(parts.clock) as provider:
        office = Office(parts, provider, tmp_path / "keys", premises="")
        asked = office.asks(office.pays_and_leaves())
        office.time_passes()
        refused = office.invoice(asked.id)
        assert refused.state == "refused"
        assert "停车场地址" in refused.problem
        assert office.situations() == {"invoice_refused": 1}
        assert office.tax.sent == (0, 0)
        assert estate.apply(office.parts, site_file()).changed == 1
        assert estate.apply(office.parts, site_file()).changed == 0
        again = asking.again(office.parts, asked.id, WANG)
        office.time_passes()
        assert office.invoice(again.id).state == "issued"
        with pytest.raises(NothingToInvoice):
            asking.again(office.parts, asked.id, WANG)
        office.holds()


@on_one_database
def test_a_red_one_that_is_refused_waits_for_a_person(office: Office) -> None:
    first = office.issued()
    office.tax.refuses = "受票方已入账，须对方确认"
    office.refunds_of(first.stay, 400)
    office.time_passes()
    waits = office.invoice(first.id)
    assert (waits.state, waits.problem) == ("red_refused", office.tax.refuses)
    assert office.situations() == {"red_invoice_refused": 1}
    assert sending.watch(office.parts) == ""
    office.holds()
    office.restarts()
    asking.again(office.parts, first.id, WANG)
    office.time_passes(6)
    assert [(row.state, row.amount_fen) for row in office.invoices()] == [("red_issued", 1000), ("issued", 600)]
    office.holds()


@on_one_database
def test_part_payments_are_invoiced_as_they_come(office: Office) -> None:
    """What was paid by cash and by phone is one stay's; what comes later is another invoice."""
    stay = office.parks()
    payment.take(
        office.parts,
        stay_id=stay,
        channel="cash",
        amount_fen=office_due(office, stay),
        operator="li",
        role="cashier",
    )
    first = office.asks(stay)
    office.pays_now(office.waits())
    office.goes("out-1", "11:11", after="out")
    office.time_passes()
    assert office.invoice(first.id).amount_fen == office.stay(PLATE).paid_fen == 1000
    office.holds()


def office_due(office: Office, stay: str) -> int:
    """What is due after forty minutes."""
    office.clock.set(local("09:40"))
    return int(bill_document(office.parts, stay, None)["payable_fen"])


@on_one_database
def test_cash_that_goes_back_reverses_it_as_well(office: Office) -> None:
    li, chen = By(operator="li", role="cashier"), By(operator="chen", role="manager")
    stay = office.parks()
    office.waits()
    paid = payment.take(office.parts, stay_id=stay, channel="cash", amount_fen=1000, operator="li", role="cashier")
    office.goes("out-1", "11:11", after="out")
    first = office.asks(stay)
    office.time_passes()
    refund = cash_refunds.propose(office.parts, paid.id, "收费有误", li, 400)
    cash_refunds.approve(office.parts, refund.id, 400, chen)
    assert office.invoice(first.id).state == "issued"
    cash_refunds.pay_out(office.parts, refund.id, li)
    assert office.invoice(first.id).state == "red_requested"
    office.holds()
    office.time_passes(6)
    assert [(row.state, row.amount_fen) for row in office.invoices()] == [("red_issued", 1000), ("issued", 600)]
    office.holds()


@on_one_database
def test_whatever_takes_money_back_is_noticed(office: Office) -> None:
    first = office.issued()
    office.change("UPDATE stay SET paid_fen = 600")
    assert sending.watch(office.parts) == "1 red invoices asked for"
    assert office.invoice(first.id).state == "red_requested"
    assert sending.watch(office.parts) == ""


@on_one_database
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE invoice SET amount_fen = 900, tax_fen = 74",
        "UPDATE invoice SET tax_fen = 0",
        "UPDATE invoice SET number = '26339000000000000001'",
        "UPDATE invoice SET state = 'withdrawn'",
        'UPDATE invoice SET seller = \'{"title": "somebody else"}\'',
        "UPDATE invoice SET exit_at = exit_at + 60000000",
        "UPDATE invoice SET stay_id = 'xinyi.other'",
        "UPDATE stay SET paid_fen = 900, posted = json_set(posted, '$.received', json('{\"assets:channel:wechat\": 900}'))",
    ],
)
def test_verify_names_what_was_changed_in_the_file(office: Office, statement: str) -> None:
    first = office.issued()
    office.holds()
    office.change(statement)
    report = verify(office.parts)
    assert report.first_failure is not None
    if statement.startswith("UPDATE invoice"):
        assert (report.first_failure.what, report.first_failure.id) == ("invoice", first.id)


def test_two_who_ask_at_once_make_one(office: Office) -> None:
    stay = office.pays_and_leaves()
    made: list[str] = []

    def asks() -> None:
        made.append(office.asks(stay).id)

    threads = [threading.Thread(target=asks) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert len(set(made)) == 1 == len(office.invoices())


def test_a_months_invoices_are_a_table_of_finances_exports(office: Office) -> None:
    first = office.issued()
    office.refunds_of(first.stay, 400)
    office.time_passes(6)
    (red, rest) = office.invoices()
    office.clock.advance(days=1)
    for day in (date(2026, 3, 1), date(2026, 3, 2)):
        close_day(office.parts, day)
    made = dict(export_day(office.parts, date(2026, 3, 2), "csv"))
    lines = list(csv.DictReader(io.StringIO(made["street-2026-03-02-invoices.csv"].decode("utf-8-sig"))))
    said = [(one["发票号码 number"], one["红冲蓝字号码 of_number"], one["价税合计(分) amount_fen"]) for one in lines]
    assert said == [(red.number, "", "1000"), (red.red_number, red.number, "-1000"), (rest.number, "", "600")]
    assert sum(int(one["税额(分) tax_fen"]) for one in lines) == rest.tax_fen
    assert COMPANY.title not in repr(made)
    assert not any(
        "invoices" in name for name, _ in export_day(office.parts, date(2026, 3, 2), "csv", audience="auditor")
    )
