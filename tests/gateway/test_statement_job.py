"""The job of statements: after an outage in order, whoever does it, however often it is killed; and somebody is told of what does not come."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select, update

from gateway.channels.accounts import Accounts
from gateway.flows.statements import import_file, record_empty
from gateway.flows.statements_fetch import DAYS_BACK, for_a_person, missing
from gateway.jobs.overdue import watch_closes
from gateway.jobs.statements import AT_ONCE, KIND, Statements
from gateway.runtime.channel_settings import FileAccount, MerchantChannels
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.statements import unionpay
from tests.gateway.books import MONDAY, TUESDAY, Books
from tests.gateway.channel_house import channels
from tests.gateway.test_statement_fetch import DAY, WHO, Morning, at, deal

NEXT = DAY + timedelta(days=1)


class Plug(BaseException):
    """Somebody pulls it."""


class Jobs(Morning):
    """The street, with the job of one process or several."""

    def job(self) -> Statements:
        return Statements(self.parts, sleep=self.slept.append)

    def here(self) -> list[tuple[date, str, str]]:
        """In the order in which they came."""
        columns = (t.ChannelStatement.day, t.ChannelStatement.channel, t.ChannelStatement.kind)
        with self.parts.store.reading() as connection:
            rows = connection.execute(select(*columns).order_by(t.ChannelStatement.imported_at, t.ChannelStatement.day))
            return [(row.day, row.channel, row.kind) for row in rows]

    def asked(self, channel: str = "wechat") -> list[str]:
        return self.bills(channel).asked

    def items(self, kind: str = KIND) -> list[Any]:
        with self.parts.store.reading() as connection:
            found = select(t.ExceptionItem.__table__).where(t.ExceptionItem.kind == kind)
            return list(connection.execute(found.order_by(t.ExceptionItem.subject)))

    def metric(self, name: str, **labels: str) -> float | None:
        return self.parts.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def street(parts: Parts, tmp_path: Path) -> Iterator[Jobs]:
    with channels(parts.clock) as provider:
        yield Jobs(parts, provider, tmp_path / "keys")


def test_two_days_of_outage_are_fetched_in_order_once_the_channel_is_back(street: Jobs) -> None:
    street.took("P0", day=DAY - timedelta(days=1))
    street.clock.set(at("10:00", DAY))
    job = street.job()
    assert job.run() == "3 statements fetched"
    street.took("P1")
    street.took("P2", day=NEXT)
    for clock in (at("10:00", NEXT), at("16:00", NEXT), at("10:00", NEXT + timedelta(days=1))):
        street.clock.set(clock)
        for channel in ("wechat", "alipay"):
            street.bills(channel).troubles.extend(["busy"] * 3)
        job.run()
    assert len(street.here()) == 3
    street.clock.advance(seconds=3601)
    assert job.run() == "6 statements fetched"
    assert sorted(street.here()[3:]) == sorted(
        (day, channel, kind)
        for day in (DAY, NEXT)
        for channel, kind in (("wechat", "trade"), ("wechat", "fund_flow"), ("alipay", "trade"))
    )
    wechat = [line for line in street.asked() if not line.startswith(str(DAY - timedelta(days=1)))][-4:]
    assert wechat == [f"{DAY} tradebill", f"{DAY} fundflowbill", f"{NEXT} tradebill", f"{NEXT} fundflowbill"]
    assert job.run() == ""
    street.holds()


def test_what_is_still_written_is_asked_for_every_half_an_hour(street: Jobs) -> None:
    street.took("P1")
    street.bills("wechat").late.add(DAY)
    job = street.job()
    job.run()
    before = len(street.asked())
    for _ in range(5):
        street.clock.advance(seconds=300)
        job.run()
    assert len(street.asked()) == before
    street.clock.advance(seconds=301)
    job.run()
    assert len(street.asked()) == before + 2
    street.bills("wechat").late.clear()
    street.clock.advance(seconds=1801)
    assert job.run() == "2 statements fetched"


def test_a_channel_that_is_away_is_asked_less_and_less_and_for_one_thing_at_a_time(street: Jobs) -> None:
    street.took("P1")
    job = street.job()
    tries = []
    for _ in range(40):
        street.bills("wechat").troubles.clear()
        street.bills("wechat").troubles.extend(["busy"] * 3)
        before = len(street.asked())
        job.run()
        tries.append(len(street.asked()) - before)
        street.clock.advance(seconds=300)
    rounds = [place for place, asked in enumerate(tries) if asked]
    assert set(tries) == {0, 3}
    pauses = [later - sooner for sooner, later in pairwise(rounds)]
    assert pauses[-1] <= 12
    assert len(rounds) <= 15


def test_what_has_not_come_by_one_o_clock_is_told_once_and_taken_back(street: Jobs) -> None:
    street.took("P1")
    street.bills("wechat").late.add(DAY)
    job = street.job()
    job.run()
    assert street.items() == []
    street.clock.set(at("13:00"))
    assert job.run() == "2 are missed"
    assert [(item.site_id, item.subject, item.state, item.count) for item in street.items()] == [
        ("xinyi", "hushu wechat fund_flow 2026-03-02", "open", 1),
        ("xinyi", "hushu wechat trade 2026-03-02", "open", 1),
    ]
    assert street.items()[0].detail == (
        "parkgate statement fetch --day 2026-03-02 --channel wechat --merchant hushu: 微信支付 is still writing the statement"
    )
    assert street.metric("parkgate_statements_missing", channel="wechat") == 2
    assert street.metric("parkgate_statements_missing", channel="alipay") == 0
    street.clock.advance(seconds=301)
    job.run()
    assert {item.count for item in street.items()} == {1}
    # A late statement, by itself or by hand, and the alarm is over.
    record_empty(street.parts, "wechat", DAY, WHO, kind="fund_flow")
    street.bills("wechat").late.clear()
    street.clock.advance(seconds=1801)
    assert job.run() == "1 statements fetched"
    assert {(item.state, item.resolved_by) for item in street.items()} == {("resolved", "parkgate")}
    assert street.metric("parkgate_statements_missing", channel="wechat") == 0


def test_a_job_that_is_killed_anywhere_leaves_whole_statements_and_goes_on(
    street: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.took("P1", "P2")
    account: Any = street.parts.channels.get("hushu", "wechat")
    real = account.bill
    for when in ("before", "after"):

        def killed(kind: str, day: date, into: Any, when: str = when) -> bool:
            if when == "after":
                real(kind, day, into)
            raise Plug

        monkeypatch.setattr(account, "bill", killed)
        with pytest.raises(Plug):
            street.job().run()
        assert street.here() == []
    monkeypatch.undo()

    def pulled(*told: Any) -> None:
        if told[2].startswith("INSERT INTO channel_statement ("):
            raise Plug  # its rows are written by then

    event.listen(street.parts.store.engine, "before_cursor_execute", pulled)
    try:
        with pytest.raises(Plug):
            street.job().run()
    finally:
        event.remove(street.parts.store.engine, "before_cursor_execute", pulled)
    assert (street.here(), street.count(t.ChannelStatementRow)) == ([], 0)
    assert street.job().run() == "3 statements fetched"
    street.holds()


def test_two_instances_at_once_fetch_each_statement_once(street: Jobs) -> None:
    street.took("P1", "P2")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda job: job.run(), [street.job(), street.job()]))
    assert len(street.here()) == 3
    assert street.count(t.ChannelStatementRow) == 2 + 4 + 2
    assert street.job().run() == ""


def test_a_long_outage_is_caught_up_some_at_a_time(street: Jobs) -> None:
    job = street.job()
    job.run()
    street.clock.set(at("10:00", DAY + timedelta(days=16)))
    assert job.run() == f"{AT_ONCE} statements fetched; 2 are missed"
    assert job.run() == f"{45 - AT_ONCE} statements fetched"
    assert {item.state for item in street.items()} == {"resolved"}


class TestWhatNobodyFetches:
    def with_files(self, street: Jobs, **others: Any) -> None:
        """UnionPay sends files to the merchant."""
        given = {"hushu": MerchantChannels(unionpay=FileAccount(account="777290000000001"), **others)}
        settings = street.parts.settings.model_copy(update={"channels": given})
        street.parts = replace(street.parts, settings=settings, channels=Accounts(given))

    def open_items(self, street: Jobs) -> list[tuple[str, str]]:
        return [(item.subject, item.detail) for item in street.items() if item.state == "open"]

    def test_a_file_that_has_not_come_is_missed_and_never_asked_for(self, street: Jobs) -> None:
        self.with_files(street)
        job = street.job()
        assert job.run() == ""
        street.clock.set(at("13:00"))
        assert job.run() == "1 are missed"
        assert self.open_items(street) == [
            (
                "hushu unionpay trade 2026-03-02",
                "parkgate statement import --channel unionpay --merchant hushu --day 2026-03-02 FILE: it comes as a file",
            )
        ]
        assert street.metric("parkgate_statements_missing", channel="unionpay") == 1
        record_empty(street.parts, "unionpay", DAY, WHO)
        assert job.run() == ""
        assert self.open_items(street) == []
        assert street.metric("parkgate_statements_missing", channel="unionpay") == 0

    def test_its_file_is_the_merchants_whose_account_it_is(self, street: Jobs) -> None:
        self.with_files(street)
        account = street.parts.settings.channels["hushu"].numbers()["unionpay"]
        data = b"".join(unionpay([deal("P1")], account))
        street.clock.set(at("13:00"))
        assert import_file(street.parts, "unionpay", BytesIO(data), WHO, day=DAY).merchant == "hushu"
        assert street.job().run() == ""

    def test_a_day_too_old_to_be_fetched_is_missed_the_oldest_of_an_account(self, street: Jobs) -> None:
        wechat = street.parts.settings.channels["hushu"].wechat
        self.with_files(street, wechat=wechat)
        record_empty(street.parts, "unionpay", DAY, WHO)
        street.clock.set(at("13:00", DAY + timedelta(days=DAYS_BACK)))
        assert [str(one.day) for one in for_a_person(street.parts)][:1] == ["2026-03-03"]
        assert {one.day for one in missing(street.parts)} == {DAY + timedelta(days=n) for n in range(DAYS_BACK)}
        street.clock.set(at("13:00", DAY + timedelta(days=DAYS_BACK + 3)))
        assert DAY not in {one.day for one in missing(street.parts)}
        old = [one for one in for_a_person(street.parts) if one.day < DAY + timedelta(days=3)]
        assert [(one.channel, one.kind, one.day) for one in old] == [
            ("wechat", "trade", DAY),
            ("wechat", "fund_flow", DAY),
            ("unionpay", "trade", NEXT),
        ]
        record_empty(street.parts, "wechat", DAY, WHO, kind="trade")
        assert ("hushu", "wechat", "trade") in {
            (one.merchant, one.channel, one.kind) for one in for_a_person(street.parts)
        }
        job = street.job()
        street.bills("wechat").troubles.extend(["busy"] * 3)
        job.run()
        assert dict(self.open_items(street))[f"hushu wechat fund_flow {DAY}"] == (
            f"parkgate statement import --channel wechat --merchant hushu --day {DAY} FILE:"
            " more than 89 days ago: it is not handed out any more"
        )


def test_without_accounts_there_is_nothing_to_fetch(parts: Parts) -> None:
    assert Statements(parts).run() == ""


class TestDaysThatAreNotClosed:
    def items(self, books: Books) -> list[tuple[str, str, str]]:
        with books.parts.store.reading() as connection:
            rows = connection.execute(
                select(t.ExceptionItem)
                .where(t.ExceptionItem.kind == "day_not_closed")
                .order_by(t.ExceptionItem.site_id)
            )
            return [(row.site_id, row.subject, row.state) for row in rows]

    def test_somebody_is_told_an_hour_after_the_close_was_due(self, parts: Parts) -> None:
        books = Books(parts, ("a", "b"))
        books.clock.set(at("02:59", TUESDAY))
        assert watch_closes(parts) == ""
        books.clock.set(at("03:00", TUESDAY))
        assert watch_closes(parts) == "2 site days are not closed"
        assert watch_closes(parts) == "2 site days are not closed"
        assert self.items(books) == [("a", "2026-03-02", "open"), ("b", "2026-03-02", "open")]
        assert parts.metrics.registry.get_sample_value("parkgate_days_overdue") == 2
        with parts.store.writing() as connection:
            connection.execute(update(t.SiteBooks).where(t.SiteBooks.site_id == "a").values(closed_through=MONDAY))
            connection.commit()
        assert watch_closes(parts) == "1 site days are not closed"
        assert self.items(books) == [("a", "2026-03-02", "resolved"), ("b", "2026-03-02", "open")]
        books.clock.set(at("03:00", TUESDAY + timedelta(days=1)))
        assert watch_closes(parts) == "3 site days are not closed"
        # It is the oldest open day that holds the others up.
        assert [item for item in self.items(books) if item[2] == "open"] == [
            ("a", "2026-03-03", "open"),
            ("b", "2026-03-02", "open"),
        ]
