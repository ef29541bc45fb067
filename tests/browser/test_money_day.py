"""The days of finance and of a driver, as they go through Chromium: from the statement to the export, from the lane's code to the receipt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from gateway.flows import users
from gateway.flows.lane_pass import codes
from gateway.flows.pay_token import token
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Settings
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.statements import Deal, wechat_trade
from tests import cheap
from tests.browser.chromium import PHONE, Person, violations
from tests.browser.service import Service
from tests.conftest import FakeClock
from tests.gateway.breaks_desk import Breaks
from tests.gateway.house import PASSWORD
from tests.gateway.reconciling import ACCOUNT, DAY, Morning
from tests.gateway.trade import SHANGHAI, local


class Street(Morning, Breaks):
    """Two drivers paid by phone; of one the channel knows nothing. Yesterday is closed."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        for name, role in (("fin", "finance"), ("boss", "manager"), ("cora", "committee")):
            users.add(parts, name, role, [], PASSWORD, operator="test")
        self.night(DAY - timedelta(days=1))
        self.right = self.pays("10:10")
        self.lost: Deal = self.pays("11:10")
        for one in range(10):
            self.pays(f"{12 + one // 2}:{10 + one % 2 * 20}", plate=f"浙C{one:05d}")
        self.lacks(self.lost)
        self.night()


@pytest.fixture(scope="module")
def service(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("money")
    path = folder / "parkgate.db"
    path.write_bytes(sqlite_template.read_bytes())
    store = cheap.open_store(f"sqlite:///{path}")
    settings = Settings(database_url=f"sqlite:///{path}", secret_key="a secret of the tests only", test=True)
    parts = Parts(settings=settings, clock=FakeClock(local("2026-03-01 12:00")), store=store, metrics=Metrics())
    running = Service(Street(parts), folder)
    try:
        running.start()
        yield running
    finally:
        running.ends()
        store.close()


def looked_at(page: Page) -> None:
    """Nothing that axe finds, in both themes and languages, and no page that is wider than a phone."""
    here = page.url.partition("?")[0]
    found = {}
    for language, theme in (("en", "dark"), ("zh", "light")):
        page.goto(f"{here}?lang={language}&theme={theme}")
        found[theme] = violations(page)
    size = page.viewport_size
    page.set_viewport_size(PHONE)
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.set_viewport_size(size or PHONE)
    assert (found, wide) == ({"dark": [], "light": []}, False), here


def test_finance_in_the_morning(browser: Browser, service: Service, tmp_path: Path) -> None:
    street = service.street
    assert isinstance(street, Street)
    finance = Person(browser, service.url).signs_in("fin")
    page = finance.page

    page.goto(f"/money/days/{DAY}")
    page.get_by_role("link", name="信义坊").click()
    page.wait_for_url("**/xinyi")
    expect(page.locator("main")).to_contain_text("未对账")
    looked_at(page)

    file = tmp_path / "wechat.csv"
    file.write_bytes(b"".join(wechat_trade(street.deals["wechat"], ACCOUNT["wechat"])))
    page.goto("/money/statements/import")
    looked_at(page)
    page.get_by_label("文件").set_input_files(file)
    page.get_by_label("渠道").select_option("wechat")
    page.get_by_label("收款主体").fill("hushu")
    page.locator("main").get_by_role("button", name="导入账单").click()
    expect(page.locator("[role=status].good")).to_have_text("账单已导入。")
    looked_at(page)

    page.goto(f"/money/days/{DAY}/xinyi")
    page.get_by_role("button", name="对账", exact=True).click()
    expect(page.locator("[role=status].good")).to_have_text("已对账。")
    looked_at(page)
    page.get_by_role("link", name="账面有渠道无").click()
    page.wait_for_url("**/money/breaks/**")
    expect(page.locator("section[aria-labelledby=ours]")).to_contain_text("浙A00002")
    expect(page.locator("section[aria-labelledby=ours]")).to_contain_text(street.lost.order)
    expect(page.locator("section[aria-labelledby=theirs]")).to_contain_text("渠道账单没有记录")
    looked_at(page)
    where = page.url.partition("?")[0]

    # The server goes and comes back while somebody writes: what was typed is sent all the same, once.
    page.get_by_label("核销（须第二人复核）").check()
    page.get_by_label("事由").fill("渠道客服确认未收到")
    service.is_killed()
    service.start()
    page.locator("#act button").click()
    expect(page.locator("[role=status].good")).to_have_text("已提交。")
    expect(page.locator("h1")).to_contain_text("待复核")

    manager = Person(browser, service.url).signs_in("boss")
    manager.page.goto(where)
    expect(manager.page.locator("#act")).to_contain_text("渠道客服确认未收到")
    looked_at(manager.page)
    manager.page.locator("#act button").click()
    expect(manager.page.locator("[role=status].good")).to_have_text("已同意并入账。")
    expect(manager.page.locator("h1")).to_contain_text("已处理")

    page.goto("/money/exports")
    looked_at(page)
    page.locator("#f-day").fill(DAY.isoformat())
    page.get_by_label("小区").select_option("xinyi")
    page.get_by_label("Excel 工作簿").check()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="下载").click()
    assert waiting.value.suggested_filename.endswith(".xlsx")
    assert (finance.faults, manager.faults) == ([], [])
    street.holds()
    finance.leaves()
    manager.leaves()


