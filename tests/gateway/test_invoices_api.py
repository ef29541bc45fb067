"""Invoices over HTTP: the driver's form and page, what staff do, who may, and what is forgotten of a person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.api.app import create_app
from gateway.flows import estate, users
from gateway.flows.pay_token import token
from gateway.flows.personal_data_holds import StillNeeded
from gateway.flows.personal_data_subject import Subject
from gateway.flows.retention import retire
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.channel_house import PLATE, channels
from tests.gateway.house import PASSWORD, Client, Staff
from tests.gateway.invoice_office import COMPANY, PERSON, Office, site_file
from tests.gateway.people import days_later, rows
from tests.gateway.privacy import erased, handed_over

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
FORM = {"kind": "company", "title": COMPANY.title, "tax_number": COMPANY.tax_number.lower(), "email": ""}


@pytest.fixture
def office(parts: Parts, tmp_path: Path) -> Iterator[Office]:
    with channels(parts.clock) as provider:
        yield Office(parts, provider, tmp_path / "keys")


def client_of(office: Office) -> Client:
    return Client(create_app(office.parts, wall=office.clock))


def staff(office: Office, client: Client, role: str, *sites: str) -> Staff:
    users.add(office.parts, role, role, list(sites), PASSWORD, operator="test")
    answer = client.post("/api/v1/token", data={"username": role, "password": PASSWORD})
    return Staff(client, answer.json()["access_token"])


def page_of(office: Office, stay: str) -> str:
    return f"/pay/{token(office.parts.settings.secret(), stay)}"


def test_a_driver_asks_on_the_page_and_fetches_the_invoice_on_its_own(office: Office) -> None:
    stay = office.pays_and_leaves()
    client, page = client_of(office), page_of(office, stay)
    assert "申请开票" in client.get(page).text
    wrong = client.post(f"{page}/invoice", data=FORM | {"tax_number": "91330100799655058C"})
    assert (wrong.status_code, "请核对" in wrong.text) == (422, True)
    assert office.invoices() == []
    asked = client.post(f"{page}/invoice", data=FORM)
    assert asked.status_code == 303
    own = asked.headers["location"]
    assert own.startswith("/invoice/")
    assert client.get(f"{own}/blue.pdf").status_code == 404
    # Whoever merely has the page of the stay learns nothing of who asked, and takes nothing over.
    shown = client.get(page).text
    assert "已申请" in shown
    assert COMPANY.title not in shown
    other = client.post(f"{page}/invoice", data={"kind": "person", "title": "别人"})
    assert (other.status_code, "申请中" in other.text) == (409, True)
    office.time_passes()
    shown = client.get(own).text
    assert office.invoices()[0].number in shown
    assert COMPANY.title in shown
    file = client.get(f"{own}/blue.pdf")
    assert (file.headers["content-type"], file.headers["cache-control"]) == ("application/pdf", "no-store")
    assert "Issued" in client.get(f"{own}?lang=en").text
    assert client.get("/invoice/iv~nobodysignedthis").status_code == 404
    assert client.get(f"/invoice/{token(office.parts.settings.secret(), stay)}").status_code == 404


def test_who_has_not_paid_is_not_offered_one(office: Office) -> None:
    stay = office.parks()
    client, page = client_of(office), page_of(office, stay)
    office.waits()
    assert "申请开票" not in client.get(page).text
    assert client.post(f"{page}/invoice", data=FORM).status_code == 409


def test_staff_ask_list_fetch_and_reverse(office: Office) -> None:
    stay = office.pays_and_leaves()
    client = client_of(office)
    till, finance = staff(office, client, "console"), staff(office, client, "finance")
    wrong = till.post(f"/api/v1/stays/{stay}/invoices", {"kind": "company", "title": "杭州", "tax_number": "1"})
    assert wrong.status_code == 422
    assert "tax_number" in wrong.json()["detail"]
    asked = till.post(f"/api/v1/stays/{stay}/invoices", {"kind": "person", "title": PERSON.title})
    assert (asked.status_code, asked.json()["requested_by"]) == (201, "console")
    one = f"/api/v1/invoices/{asked.json()['id']}"
    assert till.get(f"{one}/file").status_code == 404
    office.time_passes()
    assert till.get(one).json()["state"] == "issued"
    assert till.get(f"{one}/file").content.startswith(b"%PDF")
    for month, count in (("2026-03", 1), ("2026-04", 0)):
        listed = finance.get("/api/v1/invoices", month=month, merchant="hushu").json()["items"]
        assert len(listed) == count
    assert finance.get("/api/v1/invoices", month="2026-3").status_code == 422
    assert till.post(f"{one}/reversal", {"reason": "抬头填错"}).status_code == 403
    assert finance.post(f"{one}/reversal", {"reason": "抬头填错"}).json()["state"] == "red_requested"
    office.time_passes()
    assert finance.get(f"{one}/file", part="red").content.startswith(b"%PDF")
    assert [line.action for line in rows(office, t.AuditEntry) if line.action.startswith("invoice")] == [
        "invoice.request",
        "invoice.reverse",
    ]
    assert PERSON.title not in repr(rows(office, t.AuditEntry))


@pytest.mark.parametrize("role", ["guard", "registrar", "manager", "committee"])
def test_titles_and_tax_numbers_are_not_for_everybody(office: Office, role: str) -> None:
    made = office.issued()
    somebody = staff(office, client_of(office), role)
    for path in ("", f"/{made.id}", f"/{made.id}/file"):
        assert somebody.get(f"/api/v1/invoices{path}").status_code == 403


def test_anothers_site_is_not_there(office: Office) -> None:
    made = office.issued()
    client = client_of(office)
    elsewhere = '[[site]]\nid = "b1"\nname = "b1"\ncapacity = 1\npolicy = "hushu-residential"\nmerchant = "hushu"\n'
    estate.apply(office.parts, site_file() + elsewhere)
    users.add(office.parts, "far", "finance", ["b1"], PASSWORD, operator="test")
    answer = client.post("/api/v1/token", data={"username": "far", "password": PASSWORD})
    far = Staff(client, answer.json()["access_token"])
    assert far.get("/api/v1/invoices").json()["items"] == []
    assert far.get(f"/api/v1/invoices/{made.id}").status_code == 404
    assert far.post(f"/api/v1/stays/{made.stay}/invoices", {"kind": "person", "title": "x"}).status_code == 404


def test_after_five_years_it_is_nobodys_and_the_books_still_hold(office: Office) -> None:
    made = office.issued(buyer=PERSON)
    office.clock.advance(days=1825)
    retire(office.parts)
    assert office.invoices()[0].buyer_title == PERSON.title
    office.clock.advance(days=3)
    assert "invoices" in retire(office.parts)
    (row,) = office.invoices()
    assert (row.buyer_title, row.buyer_email, row.plate[0]) == ("", "", "#")
    assert (row.number, row.amount_fen) == (made.number, 1000)
    assert rows(office, t.InvoiceFile) == []
    office.holds()


def test_a_person_is_handed_their_invoices_and_taken_out_of_them(office: Office, tmp_path: Path) -> None:
    plate = Subject("plate", PLATE)
    asked = office.asks(office.pays_and_leaves(), PERSON)
    (tmp_path / "copies").mkdir()
    given = handed_over(office, plate, tmp_path / "copies")
    assert [row["buyer_title"] for row in given["invoice"]] == [PERSON.title]
    days_later(office, 2)
    with pytest.raises(StillNeeded, match="invoice"):
        erased(office, plate)
    office.time_passes()
    assert office.invoice(asked.id).state == "issued"
    done = erased(office, plate)["done"]
    assert (done["invoice"], done["invoice_file"]) == (2, 1)
    (row,) = office.invoices()
    assert PERSON.title not in repr(row)
    assert PLATE not in repr(row)
    assert rows(office, t.InvoiceFile) == []
    office.holds()
