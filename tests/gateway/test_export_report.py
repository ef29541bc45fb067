"""The report that hangs on a wall: its figures, read back from the page; nothing on it about anybody."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from billing.close import FIRST_PREVIOUS, Passage, seal, street_hash
from billing.exports import SiteDay, written, yuan
from billing.exports.report import OTHERS, report
from billing.ledger import Posting
from gateway.flows.export_report import pdf_to
from gateway.runtime.fonts import chinese_font
from tests.billing.test_close import DAY, NOON, a_day, a_transaction
from tests.billing.test_exports import ZONE, a_site

needs_pdftotext = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
BENEFITS = ("low_income", "pass", "relative_allowance", "free_class", "hour_voucher")


def busy(site: str = "xinyi", name: str = "信义坊", day: date = DAY, *, stays: int = 60, seed: str = "") -> SiteDay:
    """A site's day as it goes: more traffic by day, each benefit now and then."""
    random = Random(f"{site}{day}{seed}")
    transactions, passages = [], []
    for number in range(stays):
        at = NOON + timedelta(days=(day - DAY).days, minutes=round(random.gauss(60, 240)) % 700 - 240)
        gross = random.randint(2, 40) * 100
        waived = random.choice([0, 0, gross // 2, gross])
        postings = [Posting("income:parking", -gross)]
        if waived:
            postings.append(Posting(f"waived:{random.choice(BENEFITS)}", waived))
        if gross > waived:
            channel = random.choice(["assets:channel:wechat", "assets:channel:alipay", "assets:cash:s-1"])
            postings.append(Posting(channel, gross - waived))
        said = msgspec.structs.replace(
            a_transaction(f"t-{number:04}", at=at), site=site, business_day=day, reference=f"{site}.{number}"
        )
        transactions.append(msgspec.structs.replace(said, postings=tuple(postings)))
        passages.append(Passage(at - timedelta(minutes=random.randint(5, 90)), f"{site}.{number}", "entry", "in-1"))
        passages.append(Passage(at, f"{site}.{number}", "exit", "out-1", "left", gross, gross - waived, gross - waived))
    facts = a_day(site=site, day=day, transactions=transactions, passages=passages)
    sealed = seal(facts, sequence=1, previous_hash=FIRST_PREVIOUS)
    return SiteDay(site, name, (sealed.record,), transactions, passages)


def pdf(days: Sequence[SiteDay], title: str = "信义坊 停车日结 2026-03-02", font: str = "") -> bytes:
    ((name, content),) = written(pdf_to("xinyi-2026-03-02", title, days, ZONE, font or chinese_font()))
    assert name == "xinyi-2026-03-02.pdf"
    return content


def read(content: bytes, folder: Path) -> str:
    (folder / "report.pdf").write_bytes(content)
    done = subprocess.run(["pdftotext", "-layout", "report.pdf", "-"], cwd=folder, check=True, capture_output=True)
    return done.stdout.decode()


@needs_pdftotext
def test_its_figures_are_those_of_the_close(tmp_path: Path) -> None:
    one = busy()
    document, said = one.document(), read(pdf([one]), tmp_path)
    assert "信义坊 停车日结 2026-03-02" in said
    for field in ("earned_fen", "waived_fen", "received_fen", "owed_fen", "disputed_fen"):
        assert f"{yuan(getattr(document.totals.sums, field))} 元" in said
    for channel, word in (("wechat", "微信支付"), ("alipay", "支付宝"), ("cash", "现金")):
        assert re.search(rf"{word}\s+{yuan(document.totals.channels[channel])}", said)
    assert f"{document.passages.entries} 辆" in said
    assert f"2026-03-02 日结哈希 {one.close.hash.hex()}" in said


@needs_pdftotext
def test_a_street_names_its_sites_and_the_hash_of_the_street(tmp_path: Path) -> None:
    days = [busy(), busy("b1", "半山 <1> & 2")]
    said = read(pdf(days, "全街道 <2> & 停车日结"), tmp_path)
    assert street_hash({one.site: one.close.hash for one in days}).hex() in said
    for words in ("信义坊 (xinyi)", "半山 <1> & 2 (b1)", "全街道 <2> & 停车日结", "按小区"):
        assert words in said


@needs_pdftotext
def test_a_month_has_its_days(tmp_path: Path) -> None:
    days = [busy(day=DAY + timedelta(days=number)) for number in range(3)]
    said = read(pdf(days), tmp_path)
    assert all(str(one.day) in said for one in days)
    assert f"2026-03-04 日结哈希 {days[-1].close.hash.hex()}" in said


@needs_pdftotext
def test_nobody_reads_who_is_poor(tmp_path: Path) -> None:
    one = busy(stays=300)
    said = read(pdf([one]), tmp_path)
    benefits = one.document().totals.benefits
    assert re.search(rf"居民优免\s+{yuan(benefits['low_income'] + benefits['pass'])}", said)
    assert "低保" not in said
    assert "包月 " not in said


@needs_pdftotext
def test_what_few_had_is_not_listed(tmp_path: Path) -> None:
    said = read(pdf([a_site()]), tmp_path)
    assert re.search(rf"{OTHERS}\s+7\.50", said)
    assert "居民优免" not in said
    assert "时长停车券" not in said


def test_its_hours_add_up() -> None:
    days: list[Any] = [busy(), busy("b1")]
    found = report(days, ZONE)
    documents = [one.document() for one in days]
    assert sum(hour.entries for hour in found.hours) == found.entries == sum(one.passages.entries for one in documents)
    assert sum(hour.exits for hour in found.hours) == found.exits
    assert sum(hour.received_fen for hour in found.hours) == sum(one.totals.sums.received_fen for one in documents)
    assert sum(fen for _, fen in found.benefits) == sum(one.totals.sums.waived_fen for one in documents)
    assert sum(fen for _, fen in found.channels) == sum(one.totals.sums.received_fen for one in documents)


def test_the_same_day_is_the_same_bytes() -> None:
    assert pdf([busy()]) == pdf([busy()])


def test_a_day_on_which_nothing_happened_is_a_page() -> None:
    assert pdf([busy(stays=0)]).startswith(b"%PDF-")


def test_it_can_be_set_in_the_readers_own_font() -> None:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    assert b"STSong-Light" in pdf([busy()], font="STSong-Light")
