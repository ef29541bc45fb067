"""Statements into the database: once, whole or not at all, replaced by a later one, each row where its order is of."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from billing.statements import read_all
from gateway.flows import estate
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.statements import (
    Imported,
    MerchantUnclear,
    StatementStands,
    UnreadableStatement,
    Who,
    import_file,
    record_empty,
)
from gateway.flows.verify import verify
from gateway.runtime.channel_settings import AlipayAccount, MerchantChannels, WechatAccount
from gateway.store import statements as store
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.statements import SHANGHAI, Deal, Drawer, alipay_zip, cash_count, wechat_fund_flow, wechat_trade
from tests.gateway.house import House, Staff, a_house, site_file

SAMPLES = Path(__file__).parents[1] / "billing" / "statements"
TRADE = (SAMPLES / "wechat_tradebill_ALL_20260115.csv").read_bytes()
GZIP = (SAMPLES / "wechat_tradebill_ALL_20260115.csv.gz").read_bytes()
DAY = date(2026, 1, 15)
WHO = Who(operator="fang")
TWO = site_file("xinyi") + site_file("yuexiu").replace('hushu"\nname = "湖墅街道', 'canal"\nname = "运河').replace(
    'merchant = "hushu"', 'merchant = "canal"'
)


@pytest.fixture
def street(parts: Parts) -> Parts:
    estate.apply(parts, site_file("xinyi", "shiqiao"))
    return parts


def give(parts: Parts, data: bytes = TRADE, channel: str = "wechat", who: Who = WHO, **more: Any) -> Imported:
    return import_file(parts, channel, io.BytesIO(data), who, **more)


def deal(order: str = "P1", fen: int = 500, **more: Any) -> Deal:
    at = datetime(2026, 1, 15, 10, tzinfo=SHANGHAI)
    return Deal(**{"order": order, "number": f"42{order}", "at": at, "amount_fen": fen, "fee_fen": 3, **more})


def bill(*deals: Deal, account: str = "1900000001") -> bytes:
    return b"".join(wechat_trade(deals, account))


def stored(parts: Parts) -> list[Any]:
    with parts.store.reading() as connection:
        return list(connection.execute(select(t.ChannelStatementRow).order_by(t.ChannelStatementRow.line)))


def count(parts: Parts, table: Any) -> int:
    with parts.store.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def test_a_statement_is_stored_as_it_was_read(street: Parts) -> None:
    made = give(street, name="bill.csv")
    assert (made.merchant, made.channel, made.kind, made.day) == ("hushu", "wechat", "trade", DAY)
    assert (made.rows, made.payments, made.payments_fen) == (7, 5, 33_750)
    assert (made.refunds, made.refunds_fen, made.fee_millifen) == (2, 800, 197_000)
    assert made.orphans == 7
    rows = stored(street)
    told = read_all("wechat", TRADE)[1]
    assert [
        (row.kind, row.order_number, row.at, row.amount_fen, row.fee_millifen, row.settled_fen) for row in rows
    ] == [(row.kind.value, row.order_number, row.at, row.amount_fen, row.fee_millifen, row.settled_fen) for row in told]
    assert (rows[2].amount_fen, rows[2].settled_fen) == (1500, 1300)
    # No order of ours leads to them: they stand with the account's home, the first of its sites.
    assert {row.site_id for row in rows} == {"shiqiao"} == {made.site}
    assert verify(street).ok


def test_the_same_file_twice_changes_nothing_also_packed_another_way(street: Parts) -> None:
    first = give(street)
    again = give(street, GZIP, who=Who(operator="other"))
    assert again.known
    assert not first.known
    assert (again.id, again.imported_by, again.imported_at) == (first.id, "fang", first.imported_at)
    assert count(street, t.ChannelStatement) == 1
    assert count(street, t.ChannelStatementRow) == 7
    with street.store.reading() as connection:
        entries = connection.execute(select(t.AuditEntry).where(t.AuditEntry.action.like("statement%"))).all()
    assert [entry.detail["statement"] for entry in entries] == [first.id]


def test_a_reissued_statement_takes_the_place_and_both_stay(street: Parts) -> None:
    first = give(street, bill(deal("P1")))
    second = give(street, bill(deal("P1"), deal("P2")))
    assert second.replaces == (first.id,)
    third = give(street, bill(deal("P3")))
    assert third.replaces == (second.id,)
    # The first one again: it is known, and does not come back.
    known = give(street, bill(deal("P1")))
    assert (known.known, known.id, known.replaced_by) == (True, first.id, second.id)
    assert count(street, t.ChannelStatementRow) == 4
    with street.store.reading() as connection:
        standing = connection.execute(select(t.ChannelStatement.id).where(t.ChannelStatement.replaced_by.is_(None)))
        assert list(standing.scalars()) == [third.id]


def test_another_day_kind_account_or_channel_stands_beside(street: Parts) -> None:
    give(street, bill(deal()))
    later = deal(at=datetime(2026, 1, 16, 10, tzinfo=SHANGHAI))
    flow = b"".join(wechat_fund_flow([deal()], "1900000001"))
    packed = alipay_zip([deal()], "20880000000000010156", DAY, datetime(2026, 1, 16, 9, tzinfo=SHANGHAI))
    for made in (
        give(street, bill(later)),
        give(street, bill(deal(), account="1900000002")),
        give(street, flow),
        give(street, packed, "alipay"),
    ):
        assert not made.replaces
    assert count(street, t.ChannelStatement) == 5


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (TRADE[:-9], "line 10: 6 cells under 7 headings"),
        (TRADE.replace(b"`337.50", b"`337.40"), "line 10: the summary says"),
        (TRADE.replace(b"`-0.02000", b"`-0.0200x"), "line 8: "),
        (b"", "the file is empty"),
    ],
)
def test_a_wrong_file_leaves_nothing_behind(street: Parts, data: bytes, says: str) -> None:
    with pytest.raises(UnreadableStatement) as caught:
        give(street, data)
    assert says in str(caught.value)
    assert count(street, t.ChannelStatement) == count(street, t.ChannelStatementRow) == 0


def test_rows_stand_where_their_order_is_of(street: Parts) -> None:
    now = street.clock.now()
    values = dict.fromkeys(("quoted_at", "expires_at", "look_at"), now)
    values |= {"stay_id": "xinyi.a", "merchant_id": "hushu", "channel": "wechat", "amount_fen": 500, "state": "paid"}
    with street.store.writing() as connection:
        connection.execute(insert(t.PaymentOrder).values(site_id="xinyi", id="P1", **values))
        connection.commit()
    made = give(street, bill(deal("P1"), deal("P2"), deal("P1", fen=200, refund="R1", refund_id="50R1")))
    assert made.orphans == 1
    assert [(row.order_number, row.site_id) for row in stored(street)] == [
        ("P1", "xinyi"),
        ("P2", "shiqiao"),
        ("P1", "xinyi"),
    ]


def test_what_was_imported_is_not_to_be_changed(street: Parts) -> None:
    give(street)
    for table in ("channel_statement_row", "channel_statement"):
        for what in (f"UPDATE {table} SET site_id = 'x'", f"DELETE FROM {table}"):
            with pytest.raises(DBAPIError, match="only ever grows"), street.store.writing() as connection:
                connection.execute(text(what))
    with street.store.writing() as connection:
        connection.execute(update(t.ChannelStatement).values(replaced_by="later"))


class TestWhose:
    @pytest.fixture
    def parts(self, parts: Parts) -> Parts:
        estate.apply(parts, TWO)
        return parts

    def test_it_must_be_said_once_and_is_known_from_then_on(self, parts: Parts) -> None:
        with pytest.raises(MerchantUnclear, match="canal or hushu"):
            give(parts, bill(deal()))
        assert give(parts, bill(deal()), merchant="canal").site == "yuexiu"
        later = deal(at=datetime(2026, 1, 16, 10, tzinfo=SHANGHAI))
        assert give(parts, bill(later)).merchant == "canal"
        with pytest.raises(Invalid, match="is canal's, not hushu's"):
            give(parts, bill(later), merchant="hushu")
        with pytest.raises(Invalid, match="none of canal, hushu"):
            give(parts, bill(later), merchant="nobody")

    def test_the_settings_say_whose_an_account_is(self, parts: Parts) -> None:
        keys = {"app_id": "a", "private_key": "env:K", "public_key": "env:K"}
        wechat = {"merchant_no": "1900000001", "serial_no": "1", "api_v3_key": "env:K", "public_key_id": "1", **keys}
        accounts = {
            "canal": MerchantChannels(wechat=WechatAccount(**wechat)),
            "hushu": MerchantChannels(alipay=AlipayAccount(seller_id="2088000000000001", **keys)),
        }
        told = replace(parts, settings=parts.settings.model_copy(update={"channels": accounts}))
        assert give(told, bill(deal())).merchant == "canal"
        with pytest.raises(Invalid, match="is canal's"):
            give(told, bill(deal()), merchant="hushu")
        packed = alipay_zip([deal()], "20880000000000010156", DAY, datetime(2026, 1, 16, 9, tzinfo=SHANGHAI))
        assert give(told, packed, "alipay").merchant == "hushu"

    def test_a_fund_flow_does_not_say_it_itself(self, parts: Parts) -> None:
        data = b"".join(wechat_fund_flow([deal()], "1900000001"))
        give(parts, bill(deal()), merchant="canal")
        with pytest.raises(MerchantUnclear):
            give(parts, data)
        assert give(parts, data, merchant="hushu").merchant == "hushu"

    def test_who_does_not_see_all_of_an_account_does_not_import_for_it(self, parts: Parts) -> None:
        with pytest.raises(NotFound):
            give(parts, bill(deal()), merchant="canal", who=Who(operator="x", only=frozenset({"xinyi"})))
        assert give(parts, bill(deal()), merchant="canal", who=Who(operator="x", only=frozenset({"yuexiu"})))

    def test_counted_cash_is_of_the_sites_of_its_merchant(self, parts: Parts) -> None:
        at = datetime(2026, 1, 15, 22, tzinfo=SHANGHAI)
        data = b"".join(cash_count([Drawer("yuexiu", "s-1", at, {100: 5})]))
        with pytest.raises(UnreadableStatement, match="site yuexiu is none that hushu"):
            give(parts, data, "cash", merchant="hushu")
        give(parts, data, "cash", merchant="canal")
        assert [(row.site_id, row.order_number, row.amount_fen, row.kind) for row in stored(parts)] == [
            ("yuexiu", "s-1", 500, "settlement")
        ]


class TestEmptyDays:
    def test_a_day_without_transactions_is_on_record_until_a_statement_comes(self, street: Parts) -> None:
        first = record_empty(street, "wechat", DAY, WHO)
        assert (first.rows, first.day) == (0, DAY)
        assert record_empty(street, "wechat", DAY, WHO).known
        assert give(street, bill(deal())).replaces == (first.id,)
        with pytest.raises(StatementStands):
            record_empty(street, "wechat", DAY, WHO)

    def test_a_bill_without_rows_does_not_take_back_one_with_rows(self, street: Parts) -> None:
        give(street, bill(deal()))
        with pytest.raises(StatementStands):
            give(street, bill(), day=DAY)

    def test_only_what_a_channel_has(self, street: Parts) -> None:
        with pytest.raises(Invalid):
            record_empty(street, "alipay", DAY, WHO, kind="fund_flow")


class TestDoors:
    @pytest.fixture
    def house(self, parts: Parts) -> House:
        return a_house(parts)

    def staff(self, house: House, role: str) -> Staff:
        house.hires(role, role)
        return house.as_(role)

    def test_finance_imports_and_reads_it_back(self, house: House) -> None:
        fang = self.staff(house, "finance")
        where = "/api/v1/statements/import?channel=wechat&name=bill.csv"
        made = fang.call("POST", where, TRADE)
        assert made.status_code == 200, made.text
        assert fang.call("POST", where, GZIP).json()["known"] is True
        (listed,) = fang.get("/api/v1/statements", day="2026-01-15").json()["items"]
        assert listed["id"] == made.json()["id"]
        assert listed["payments_fen"] == 33_750
        first = fang.get(f"/api/v1/statements/{listed['id']}/rows", limit=4).json()
        rest = fang.get(f"/api/v1/statements/{listed['id']}/rows", limit=4, cursor=first["next"]).json()
        assert [row["line"] for row in first["items"] + rest["items"]] == list(range(2, 9))
        assert rest["next"] is None
        assert first["items"][0]["at"] == "2026-01-15T00:01:07+08:00"

    def test_a_wrong_file_is_a_problem_with_its_line(self, house: House) -> None:
        answer = self.staff(house, "finance").call(
            "POST", "/api/v1/statements/import?channel=wechat", TRADE.replace(b"`337.50", b"`337.40")
        )
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/bad-statement")
        assert "line 10: the summary says 订单总金额 337.40" in answer.json()["detail"]

    def test_an_empty_day_and_a_cursor_that_nobody_gave(self, house: House) -> None:
        fang = self.staff(house, "finance")
        body = {"channel": "wechat", "day": "2026-01-15"}
        assert fang.post("/api/v1/statements/empty", body).json()["rows"] == 0
        assert fang.get("/api/v1/statements", cursor="WyJ4IiwieSJd").status_code == 422
        assert fang.get("/api/v1/statements/none/rows").status_code == 404

    def test_who_has_some_sites_sees_that_it_came_and_the_rows_of_those(self, house: House) -> None:
        made = give(house.parts)
        house.hires("fang", "finance", "xinyi")
        house.hires("gao", "finance", "archive")
        fang, gao = house.as_("fang"), house.as_("gao")
        assert fang.call("POST", "/api/v1/statements/import?channel=wechat", TRADE).status_code == 404
        assert [one["id"] for one in fang.get("/api/v1/statements").json()["items"]] == [made.id]
        assert fang.get(f"/api/v1/statements/{made.id}/rows").json()["items"] == []
        assert len(gao.get(f"/api/v1/statements/{made.id}/rows").json()["items"]) == 7

    def test_only_finance_imports(self, house: House) -> None:
        for role in ("manager", "auditor", "cashier", "guard", "registrar", "console"):
            answer = self.staff(house, role).call("POST", "/api/v1/statements/import?channel=wechat", TRADE)
            assert answer.status_code == 403, role


@pytest.mark.parametrize("rows", [4500, 20_500])
def test_more_rows_than_one_statement_of_a_database_takes_and_more_than_are_kept(street: Parts, rows: int) -> None:
    at = datetime(2026, 1, 15, tzinfo=SHANGHAI)
    many = [deal(f"P{place}", at=at + timedelta(seconds=place)) for place in range(rows)]
    assert give(street, bill(*many)).rows == rows == count(street, t.ChannelStatementRow)
    with street.store.reading() as connection:
        assert store.sites_of_orders(connection, {one.order for one in many}) == {}


def test_who_imports_at_the_same_time_imports_once(street: Parts) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: give(street), range(4)))
    assert len({one.id for one in made}) == 1
    assert sorted(one.known for one in made) == [False, True, True, True]
    assert count(street, t.ChannelStatementRow) == 7


def test_two_files_of_one_day_at_the_same_time_leave_one_standing(street: Parts) -> None:
    files = [bill(deal(f"P{place}")) for place in range(4)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda data: give(street, data), files))
    assert len({one.id for one in made}) == 4
    with street.store.reading() as connection:
        rows = connection.execute(select(t.ChannelStatement.replaced_by)).scalars()
        assert sum(one is None for one in rows) == 1
