"""What cannot be answered is a page for a browser, in its language and with a way on, and a problem for everybody else."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from sqlalchemy.exc import OperationalError

import gateway.api
import gateway.console
import gateway.flows
from gateway.console.words import WORDS
from gateway.flows import audit_trail
from gateway.flows.refusals import NotFound, Refused
from gateway.runtime import logs
from gateway.wiring import Parts
from tests.gateway.house import Client, House, a_house
from tests.gateway.test_console import csrf_of, signed_in

pytestmark = pytest.mark.filterwarnings("error")
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def house(parts: Parts) -> House:
    house = a_house(parts)
    house.hires("mao", "manager")
    return house


@pytest.fixture
def mao(house: House) -> Client:
    return signed_in(house, "mao")


@pytest.mark.parametrize(
    ("where", "status", "said", "back"),
    [
        ("/admin/audit?cursor=nonsense", 422, "cursor", "/admin/audit"),
        ("/stays?limit=ten", 422, "limit", "/stays"),
        ("/admin/users/no/such/page", 404, "没有这个页面", "/admin/users"),
        ("/nothing/here?x=1", 404, "没有这个页面", "/"),
    ],
)
@on_one_database
def test_a_wrong_address_leads_back(mao: Client, where: str, status: int, said: str, back: str) -> None:
    answer = mao.get(where, headers=HTML)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    main = answer.text.split("<main")[1]
    assert said in main
    assert f'href="{back}"' in main
    assert 'class="pages"' in answer.text  # the frame
    english = mao.get(f"{where}{'&' if '?' in where else '?'}lang=en", headers=HTML).text.split("<main")[1]
    assert not [letter for letter in english.split("</main")[0] if "\u4e00" <= letter <= "\u9fff"]
    mao.get("/account?lang=zh")
    assert mao.get(where).headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("where", "status", "said", "back"),
    [
        ("/stays?state=gone", 422, "填写的内容不能使用", "/stays"),
        ("/stays?site=elsewhere", 403, "未能完成", "/stays"),
        ("/stays/xinyi.none", 404, "没有这条记录", "/stays"),
        ("/vouchers/find?state=gone", 422, "填写的内容不能使用", "/vouchers/find"),
        ("/vouchers/at/xinyi/7", 404, "没有这条记录", "/vouchers"),
        ("/registers/vehicles?site=elsewhere", 403, "未能完成", "/registers/vehicles"),
    ],
)
@on_one_database
def test_who_was_let_in_at_a_page_reads_what_it_refuses_as_one(
    house: House, where: str, status: int, said: str, back: str
) -> None:
    house.hires("xi", "manager", "xinyi")
    xi = signed_in(house, "xi")
    for headers in (HTML, {}):
        answer = xi.get(where, headers=headers)
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (status, "text/html")
        main = answer.text.split("<main")[1]
        assert said in main
        assert f'class="button" href="{back}"' in main
        assert 'class="pages"' in answer.text


@on_one_database
def test_what_a_form_is_refused_leads_back_to_the_page_that_it_is_on(house: House) -> None:
    house.hires("fang", "finance")

    def asked(who: str, where: str, **form: str) -> tuple[int, str]:
        browser = signed_in(house, who)
        answer = browser.post(where, data={"csrf": csrf_of(browser.get("/account").text), **form})
        return answer.status_code, answer.text.split('<p><a class="button" href="')[1].split('"')[0]

    assert asked("mao", "/admin/devices/xinyi.d1/credentials") == (422, "/admin/devices/xinyi.d1")
    assert asked("mao", "/admin/devices/xinyi.none/credentials", reason="换了装机工") == (404, "/admin/devices")
    assert asked("fang", "/money/statements/fetch", day="yesterday") == (422, "/money/statements")


@on_one_database
def test_nobody_in_particular_gets_a_plain_page_and_no_frame(house: House) -> None:
    answer = house.client.get("/nothing/here", headers=HTML)
    assert (answer.status_code, "没有这个页面" in answer.text, 'class="pages"' in answer.text) == (404, True, False)


@on_one_database
def test_the_api_answers_problems_whoever_asks(mao: Client) -> None:
    for path in ("/api/v1/stays?limit=ten", "/api/v1/nothing"):
        assert mao.get(path, headers=HTML).headers["content-type"] == "application/problem+json"


@on_one_database
def test_what_is_too_long_is_said_with_how_much_may_be_sent(mao: Client) -> None:
    csrf = csrf_of(mao.get("/account").text)
    form = {"csrf": csrf, "text": "x" * 70_000}
    answer = mao.post("/money/policies/apply", data=form, headers=HTML)
    assert (answer.status_code, "64 KiB" in answer.text, "提交的内容太大" in answer.text) == (413, True, True)
    assert 'href="/money/policies"' in answer.text.split("<main")[1]


@on_one_database
def test_what_nobody_foresaw_has_a_number_that_is_in_the_log(
    mao: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise ZeroDivisionError("nobody foresaw this")

    logs.configure("info", form="json")
    monkeypatch.setattr(audit_trail, "search", breaks)
    answer = mao.get("/admin/audit", headers=HTML)
    assert (answer.status_code, "系统出错了" in answer.text) == (500, True)
    assert "Zero" not in answer.text
    incident = answer.text.split("<code>")[1].split("</code>")[0]
    told = capsys.readouterr()
    assert incident in told.out + told.err
    assert "nobody foresaw this" in told.out + told.err


@on_one_database
def test_a_database_that_does_not_answer_is_a_page_as_well(mao: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    monkeypatch.setattr(audit_trail, "search", away)
    answer = mao.get("/admin/audit", headers=HTML)
    assert (answer.status_code, answer.headers["retry-after"], "数据库" in answer.text) == (503, "5", True)


def _kinds(of: type[Refused] = Refused) -> Iterator[type[Refused]]:
    for one in of.__subclasses__():
        yield one
        yield from _kinds(one)


def test_every_refusal_has_its_words_in_both_languages() -> None:
    for package in (gateway.flows, gateway.api, gateway.console):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    found = {one.slug for one in _kinds() if one.__module__.startswith("gateway.")}
    assert len(found) > 60
    for lang in ("zh", "en"):
        assert {slug for slug in found if f"refused.{slug}" not in WORDS[lang]} == set()


@on_one_database
def test_a_refusal_that_says_no_more_than_its_kind_is_not_said_twice(mao: Client) -> None:
    page = mao.get("/admin/users").text
    form = {"csrf": csrf_of(page), "name": "wang", "role": "guard"}
    alert = mao.post("/admin/users", data=form).text.split('<main id="content"')[1]
    assert "请至少选择一个小区" in alert
    assert "choose at least one" not in alert
    assert NotFound().general
    assert not NotFound("there is no stay x").general
