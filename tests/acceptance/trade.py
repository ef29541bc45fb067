"""The words in which the acceptance tests speak: a street, its vehicles and their passages, its staff."""

from typing import Any, Self

import httpx

from tests.acceptance.deployment import Parkgate, eventually
from tests.acceptance.device import Device, minutes_ago

PASSWORD = "nine-barrier-gates-in-a-row"
# The street's own rates are flat, so that no test depends on the hour: 400 for the first hour, 200 a further half hour.
STAY_MINUTES = 110
DUE_FEN = 800


class Staff:
    """One account on the API."""

    def __init__(self, url: str, name: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=90, limits=httpx.Limits(max_keepalive_connections=0))
        form = {"username": name, "password": PASSWORD}
        granted = self.client.post("/api/v1/token", data=form)
        assert granted.status_code == 200, granted.text
        assert granted.json()["token_type"].lower() == "bearer"
        self.client.headers["Authorization"] = f"Bearer {granted.json()['access_token']}"

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.client.get(path, params=query)

    def post(self, path: str, document: Any, key: str | None = None) -> httpx.Response:
        return self.client.post(path, json=document, headers={"Idempotency-Key": key} if key else {})

    def takes(self, stay: str, fen: int, channel: str = "cash", key: str | None = None) -> httpx.Response:
        document = {"channel": channel, "amount_fen": fen, "reference": f"{channel}-{stay}"}
        return self.post(f"/api/v1/stays/{stay}/payments", document, key)

    def stays(self, **query: Any) -> list[dict[str, Any]]:
        answer = self.get("/api/v1/stays", **query)
        assert answer.status_code == 200, answer.text
        assert set(answer.json()) >= {"items", "next"}
        return list(answer.json()["items"])

    def close(self) -> None:
        self.client.close()


class Passage:
    """A vehicle at a barrier: its plate event, and what became of it."""

    def __init__(self, device: Device, event: dict[str, Any]) -> None:
        self.device, self.event = device, event

    def opens(self, reason: str) -> Self:
        command = self.device.awaits(self.event["id"], "open")
        assert command["reason"] == reason, command
        assert command["lane"] == self.event["lane"]
        assert 0 < command["ttl_ms"] <= 12_000
        assert command["expires_at"]
        return self

    def is_shown(self, reason: str, fen: int | None = None) -> Self:
        command = self.device.awaits(self.event["id"], "show")
        assert command["reason"] == reason, command
        assert not [other for other in self.device.commands(self.event["id"]) if other["action"] == "open"]
        if fen is not None:
            assert command["pay"]["fen"] == fen
            assert command["pay"]["url"].startswith("http")
        return self

    def passes(self) -> Self:
        self.device.deliver(self.device.event(self.event["lane"], "passed", for_=self.event["id"]))
        return self

    def backs_away(self) -> Self:
        self.device.deliver(self.device.event(self.event["lane"], "reversed", for_=self.event["id"]))
        return self

    @property
    def reasons(self) -> list[str]:
        return [command["reason"] for command in self.device.commands(self.event["id"])]


class Vehicle:
    def __init__(self, street: "Street", site: str, plate: str, **read: Any) -> None:
        self.street, self.site, self.name, self.read = street, site, plate, read

    def at(self, lane: str) -> Passage:
        """Drives up to a barrier now."""
        device = self.street.device_of(self.site, lane)
        device.is_connected()
        event = device.plate(lane, self.name, **self.read)
        device.deliver(event)
        return Passage(device, event)

    def entered(self, minutes: float = STAY_MINUTES, lane: str = "in-1") -> Self:
        """Came in some minutes ago, told only now (the device was offline)."""
        self._told_late(lane, minutes)
        return self

    def left(self, minutes: float, lane: str = "out-1", **fields: Any) -> Self:
        self._told_late(lane, minutes, **fields)
        return self

    def _told_late(self, lane: str, minutes: float, **fields: Any) -> None:
        device = self.street.device_of(self.site, lane)
        device.deliver(*self.told_late(lane, minutes, **fields))

    def told_late(self, lane: str, minutes: float, **fields: Any) -> list[dict[str, Any]]:
        """The two buffered events of a passage some minutes ago."""
        device = self.street.device_of(self.site, lane)
        plate = device.plate(lane, self.name, minutes_ago(minutes), buffered=True, **(self.read | fields))
        passed = device.event(lane, "passed", minutes_ago(minutes - 0.05), for_=plate["id"], buffered=True)
        return [plate, passed]

    @property
    def stays(self) -> list[dict[str, Any]]:
        return self.street.staff["console"].stays(site=self.site, plate=self.name)

    def stay(self, state: str) -> dict[str, Any]:
        """Its one stay in this state, as soon as there is one."""

        def look() -> dict[str, Any] | None:
            found = [stay for stay in self.stays if stay["state"] == state]
            assert len(found) <= 1, found
            return found[0] if found else None

        try:
            return eventually(look, f"a stay of {self.name} that is {state}")
        except AssertionError as late:
            raise AssertionError(f"{late}; it has {self.stays}") from None


class Street:
    """A deployment with its devices connected and its staff logged in."""

    def __init__(self, parkgate: Parkgate, broker_port: int, passwords: dict[str, str], lanes: dict[str, str]) -> None:
        self.parkgate, self.broker_port, self.passwords, self.lanes = parkgate, broker_port, passwords, lanes
        self.devices: dict[str, Device] = {}
        self.staff: dict[str, Staff] = {}
        self.numbers = 0
        self.residents = 0

    def device_of(self, site: str, lane: str) -> Device:
        return self.device(site, self.lanes[f"{site}.{lane}"])

    def device(self, site: str, name: str) -> Device:
        account = f"{site}.{name}"
        if account not in self.devices:
            self.devices[account] = Device(self.broker_port, site, name, self.passwords.get(account))
        return self.devices[account]

    def logs_in(self, *names: str) -> None:
        for name in names:
            self.staff[name] = Staff(self.parkgate.url, name)

    def a_visitor(self, site: str = "xinyi", **read: Any) -> Vehicle:
        self.numbers += 1
        return Vehicle(self, site, f"浙B{self.numbers:05d}", **read)

    def a_vehicle(self, plate: str, site: str = "xinyi", **read: Any) -> Vehicle:
        return Vehicle(self, site, plate, **read)

    def is_alive(self) -> None:
        """The next visitor is decided as if nothing had happened."""
        self.a_visitor().at("in-1").opens("temporary").passes()

    def close(self) -> None:
        for device in self.devices.values():
            device.close()
        for member in self.staff.values():
            member.close()
