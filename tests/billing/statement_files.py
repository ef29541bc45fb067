"""The samples of channels' statements, read; for every test of an importer."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from billing.statements import BadStatement, Row, read_all
from simulators.statements import SHANGHAI, Deal

SAMPLES = Path(__file__).parent / "statements"
TRADE = "wechat_tradebill_ALL_20260115.csv"
FLOW = "wechat_fundflow_BASIC_20260115.csv"
DETAIL = "alipay_trade_20260115_detail_gbk.csv.gbk"
PACKED = "alipay_trade_20260115.csv.zip"
ZM = "unionpay_INN26011588ZM_777290000000001.txt"
DAY = date(2026, 1, 15)


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def read(channel: str, data: bytes | str, **about: Any) -> list[Row]:
    return read_all(channel, sample(data) if isinstance(data, str) else data, **about)[1]


def refused(channel: str, data: bytes | str, **about: Any) -> str:
    with pytest.raises(BadStatement) as caught:
        read(channel, data, **about)
    return str(caught.value)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def deal(order: str = "P1", when: str = "2026-01-15 10:00:00", fen: int = 500, **more: Any) -> Deal:
    return Deal(**{"order": order, "number": f"42{order}", "at": at(when), "amount_fen": fen, **more})
