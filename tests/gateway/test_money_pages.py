"""The console's money pages, as a browser without script gets them: the days of a cashier and of finance, and each page for who may."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from gateway.api import access
from gateway.api.app import create_app
from gateway.console.desk import sections
from gateway.console.words import WORDS
from gateway.flows import payment, quote, users
from gateway.flows.users import ROLES
from gateway.store import books
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.statements import wechat_trade
from tests.gateway.breaks_desk import Breaks
from tests.gateway.house import PASSWORD, Client, House
from tests.gateway.people import JPEG, put, tables
from tests.gateway.reconciling import ACCOUNT, DAY, Morning
from tests.gateway.test_console import csrf_of, signed_in
from tests.gateway.till import LI
from tests.gateway.trade import local

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
SITE_DAY = f"/money/days/{DAY}/xinyi"


class Desk(Morning, Breaks):
    """The street with its console: the real flows behind it."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.house = House(parts)
        self.house.app = create_app(parts, wall=parts.clock)

    def hires(self, name: str, role: str, *sites: str) -> None:
        users.add(self.parts, name, role, list(sites), PASSWORD, operator="test")

    def at(self, name: str) -> Client:
        return signed_in(self.house, name)

    def takes_cash(self, plate: str = "浙B00001", operator: str = "li") -> tuple[str, str]:
        """Two hours, paid in cash at the exit: the stay and the payment."""
        self.passes("in-1", plate, "12:00")
        self.arrives("out-1", plate, "14:00", id=f"o{plate}")
        stay = str(self.stay(plate).id)
        due = int(quote.bill_document(self.parts, stay)["payable_fen"])
        taken = payment.take(
            self.parts, stay_id=stay, channel="cash", amount_fen=due, operator=operator, role="cashier"
        )
        self.clock.set(self.clock.now() + timedelta(seconds=5))
        self.goes("out-1", "14:00:05", after=f"o{plate}")
        return stay, taken.id


@pytest.fixture
def desk(parts: Parts) -> Desk:
    return Desk(parts)


def sends(browser: Client, path: str, form: str = "", **fields: Any) -> Any:
    """A form, as the page at `form` (by default the same address) gives it: with its token, its own key and what it hides."""
    page = browser.get(form or path).text
    hidden = dict(re.findall(r'<input type="hidden" name="(once|version|seen_fen)" value="([^"]*)"', page))
    return browser.post(path, data={"csrf": csrf_of(page), **hidden, **fields})


def content_of(answer: Any) -> str:
    return str(answer.text.split('<main id="content"')[1].split("</main>")[0])


