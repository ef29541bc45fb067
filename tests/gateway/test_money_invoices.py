"""The invoices' pages without script: asked for at the counter, put right, issued, reversed, sent again, and for whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.api import access
from gateway.api.app import create_app
from gateway.flows import estate, users
from gateway.flows.users import ROLES
from gateway.wiring import Parts
from tests.gateway.channel_house import channels
from tests.gateway.house import PASSWORD, Client
from tests.gateway.invoice_office import COMPANY, Office, site_file
from tests.gateway.money_desk import content_of, sends
from tests.gateway.test_console import signed_in

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
WHERE = "/money/invoices"
NEW = f"{WHERE}/new"
FORM = {"kind": "company", "title": COMPANY.title, "tax_number": COMPANY.tax_number, "email": "", "phone": ""}


class Counter(Office):
    def opens(self) -> None:
        """The application of the parts as they are now."""
        self.app = create_app(self.parts, wall=self.clock)

    def person(self, role: str, *sites: str) -> Client:
        users.add(self.parts, role, role, list(sites), PASSWORD, operator="test")
        return self.again(role)

    def again(self, role: str) -> Client:
        return signed_in(self, role)  # type: ignore[arg-type]


@pytest.fixture
def counter(parts: Parts, tmp_path: Path) -> Iterator[Counter]:
    with channels(parts.clock) as provider:
        counter = Counter(parts, provider, tmp_path / "keys")
        counter.opens()
        yield counter


def one_of(answer: Any) -> str:
    """The page of the invoice to which an answer leads."""
    assert answer.status_code == 303, answer.text
    where, _, said = answer.headers["location"].partition("?")
    assert said.startswith("said=invoice_")
    return str(where)


def test_it_is_asked_for_put_right_issued_and_found_by_its_number(counter: Counter) -> None:
    stay = counter.pays_and_leaves()
    person = counter.person("cashier")
    assert f"{NEW}?stay={stay}" in person.get(f"/money/payments?stay={stay}").text
    where = one_of(sends(person, NEW, f"{NEW}?stay={stay}", stay=stay, **{**FORM, "title": "错的名称"}))
    page = content_of(person.get(where))
    assert "待开具" in page
    assert f"{NEW}?stay={stay}" in page
    assert 'value="错的名称"' in person.get(f"{NEW}?stay={stay}").text
    assert one_of(sends(person, NEW, f"{NEW}?stay={stay}", stay=stay, **FORM)) == where
    counter.time_passes()
    person = counter.again("cashier")
    (row,) = counter.invoices()
    page = content_of(person.get(where))
    for words in ("已开具", COMPANY.title, str(row.number), "送出，内容不再改变", "?part=blue"):
        assert words in page, words
    assert "?part=red" not in page
    assert "/reversal" not in page
    file = person.get(f"/api/v1/invoices/{row.id}/file?part=blue")
    assert file.content.startswith(b"%PDF")
    for query, found in (
        (f"number={row.number}", True),
        ("number=00000000000000000000", False),
        ("state=issued&site=xinyi", True),
        ("state=refused", False),
        ("month=2026-03", True),
        ("month=2026-02", False),
        (f"stay={stay}", True),
    ):
        assert (where in person.get(f"{WHERE}?{query}").text) is found, query


def test_finance_reverses_one_that_is_wrong_and_what_became_of_it_is_told(counter: Counter) -> None:
    made = counter.issued()
    where = f"{WHERE}/{made.id}"
    finance = counter.person("finance")
    empty = sends(finance, f"{where}/reversal", where, reason="")
    assert empty.status_code == 422
    assert sends(finance, f"{where}/reversal", where, reason="抬头写错").status_code == 303
    again = sends(finance, f"{where}/reversal", where, reason="抬头写错")
    assert (again.status_code, "不能这样处理" in again.text) == (409, True)
    counter.time_passes()
    finance = counter.again("finance")
    page = content_of(finance.get(where))
    for words in ("已红冲", "开票有误", "finance", "?part=red", "红字发票开具"):
        assert words in page, words
    anew = one_of(sends(finance, NEW, stay=made.stay, **FORM))
    assert anew != where
    assert where in content_of(finance.get(anew))


def test_what_was_refused_is_sent_again_once_it_is_put_right(counter: Counter) -> None:
    estate.apply(counter.parts, site_file(seller=""))
    made = counter.asks(counter.pays_and_leaves())
    counter.time_passes()
    person = counter.person("console")
    where = f"{WHERE}/{made.id}"
    page = content_of(person.get(where))
    assert "未能开具" in page
    assert f'href="{where}"' in person.get("/queue").text
    assert "未成功的原因" in page
    estate.apply(counter.parts, site_file())
    new = one_of(sends(person, f"{where}/again", where))
    assert new != where
    assert where in content_of(person.get(new))
    counter.time_passes()
    assert "已开具" in content_of(counter.again("console").get(new))


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("title", {"title": ""}), ("tax_number", {"tax_number": "91330100799655058C"}), ("email", {"email": "no"})],
)
def test_what_is_wrong_stands_at_its_field(counter: Counter, field: str, wrong: dict[str, str]) -> None:
    stay = counter.pays_and_leaves()
    person = counter.person("finance")
    answer = sends(person, NEW, stay=stay, **{**FORM, **wrong})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text.split(f'id="f-{field}"')[1].split("</div>")[0]
    assert counter.invoices() == []


def test_a_stay_that_is_not_there_or_not_paid_is_said(counter: Counter) -> None:
    person = counter.person("finance")
    for stay, status in (("", 422), ("xinyi.nothing", 404), (counter.parks(), 409)):
        assert sends(person, NEW, stay=stay, **FORM).status_code == status, stay
    assert person.get(f"{WHERE}/none").status_code == 404
    assert person.get(f"{WHERE}?state=green").status_code == 422


def test_it_is_for_whoever_the_api_gives_it_and_of_their_own_sites(counter: Counter) -> None:
    made = counter.issued()
    pages = {WHERE: "/invoices", f"{WHERE}/{made.id}": "/invoices/{invoice_id}", NEW: "/stays/{stay_id}/invoices"}
    for role in ROLES:
        person = counter.person(role)
        for where, call in pages.items():
            allowed = access.allowed(role, "POST" if where == NEW else "GET", call)
            assert person.get(where).status_code == (200 if allowed else 403), (role, where)
    head, _, here = site_file().partition("[[site]]")
    there = here.replace('id = "xinyi"', 'id = "moganshan"')
    estate.apply(counter.parts, f"{head}[[site]]{here}\n[[site]]{there}")
    users.add(counter.parts, "far", "finance", ["moganshan"], PASSWORD, operator="test")
    far = counter.again("far")
    assert far.get(f"{WHERE}/{made.id}").status_code == 404
    assert made.title not in far.get(WHERE).text
    assert made.title not in far.get(f"{NEW}?stay={made.stay}").text
    auditor = counter.again("auditor")
    token = {"csrf": "made up", "reason": "x"}
    assert auditor.post(f"{WHERE}/{made.id}/reversal", data=token).status_code == 403
