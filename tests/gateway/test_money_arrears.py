"""The pages of arrears without script: taken here and at another site, given up by two, reminded of, and paying later by agreement."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from gateway.flows import users
from gateway.wiring import Parts
from tests.gateway.arrears_office import PLATE, leaves_owing, owed
from tests.gateway.house import PASSWORD
from tests.gateway.money_desk import content_of, sends
from tests.gateway.roles import each_gets_what_the_api_gives_it
from tests.gateway.test_desk_passes import Counter

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
WHERE, GIVEN_UP = "/money/arrears", "/money/write-offs"
REMINDERS, AGREEMENTS = "/money/reminders", "/money/agreements"
NEW = {"plate": "浙C33333", "site": "xinyi", "limit_fen": "50", "evidence": "申请书 3"}


@pytest.fixture
def counter(parts: Parts) -> Counter:
    return Counter(parts, mode="leave_first")


def test_what_is_owed_is_taken_here(counter: Counter) -> None:
    stay = leaves_owing(counter)
    cashier = counter.person("cashier")
    page = content_of(cashier.get(WHERE))
    assert PLATE in page
    assert "¥4.00" in page
    where = f"{WHERE}/{stay}/payment"
    done = sends(cashier, where, site="xinyi", channel="cash")
    assert done.headers["location"] == f"{WHERE}?said=arrears_payment"
    assert owed(counter) == []
    assert cashier.get(where).status_code == 404
    counter.books_hold()


def test_a_till_elsewhere_takes_it_from_who_shows_the_plate(counter: Counter) -> None:
    stay = leaves_owing(counter)
    users.add(counter.parts, "far", "cashier", ["moganshan"], PASSWORD, operator="test")
    far = counter.person("far")
    where = f"{WHERE}/{stay}/payment"
    assert PLATE not in content_of(far.get(WHERE))
    assert far.get(where).status_code == 404
    assert f"{where}?plate=" in content_of(far.get(f"{WHERE}?plate={PLATE}"))
    form = f"{where}?plate={PLATE}"
    assert sends(far, where, form, site="xinyi", channel="cash", plate=PLATE).status_code == 404
    assert sends(far, where, form, site="moganshan", channel="cash", plate=PLATE).status_code == 303
    assert owed(counter) == []
    counter.books_hold()


def test_it_is_given_up_by_two(counter: Counter) -> None:
    stay = leaves_owing(counter)
    finance, manager = counter.person("finance"), counter.person("manager")
    where = f"{WHERE}/{stay}/write-off"
    assert sends(finance, where, reason="").status_code == 422
    assert sends(finance, where, amount_fen="4.01", reason="搬离").status_code == 409
    proposed = sends(finance, where, reason="搬离，联系不上")
    assert proposed.headers["location"] == f"{GIVEN_UP}?said=arrears_write-off"
    mine = content_of(finance.get(GIVEN_UP))
    assert "等待第二人" in mine
    assert "/approval" not in mine
    page = content_of(manager.get(GIVEN_UP))
    (approval,) = re.findall(r'action="(/money/write-offs/[^"]+/approval)"', page)
    own = sends(finance, approval, GIVEN_UP)
    assert (own.status_code, "第二人" in own.text) == (409, True)
    assert sends(manager, approval, GIVEN_UP).status_code == 303
    assert "manager" in content_of(manager.get(f"{GIVEN_UP}?state=approved"))
    assert owed(counter) == []
    counter.books_hold()


def test_who_owes_is_reminded_once_a_week_and_the_file_is_fetched(counter: Counter) -> None:
    leaves_owing(counter)
    counter.clock.advance(days=2)
    console = counter.person("console")
    page = content_of(console.get(REMINDERS))
    assert PLATE in page
    done = sends(console, REMINDERS, site="")
    where = done.headers["location"]
    assert where.startswith(f"{REMINDERS}?batch=")
    page = content_of(console.get(where))
    (file,) = set(re.findall(r'href="(/api/v1/arrears/reminders/[^"]+/file)"', page))
    assert PLATE in console.get(file).content.decode("utf-8-sig")
    assert "现在没有应催缴的车辆" in page
    assert sends(console, REMINDERS, site="").headers["location"] == f"{REMINDERS}?said=arrears_reminded"
    counter.clock.set(counter.clock.now() + timedelta(days=1))
    manager = counter.person("manager")
    page = content_of(manager.get(REMINDERS))
    assert "CSV" not in page
    assert f'action="{REMINDERS}"' not in page.split('role="search"')[1]


def test_an_agreement_is_proposed_approved_by_another_and_ended(counter: Counter) -> None:
    registrar, manager = counter.person("registrar"), counter.person("manager")
    done = sends(registrar, f"{AGREEMENTS}/new", **NEW, valid_to="2026-12-31")
    assert done.headers["location"] == f"{AGREEMENTS}?said=agreement_proposed"
    page = content_of(registrar.get(AGREEMENTS))
    for words in ("浙C33333", "¥50.00", "申请书 3", "2026-12-31", "等待第二人"):
        assert words in page, words
    assert "/approval" not in page
    (approval,) = re.findall(rf'action="({AGREEMENTS}/[^"]+/approval)"', content_of(manager.get(AGREEMENTS)))
    assert sends(manager, approval, AGREEMENTS).status_code == 303
    again = sends(manager, approval, AGREEMENTS)
    assert (again.status_code, "已由他人决定" in again.text) == (409, True)
    assert "有效" in content_of(registrar.get(f"{AGREEMENTS}?plate=浙C33333"))
    end = approval.replace("approval", "end")
    assert sends(registrar, end, AGREEMENTS, reason="").status_code == 422
    assert sends(registrar, end, AGREEMENTS, reason="车辆卖出").status_code == 303
    assert "已终止" in content_of(registrar.get(AGREEMENTS))
    for field, wrong in (("plate", "no plate!"), ("limit_fen", "much"), ("evidence", ""), ("valid_to", "2020-01-01")):
        answer = sends(registrar, f"{AGREEMENTS}/new", **{**NEW, field: wrong})
        assert answer.status_code == 422, field
        assert 'aria-invalid="true"' in answer.text.split(f'id="f-{field}"')[1].split("</div>")[0], field


def test_the_streets_agreements_are_for_who_has_the_street(counter: Counter) -> None:
    users.add(counter.parts, "near", "finance", ["xinyi"], PASSWORD, operator="test")
    near = counter.person("near")
    assert sends(near, f"{AGREEMENTS}/new", **{**NEW, "site": "street"}).status_code == 404
    assert sends(counter.person("finance"), f"{AGREEMENTS}/new", **{**NEW, "site": "street"}).status_code == 303
    page = content_of(near.get(AGREEMENTS))
    assert "全街道" in page
    assert "/approval" not in page


def test_each_role_gets_what_the_api_gives_it(counter: Counter) -> None:
    stay = leaves_owing(counter)
    pages = {
        WHERE: ("GET", "/arrears"),
        f"{WHERE}/{stay}/payment": ("POST", "/arrears/{stay_id}/payments"),
        f"{WHERE}/{stay}/write-off": ("POST", "/arrears/{stay_id}/write-offs"),
        GIVEN_UP: ("GET", "/arrears/write-offs"),
        REMINDERS: ("GET", "/arrears/reminders"),
        AGREEMENTS: ("GET", "/pay-later-agreements"),
        f"{AGREEMENTS}/new": ("POST", "/pay-later-agreements"),
    }
    each_gets_what_the_api_gives_it(counter.person, pages)
