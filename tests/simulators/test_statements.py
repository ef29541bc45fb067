"""The simulated channels against files as they really come: the same bytes, from the same payments."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from zipfile import ZipFile

import pytest

from simulators.statements import (
    SHANGHAI,
    Deal,
    alipay_detail,
    alipay_summary,
    alipay_zip,
    unionpay,
    unionpay_name,
    wechat_fund_flow,
    wechat_trade,
)

SAMPLES = Path(__file__).parents[1] / "billing" / "statements"
DAY = date(2026, 1, 15)
EXPORTED = datetime(2026, 1, 16, 9, 30, tzinfo=SHANGHAI)
WECHAT, ALIPAY, UNIONPAY = "1900000001", "20880000000000010156", "777290000000001"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def wechat_deals() -> list[Deal]:
    lane, plate = "lot=HZ01;lane=S1", "临时停车费-浙A12345"

    def paid(place: int, order: str, when: str, fen: int, fee: int, **more: object) -> Deal:
        number = f"42000025012026011500000000{place:02d}"
        told = {"product": plate, "attach": lane, **more}
        return Deal(order=order, number=number, at=at(when), amount_fen=fen, fee_fen=fee, **told)

    def back(place: int, number: str, order: str, refund: str, when: str, fen: int, fee: int) -> Deal:
        more = {"refund": refund, "refund_id": f"503000025020260115000000{place:02d}", "product": plate, "attach": lane}
        return Deal(order=order, number=number, at=at(when), amount_fen=fen, fee_fen=fee, **more)

    return [
        paid(1, "P20260114235931000017", "2026-01-15 00:01:07", 1000, 6),
        paid(2, "P20260115081229000001", "2026-01-15 08:12:44", 500, 3),
        paid(3, "P20260115092951000002", "2026-01-15 09:30:00", 1500, 8, coupon_fen=200),
        paid(
            4,
            "P20260115115944000003",
            "2026-01-15 12:00:01",
            750,
            5,
            product="临时停车费,补缴",
            attach="",
            method="MICROPAY",
        ),
        paid(5, "M20260115184500000004", "2026-01-15 18:45:10", 30000, 180, product="月卡-浙AD12345", method="JSAPI"),
        back(
            1,
            "4200002501202601150000000002",
            "P20260115081229000001",
            "R20260115190230000001",
            "2026-01-15 19:02:33",
            500,
            3,
        ),
        back(
            2,
            "4200002501202601140000000099",
            "P20260114101010000099",
            "R20260115235955000002",
            "2026-01-15 23:59:58",
            300,
            2,
        ),
    ]


def alipay_deals() -> list[Deal]:
    def one(place: int, order: str, created: str, done: str, fen: int, fee: int, **more: object) -> Deal:
        number = f"20260115220014000000000000{place:02d}"
        return Deal(
            order=order, number=number, created_at=at(created), at=at(done), amount_fen=fen, fee_fen=fee, **more
        )

    first = ("P20260115071500000010", "2026-01-15 07:15:02")
    return [
        one(1, *first, "2026-01-15 07:15:09", 500, 3),
        one(2, "P20260114235950000011", "2026-01-14 23:59:51", "2026-01-15 00:00:12", 1000, 6, remark="跨日"),
        one(3, "P20260115103000000012", "2026-01-15 10:30:00", "2026-01-15 10:30:05", 1200, 7, coupon_fen=100),
        one(1, *first, "2026-01-15 20:00:00", 500, 3, refund="R20260115200000000010"),
    ]


def unionpay_deals() -> list[Deal]:
    return [
        Deal(
            order="P20260115091455000020",
            number="202601150915000001238",
            at=at("2026-01-15 09:15:00"),
            amount_fen=1500,
            fee_fen=9,
            trace=123,
        ),
        Deal(
            order="P20260114231455000021",
            number="202601142315000001248",
            at=at("2026-01-14 23:15:00"),
            amount_fen=800,
            fee_fen=5,
            trace=124,
            card="621***********0002",
            card_type="02",
        ),
    ]


def test_the_wechat_trade_bill_is_the_same_to_the_byte() -> None:
    assert b"".join(wechat_trade(wechat_deals(), WECHAT)) == sample("wechat_tradebill_ALL_20260115.csv")


def test_the_wechat_fund_flow_bill_is_the_same_to_the_byte() -> None:
    written = b"".join(wechat_fund_flow(wechat_deals(), WECHAT, opening_fen=10_000))
    assert written == sample("wechat_fundflow_BASIC_20260115.csv")


def test_the_alipay_detail_and_its_summary_are_the_same_to_the_byte() -> None:
    deals = alipay_deals()
    assert b"".join(alipay_detail(deals, ALIPAY, DAY, EXPORTED)) == sample("alipay_trade_20260115_detail_gbk.csv.gbk")
    assert b"".join(alipay_summary(deals, ALIPAY, DAY, EXPORTED)) == sample("alipay_trade_20260115_summary_gbk.csv.gbk")


def test_the_alipay_archive_has_the_same_members_under_the_same_bytes(tmp_path: Path) -> None:
    packed = tmp_path / "bill.zip"
    packed.write_bytes(alipay_zip(alipay_deals(), ALIPAY, DAY, EXPORTED))
    with ZipFile(packed) as ours, ZipFile(SAMPLES / "alipay_trade_20260115.csv.zip") as theirs:
        assert ours.testzip() is None
        for mine, real in zip(ours.infolist(), theirs.infolist(), strict=True):
            assert (mine.filename, mine.flag_bits, mine.date_time) == (real.filename, real.flag_bits, real.date_time)
            assert ours.read(mine) == theirs.read(real)


def test_the_unionpay_file_is_the_same_to_the_byte() -> None:
    name = unionpay_name(UNIONPAY, DAY)
    assert b"".join(unionpay(unionpay_deals(), UNIONPAY)) == sample(f"unionpay_{name}.txt")


@pytest.mark.parametrize("form", ["ALL", "SUCCESS", "REFUND"])
def test_old_headings_hold_as_many_cells_as_their_rows(form: str) -> None:
    lines = b"".join(wechat_trade(wechat_deals(), WECHAT, form=form, old=True)).decode("utf-8-sig").splitlines()
    assert len({line.count(",") for line in lines[:-2]}) == 1
    assert lines[-2].count(",") == lines[-1].count(",")