def test_a_residents_meeting_sees_what_a_rule_would_cost(browser: Browser, service: Service) -> None:
    cora = Person(browser, service.url).signs_in("cora")
    page = cora.page
    page.goto("/money/policies")
    looked_at(page)
    page.get_by_role("link", name="规则对比").click()
    page.get_by_label("新规则").select_option("hushu-residential:1")
    page.get_by_label("离场自").fill(DAY.isoformat())
    page.locator("#f-to").fill(DAY.isoformat())
    page.get_by_role("button", name="对比").click()
    expect(page.locator("table.chart").first).to_contain_text("12 次停车")
    assert violations(page) == []
    assert cora.faults == []
    cora.leaves()


def test_a_driver_from_the_lanes_code_to_the_receipt(browser: Browser, service: Service) -> None:
    street = service.street
    assert isinstance(street, Street)
    service.arrives("in-1", "浙K55555")
    came = street.clock.now()
    street.clock.set(came + timedelta(seconds=2))
    with street.parts.store.reading() as connection:
        stay = connection.execute(select(t.Stay.id, t.Stay.entry_at).where(t.Stay.plate == "浙K55555")).one()
    code = codes.code_of(street.parts, "xinyi.out-1").url.rsplit("/", 1)[1]
    driver = Person(browser, service.url, viewport=PHONE, has_touch=True)
    page = driver.page

    page.goto(f"/lane/{code}")
    page.get_by_role("link", name="查询我的停车").tap()
    page.wait_for_url("**/stay")
    looked_at(page)
    at = stay.entry_at.astimezone(SHANGHAI)
    page.get_by_label("车牌").fill("浙k55555")
    page.get_by_label("入场日期").fill(f"{at:%Y-%m-%d}")
    page.get_by_label("入场时间").fill(f"{at - timedelta(hours=2):%H:%M}")
    page.get_by_role("button", name="查询").tap()
    expect(page.get_by_role("alert")).to_contain_text("没有符合的停车记录")
    page.get_by_label("入场日期").fill(f"{at:%Y-%m-%d}")
    page.get_by_label("入场时间").fill(f"{at:%H:%M}")
    page.get_by_role("button", name="查询").tap()
    page.wait_for_url("**/pay/**")
    expect(page.locator(".plate")).to_have_text("浙K···55")
    looked_at(page)
    bill = page.url.partition("?")[0]

    page.locator("summary", has_text="对账单有异议").tap()
    page.get_by_label("哪里不对").select_option("times")
    page.get_by_label("补充说明").fill("屏幕显示的时间不对")
    page.get_by_role("button", name="提交异议").tap()
    expect(page.locator("main")).to_contain_text("工作人员将核对")
    with street.parts.store.reading() as connection:
        item = t.ExceptionItem.__table__.c
        told = connection.execute(select(item.stay_id, item.detail).where(item.kind == "bill_disputed")).one()
    assert tuple(told) == (stay.id, "times: 屏幕显示的时间不对")

    unpaid = page.goto(f"{bill}/receipt")
    assert unpaid is not None
    assert unpaid.status == 404
    # Another one has paid, and keeps the receipt.
    with street.parts.store.reading() as connection:
        order = t.PaymentOrder.__table__.c
        paid = connection.execute(select(order.stay_id).where(order.id == street.right.order)).scalar_one()
    page.goto(f"/pay/{token(street.parts.settings.secret(), paid)}")
    page.get_by_role("link", name="查看收据").tap()
    page.wait_for_url("**/receipt")
    expect(page.locator("tfoot")).to_contain_text("¥8.00")
    looked_at(page)
    assert driver.faults == []
    driver.leaves()