class TestDoors:
    def test_every_page_is_there_for_whoever_may_make_its_call_and_for_nobody_else(self, desk: Desk) -> None:
        for role in ROLES:
            desk.hires(role, role)
            browser = desk.at(role)
            for page in sections.SECTIONS["money"]:
                expected = 200 if access.allowed(role, *page.call) else 403
                assert browser.get(page.where).status_code == expected, (role, page.where)
            assert browser.get("/money").status_code == 303

    def test_who_is_not_signed_in_is_led_to_the_form(self, desk: Desk) -> None:
        for path in ("/money", "/money/shifts", SITE_DAY, "/money/breaks/xinyi.a", "/money/policies/compare"):
            assert desk.house.client.get(path, headers={}).status_code in {303, 401}
        nobody = Client(desk.house.app)
        assert nobody.post("/money/statements/import", files={"file": b"x"}).headers["location"] == "/login"

    def test_of_another_site_there_is_nothing(self, desk: Desk) -> None:
        name = desk.found()
        desk.hires("far", "finance", "moganshan")
        far = desk.at("far")
        shift = desk.opens()
        for path in (f"/money/breaks/{name}", f"/money/shifts/{shift}", SITE_DAY, "/money/safes/xinyi"):
            assert far.get(path).status_code == 404, path
        assert far.get("/money/breaks?site=xinyi").status_code == 403
        assert name not in far.get("/money/breaks").text

    def test_a_form_from_elsewhere_changes_nothing(self, desk: Desk) -> None:
        li = desk.at("li")
        for csrf in ("", "made up"):
            said = {"csrf": csrf, "site": "xinyi", "drawer": "east", "pieces_10000": "1"}
            assert li.post("/money/shifts/open", data=said).headers["location"] == "/money/shifts"
        assert "east" not in content_of(li.get("/money/shifts"))

    def test_days_are_shown_as_far_back_as_the_books_reach(self, desk: Desk) -> None:
        desk.hires("fin", "finance")
        fin = desk.at("fin")
        with desk.parts.store.reading() as connection:
            opened = books.books_of(connection)["xinyi"][0]
        days = re.findall(r'href="/money/days/(\d{4}-\d\d-\d\d)"', content_of(fin.get("/money/days")))
        assert days[-1] == str(opened)
        assert (
            re.findall(r'href="/money/days/(\d{4}-\d\d-\d\d)"', fin.get("/money/days?until=2000-01-01").text)
            == days[-1:]
        )

    def test_a_closed_day_says_by_whom_and_offers_no_close(self, desk: Desk) -> None:
        desk.hires("fin", "finance")
        desk.night(DAY - timedelta(days=1))
        desk.clock.set(local("2026-03-03 08:00"))
        fin = desk.at("fin")
        pages = (SITE_DAY, f"/money/days/{DAY}")
        for where in pages:
            assert f"/money/days/{DAY}/close" in fin.get(where).text, where
        assert sends(fin, f"/money/days/{DAY}/close", pages[1], site="").status_code == 303
        for where in pages:
            page = content_of(fin.get(where))
            assert f"/money/days/{DAY}/close" not in page, where
            assert re.search(r"2026-03-03 08:00:00</time> fin</small>", page), where

    def test_a_site_has_its_name(self, desk: Desk) -> None:
        desk.found()
        desk.opens()
        for path in ("/money/breaks", "/money/shifts"):
            rows = content_of(desk.at("zhao").get(path)).split("<tbody>")[1]
            assert "信义坊" in rows, path

    def test_every_page_says_everything_in_both_languages(self, desk: Desk) -> None:
        desk.hires("boss", "finance")
        name, shift = desk.found(), desk.opens()
        browser = desk.at("boss")
        pages = [page.where for page in sections.SECTIONS["money"]]
        pages += [
            f"/money/breaks/{name}",
            f"/money/shifts/{shift}",
            f"/money/days/{DAY}",
            SITE_DAY,
            "/money/safes/xinyi",
        ]
        pages += [
            "/money/shifts/open",
            "/money/statements/import",
            "/money/statements/empty",
            "/money/policies/compare",
        ]
        for path in pages:
            english = browser.get(f"{path}?lang=en")
            assert english.status_code == 200, path
            assert not re.findall(r"\b(money|desk|wrong|said)\.[a-z]+\b(?!\.css)", content_of(english)), path
            assert browser.get(f"{path}?lang=zh").status_code == 200
        assert WORDS["zh"].keys() == WORDS["en"].keys()


class TestShifts:
    def test_a_cashier_opens_counts_hands_over_and_the_next_one_closes(self, desk: Desk) -> None:
        li, wu = desk.at("li"), desk.at("wu")
        opened = sends(li, "/money/shifts/open", site="xinyi", drawer="east", source="safe", pieces_10000="2")
        where = opened.headers["location"].partition("?")[0]
        page = content_of(li.get(where))
        assert "¥200.00" in page
        assert "清点前不显示账面应有金额" in page
        assert f"{where}/offer" not in page
        counted = sends(li, f"{where}/count", pieces_10000="1", pieces_5000="2")
        assert counted.status_code == 303
        assert "一致" in content_of(li.get(where))
        assert sends(li, f"{where}/offer", to="wu").status_code == 303
        assert f"{where}/take_over" in content_of(wu.get(where))
        wrong = sends(wu, f"{where}/take_over", pieces_10000="1")
        assert wrong.status_code == 409
        assert "请两人一起清点" in wrong.text
        assert sends(wu, f"{where}/take_over", pieces_10000="2").status_code == 303
        following = desk.shows(where.rsplit("/", 1)[1], LI).to_shift
        mine = f"/money/shifts/{following}"
        assert sends(wu, f"{mine}/count", pieces_10000="2").status_code == 303
        assert sends(wu, f"{mine}/close", to="safe").status_code == 303
        assert "已结束" in content_of(wu.get(mine))
        desk.holds()

    def test_what_is_wrong_stands_at_its_field_and_nothing_typed_is_lost(self, desk: Desk) -> None:
        li = desk.at("li")
        refused = sends(li, "/money/shifts/open", site="xinyi", drawer="EAST!", pieces_10000="2", pieces_50="7")
        assert refused.status_code == 422
        page = content_of(refused)
        assert 'aria-describedby="drawer-hint drawer-error"' in page
        assert "只用小写字母" in page
        assert 'name="pieces_50" value="7"' in page
        pieces = sends(li, "/money/shifts/open", site="xinyi", drawer="east", pieces_10000="two")
        assert pieces.status_code == 422
        assert "张数请填" in content_of(pieces)
        desk.opens()
        taken = sends(li, "/money/shifts/open", site="xinyi", drawer="west", pieces_10000="1")
        assert (taken.status_code, "您在本小区已有进行中的班次" in taken.text) == (409, True)

    def test_a_drawer_is_told_to_nobody_before_it_is_counted(self, desk: Desk) -> None:
        shift = desk.opens(fen=12_300)
        desk.takes_cash()
        where = f"/money/shifts/{shift}"
        li, wu, zhao = desk.at("li"), desk.at("wu"), desk.at("zhao")
        assert "¥131.00" in zhao.get(where).text
        assert "¥131.00" not in li.get(where).text
        assert "¥123.00" not in wu.get(where).text
        assert sends(li, f"{where}/count", pieces_10000="1").status_code == 303
        assert "¥131.00" in li.get(where).text

    def test_a_manager_takes_the_drawer_of_who_has_left(self, desk: Desk) -> None:
        shift = desk.opens()
        boss = desk.at("zhou")
        where = f"/money/shifts/{shift}"
        both = sends(boss, f"{where}/force", pieces_10000="2", into="safe", to="wu", reason="突然离岗")
        assert both.status_code == 422
        assert sends(boss, f"{where}/force", pieces_10000="2", into="safe", reason="突然离岗").status_code == 303
        assert "突然离岗" in boss.get(where).text
        desk.holds()


