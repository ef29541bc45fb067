"""Finance's days on the console's money pages: closes, statements, what does not match, safes, exports."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.statements import wechat_trade
from tests.gateway.money_desk import SITE_DAY, Desk, content_of, sends
from tests.gateway.people import JPEG, put, tables
from tests.gateway.reconciling import ACCOUNT, DAY
from tests.gateway.test_console import csrf_of
from tests.gateway.trade import local

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.fixture
def desk(parts: Parts) -> Desk:
    return Desk(parts)


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
