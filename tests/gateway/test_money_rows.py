"""A statement's rows on their page: line by line, from a given line on, and for whoever may read them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from gateway.wiring import Parts
from simulators.statements import wechat_trade
from tests.gateway.house import Client
from tests.gateway.money_desk import Desk, content_of
from tests.gateway.reconciling import ACCOUNT, DAY
from tests.gateway.test_console import csrf_of
from tests.gateway.trade import local

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.fixture
def desk(parts: Parts) -> Desk:
    desk = Desk(parts)
    desk.night(DAY - timedelta(days=1))
    for hour in range(10, 14):
        desk.pays(f"{hour}:10", plate=f"浙C{hour:05d}")
    desk.clock.set(local("2026-03-03 08:00"))
    return desk


def brings(desk: Desk, fin: Client) -> str:
    """The channel's file; the address of what came of it."""
    form = "/money/statements/import"
    said = {"csrf": csrf_of(fin.get(form).text), "channel": "wechat", "merchant": "hushu"}
    data = b"".join(wechat_trade(desk.deals["wechat"], ACCOUNT["wechat"]))
    assert fin.post(form, data=said, files={"file": ("wechat.csv", data)}).status_code == 303
    (where,) = re.findall(r'<a href="(/money/statements/[^"?]+)">微信支付</a>', fin.get("/money/statements").text)
    return str(where)


def lines(page: str) -> list[int]:
    return [int(line) for line in re.findall(r'id="line-(\d+)"', page)]


def test_rows_are_read_page_by_page_and_from_a_line_on(desk: Desk) -> None:
    desk.hires("fin", "finance")
    fin = desk.at("fin")
    where = brings(desk, fin)
    whole = content_of(fin.get(where))
    every = lines(whole)
    assert len(every) == len(desk.deals["wechat"])
    assert "信义坊" in whole
    read, query = [], "?limit=3"
    while query:
        page = content_of(fin.get(where + query))
        read += lines(page)
        following = re.search(r'rel="next" href="[^"]*\?cursor=([^"]+)"', page)
        query = f"?limit=3&cursor={following[1]}" if following else ""
    assert read == every
    page = content_of(fin.get(f"{where}?line={every[-1]}"))
    assert lines(page) == every[-4:]
    assert re.findall(r'id="line-(\d+)" class="marked" aria-current="true"', page) == [str(every[-1])]
    assert fin.get(f"{where}?cursor=nonsense").status_code == 422
    assert fin.get("/money/statements/none").status_code == 404


def test_a_difference_leads_to_its_row(desk: Desk) -> None:
    """Another amount at the channel than in the books."""
    desk.hires("fin", "finance")
    fin = desk.at("fin")
    deal = desk.deals["wechat"][1]
    desk.says(deal, amount_fen=deal.amount_fen + 200)
    where = brings(desk, fin)
    token = csrf_of(fin.get(f"/money/days/{DAY}/xinyi").text)
    fin.post(f"/money/days/{DAY}/reconcile", data={"csrf": token, "site": ""})
    (found,) = re.findall(r'href="(/money/breaks/[^"?#]+)"', content_of(fin.get(f"/money/days/{DAY}/xinyi")))
    (path, line) = re.findall(r'href="([^"?]+)\?line=(\d+)#line-\2"', content_of(fin.get(found)))[0]
    assert path == where
    assert f'id="line-{line}" class="marked"' in fin.get(f"{path}?line={line}").text
    desk.hires("boss", "manager")
    assert "#line-" not in desk.at("boss").get(found).text


def test_rows_are_for_finance_and_auditors_of_a_site_of_its_account(desk: Desk) -> None:
    desk.hires("fin", "finance")
    where = brings(desk, desk.at("fin"))
    for role, status in (("auditor", 200), ("manager", 403), ("registrar", 403)):
        desk.hires(role, role)
        assert desk.at(role).get(where).status_code == status, role
    desk.hires("far", "finance", "moganshan")
    far = desk.at("far").get(where)
    # The account serves that site as well; none of these rows is its.
    assert (far.status_code, lines(far.text)) == (200, [])
