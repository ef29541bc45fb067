"""A site file: TOML text to records, or everything that is wrong with it, each with its table and key."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import msgspec

from billing.invoices import Premises, Seller, problems_of_seller
from controllers.adapters.native import valid_name
from controllers.adapters.port import Delivery, Fitting
from controllers.adapters.registry import ADAPTERS

VENDORS = tuple(ADAPTERS)
TIERS = ("main", "middle", "small")
DIRECTIONS = ("in", "out")
CAPACITY_MAX = 1_000_000
ZOMBIE_DAYS, ZOMBIE_DAYS_MAX = 90, 3_650
ENTRIES_MAX = 100_000
SERIAL_MAX = 64
LOGIN_MAX = 64
_UNFITTED = Fitting(site="", device="", lanes=(), zone=UTC)
ASKED = frozenset(
    vendor for vendor, adapter in ADAPTERS.items() if adapter.capabilities(_UNFITTED).delivery is Delivery.REQUEST
)
"""Vendors that are told by our requests to them (`Delivery.REQUEST`)."""
_NAMED_IN_TOPICS = frozenset(
    vendor
    for vendor, adapter in ADAPTERS.items()
    if adapter.listens(_UNFITTED).told != adapter.listens(msgspec.structs.replace(_UNFITTED, serial="1")).told
)
_ADDRESS = re.compile(r"https?://([a-z0-9._-]{1,200}|\[[0-9a-f:]{2,45}\])(:\d{1,5})?", re.ASCII | re.IGNORECASE)
_LOGIN = "admin"
CHANNEL_MAX = 9_999
RELAY_MAX = 15
_TEXT_MAX = 200


class EstateInvalid(Exception):
    """A site file that cannot be applied; `problems` holds every reason, each naming table and key."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{problems[0]}{more}")


class MerchantEntry(msgspec.Struct, frozen=True, kw_only=True):
    """`seller`: as the tax authority knows it; without it no invoices are issued."""

    id: str
    name: str
    seller: Seller | None = None


class LaneEntry(msgspec.Struct, frozen=True, kw_only=True):
    """`offline_exit` is what the file says, else true for an exit where nobody is on site."""

    """`channel`, `relay`, `close_relay`: see `controllers.adapters.port.FittedLane`; they say nothing of a native device."""

    site: str
    id: str
    gate: str
    device: str
    direction: str
    loop: bool
    passage_sensor: bool
    offline_exit: bool
    channel: int | None
    relay: int
    close_relay: int | None


class GateEntry(msgspec.Struct, frozen=True, kw_only=True):
    site: str
    id: str
    tier: str
    residents_only: bool
    staffed: bool


class DeviceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """`serial`: how it calls itself, empty where nobody says so; `features`: words of its vendor's adapter.

    `address`: where it is asked by HTTP, empty where it is not; `login`, `login_password`: the account with which.
    """

    site: str
    id: str
    vendor: str
    password: str | None
    serial: str
    features: tuple[str, ...]
    address: str = ""
    login: str = ""
    login_password: str | None = None


class SiteEntry(msgspec.Struct, frozen=True, kw_only=True):
    """`capacity` counts parking spaces. `premises`: where it is, as invoices say it. `zombie_days`: see `Site`."""

    id: str
    name: str
    capacity: int
    policy: str
    merchant: str
    premises: Premises | None = None
    zombie_days: int = ZOMBIE_DAYS


