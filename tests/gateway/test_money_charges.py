"""The monthly charges' pages without script: previewed and charged, paid, undone, handed back, and what each role learns of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.api import access
from gateway.flows import users
from gateway.flows.users import ROLES
from gateway.wiring import Parts
from tests.gateway.house import PASSWORD
from tests.gateway.money_desk import content_of, sends
from tests.gateway.test_charges import FEE_101, charge_of, listed
from tests.gateway.test_desk_passes import Counter

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
WHERE = "/money/charges"
RUN = f"{WHERE}/run"


@pytest.fixture
def counter(parts: Parts) -> Counter:
    return Counter(parts)


def rows(answer: Any) -> list[str]:
    return re.findall(r'href="/money/charges/([^"?]+)">2026-03</a>', content_of(answer))


def test_a_month_is_previewed_and_charged_and_again_changes_nothing(counter: Counter) -> None:
    finance = counter.person("finance")
    preview = sends(finance, RUN, what="preview", month="2026-03", site="xinyi")
    assert preview.status_code == 200
    for words in ("这是预览", "¥32.94", "103", ">102<"):
        assert words in content_of(preview), words
    assert listed(counter) == []
    for _ in range(2):
        done = sends(finance, RUN, what="run", month="2026-03", site="xinyi")
        assert done.headers["location"] == f"{WHERE}?month=2026-03&site=xinyi&said=charges_run"
    assert len(rows(finance.get(done.headers["location"]))) == len(listed(counter)) == 2
    for month, status in (("2026-13", 422), ("2031-01", 422), ("", 422)):
        wrong = sends(finance, RUN, what="run", month=month, site="xinyi")
        assert wrong.status_code == status, month
        assert 'aria-invalid="true"' in wrong.text.split('id="f-month"')[1].split("</div>")[0]
    counter.books_hold()


def test_it_is_taken_in_parts_undone_and_handed_back_by_another(counter: Counter) -> None:
    counter.charges()
    finance, cashier = counter.person("finance"), counter.person("cashier")
    where = f"{WHERE}/{charge_of(counter, '101')}"
    much = sends(cashier, f"{where}/payment", where, amount_fen="99", channel="cash", reference="")
    assert much.status_code == 409
    assert 'value="99"' in much.text
    assert (
        sends(cashier, f"{where}/payment", where, amount_fen="12.94", channel="cash", reference="收据 7").status_code
        == 303
    )
    page = content_of(cashier.get(where))
    for words in ("¥12.94", "收据 7", 'value="¥20.00"'):
        assert words in page, words
    # The field holds what is due as it is shown.
    last = sends(cashier, f"{where}/payment", where, amount_fen="¥20.00", channel="cash")
    assert last.headers["location"] == f"{WHERE}?said=charge_payment"
    assert cashier.get(where).status_code == 404
    assert "已结清" in content_of(finance.get(where))
    assert sends(finance, f"{where}/reversal", where, reason="").status_code == 422
    assert sends(finance, f"{where}/reversal", where, reason="面积有误").status_code == 303
    page = content_of(finance.get(where))
    assert "面积有误" in page
    assert f"{where}/payback" not in page
    assert sends(finance, f"{where}/payback", where, channel="cash").status_code == 409
    assert f"{where}/payback" in content_of(cashier.get(where))
    assert sends(cashier, f"{where}/payback", where, channel="cash").status_code == 303
    assert "已退还" in content_of(cashier.get(where))
    assert f"{where}/payback" not in content_of(cashier.get(where))
    counter.books_hold()


def test_the_same_form_sent_twice_takes_money_once(counter: Counter) -> None:
    counter.charges()
    finance = counter.person("finance")
    where = f"{WHERE}/{charge_of(counter, '101')}"
    page = finance.get(where).text
    hidden = dict(re.findall(r'<input type="hidden" name="(csrf|once)" value="([^"]*)"', page))
    form = {**hidden, "amount_fen": "10", "channel": "wechat"}
    assert {finance.post(f"{where}/payment", data=form).status_code for _ in range(2)} == {303}
    assert listed(counter, household="101")[0]["due_fen"] == FEE_101 - 1000


def test_who_pays_nothing_is_told_to_registrar_and_finance_alone(counter: Counter) -> None:
    counter.charges()
    poor = f"{WHERE}/{charge_of(counter, '102')}"
    for role in ROLES:
        person = counter.person(role)
        if not access.allowed(role, "GET", "/charges"):
            assert (person.get(WHERE).status_code, person.get(poor).status_code) == (403, 403), role
            continue
        knows = role in access.SEES_LOW_INCOME
        assert person.get(poor).status_code == (200 if knows else 404), role
        assert (poor.rsplit("/", 1)[1] in rows(person.get(f"{WHERE}?household=102"))) is knows, role
        page = person.get(f"{WHERE}/{charge_of(counter, '101')}").text
        assert ("费用构成" in page) is knows, role
    assert "低保减免" in content_of(counter.person("finance").get(poor))
    assert counter.person("cashier").get(RUN).status_code == 403


def test_of_another_site_there_is_nothing(counter: Counter) -> None:
    counter.charges()
    where = f"{WHERE}/{charge_of(counter, '101')}"
    users.add(counter.parts, "far", "finance", ["moganshan"], PASSWORD, operator="test")
    far = counter.person("far")
    assert far.get(where).status_code == 404
    assert rows(far.get(WHERE)) == []
    assert far.get(f"{WHERE}?site=xinyi").status_code == 403
    assert sends(far, RUN, what="run", month="2026-03", site="xinyi").status_code == 403
    assert counter.person("finance").get(f"{WHERE}/nonsense").status_code == 404
