"""The pages of voucher buyers and of what was collected offline, without script: registered, billed, paid, brought, decided."""

from __future__ import annotations

import pytest

from gateway.flows import estate, users
from gateway.flows.vouchers import books
from gateway.wiring import Parts
from tests.gateway.house import PASSWORD
from tests.gateway.money_desk import content_of
from tests.gateway.pass_office import second_site
from tests.gateway.roles import each_gets_what_the_api_gives_it
from tests.gateway.test_desk_vouchers import Counter, sends
from tests.gateway.test_vouchers_billed import march_closes
from tests.gateway.test_vouchers_offline import LANE, bring, leaves_offline
from tests.gateway.trade import local
from tests.gateway.voucher_desk import uses

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
BUYERS, MONTHS, OFFLINE = "/vouchers/buyers", "/vouchers/statements", "/vouchers/redemptions"
CAFE = {"site": "xinyi", "id": "cafe", "kind": "merchant", "name": "转角咖啡", "enabled": "yes"}
PAY = f"{BUYERS}/xinyi/cafe/payment"


@pytest.fixture
def street(parts: Parts) -> Counter:
    return Counter(parts)


def sells_to_a_cafe(street: Counter) -> list[str]:
    books.register_buyer(
        street.parts, site="xinyi", buyer="cafe", kind="merchant", name="转角咖啡", operator="registrar"
    )
    return street.vouchers.issued("hour", 120, count=3, buyer="cafe", valid_to=local("2026-06-01 00:00"))


def test_a_buyer_is_registered_and_changed(street: Counter) -> None:
    person = street.person("registrar")
    assert sends(person, f"{BUYERS}/new", **CAFE).headers["location"] == f"{BUYERS}?said=saved"
    assert "转角咖啡" in content_of(person.get(BUYERS))
    form = person.get(f"{BUYERS}/new?site=xinyi&buyer=cafe").text
    assert 'value="转角咖啡"' in form
    assert " checked" in form
    changed = {name: value for name, value in CAFE.items() if name != "enabled"} | {"name": "街角咖啡"}
    assert sends(person, f"{BUYERS}/new", **changed).status_code == 303
    page = content_of(person.get(BUYERS))
    assert "街角咖啡" in page
    assert "停用" in page
    assert " checked" not in content_of(person.get(f"{BUYERS}/new?site=xinyi&buyer=cafe"))
    for field, wrong in (("id", {"id": "Café!"}), ("name", {"name": ""}), ("kind", {"kind": "club"})):
        answer = sends(person, f"{BUYERS}/new", **{**CAFE, **wrong})
        assert answer.status_code == 422, field
        assert 'aria-invalid="true"' in answer.text.split(f'id="f-{field}"')[1].split("</div>")[0], field
    assert person.get(f"{BUYERS}/new?site=xinyi&buyer=none").status_code == 404


def test_its_month_is_made_looked_at_and_paid(street: Counter) -> None:
    codes = sells_to_a_cafe(street)
    uses(street.vouchers, codes[0], "浙A00001")
    finance = street.person("finance")
    early = sends(finance, MONTHS, site="xinyi", month="2026-03")
    assert (early.status_code, "还没有全部日结" in early.text) == (409, True)
    march_closes(street.vouchers)
    finance = street.person("finance")
    made = sends(finance, MONTHS, site="xinyi", month="2026-03")
    assert made.headers["location"] == f"{MONTHS}?site=xinyi&month=2026-03&said=vouchers_billed"
    page = content_of(finance.get(made.headers["location"]))
    assert "¥8.00" in page
    where = page.split(f'href="{MONTHS}/')[1].split('"')[0]
    month = content_of(finance.get(f"{MONTHS}/{where}"))
    for words in ("转角咖啡", "00000001", "时长券", "format=csv", PAY):
        assert words in month, words
    assert "浙A00001" not in month
    cashier = street.person("cashier")
    assert "¥8.00" in content_of(cashier.get(BUYERS))
    much = sends(cashier, PAY, amount_fen="8.01", channel="cash")
    assert much.status_code == 409
    assert sends(cashier, PAY, amount_fen="¥3.00", channel="cash", reference="收据 9").status_code == 303
    assert 'value="¥5.00"' in cashier.get(PAY).text
    assert "¥5.00" in content_of(finance.get(f"{MONTHS}/{where}"))
    assert finance.get(f"{MONTHS}/xinyi/none").status_code == 404
    assert finance.get(f"{BUYERS}/xinyi/none/payment").status_code == 404
    street.vouchers.holds()


