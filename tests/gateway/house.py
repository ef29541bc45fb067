"""A street behind a web application, for tests of the API and the console: sites, staff, stays as the event path leaves them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import insert, select

from gateway.api.app import create_app
from gateway.api.ports import Flows, Taken
from gateway.flows import estate, users
from gateway.flows.refusals import AmountNotDue, NotFound
from gateway.flows.users import ROLES
from gateway.runtime.clock import Clock
from gateway.store import tables as t
from gateway.wiring import Parts

MORNING = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # 09:00 in Hangzhou
EARLIER = MORNING - timedelta(hours=2)
"""Whoever was at a gate a moment ago is not erased yet."""
PASSWORD = "nine barriers in a row"
DEVICE_PASSWORD = "a device's own password"

LANES = """
  [[site.gate]]
  id = "east"
  tier = "main"
  staffed = true
    [[site.gate.lane]]
    id = "in-1"
    direction = "in"
    device = "d1"
    [[site.gate.lane]]
    id = "out-1"
    direction = "out"
    device = "d1"
  [[site.device]]
  id = "d1"
  vendor = "native"
"""


def site_file(*sites: str, lanes: str = LANES, password: str | None = DEVICE_PASSWORD) -> str:
    """A site file; every site has an east gate with a way in and a way out."""
    if password is not None:
        lanes += f'  password = "{password}"\n'
    head = '[[merchant]]\nid = "hushu"\nname = "湖墅街道"\n'
    return head + "".join(
        f'[[site]]\nid = "{site}"\nname = "{site} 小区"\ncapacity = 120\npolicy = "hushu-residential"\nmerchant = "hushu"\n{lanes}'
        for site in sites
    )


class Desk:
    """Stands in for pricing, payment, close and export; remembers what it was asked."""

    def __init__(self) -> None:
        self.due_fen = 800
        self.asked: list[tuple[Any, ...]] = []
        self.lines: list[dict[str, Any]] = []

    def bill(self, _parts: Parts, stay_id: str, at: datetime | None) -> dict[str, Any]:
        self.asked.append(("bill", stay_id, at))
        if stay_id.endswith("nothing"):
            raise NotFound
        payable = sum(line["fen"] for line in self.lines)
        return {
            "minutes": 110,
            "gross_fen": sum(line["fen"] for line in self.lines if line["kind"] in {"unit", "cap"}),
            "payable_fen": payable,
            "drawn": {},
            "vouchers_used": [],
            "lines": self.lines,
            "policy": "hushu-residential",
            "version": 1,
        }

    def bill_by_token(self, parts: Parts, token: str) -> dict[str, Any] | None:
        if token != "signed":
            return None
        bill = self.bill(parts, "xinyi.a", None)
        return {
            "plate": "浙A···45",
            "minutes": bill["minutes"],
            "due_fen": self.due_fen,
            "paid_fen": 0,
            "allowance": None,
            "zh": ["停车 110 分钟。"],
            "en": ["parked"],
        }

    def take(self, _parts: Parts, **payment: Any) -> Taken:
        self.asked.append(("take", payment))
        if payment["amount_fen"] != self.due_fen:
            raise AmountNotDue(f"{self.due_fen} fen are due")
        return Taken("p-1", payment["stay_id"], payment["channel"], payment["amount_fen"])

    def close(self, _parts: Parts, day: Any, site: str | None, operator: str, origin: str) -> dict[str, Any]:
        self.asked.append(("close", day, site, operator, origin))
        return {"day": day.isoformat(), "sites": [], "street_hash": "00"}

    def export(self, _parts: Parts, day: Any, form: str, site: str | None, audience: str) -> list[tuple[str, bytes]]:
        self.asked.append(("export", day, form, site, audience))
        where = site or "street"
        if form == "json":
            return [(f"{where}-{day}.json", b"[]")]
        return [(f"{where}-{day}-summary.csv", b"a"), (f"{where}-{day}-benefits.csv", b"b")]


class StandIn(Desk, Flows):
    """The same, as the application takes it."""


class Client:
    """Calls the application without a socket; keeps cookies as a browser does."""

    def __init__(self, app: FastAPI, address: str = "192.0.2.1") -> None:
        self.app = app
        self.address = address
        self.cookies = httpx.Cookies()

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        return asyncio.run(self._request(method, path, more))

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.request("POST", path, **more)

    def put(self, path: str, **more: Any) -> httpx.Response:
        return self.request("PUT", path, **more)

    async def _request(self, method: str, path: str, more: dict[str, Any]) -> httpx.Response:
        door = httpx.ASGITransport(self.app, client=(self.address, 40_000))
        async with httpx.AsyncClient(transport=door, base_url="http://parkgate.test", cookies=self.cookies) as client:
            answer = await client.request(method, path, **more)
            self.cookies = client.cookies
        return answer


class House:
    """The application with its staff signed in on demand."""

    def __init__(self, parts: Parts, wall: Clock | None = None) -> None:
        self.parts = parts
        self.desk = StandIn()
        self.app = create_app(parts, flows=self.desk, wall=wall or parts.clock)
        self.client = Client(self.app)

    def hires(self, name: str, role: str, *sites: str) -> None:
        users.add(self.parts, name, role, list(sites), PASSWORD, operator="test")

    def signs_in(self, name: str, password: str = PASSWORD) -> str:
        answer = self.client.post("/api/v1/token", data={"username": name, "password": password})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def as_(self, name: str) -> Staff:
        return Staff(self.client, self.signs_in(name))

    def one_of_each(self) -> dict[str, Staff]:
        """A member of staff of every role, for the whole street."""
        found: dict[str, Staff] = {}
        for role in ROLES:
            self.hires(role, role)
            found[role] = self.as_(role)
        return found


class Staff:
    """Somebody with a token."""

    def __init__(self, client: Client, token: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path, params=query, headers=self.headers)

    def post(self, path: str, document: Any = None, **headers: str) -> Any:
        return self.client.post(path, json=document, headers={**self.headers, **headers})

    def call(self, method: str, path: str, document: Any = None) -> Any:
        if isinstance(document, bytes):
            return self.client.request(method, path, content=document, headers=self.headers)
        return self.client.request(method, path, json=document, headers=self.headers)


def a_house(parts: Parts, *sites: str, wall: Clock | None = None) -> House:
    estate.apply(parts, site_file(*(sites or ("xinyi", "archive"))))
    return House(parts, wall)


def a_stay(parts: Parts, stay_id: str, plate: str = "浙A12345", *, at: datetime = MORNING, **more: Any) -> str:
    """A stay as the event path leaves it."""
    values: dict[str, Any] = {
        "site_id": stay_id.split(".", maxsplit=1)[0],
        "id": stay_id,
        "plate": plate,
        "vehicle": "small",
        "state": "left",
        "started_at": at,
        "entry_at": at,
        "entry_lane": "in-1",
        "policy_id": "hushu-residential",
        "policy_version": 1,
        "paid_fen": 0,
        "posted": {},
        **more,
    }
    _put(parts, t.Stay, values)
    with parts.store.writing() as connection:
        here = {"site_id": values["site_id"], "plate": plate}
        if connection.execute(select(t.Presence.plate).filter_by(**here)).first() is None:
            connection.execute(insert(t.Presence).values(**here, newest_at=at, reads=1))
        connection.commit()
    return stay_id


def a_read(parts: Parts, site: str, event_id: str, plate: str | None, *, at: datetime = MORNING, **more: Any) -> None:
    """A plate event as stored."""
    values: dict[str, Any] = {
        "site_id": site,
        "device_id": "d1",
        "event_id": event_id,
        "lane_id": "in-1",
        "kind": "plate",
        "at": at,
        "device_at": at,
        "received_at": at,
        "plate": plate,
        "buffered": False,
        "digest": b"0" * 16,
        "decision": "open",
        "reason": "temporary",
        **more,
    }
    _put(parts, t.PlateEventRow, values)


def heard(parts: Parts, site: str, *, at: datetime = MORNING, online: bool = True, **barrier: str) -> None:
    """What the site's device last said."""
    values = {
        "site_id": site,
        "device_id": "d1",
        "online": online,
        "seen_at": at,
        "barrier": {name.replace("_", "-"): state for name, state in barrier.items()},
    }
    _put(parts, t.DeviceState, values)


def an_exception(
    parts: Parts, site: str, item_id: str, kind: str = "no_entry", *, at: datetime = MORNING, **more: Any
) -> None:
    values: dict[str, Any] = {
        "site_id": site,
        "id": item_id,
        "kind": kind,
        "subject": item_id,
        "state": "open",
        "opened_at": at,
        "count": 1,
        "lane_id": "out-1",
        "detail": "",
        **more,
    }
    _put(parts, t.ExceptionItem, values)


def _put(parts: Parts, model: Any, values: dict[str, Any]) -> None:
    with parts.store.writing() as connection:
        connection.execute(insert(model).values(**values))
        connection.commit()


def later(minutes: float) -> datetime:
    return MORNING + timedelta(minutes=minutes)


def with_settings(parts: Parts, **changed: Any) -> Parts:
    return replace(parts, settings=parts.settings.model_copy(update=changed))
