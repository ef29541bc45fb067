"""Files that take longer than an answer may: asked for again until they are whole, and nothing left of what nobody fetches."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.api.app import create_app
from gateway.api.prepared import Begins, Prepared, UnderWay
from gateway.api.problems import TooMany
from gateway.api.reports import Reports
from gateway.flows import users
from gateway.flows.close import close_day
from gateway.wiring import Parts
from tests.gateway.books import MONDAY, TUESDAY, Books, at
from tests.gateway.house import PASSWORD, Client, Staff
from tests.gateway.test_console import csrf_of

LONG = 60.0


class Work:
    """A file that is whole once `goes_on` is set."""

    def __init__(self) -> None:
        self.goes_on, self.begun = threading.Event(), threading.Event()
        self.folders: list[Path] = []

    def __call__(self, folder: Path, begins: Begins) -> Path:
        self.folders.append(folder)
        tick = begins(10)
        tick(4)
        self.begun.set()
        assert self.goes_on.wait(LONG)
        tick(6)
        made = folder / "made.txt"
        made.write_text("whole")
        return made


class Hours:
    """A clock of which each look is an hour later."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        self.seconds += 3600
        return self.seconds

    def sleep(self, seconds: float) -> None:
        raise AssertionError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def ended(what: str) -> None:
    """Until the threads that make it are over."""
    for one in threading.enumerate():
        if one.name == f"making-{what}":
            one.join(LONG)
            assert not one.is_alive()


def test_who_asks_again_is_told_how_far_it_is_and_gets_it_once(folder: Path) -> None:
    prepared, work = Prepared(waits_seconds=0.0), Work()
    ask: Callable[[], Path | UnderWay] = lambda: prepared.ask("file", "key", work)  # noqa: E731
    assert isinstance(ask(), UnderWay)
    assert work.begun.wait(LONG)
    assert ask() == UnderWay(done=4, total=10)
    work.goes_on.set()
    prepared._waits_seconds = LONG
    found = ask()
    assert isinstance(found, Path)
    assert found.read_text() == "whole"
    ended("file")
    assert found.exists(), "it is the caller's now"
    assert len(work.folders) == 1
    assert isinstance(ask(), Path)
    assert len(work.folders) == 2, "the next one is made anew"


def test_what_goes_wrong_is_said_to_who_asks_and_nothing_stays(folder: Path) -> None:
    def fails(folder: Path, _begins: Begins) -> Path:
        (folder / "half").write_text("half")
        raise ZeroDivisionError

    prepared = Prepared(waits_seconds=LONG)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            prepared.ask("file", "key", fails)
    ended("file")
    assert list(folder.glob("*/*")) == []


def test_what_nobody_fetches_goes_by_itself(folder: Path) -> None:
    prepared, work = Prepared(waits_seconds=0.0, asks_within_seconds=0.01), Work()
    assert isinstance(prepared.ask("file", "key", work), UnderWay)
    work.goes_on.set()
    ended("file")
    assert list(folder.glob("*/*")) == []


def test_what_nobody_asks_for_any_more_is_not_made_to_its_end(folder: Path) -> None:
    prepared, asked, told = Prepared(waits_seconds=0.0, pace=Hours()), threading.Event(), []

    def make(folder: Path, begins: Begins) -> Path:
        assert asked.wait(LONG)
        tick = begins(10)
        told.append("begun")
        tick(1)
        told.append("gone on with")
        return folder / "never"

    assert isinstance(prepared.ask("file", "key", make), UnderWay)
    prepared._asks_within_seconds = 0.01
    asked.set()
    ended("file")
    assert told == ["begun"]
    assert list(folder.glob("*/*")) == []