def test_codes_are_brought_and_those_that_fit_nothing_are_decided(street: Counter) -> None:
    first, second = street.vouchers.issued("whole_stay", 0, count=2)
    street.passes("in-1", "浙A12345", "09:00")
    leaves_offline(street)
    cashier = street.person("cashier")
    form = cashier.get(f"{OFFLINE}/new").text
    assert f'value="{LANE}"' in form
    assert "in-1" not in form
    said = {"lane": LANE, "at": "2026-03-02T12:01", "items": f"{first}\n{first}  nonsense"}
    assert sends(cashier, f"{OFFLINE}/new", **said).headers["location"] == f"{OFFLINE}?said=vouchers_brought"
    page = content_of(cashier.get(OFFLINE))
    for words in ("00000001", "已对上", "需人工处理", "无法识别的券码", "不是本小区的券码"):
        assert words in page, words
    assert f'<a href="{OFFLINE}/xinyi/' in cashier.get("/queue").text
    assert page.count("<tr>") == 3, "a head, the voucher once, and what is none"
    # One for which no stay is found waits; it is held, and goes back to its holder.
    waits = bring(street.vouchers, second, at="10:00")
    assert waits.state == "queued"
    where = f"{OFFLINE}/xinyi/{waits.id}"
    assert "/vouchers/redemptions/xinyi" in cashier.get(OFFLINE).text
    assert 'name="what"' not in cashier.get(where).text
    console = street.person("console")
    nothing = sends(console, where, what="match", stay="xinyi.none", reason="看过录像")
    assert nothing.status_code == 404
    assert "看过录像" in nothing.text
    assert sends(console, where, what="dismiss", reason="x").status_code == 409
    assert sends(console, where, what="release", reason="").status_code == 422
    assert sends(console, where, what="release", reason="司机取回").status_code == 303
    assert "已处理" in content_of(console.get(where))
    assert street.vouchers.state(2) == "issued"
    street.vouchers.holds()


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("lane", {"lane": "xinyi.in-1"}),
        ("at", {"at": "2027-01-01T00:00"}),
        ("at", {"at": ""}),
        ("items", {"items": " "}),
    ],
)
def test_what_is_wrong_stands_at_its_field(street: Counter, field: str, wrong: dict[str, str]) -> None:
    said = {"lane": LANE, "at": "2026-03-01T09:00", "items": "00000001-AAAAA-AAAAA", **wrong}
    answer = sends(street.person("cashier"), f"{OFFLINE}/new", **said)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text.split(f'id="f-{field}"')[1].split("</div>")[0]


def test_each_role_gets_what_the_api_gives_it_and_of_its_sites(street: Counter) -> None:
    sells_to_a_cafe(street)
    pages = {
        BUYERS: ("GET", "/vouchers/buyers"),
        f"{BUYERS}/new": ("POST", "/vouchers/buyers"),
        PAY: ("POST", "/vouchers/buyers/{buyer}/payments"),
        MONTHS: ("GET", "/vouchers/statements"),
        OFFLINE: ("GET", "/vouchers/redemptions"),
        f"{OFFLINE}/new": ("POST", "/vouchers/redemptions"),
    }
    each_gets_what_the_api_gives_it(street.person, pages)
    estate.apply(street.parts, second_site())
    users.add(street.parts, "far", "finance", ["moganshan"], PASSWORD, operator="test")
    far = street.person("far")
    assert far.get(PAY).status_code == 404
    assert "转角咖啡" not in far.get(BUYERS).text
    assert far.get(f"{BUYERS}/new?site=xinyi&buyer=cafe").status_code == 404
    assert sends(far, f"{BUYERS}/new", **CAFE).status_code == 403