class TestRefunds:
    def test_cash_goes_back_by_two_persons_and_out_of_a_drawer(self, desk: Desk) -> None:
        desk.opens()
        stay, paid = desk.takes_cash()
        li, zhao = desk.at("li"), desk.at("zhao")
        form = f"/money/payments/cash/{paid}/refund"
        assert f'href="{form}"' in li.get(f"/money/payments?stay={stay}").text
        for text in ("abc", "0.001", "-1", "999"):
            refused = sends(li, form, amount_fen=text, reason="多收了一小时")
            assert refused.status_code in {409, 422}, text
            assert "多收了一小时" in refused.text
        asked = sends(li, form, amount_fen="¥1.50", reason="多收了一小时")
        assert asked.headers["location"] == f"/money/payments?stay={stay}&said=refund_proposed"
        mine = content_of(li.get("/money/payments"))
        assert "/approval" not in mine
        refund = re.findall(r"/money/refunds/cash/([^/]+)/approval", zhao.get("/money/payments").text)[0]
        decide = f"/money/refunds/cash/{refund}"
        assert li.get(f"{decide}/approval").status_code == 403
        assert sends(zhao, f"{decide}/approval", seen_fen="100").status_code == 409
        assert sends(zhao, f"{decide}/approval").status_code == 303
        assert "¥1.50" in content_of(zhao.get(f"/money/payments?stay={stay}"))
        assert sends(li, f"{decide}/payout").status_code == 303
        assert "已付出" in content_of(li.get(f"/money/payments?stay={stay}"))
        desk.holds()

    def test_a_refusal_says_why(self, desk: Desk) -> None:
        deal = desk.pays()
        desk.hires("fin", "finance")
        fin, zhao = desk.at("fin"), desk.at("zhao")
        form = f"/money/payments/channel/{deal.order}/refund"
        assert sends(fin, form, reason=" ").status_code == 422
        assert sends(fin, form, reason="重复扣款").status_code == 303
        refund = re.findall(r"/money/refunds/channel/([^/]+)/refusal", zhao.get("/money/payments").text)[0]
        assert sends(zhao, f"/money/refunds/channel/{refund}/refusal", reason="核对无误").status_code == 303
        assert "核对无误" in content_of(zhao.get(f"/money/payments?stay={desk.stays()[0].id}"))
        assert sends(zhao, f"/money/refunds/channel/{refund}/refusal", reason="again").status_code == 409


