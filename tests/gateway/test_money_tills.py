"""A cashier's days on the console's money pages: shifts and refunds."""

from __future__ import annotations

import re

import pytest

from gateway.wiring import Parts
from tests.gateway.money_desk import Desk, content_of, sends
from tests.gateway.till import LI

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.fixture
def desk(parts: Parts) -> Desk:
    return Desk(parts)


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
