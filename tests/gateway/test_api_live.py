"""The live stream: a snapshot, then what has changed, made once for all who watch the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import insert

from gateway.api import live
from gateway.api.live import Group, Hub, Viewer, difference
from gateway.api.problems import TooMany
from gateway.cli.web import WebServer
from gateway.flows import emergencies
from gateway.flows.charges_books import By
from gateway.store.tables import Image
from gateway.wiring import Parts
from tests.gateway.house import House, a_house, a_read, an_exception, heard, later

ON_ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def told(text: bytes) -> tuple[str, dict[str, Any]]:
    """The event and its document."""
    lines = [line for line in text.decode().splitlines() if not line.startswith(":") and line]
    return lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))


async def next_of(stream: AsyncIterator[bytes], event: str) -> dict[str, Any]:
    while True:
        text = await asyncio.wait_for(anext(stream), 90)
        if text.startswith(b"retry:"):
            continue
        name, document = told(text)
        if name == event:
            return document


def test_a_viewer_gets_the_board_and_then_what_changes(parts: Parts) -> None:
    house = a_house(parts)

    async def watching() -> None:
        hub = Hub(parts)
        stream = await hub.watch(None, "kim")
        board = await next_of(stream, "snapshot")
        assert [site["id"] for site in board["sites"]] == ["archive", "xinyi"]
        assert len(board["lanes"]) == 4
        assert board["exceptions"] == {"open": 0, "items": []}
        a_read(parts, "xinyi", "ev-1", "浙A12345", at=later(1))
        heard(parts, "xinyi", in_1="open")
        changed: dict[str, Any] = {}
        while not (changed.get("xinyi.in-1", {}).get("last") and changed["xinyi.in-1"]["barrier"] == "open"):
            changed |= {lane["id"]: lane for lane in (await next_of(stream, "change")).get("lanes", [])}
        assert changed["xinyi.in-1"]["last"] == {
            "at": "2026-03-02T09:01:00+08:00",
            "plate": "浙A12345",
            "decision": "open",
            "reason": "temporary",
            "device": "d1",
            "event": "ev-1",
            "pictured": False,
        }
        with parts.store.writing() as connection:
            kept = {"site_id": "xinyi", "device_id": "d1", "event_id": "ev-1", "jpeg": b"\xff\xd8\xff\xd9"}
            connection.execute(insert(Image).values(**kept, received_at=later(2)))
            connection.commit()
        assert (await next_of(stream, "change"))["lanes"][0]["last"]["pictured"]
        assert "archive.in-1" not in changed
        an_exception(parts, "xinyi", "e1", lane_id="in-1", event_id="ev-1")
        news = await next_of(stream, "change")
        assert news["exceptions"]["open"] == 1
        assert news["exceptions"]["items"][0]["plate"] == "浙A12345"
        assert "lanes" not in news
        await stream.aclose()  # type: ignore[attr-defined]
        assert hub.viewers == 0

    asyncio.run(watching())
    del house


@ON_ONE
def test_who_watches_some_sites_hears_of_no_other(parts: Parts) -> None:
    a_house(parts)

    async def watching() -> None:
        hub = Hub(parts)
        stream = await hub.watch(frozenset({"archive"}), "lee")
        board = await next_of(stream, "snapshot")
        assert [site["id"] for site in board["sites"]] == ["archive"]
        assert {lane["site"] for lane in board["lanes"]} == {"archive"}
        a_read(parts, "xinyi", "ev-1", "浙A12345")
        an_exception(parts, "xinyi", "e1")
        a_read(parts, "archive", "ev-2", "浙B54321")
        news = await next_of(stream, "change")
        assert "浙A12345" not in str(news)
        assert [lane["id"] for lane in news["lanes"]] == ["archive.in-1"]
        assert "exceptions" not in news

    asyncio.run(watching())


def test_an_emergency_is_said_at_once_to_whoever_has_the_site_with_the_board_and_without(parts: Parts) -> None:
    a_house(parts)
    by = By(operator="wang", role="guard")

    async def watching() -> None:
        hub = Hub(parts)
        board = await hub.watch(None, "kim")
        page = await hub.watch(frozenset({"xinyi"}), "lee", whole=False)
        elsewhere = await hub.watch(frozenset({"archive"}), "max", whole=False)
        assert (await next_of(board, "snapshot"))["emergencies"] == []
        assert (await next_of(page, "snapshot")).keys() == {"at", "emergencies"}
        assert (await next_of(elsewhere, "snapshot"))["emergencies"] == []
        emergencies.declare(parts, ["xinyi"], "3 幢起火", by)
        stands = [{"site": "xinyi", "name": "xinyi 小区", "declared_at": "2026-03-02T09:00:00+08:00"}]
        a_read(parts, "xinyi", "ev-1", "浙A12345", at=later(1))
        news = await next_of(page, "change")
        assert {name: news[name] for name in news if name != "at"} == {"emergencies": stands}, (
            "and nothing of the board"
        )
        while "emergencies" not in (news := await next_of(board, "change")):
            pass
        assert news["emergencies"] == stands
        emergencies.end(parts, ["xinyi"], "已扑灭", by)
        assert (await next_of(page, "change"))["emergencies"] == []
        emergencies.declare(parts, ["archive"], "3 幢起火", by)
        assert [one["site"] for one in (await next_of(elsewhere, "change"))["emergencies"]] == ["archive"]

    asyncio.run(watching())


@ON_ONE
def test_one_look_and_one_text_serve_all_who_watch_the_same(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    a_house(parts)

    async def watching() -> None:
        hub = Hub(parts)
        streams = [await hub.watch(None, f"kim{number}") for number in range(5)]
        for stream in streams:
            await next_of(stream, "snapshot")
        a_read(parts, "xinyi", "ev-1", "浙A12345")
        texts = []
        for stream in streams:
            text = b""
            while not text.startswith(b"event: change"):
                text = await asyncio.wait_for(anext(stream), 90)
            texts.append(text)
        assert all(text is texts[0] for text in texts)

    asyncio.run(watching())


def test_who_does_not_keep_up_is_dropped() -> None:
    async def filling() -> None:
        viewer = Viewer(Group(None), "kim")
        for _ in range(live.MESSAGES_WAITING_MAX + 1):
            viewer.put(b"x")
        assert viewer.queue.qsize() == 1
        assert await viewer.queue.get() is None, "the stream ends; the page connects again"

    asyncio.run(filling())


@ON_ONE
def test_viewers_are_limited(parts: Parts) -> None:
    async def crowding() -> None:
        hub = Hub(parts)
        for _ in range(live.VIEWERS_A_PERSON_MAX):
            await hub.watch(None, "kim")
        with pytest.raises(TooMany):
            await hub.watch(None, "kim")
        await hub.watch(None, "lee")
        hub.close()
        with pytest.raises(TooMany):
            await hub.watch(None, "max")

    asyncio.run(crowding())


def test_the_time_alone_is_no_news() -> None:
    board = {"at": "1", "lanes": [{"id": "a"}], "sites": [], "exceptions": {}, "money": {}}
    assert difference(board, {**board, "at": "2"}) is None
    assert difference(board, {**board, "at": "2", "money": {"received_fen": 5}}) == {
        "at": "2",
        "money": {"received_fen": 5},
    }
    grown = {**board, "lanes": [{"id": "a"}, {"id": "b"}]}
    assert difference(board, grown) == {**grown, "all": True}


def streamed(server: WebServer, name: str, path: str) -> AbstractContextManager[httpx.Response]:
    login = httpx.post(f"{server.url}/api/v1/token", data={"username": name, "password": "nine barriers in a row"})
    headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
    return httpx.stream("GET", f"{server.url}/api/v1{path}", headers=headers, timeout=90)


@ON_ONE
def test_over_a_real_socket_and_a_stop_ends_it(parts: Parts) -> None:
    House(parts)
    server = WebServer(parts)
    house = a_house(parts)
    house.hires("kim", "console")
    house.hires("chen", "committee", "archive")
    server.start()
    try:
        with streamed(server, "chen", "/live/emergencies") as answer:
            lines = answer.iter_lines()
            assert any(line == "event: snapshot" for line in lines)
            assert msgspec.json.decode(next(lines).removeprefix("data: ")).keys() == {"at", "emergencies"}
        with streamed(server, "kim", "/live") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.iter_lines()
            assert next(lines) == "retry: 1000"
            assert any(line.startswith("event: snapshot") for line in lines)
            server.stop()
            assert not [line for line in lines if line.startswith("event: snapshot")]
    finally:
        server.stop()
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{server.url}/healthz")