class TestFinanceDay:
    def test_a_morning_from_the_close_to_the_export(self, desk: Desk) -> None:
        desk.night(DAY - timedelta(days=1))
        right, lost = desk.pays("10:10"), desk.pays("11:10")
        desk.clock.set(local("2026-03-03 08:00"))
        desk.hires("fin", "finance")
        fin, zhou = desk.at("fin"), desk.at("zhou")
        # What the close would seal is worked out, and nothing of it stays.
        kept = {"day_close", "ledger_transaction", "posting", "exception_item", "audit_entry", "site_books"}
        before = tables(desk, kept)
        preview = fin.get(f"{SITE_DAY}?preview=true")
        assert "这是预览" in preview.text
        assert tables(desk, kept) == before
        assert sends(fin, f"/money/days/{DAY}/close", SITE_DAY, site="xinyi").status_code == 303
        page = content_of(fin.get(SITE_DAY))
        assert "已日结" in page
        assert "未对账" in page
        # The statement comes, without one of the two payments.
        desk.lacks(lost)
        form = "/money/statements/import"
        token = csrf_of(fin.get(form).text)
        data = b"".join(wechat_trade(desk.deals["wechat"], ACCOUNT["wechat"]))
        broken = fin.post(form, data={"csrf": token, "channel": "wechat"}, files={"file": ("a.csv", data[:300])})
        assert broken.status_code == 422
        assert "file-error" in broken.text
        said = {"csrf": token, "channel": "wechat", "merchant": "hushu"}
        brought = fin.post(form, data=said, files={"file": ("wechat.csv", data)})
        assert brought.status_code == 303, brought.text
        assert "¥8.00" in content_of(fin.get(f"/money/statements?until={DAY}"))
        assert sends(fin, f"/money/days/{DAY}/reconcile", SITE_DAY, site="xinyi").status_code == 303
        page = content_of(fin.get(SITE_DAY))
        assert "账面有渠道无" in page
        assert "−¥8.00" in page
        (name,) = re.findall(r'href="/money/breaks/([^"?#]+)"', page)
        where = f"/money/breaks/{name}"
        put(desk, t.Image, site_id="xinyi", device_id="d1", event_id="out2", jpeg=JPEG, received_at=desk.clock.now())
        evidence = content_of(fin.get(where))
        (picture,) = re.findall(r'<img src="([^"]+)"', evidence)
        assert fin.get(picture).content == JPEG
        assert fin.get(picture.replace("out2", "out1")).status_code == 404
        assert lost.order in evidence
        assert right.order not in evidence
        assert "浙A00002" in evidence
        # Written off, it takes a second person, who sees what is proposed.
        assert sends(fin, f"{where}/resolution", where, resolution="written_off", reason=" ").status_code == 422
        done = sends(fin, f"{where}/resolution", where, resolution="written_off", reason="渠道确认未收到")
        assert done.status_code == 303
        assert sends(fin, f"{where}/approval", where).status_code == 403
        assert "渠道确认未收到" in content_of(zhou.get(where))
        assert sends(zhou, f"{where}/approval", where).status_code == 303
        assert "已处理" in content_of(fin.get(where))
        exported = fin.get(f"/money/exports?span=day&day={DAY}&site=xinyi&form=csv")
        assert exported.status_code == 200
        assert "attachment" in exported.headers["content-disposition"]
        desk.holds()

    def test_a_difference_is_carried_over_and_what_was_seen_must_still_stand(self, desk: Desk) -> None:
        name = desk.found()
        zhao = desk.at("zhao")
        where = f"/money/breaks/{name}"
        past = sends(zhao, f"{where}/resolution", where, resolution="carried_over", until="2026-01-01", reason="等账单")
        assert past.status_code == 409
        assert sends(
            zhao, f"{where}/resolution", where, resolution="carried_over", until="2026-03-09", reason="等账单"
        ).status_code == 303  # fmt: skip
        assert "2026-03-09" in content_of(zhao.get(where))
        old = sends(zhao, f"{where}/resolution", where, resolution="written_off", reason="x", version="1")
        assert old.status_code == 409
        assert "请重新查看" in old.text

    def test_it_is_taken_on_talked_about_and_given_back(self, desk: Desk) -> None:
        name = desk.found()
        desk.hires("fin", "finance")
        zhao, fin = desk.at("zhao"), desk.at("fin")
        where = f"/money/breaks/{name}"
        page = zhao.get(where).text
        assert sends(zhao, f"{where}/claim", where).status_code == 303
        assert f"{where}/claim" not in fin.get(where).text
        late = fin.post(f"{where}/claim", data={"csrf": csrf_of(fin.get(where).text), "version": "1"})
        assert late.status_code == 409
        again = zhao.post(f"{where}/claim", data={"csrf": csrf_of(page), "version": "none"})
        assert again.status_code == 422
        assert sends(fin, f"{where}/note", f"{where}?act=note", text="已致电渠道客服").status_code == 303
        assert "已致电渠道客服" in content_of(zhao.get(where))
        assert sends(zhao, f"{where}/release", where).status_code == 303
        assert "无人认领" in content_of(zhao.get(where))

    def test_what_stands_in_suspense_goes_to_the_accounts_that_are_ticked(self, desk: Desk) -> None:
        name = desk.found(fen=-1000)
        zhao = desk.at("zhao")
        where = f"/money/breaks/{name}"
        said = {"resolution": "adjusted", "reason": "渠道扣了手续费", "to": ["fee", "channel"]}
        wrong = sends(zhao, f"{where}/resolution", where, **said, to_fee="4", to_channel="5")
        assert (wrong.status_code, 'name="to_fee" value="4"' in wrong.text) == (409, True)
        assert sends(zhao, f"{where}/resolution", where, **said, to_fee="4", to_channel="6").status_code == 303
        assert "已处理" in content_of(zhao.get(where))
        assert desk.lies_in_suspense(name) == 0
        assert desk.accounts()["expense:channel_fee"] == 400
        desk.holds()

    def test_money_between_safe_and_bank_and_a_day_with_nothing(self, desk: Desk) -> None:
        zhao = desk.at("zhao")
        much = sends(zhao, "/money/safes/xinyi", to="bank", amount_fen="1,000,000", reason="存款")
        assert (much.status_code, "保险柜里没有这么多" in much.text) == (409, True)
        assert sends(zhao, "/money/safes/xinyi", to="bank", amount_fen="1,000", reason="存款").status_code == 303
        assert desk.lies("safe") == 0
        desk.hires("fin", "finance")
        empty = "/money/statements/empty"
        fin = desk.at("fin")
        assert sends(fin, empty, channel="wechat", day="", merchant="hushu").status_code == 422
        assert sends(fin, empty, channel="wechat", day="2026-03-01", merchant="hushu").status_code == 303
        assert "2026-03-01" in content_of(fin.get("/money/statements?until=2026-03-01"))

    def test_who_is_poor_is_told_to_finance_and_to_nobody_else(self, desk: Desk) -> None:
        for home, plate in (("901", "浙P90001"), ("902", "浙P90002")):
            desk.register("households", {"household": home, "name": f"住户{home}", "area_m2": "60"})
            desk.register("vehicles", {"household": home, "plate": plate})
        desk.register("certificates", {"household": "902", "number": "杭低保902", "issuer": "民政科"})
        desk.passes("in-1", "浙P90002", "09:00")
        desk.passes("out-1", "浙P90002", "12:00")
        desk.night()
        assert "waived:low_income" in desk.at("zhao").get(SITE_DAY).text
        desk.hires("ann", "auditor")
        for name in ("zhou", "ann"):
            page = desk.at(name).get(SITE_DAY).text
            assert "waived:resident" in page
            assert "low_income" not in page

    def test_a_day_that_is_not_over_says_when(self, desk: Desk) -> None:
        zhao = desk.at("zhao")
        page = sends(zhao, f"/money/days/{DAY}/close", SITE_DAY, site="xinyi")
        assert page.status_code == 409
        assert "现在不能日结" in page.text

    @pytest.mark.parametrize(
        "query", ["span=day&day=", "span=range&from=2026-03-01", "span=month&month=March", "span=x"]
    )
    def test_an_export_that_is_not_chosen_is_asked_for_again(self, desk: Desk, query: str) -> None:
        page = desk.at("zhao").get(f"/money/exports?form=xlsx&{query}")
        assert page.status_code == 422
        assert 'action="/money/exports"' in page.text