class Estate(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file, flat."""

    merchants: tuple[MerchantEntry, ...]
    sites: tuple[SiteEntry, ...]
    gates: tuple[GateEntry, ...]
    lanes: tuple[LaneEntry, ...]
    devices: tuple[DeviceEntry, ...]


@dataclass
class _Table:
    """One table of the file while it is read: takes its keys, and notes what is wrong under its name."""

    where: str
    values: dict[str, Any]
    problems: list[str]

    def wrong(self, key: str, why: str) -> None:
        self.problems.append(f"{self.where}: {key}: {why}")

    def name(self, key: str = "id") -> str:
        value = self._take(key)
        if not isinstance(value, str) or not valid_name(value):
            self.wrong(
                key,
                "missing"
                if value is None
                else f"{value!r:.60} is not a name of a-z, 0-9 and -, at most 40 (street is reserved)",
            )
            return ""
        return value

    def text(self, key: str, longest: int = _TEXT_MAX) -> str:
        value = self._take(key)
        if not isinstance(value, str) or not value.strip() or len(value) > longest or not value.isprintable():
            self.wrong(key, "missing" if value is None else f"not a text of 1 to {longest} characters")
            return ""
        return value

    def optional_text(self, key: str) -> str | None:
        return self.text(key) if key in self.values else None

    def flag(self, key: str, default: bool) -> bool:
        value = self._take(key)
        if value is not None and not isinstance(value, bool):
            self.wrong(key, "not true or false")
        return value if isinstance(value, bool) else default

    def optional_number(self, key: str, largest: int) -> int | None:
        return self.number(key, largest) if key in self.values else None

    def words(self, key: str, known: frozenset[str]) -> tuple[str, ...]:
        """A list of words that are known, in order of the alphabet."""
        value = self._take(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            self.wrong(key, 'not a list of words, such as ["a", "b"]')
            return ()
        for word in sorted(set(value) - known):
            self.wrong(
                key, f"{word!r:.60} is none of {', '.join(sorted(known)) or 'none: this vendor has no features'}"
            )
        return tuple(sorted(set(value) & known))

    def number(self, key: str, largest: int) -> int:
        value = self._take(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
            self.wrong(key, "missing" if value is None else f"not a whole number from 0 to {largest}")
            return 0
        return value

    def one_of(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        value = self._take(key)
        if value is None and default is not None:
            return default
        if value not in choices:
            self.wrong(key, "missing" if value is None else f"{value!r:.60} is none of {', '.join(choices)}")
            return choices[0]
        return str(value)

    def inner(self, key: str) -> _Table | None:
        """A table within this one; None where there is none."""
        value = self._take(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.wrong(key, f"write it as a table of its own, [{key}]")
            return None
        return _Table(f"{self.where}, [{key}]", value, self.problems)

    def tables(self, key: str, what: str) -> list[_Table]:
        value = self._take(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.wrong(key, f"write each as a table of its own, [[{what}]]")
            return []
        if len(value) > ENTRIES_MAX:
            self.wrong(key, f"at most {ENTRIES_MAX}")
            return []
        inside = "" if self.where == "file" else f"{self.where}, "
        return [
            _Table(
                f"{inside}[[{what}]] {item['id'] if isinstance(item.get('id'), str) else number!s:.60}",
                item,
                self.problems,
            )
            for number, item in enumerate(value, 1)
        ]

    def done(self) -> None:
        for key in self.values:
            self.wrong(key, "unknown key")

    def _take(self, key: str) -> Any:
        return self.values.pop(key, None)


def parse(text: str) -> Estate:
    """The estate that a site file describes. Raises `EstateInvalid` with everything that is wrong."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise EstateInvalid([f"not TOML: {error}"]) from None
    problems: list[str] = []
    top = _Table("file", document, problems)
    merchants = tuple(_merchant(table) for table in top.tables("merchant", "merchant"))
    _unique(problems, "[[merchant]]", [merchant.id for merchant in merchants])
    known = {merchant.id for merchant in merchants}
    estate = Estate(merchants=merchants, sites=(), gates=(), lanes=(), devices=())
    sites = top.tables("site", "site")
    if not sites:
        problems.append("file: site: no [[site]] in it; applying it would disable every site")
    gathered = [_site(table, known) for table in sites]
    top.done()
    _unique(problems, "[[site]]", [part.sites[0].id for part in gathered])
    if problems:
        raise EstateInvalid(problems)
    return msgspec.structs.replace(
        estate,
        sites=tuple(site for part in gathered for site in part.sites),
        gates=tuple(gate for part in gathered for gate in part.gates),
        lanes=tuple(lane for part in gathered for lane in part.lanes),
        devices=tuple(device for part in gathered for device in part.devices),
    )


def _merchant(table: _Table) -> MerchantEntry:
    merchant = MerchantEntry(id=table.name(), name=table.text("name"), seller=_seller(table.inner("seller")))
    table.done()
    return merchant


def _seller(table: _Table | None) -> Seller | None:
    if table is None:
        return None
    seller = Seller(
        title=table.text("title"),
        tax_number=table.text("tax_number"),
        **{key: table.optional_text(key) or "" for key in ("address", "phone", "bank", "bank_account")},
    )
    if seller.tax_number and any(one.field == "seller.tax_number" for one in problems_of_seller(seller)):
        table.wrong("tax_number", "not a 统一社会信用代码 of 18 characters whose last one checks")
    table.done()
    return seller


def _premises(table: _Table | None) -> Premises | None:
    if table is None:
        return None
    premises = Premises(
        region=table.text("region"),
        address=table.text("address"),
        certificate=table.optional_text("certificate") or "无",
    )
    if premises.region and "-" not in premises.region:
        table.wrong("region", "write 省-市-区 with hyphens, such as 浙江省-杭州市-拱墅区")
    table.done()
    return premises


def _site(table: _Table, merchants: set[str]) -> Estate:
    site = SiteEntry(
        id=table.name(),
        name=table.text("name"),
        capacity=table.number("capacity", CAPACITY_MAX),
        policy=table.text("policy", 40),
        merchant=table.name("merchant"),
        premises=_premises(table.inner("premises")),
        zombie_days=ZOMBIE_DAYS if (days := table.optional_number("zombie_days", ZOMBIE_DAYS_MAX)) is None else days,
    )
    if site.merchant and site.merchant not in merchants:
        table.wrong("merchant", f"{site.merchant!r} is no [[merchant]] of this file")
    devices = tuple(_device(site.id, entry) for entry in table.tables("device", "site.device"))
    gates: list[GateEntry] = []
    lanes: list[LaneEntry] = []
    for entry in table.tables("gate", "site.gate"):
        gate, its_lanes = _gate(site.id, entry, {device.id for device in devices})
        gates.append(gate)
        lanes.extend(its_lanes)
    table.done()
    _unique(table.problems, f"{table.where}, [[site.gate]]", [gate.id for gate in gates])
    _unique(table.problems, f"{table.where}, [[site.device]]", [device.id for device in devices])
    # Lanes are named "{site}.{lane}" on the wire and in the API, so two gates of a site cannot share one.
    _unique(table.problems, f"{table.where}, [[site.gate.lane]]", [lane.id for lane in lanes])
    channels = [f"{lane.device}, channel {lane.channel}" for lane in lanes if lane.device and lane.channel is not None]
    _unique(table.problems, f"{table.where}, [[site.gate.lane]]", channels)
    return Estate(merchants=(), sites=(site,), gates=tuple(gates), lanes=tuple(lanes), devices=devices)


def _device(site: str, table: _Table) -> DeviceEntry:
    vendor = table.one_of("vendor", VENDORS)
    address = _address(table, vendor)
    device = DeviceEntry(
        site=site,
        id=table.name(),
        vendor=vendor,
        password=table.optional_text("password"),
        serial=table.text("serial", SERIAL_MAX) if "serial" in table.values else "",
        features=table.words("features", ADAPTERS[vendor].features if vendor in ADAPTERS else frozenset()),
        address=address,
        login=(table.text("login", LOGIN_MAX) if "login" in table.values else _LOGIN) if address else "",
        login_password=table.optional_text("login_password") if address else None,
    )
    if set(device.serial) & set("+#/") and vendor in _NAMED_IN_TOPICS:
        table.wrong(
            "serial",
            f"{device.serial!r:.60} stands in topics, where + # and / would let it hear and say what is others'",
        )
    table.done()
    return device


def _address(table: _Table, vendor: str) -> str:
    """Where a device is asked by HTTP, as `scheme://host[:port]`; empty where it is not."""
    if "address" not in table.values:
        return ""
    address = table.text("address").rstrip("/")
    if vendor not in ASKED:
        table.wrong("address", f"nothing is asked of a device of {vendor}")
    elif address and _ADDRESS.fullmatch(address) is None:
        table.wrong("address", "not http://host or https://host, with :port where it is another than the usual one")
    return address


def _gate(site: str, table: _Table, devices: set[str]) -> tuple[GateEntry, list[LaneEntry]]:
    gate_id, tier = table.name(), table.one_of("tier", TIERS, "main")
    gate = GateEntry(
        site=site,
        id=gate_id,
        tier=tier,
        residents_only=table.flag("residents_only", default=False),
        staffed=table.flag("staffed", default=tier == "main"),
    )
    lanes = [_lane(gate, entry, devices) for entry in table.tables("lane", "site.gate.lane")]
    table.done()
    return gate, lanes


def _lane(gate: GateEntry, table: _Table, devices: set[str]) -> LaneEntry:
    lane_id, direction, device = table.name(), table.one_of("direction", DIRECTIONS), table.name("device")
    if device and device not in devices:
        table.wrong("device", f"{device!r} is no [[site.device]] of this site")
    lane = LaneEntry(
        site=gate.site,
        id=lane_id,
        gate=gate.id,
        device=device,
        direction=direction,
        loop=table.flag("loop", default=gate.tier != "small"),
        passage_sensor=table.flag("passage_sensor", default=gate.tier != "small"),
        offline_exit=table.flag("offline_exit", default=direction == "out" and not gate.staffed),
        channel=table.optional_number("channel", CHANNEL_MAX),
        relay=table.optional_number("relay", RELAY_MAX) or 0,
        close_relay=table.optional_number("close_relay", RELAY_MAX),
    )
    if lane.close_relay == lane.relay:
        table.wrong("close_relay", "the same output as relay: it would raise what it is to lower")
    table.done()
    return lane


def _unique(problems: list[str], where: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name and name in seen:
            problems.append(f"{where}: id: {name!r} stands there twice")
        seen.add(name)
