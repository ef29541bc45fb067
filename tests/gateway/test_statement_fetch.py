"""Statements fetched over HTTP from the simulated channels: whole, once, in order; what goes wrong on the way leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from gateway.channels.port import Declined
from gateway.cli.main import main
from gateway.flows.close import close_missed
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.statements import Who
from gateway.flows.statements_fetch import Fetched, Outcome, fetch, missing
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.channels.bills import Bills, Trouble
from simulators.channels.provider import Provider
from simulators.statements import SHANGHAI, Deal
from tests.gateway.channel_house import Phones, channels
from tests.gateway.house import House

DAY = date(2026, 3, 2)
WHO = Who(operator="fang")
EVERY = [("wechat", "trade"), ("wechat", "fund_flow"), ("alipay", "trade")]


def at(clock: str, day: date = DAY + timedelta(days=1)) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), SHANGHAI)


def deal(order: str, day: date = DAY, **more: Any) -> Deal:
    return Deal(order=order, number=f"42{order}", at=at("09:30", day), amount_fen=1500, fee_fen=9, **more)


class Morning(Phones):
    """The street at ten o'clock of the day after: yesterday's statements are there."""

    def __init__(self, parts: Parts, provider: Provider, folder: Path) -> None:
        super().__init__(parts, provider, folder)
        self.clock.set(at("10:00"))
        self.slept: list[float] = []

    def bills(self, channel: str) -> Bills:
        return self.provider.wechat.bills if channel == "wechat" else self.provider.alipay.bills

    def took(self, *orders: str, day: date = DAY) -> None:
        for channel in ("wechat", "alipay"):
            self.bills(channel).more[day] = [deal(order, day) for order in orders]

    def fetches(self, day: date = DAY, *, tries: int = 1, who: Who = WHO, **which: Any) -> list[Fetched]:
        return fetch(self.parts, day, who, tries=tries, sleep=self.slept.append, **which)

    def outcomes(self, **which: Any) -> dict[tuple[str, str], Outcome]:
        return {(one.channel, one.kind): one.outcome for one in self.fetches(**which)}

    def count(self, table: Any) -> int:
        with self.parts.store.reading() as connection:
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


@pytest.fixture
def morning(parts: Parts, tmp_path: Path) -> Iterator[Morning]:
    with channels(parts.clock) as provider:
        yield Morning(parts, provider, tmp_path / "keys")


def test_a_day_is_fetched_from_every_account_once(morning: Morning) -> None:
    morning.took("P1", "P2")
    assert morning.outcomes() == dict.fromkeys(EVERY, Outcome.IMPORTED)
    assert morning.count(t.ChannelStatement) == 3
    # The fund flow has a row for each payment and one for its fee.
    assert morning.count(t.ChannelStatementRow) == 2 + 4 + 2
    assert morning.outcomes() == dict.fromkeys(EVERY, Outcome.KNOWN)
    assert morning.count(t.ChannelStatement) == 3
    morning.holds()


def test_one_channel_one_merchant_one_site(morning: Morning) -> None:
    morning.took("P1")
    assert morning.outcomes(channel="alipay") == {("alipay", "trade"): Outcome.IMPORTED}
    assert len(morning.fetches(merchant="hushu")) == 3
    with pytest.raises(Invalid, match="import its file"):
        morning.fetches(channel="unionpay")
    with pytest.raises(NotFound):
        morning.fetches(merchant="nobody")
    with pytest.raises(NotFound):
        morning.fetches(site="nowhere")


def test_who_does_not_see_all_of_an_account_fetches_nothing_of_it(morning: Morning) -> None:
    with pytest.raises(NotFound):
        morning.fetches(merchant="hushu", who=Who(operator="x", only=frozenset({"elsewhere"})))
    assert not morning.bills("wechat").asked


def test_before_ten_nobody_is_asked(morning: Morning) -> None:
    morning.took("P1")
    morning.clock.set(at("09:59"))
    found = morning.fetches()
    assert {one.outcome for one in found} == {Outcome.NOT_READY}
    assert found[0].why == "it is there from 2026-03-03 10:00 on"
    assert not morning.bills("wechat").asked


def test_a_statement_that_is_still_written_comes_later(morning: Morning) -> None:
    morning.took("P1")
    morning.bills("wechat").troubles.extend(["creating"])
    assert morning.outcomes(channel="wechat") == {
        ("wechat", "trade"): Outcome.NOT_READY,
        ("wechat", "fund_flow"): Outcome.IMPORTED,
    }
    assert morning.outcomes(channel="wechat")["wechat", "trade"] is Outcome.IMPORTED


@pytest.mark.parametrize(
    ("channel", "trouble"),
    [(channel, trouble) for channel in ("wechat", "alipay") for trouble in ("half", "cut", "page", "dropped")]
    + [("wechat", "wrong_hash")],
)
def test_what_is_not_whole_leaves_nothing_behind(morning: Morning, channel: str, trouble: Trouble) -> None:
    morning.took("P1", "P2")
    morning.bills(channel).troubles.append(trouble)
    found = morning.fetches(channel=channel)[0]
    assert found.outcome in {Outcome.DAMAGED, Outcome.AWAY}
    assert found.why
    assert "token" not in found.why
    with morning.parts.store.reading() as connection:
        kinds = select(t.ChannelStatement.kind).where(t.ChannelStatement.channel == channel)
        assert "trade" not in connection.execute(kinds).scalars().all()
    assert morning.outcomes(channel=channel)[channel, "trade"] is Outcome.IMPORTED


def test_a_channel_that_stumbles_is_asked_again_some_times(morning: Morning) -> None:
    morning.took("P1")
    morning.bills("wechat").troubles.extend(["busy", "half"])
    assert morning.fetches(channel="wechat", tries=3)[0].outcome is Outcome.IMPORTED
    assert len(morning.slept) == 2
    morning.bills("wechat").troubles.extend(["busy"] * 6)
    assert {one.outcome for one in morning.fetches(channel="wechat", tries=3)} == {Outcome.AWAY}
    assert not morning.bills("wechat").troubles


def test_a_day_without_transactions_is_on_record(morning: Morning) -> None:
    assert morning.outcomes() == dict.fromkeys(EVERY, Outcome.EMPTY)
    assert morning.count(t.ChannelStatement) == 3
    assert morning.count(t.ChannelStatementRow) == 0


def test_nothing_is_not_believed_where_we_know_of_payments(morning: Morning) -> None:
    """Alipay has the same words for a day that it had nothing on and for one that it has not written yet."""
    morning.clock.set(at("07:00", DAY))
    stay = morning.parks("07:00")
    morning.clock.set(at("09:00", DAY))
    order = morning.orders(stay, "alipay")
    morning.hears("alipay", morning.provider.paid_notice("alipay", morning.pays(order)))
    morning.clock.set(at("10:00"))
    morning.bills("alipay").late.add(DAY)
    (found,) = morning.fetches(channel="alipay")
    assert (found.outcome, found.why) == (
        Outcome.NOT_READY,
        "the channel says that it had nothing, and 1 orders here were paid that day",
    )
    morning.bills("alipay").late.clear()
    (found,) = morning.fetches(channel="alipay")
    assert found.outcome is Outcome.IMPORTED
    assert found.statement is not None
    assert (found.statement.rows, found.statement.orphans) == (1, 0)


def test_beyond_three_months_a_person_is_told(morning: Morning) -> None:
    (found, _) = morning.fetches(DAY - timedelta(days=120), channel="wechat")
    assert (found.outcome, found.why) == (Outcome.DECLINED, "微信支付 answered 400 PARAM_ERROR")


def test_a_statement_is_fetched_from_its_channel_and_nowhere_else(morning: Morning) -> None:
    morning.took("P1")
    morning.provider.wechat.address = morning.provider.alipay.address = "http://127.0.0.2:1"
    found = morning.fetches()
    assert {one.outcome for one in found} == {Outcome.DECLINED}
    account: Any = morning.parts.channels.get("hushu", "alipay")
    real = type(account).__new__(type(account))
    real._account = account._account.model_copy(update={"address": "https://openapi.alipay.com/gateway.do"})
    told = "http://dwbillcenter.alipay.com/downloadBillFile.resource?fileId=1"
    assert real._download_address(told) == told.replace("http:", "https:")
    for strange in ("https://alipay.com.example.org/x", "ftp://a.alipay.com/x", "file:///etc/passwd"):
        with pytest.raises(Declined):
            real._download_address(strange)


def test_keys_that_cannot_be_used_hold_nobody_else_up(morning: Morning, tmp_path: Path) -> None:
    morning.took("P1")
    (tmp_path / "keys" / "wechat-private-key.pem").write_text("no key")
    (tmp_path / "keys" / "alipay-public-key.pem").unlink()
    found = {(one.channel, one.kind): (one.outcome, one.why) for one in morning.fetches()}
    outcome, why = found["wechat", "trade"]
    assert outcome is Outcome.DECLINED
    assert why.startswith("the keys of wechat cannot be used: ")
    outcome, why = found["alipay", "trade"]
    assert outcome is Outcome.DECLINED
    assert why.endswith("alipay-public-key.pem cannot be read: FileNotFoundError")


class TestWhatIsMissing:
    def days(self, morning: Morning) -> list[tuple[date, str, str]]:
        return [(one.day, one.channel, one.kind) for one in missing(morning.parts)]

    def test_of_a_house_that_has_closed_nothing_only_yesterday(self, morning: Morning) -> None:
        assert self.days(morning) == [(DAY, channel, kind) for channel, kind in EVERY]
        morning.clock.set(at("09:59"))
        assert {day for day, _, _ in self.days(morning)} == {DAY - timedelta(days=1)}

    def test_from_where_somebody_has_begun_the_oldest_first(self, morning: Morning) -> None:
        morning.fetches(channel="wechat")
        assert self.days(morning) == [(DAY, "alipay", "trade")]
        morning.clock.set(at("10:00", DAY + timedelta(days=2)))
        assert [one[0] for one in self.days(morning)] == [DAY] + [DAY + timedelta(days=1)] * 3

    def test_a_house_whose_books_are_old_begins_a_week_before_its_last_close(self, morning: Morning) -> None:
        list(close_missed(morning.parts, DAY))
        assert {day for day, _, _ in self.days(morning)} == {DAY - timedelta(days=1), DAY}
        morning.clock.set(at("10:00", DAY + timedelta(days=30)))
        list(close_missed(morning.parts, DAY + timedelta(days=29)))
        assert self.days(morning)[0][0] == DAY + timedelta(days=23)

    def test_what_is_sealed_as_reconciled_waits_for_nothing(self, morning: Morning) -> None:
        values = {"sequence": 1, "previous_hash": b"", "hash": b"", "canonical": b"", "lines": b""}
        sealed = {"kind": "reconciled", "day": DAY, "sealed_at": at("11:00"), **values}
        with morning.parts.store.writing() as connection:
            connection.execute(insert(t.DayClose).values(site_id="xinyi", **sealed))
            connection.commit()
        morning.clock.set(at("10:00", DAY + timedelta(days=2)))
        assert {day for day, _, _ in self.days(morning)} == {DAY + timedelta(days=1)}

    def test_no_further_back_than_the_channels_have_it(self, morning: Morning) -> None:
        morning.fetches()
        morning.clock.set(at("10:00", DAY + timedelta(days=200)))
        assert self.days(morning)[0][0] == DAY + timedelta(days=200 - 89)


class TestDoors:
    def test_finance_fetches_over_http_and_sees_what_became_of_each(self, morning: Morning) -> None:
        house = House(morning.parts)
        house.hires("fang", "finance")
        house.hires("li", "manager")
        fang = house.as_("fang")
        morning.took("P1")
        morning.bills("alipay").troubles.append("page")
        answer = fang.post("/api/v1/statements/fetch", {"day": "2026-03-02"})
        assert answer.status_code == 200, answer.text
        assert [(one["kind"], one["outcome"], one["statement"] is None) for one in answer.json()["items"]] == [
            ("trade", "imported", False),
            ("fund_flow", "imported", False),
            ("trade", "damaged", True),
        ]
        listed = fang.get("/api/v1/statements", day="2026-03-02").json()["items"]
        assert {one["imported_by"] for one in listed} == {"fang"}
        assert fang.post("/api/v1/statements/fetch", {"day": "2026-03-02", "merchant": "x"}).status_code == 404
        assert house.as_("li").post("/api/v1/statements/fetch", {"day": "2026-03-02"}).status_code == 403

    def test_the_command_says_what_came_and_fails_where_one_did_not(
        self, morning: Morning, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        def run(*words: str) -> tuple[int, str, str]:
            with pytest.raises(SystemExit) as left:
                main(["statement", "fetch", "--config", str(config), *words])
            told = capsys.readouterr()
            return int(left.value.code or 0), told.out, told.err

        # The command goes by the clock on the wall: yesterday, after ten.
        wall = datetime.now(UTC).astimezone(SHANGHAI)
        day = wall.date() - timedelta(days=2)
        morning.clock.set(wall)
        morning.took("P1", day=day)
        config = tmp_path / "parkgate.toml"
        config.write_text("", encoding="utf-8")
        settings = morning.parts.settings
        monkeypatch.setenv("PARKGATE_DATABASE_URL", settings.database_url)
        monkeypatch.setenv("PARKGATE_CHANNELS", json.dumps(settings.model_dump()["channels"]))
        code, out, err = run("--day", str(day), "--channel", "wechat")
        assert (code, err) == (0, "")
        assert out.splitlines()[0].startswith(f"wechat trade of {day}, merchant hushu: 1 rows; 1 payments 15.00;")
        code, out, err = run("--day", str(day), "--channel", "wechat", "--json")
        assert [one["outcome"] for one in json.loads(out)] == ["known", "known"]
        morning.bills("wechat").late.add(day)
        code, out, err = run("--day", str(day), "--channel", "wechat")
        assert code == 1
        assert out.count("still writing") == 2
        assert (
            err == f"parkgate: 2 of 2 statements of {day} did not come, first 微信支付 is still writing the statement\n"
        )
        code, _, err = run("--day", str(day), "--channel", "cash")
        assert (code, len(err.splitlines())) == (2, 1)
