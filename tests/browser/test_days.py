"""Days of those who work here, as they go through Chromium: what comes in by itself, what one key does, what a lost server changes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import select, update

from gateway.flows import emergencies, users
from gateway.flows.charges_books import By
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Settings
from gateway.store import tables as t
from gateway.wiring import Parts
from tests import cheap
from tests.browser.chromium import Person, violations
from tests.browser.service import Service
from tests.browser.street import Console
from tests.conftest import FakeClock
from tests.gateway.house import PASSWORD
from tests.gateway.trade import local

TABLET = {"width": 1024, "height": 768}


@pytest.fixture(scope="module")
def service(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    path = folder / "parkgate.db"
    path.write_bytes(sqlite_template.read_bytes())
    store = cheap.open_store(f"sqlite:///{path}")
    settings = Settings(database_url=f"sqlite:///{path}", secret_key="a secret of the tests only", test=True)
    street = Console(Parts(settings=settings, clock=FakeClock(local("06:00")), store=store, metrics=Metrics()))
    users.add(street.parts, "kim", "console", [], PASSWORD, operator="test")
    running = Service(street, folder)
    try:
        running.start()
        yield running
    finally:
        running.ends()
        store.close()


def openings(service: Service) -> list[tuple[str, str, str]]:
    with service.street.parts.store.reading() as connection:
        rows = connection.execute(select(t.StaffCommand.__table__).order_by(t.StaffCommand.at))
        return [(row.lane_id, row.operator, row.reason) for row in rows]


def test_an_operator_works_the_queue_through_a_restart(browser: Browser, service: Service) -> None:
    operator = Person(browser, service.url).signs_in("console")
    other = Person(browser, service.url).signs_in("kim")
    page, theirs = operator.page, other.page
    for one in (page, theirs):
        one.goto("/queue")
        expect(one.locator("#connection-word")).to_have_text("实时")
    before = page.locator(".item").count()

    service.arrives("out-1", "浙K11111")  # nobody saw it come
    item = page.locator(".item").first
    expect(page.locator(".item")).to_have_count(before + 1)
    expect(item.locator("h2")).to_have_text("无入场记录")
    expect(page.locator("#news")).to_contain_text("无入场记录")

    page.keyboard.press("j")
    expect(item).to_be_focused()
    page.keyboard.press("c")
    expect(page.locator(".item").first).to_contain_text("处理人: console")
    expect(theirs.locator(".item").first).to_contain_text("处理人: console")
    expect(theirs.locator(".item").first.locator(".proposal")).to_have_count(0)

    service.is_killed()
    expect(page.locator("#lost")).to_be_visible()
    page.keyboard.press("a")  # what is asked of nobody does nothing
    assert openings(service) == []
    service.start()
    expect(page.locator("#lost")).to_be_hidden()
    expect(page.locator("#connection-word")).to_have_text("实时")

    page.keyboard.press("a")
    expect(page.locator("#outcome")).to_contain_text("抬杆放行: 已下达")
    assert openings(service) == [("out-1", "console", "核对后放行：无入场记录")]
    for one in (page, theirs):
        expect(one.locator(".item")).to_have_count(before)
    operator.leaves()
    other.leaves()


def test_nine_tabs_of_one_browser_are_live_and_another_page_still_opens(browser: Browser, service: Service) -> None:
    """A browser has six connections to a server of HTTP/1.1: a stream in each tab would stop the seventh."""
    operator = Person(browser, service.url).signs_in("console")
    tabs = [operator.page, *(operator.opens() for _ in range(8))]
    for number, tab in enumerate(tabs):
        tab.goto("/" if number % 3 else "/queue", wait_until="domcontentloaded")
    for tab in tabs:
        expect(tab.locator("#connection-word")).to_contain_text("实时")
    tabs[3].goto("/stays")
    expect(tabs[3].locator("h1")).to_have_text("停车记录")
    service.arrives("in-2", "浙T99999")
    expect(tabs[6].locator(".item h2", has_text="非登记车辆")).to_have_count(1)
    expect(tabs[7].locator("#exceptions a", has_text="非登记车辆")).to_have_count(1)
    tabs[6].locator(".item", has_text="浙T99999").locator("[data-key=a]").click()
    expect(tabs[0].locator(".item", has_text="浙T99999")).to_have_count(0)
    assert operator.faults == []
    operator.leaves()


_MOVED = """() => { globalThis.moved = 0; new PerformanceObserver((list) => list.getEntries().forEach((one) => { moved += one.value; }))
  .observe({ type: "layout-shift", buffered: false }); }"""


def test_an_emergency_is_said_on_every_open_page_and_nothing_moves(browser: Browser, service: Service) -> None:
    who = By(operator="wang", role="manager", origin="test")
    roles = ("console", "finance", "committee")
    operator, finance, committee = (Person(browser, service.url).signs_in(role) for role in roles)
    board, stays, books, gates = operator.page, operator.opens(), finance.page, committee.page
    board.goto("/")
    expect(board.locator("#connection-word")).to_contain_text("实时")
    stays.goto("/stays")
    books.goto("/money/days")
    gates.goto("/doors")
    for page in (board, stays, books, gates):
        page.evaluate(_MOVED)
    emergencies.declare(service.street.parts, ["xinyi"], "3 幢起火", who)
    for page in (board, stays, books, gates):
        expect(page.locator("#alarm-now .alarm.bad")).to_contain_text("应急放行中 信义坊")
        assert not violations(page)
    # Who may not look at it is led nowhere.
    assert [page.locator("#alarm-now .alarm a").count() for page in (books, gates)] == [1, 0]
    books.reload()
    expect(books.locator("#alarm")).to_be_visible()
    expect(books.locator("#alarm-now .alarm")).to_have_count(0)
    books.evaluate(_MOVED)
    emergencies.end(service.street.parts, ["xinyi"], "已扑灭", who)
    for page in (board, stays, books, gates):
        expect(page.locator("#alarm-now .alarm.good")).to_contain_text("应急放行已解除 信义坊")
        expect(page.locator(".alarm.bad:visible")).to_have_count(0)
        assert page.evaluate("moved") == 0
    board.get_by_role("button", name="关闭").click()
    expect(board.locator("#alarm-now .alarm")).to_have_count(0)
    for person in (operator, finance, committee):
        assert person.faults == []
        person.leaves()


def test_a_guard_clears_a_lane_in_two_taps(browser: Browser, service: Service) -> None:
    guard = Person(browser, service.url, viewport=TABLET, has_touch=True).signs_in("guard")
    page = guard.page
    service.arrives("in-2", "浙N22222")  # not one of theirs, at the residents' gate
    there = page.locator("#exceptions a", has_text="非登记车辆")
    expect(there).to_have_count(1)

    there.tap()
    page.locator(".item:focus [data-key=a]").tap()

    expect(page.locator("#outcome")).to_contain_text("抬杆放行: 已下达")
    assert openings(service)[-1] == ("in-2", "guard", "核对后放行：非登记车辆")
    assert guard.faults == []
    guard.leaves()


def test_a_shared_tablet_is_locked_in_all_its_tabs_and_goes_on_where_it_was(browser: Browser, service: Service) -> None:
    guard = Person(browser, service.url, viewport=TABLET)
    page, other = guard.page, guard.opens()
    guard.context.clock.install(time=local("08:00"))
    guard.signs_in("guard", shared=True)
    page.goto("/queue?state=any")
    other.goto("/stays")
    guard.context.clock.pause_at(local("08:10"))
    page.keyboard.press("Shift")
    guard.context.clock.fast_forward(14 * 60_000 + 10_000)
    expect(page.locator("#lock-soon")).to_contain_text("一分钟内将锁定")
    page.keyboard.press("Shift")
    expect(page.locator("#lock-soon")).to_be_empty()
    guard.context.clock.fast_forward(10 * 60_000)
    assert page.url.endswith("/queue?state=any")
    guard.context.clock.fast_forward(5 * 60_000 + 10_000)
    for tab in (page, other):
        expect(tab.locator("[role=alert]")).to_contain_text("终端已锁定")
    assert page.request.get("/api/v1/sites").status == 401
    other.reload()  # a form that was shown later spoils none that was shown before
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/queue?state=any")
    guard.leaves()


def test_what_a_lane_was_told_says_what_really_happened(browser: Browser, service: Service) -> None:
    """Without loading the page again: taken, done, refused, and what the lane was told to show and say."""
    operator = Person(browser, service.url).signs_in("console")
    page, outcome = operator.page, operator.page.locator("#outcome")
    command = t.CommandRow.__table__.c

    def device(state: str, detail: str | None = None) -> None:
        with service.street.parts.store.writing() as connection:
            newest = select(command.id).where(command.lane_id == "in-1").order_by(command.planned_at.desc()).limit(1)
            told = {"state": state, "detail": detail, "outcome_at": datetime.now(UTC)}
            connection.execute(update(t.CommandRow).where(command.id == newest.scalar_subquery()).values(**told))
            connection.commit()

    page.goto("/lanes/xinyi.in-1")
    page.evaluate("window.same = true")
    by_hand = page.locator("form.by-hand").first
    for action, happens, said in (("落杆", "done", "已执行"), ("常开", "fault", "设备故障，没有执行 (jam)")):
        by_hand.get_by_label("事由").fill(f"试{action}")
        by_hand.get_by_role("button", name=action, exact=True).click()
        expect(outcome).to_contain_text(f"{action}: 已下达")
        device("accepted")
        expect(outcome).to_contain_text("设备已接受")
        device(happens, "jam" if happens == "fault" else None)
        expect(outcome).to_contain_text(said)
        expect(page.locator("#given tbody tr").first).to_contain_text(f"试{action}")
    assert violations(page) == []
    page.locator("summary", has_text="显示与播报").click()
    page.get_by_label("显示屏文字").fill("施工\n请走西门")
    page.get_by_label("语音播报").fill("请走西门")
    speaking = page.locator("details[open] form.by-hand")
    speaking.get_by_label("事由").fill("施工")
    speaking.get_by_role("button", name="显示与播报").click()
    expect(outcome).to_contain_text("显示与播报: 已下达")
    with service.street.parts.store.reading() as connection:
        payload = connection.execute(select(command.payload).where(command.action == "show", command.lane_id == "in-1"))
        told = json.loads(payload.scalar_one())
    assert (told["show"], told["say"]) == (["施工", "请走西门"], "请走西门")
    assert page.evaluate("window.same") is True
    assert operator.faults == []
    operator.leaves()


def test_a_registrar_moves_a_household_in(browser: Browser, service: Service, tmp_path: Path) -> None:
    """By keyboard and form: the household, its car with a typing error put right, a file of neighbours, what ends soon."""
    registrar = Person(browser, service.url).signs_in("registrar")
    page = registrar.page
    page.goto("/registers/households")
    page.get_by_role("link", name="新登记").click()
    page.get_by_label("住户（房号）").fill("5-101")
    page.get_by_label("姓名").fill("赵六")
    page.get_by_label("事由").fill("入住登记 2026-31")
    page.keyboard.press("Enter")
    expect(page.locator("[role=status].good")).to_have_text("已登记。")

    page.get_by_role("link", name="+ 住户车辆").click()
    expect(page.get_by_label("住户（房号）")).to_have_value("5-101")
    page.get_by_label("车牌").fill("浙A")
    page.get_by_label("事由").fill("行驶证已核对")
    page.keyboard.press("Enter")
    wrong = page.get_by_label("车牌")
    expect(wrong).to_be_focused()
    expect(wrong).to_have_accessible_description(re.compile("不是有效的车牌号"))
    wrong.fill("浙A 51010")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("浙A51010")

    # A file is looked at before it counts, and stays chosen in between.
    file = tmp_path / "名册.csv"
    file.write_text("site,household,name\nxinyi,5-102,钱七\nxinyi,5-103,孙八\n", encoding="utf-8")
    page.goto("/registers/households/import")
    expect(page.locator("#apply")).to_be_disabled()
    page.get_by_label("文件").set_input_files(file)
    page.get_by_label("事由").fill("物业名册")
    page.get_by_role("button", name="预览").click()
    expect(page.locator("#result")).to_contain_text("新增 2")
    page.locator("#apply").click()
    expect(page.locator("[role=status].good")).to_have_text("文件已导入。")
    expect(page.get_by_role("link", name="5-103")).to_be_visible()

    # A search by the key for it; then an end, asked for twice.
    page.goto("/registers/vehicles")
    page.keyboard.press("/")
    page.keyboard.type("510")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="浙A51010").click()
    page.locator("summary", has_text="终止登记").click()
    expect(page.get_by_label("最后一天")).to_be_focused()
    page.locator("details.confirm").get_by_label("事由").fill("车辆已过户")
    page.get_by_role("button", name="确认终止").click()
    expect(page.locator("[role=status].good")).to_have_text("已终止。")
    expect(page.locator("h1")).to_contain_text("已结束")
    assert registrar.faults == []
    registrar.leaves()
