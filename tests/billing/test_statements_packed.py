"""Statements in their packages: bombs, archives that lie, what is damaged or cut off; and to which day an hour belongs."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from datetime import timedelta

import pytest

from billing.statements import BadStatement, Kind, open_statement, read_all
from simulators.statements import wechat_trade
from tests.billing.statement_files import DAY, PACKED, TRADE, deal, refused, sample


def test_a_bomb_is_refused_before_it_fills_the_memory() -> None:
    blown = gzip.compress(b"`" * 50_000_000)
    assert "longer than 16384 bytes" in refused("wechat", blown)
    lines = gzip.compress(sample(TRADE)[:400].split(b"\r\n")[0] + b"\n" * 3_000_000)
    statement = io.BytesIO(lines)
    with pytest.raises(BadStatement, match="unpacks to more than 1 MiB"):
        list(open_statement("wechat", statement, unpacked_max=1 << 20).rows())


def test_an_archive_that_lies_about_its_sizes_is_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"\n" * 3_000_000)
    data = bytearray(packed.getvalue())
    place = data.index(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", 10)
    refused("wechat", bytes(data))


def test_an_archive_with_two_statements_or_none_is_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", sample(TRADE))
        archive.writestr("b.csv", sample(TRADE))
    assert "2 files that could be the statement" in refused("wechat", packed.getvalue())
    assert "no statement of this channel" in refused("alipay", packed.getvalue())


def test_what_is_damaged_in_its_package_is_refused() -> None:
    packed = bytearray(sample("wechat_tradebill_ALL_20260115.csv.gz"))
    packed[-5] ^= 1
    assert "does not unpack" in refused("wechat", bytes(packed))
    archive = bytearray(sample(PACKED))
    archive[300] ^= 1
    refused("alipay", bytes(archive))
    refused("alipay", bytes(archive[:700]))
    nameless = bytearray(sample(PACKED))
    nameless[nameless.index(b"PK\x01\x02") + 46] = 0  # the directory's first name ends before it begins
    refused("alipay", bytes(nameless))


def test_the_rows_of_a_statement_count_only_when_it_is_complete() -> None:
    statement = open_statement("wechat", io.BytesIO(sample(TRADE)))
    rows = statement.rows()
    next(rows)
    assert not statement.complete
    assert len(list(rows)) == 6
    assert statement.complete
    assert statement.totals.count[Kind.PAYMENT] == 5


def test_an_hour_before_midnight_in_london_is_the_next_day_in_hangzhou() -> None:
    paid = deal(when="2026-01-16 07:30:00")
    head, _ = read_all("wechat", b"".join(wechat_trade([paid], "19")))
    assert head.day == DAY + timedelta(days=1)