class TestPolicies:
    def test_a_comparison_is_drawn_with_words_beside_every_bar(self, desk: Desk) -> None:
        for hour in range(12):
            desk.pays(f"{10 + hour // 2}:{10 + hour % 2 * 20}", plate=f"浙A{hour:05d}")
        desk.clock.set(local("2026-03-03 09:00"))
        desk.hires("cora", "committee", "xinyi")
        cora = desk.at("cora")
        asked = "/money/policies/compare?old=hushu-residential&new=hushu-residential:1&from=2026-03-02&to=2026-03-02"
        begun = cora.get("/money/policies/compare?old=hushu-residential&new=hushu-residential:1")
        assert (begun.status_code, 'value="2026-03-02"' in begun.text) == (200, True)
        assert cora.get(asked.replace("to=2026-03-02", "to=2026-02-01")).status_code == 422
        page = content_of(cora.get(asked))
        assert page.count('<svg class="part') == 5
        assert "不变" in page
        assert "style=" not in page
        assert "12 次停车" in page.replace("<strong>", "").replace("</strong>", "")
        book = cora.get(f"{asked}&form=xlsx")
        assert book.content[:2] == b"PK"

    def test_a_text_that_is_no_policy_is_told_line_by_line(self, desk: Desk) -> None:
        desk.hires("boss", "manager")
        boss = desk.at("boss")
        refused = sends(boss, "/money/policies/apply", text="[policy]\nid = 3\n")
        assert refused.status_code == 422
        assert 'id="text-error"' in refused.text
        assert desk.at("zhou").get("/money/policies/apply").status_code == 200