def test_what_was_given_up_at_the_moment_it_is_asked_for_is_made_anew(folder: Path) -> None:
    clock = Hours()
    prepared, work = Prepared(waits_seconds=LONG, pace=clock), Work()
    work.goes_on.set()
    made: list[str] = []

    def make(folder: Path, begins: Begins) -> Path:
        made.append("again")
        if len(made) > 1:
            prepared._asks_within_seconds = 10**9
        return work(folder, begins)

    assert isinstance(prepared.ask("file", "key", make), Path)
    assert made == ["again", "again"]
    ended("file")


def test_the_same_asked_twice_at_once_is_two_files(folder: Path) -> None:
    prepared, work = Prepared(waits_seconds=LONG), Work()
    work.goes_on.set()
    with ThreadPoolExecutor(4) as people:
        found = list(people.map(lambda _: prepared.ask("file", "key", work), range(8)))
    assert len({*found}) == 8
    ended("file")


def test_what_it_made_ends_with_it_and_so_with_the_process(folder: Path) -> None:
    prepared, work = Prepared(waits_seconds=LONG), Work()
    work.goes_on.set()
    found = prepared.ask("file", "key", work)
    ended("file")
    assert isinstance(found, Path)
    assert found.exists()
    del prepared
    gc.collect()
    assert list(folder.iterdir()) == []


def test_not_too_many_are_made_at_once(folder: Path) -> None:
    prepared, work = Prepared(waits_seconds=0.0), Work()
    for number in range(20):
        prepared.ask("file", number, work)
    with pytest.raises(TooMany):
        prepared.ask("file", "one more", work)
    prepared.ask("file", 3, work)
    prepared._asks_within_seconds = 0.01
    work.goes_on.set()
    ended("file")


class Office:
    """A closed day, and whoever exports it: of what is asked nothing is whole at once."""

    def __init__(self, parts: Parts) -> None:
        books = Books(parts)
        for day in (MONDAY, TUESDAY):
            books.stay(at("09:00", day), at("10:00", day))
        books.write()
        books.clock.set(at("03:00", TUESDAY))
        close_day(parts, MONDAY)
        users.add(parts, "fin", "finance", [], PASSWORD, operator="test")
        self.app = create_app(parts, wall=parts.clock)
        self.prepared = Prepared(waits_seconds=0.0)
        # Who takes its one place keeps the file from being made.
        self.reports = Reports(parts.store, 1, waits_seconds=LONG)
        self.app.state.context = replace(self.app.state.context, prepared=self.prepared, reports=self.reports)
        self.client = Client(self.app)

    def waits(self) -> None:
        self.prepared._waits_seconds = LONG


@pytest.fixture
def office(parts: Parts) -> Office:
    return Office(parts)


def test_an_export_that_takes_long_is_asked_for_again(office: Office) -> None:
    token = office.client.post("/api/v1/token", data={"username": "fin", "password": PASSWORD}).json()["access_token"]
    finance, asked = Staff(office.client, token), {"format": "csv", "day": "2026-03-02"}
    with office.reports.place():
        first = finance.get("/api/v1/exports", **asked)
    assert (first.status_code, first.headers["retry-after"], first.headers["refresh"]) == (202, "3", "3")
    assert first.json() == {"done": 0, "total": 0}
    office.waits()
    whole = finance.get("/api/v1/exports", **asked)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "application/zip")
    wrong = finance.get("/api/v1/exports", format="csv", day="2026-03-03")
    assert (wrong.status_code, "is not closed" in wrong.json()["detail"]) == (404, True)
    ended("export")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_page_says_how_far_it_is_and_asks_again_by_itself(office: Office) -> None:
    csrf = csrf_of(office.client.get("/login").text)
    office.client.post("/login", data={"username": "fin", "password": PASSWORD, "csrf": csrf})
    asked = "/money/exports?span=day&day=2026-03-02&form=json"
    with office.reports.place():
        page = office.client.get(asked)
    assert (page.status_code, 'http-equiv="refresh"' in page.text, "<progress" in page.text) == (202, True, True)
    office.waits()
    whole = office.client.get(asked)
    assert whole.headers["content-disposition"].endswith("street-2026-03-02.json")
    ended("export")
