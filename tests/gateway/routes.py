"""For tests that walk through every route of the API: real entries behind the paths, and a body that a route takes.

A route without an example is still asked, and must still refuse who may not; nothing shows what it answers with data behind it.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from gateway.flows import policies, registers
from gateway.flows.registers_kinds import REGISTERS
from gateway.wiring import Parts
from tests.gateway.trade import POLICY

PREFIX = "/api/v1"
NUMBER = "HZ-0042"

ROWS: dict[str, list[dict[str, str]]] = {
    "households": [
        {"site": "xinyi", "household": "101", "name": "张三", "area_m2": "50"},
        {"site": "xinyi", "household": "102", "name": "李四", "area_m2": "60"},
    ],
    "vehicles": [{"site": "xinyi", "household": "101", "plate": "浙A12345", "vehicle": "small"}],
    "relatives": [
        {
            "site": "xinyi",
            "household": "101",
            "plate": "浙A22222",
            "relation": "parent",
            "name": "张老",
            "resident": "张三",
            "evidence": "户口簿 12",
            "approver": "王五",
        }
    ],
    "certificates": [
        {"site": "xinyi", "household": "101", "number": NUMBER, "issuer": "低保 office"},
        {"site": "xinyi", "household": "101", "number": "HZ-0042-2", "issuer": "低保 office"},
    ],
    "passes": [
        {
            "site": "xinyi",
            "plate": "浙A12345",
            "pass": "pass-resident",
            "valid_from": "2026-03-01",
            "valid_to": "2026-03-31",
        }
    ],
    "free-vehicles": [{"site": "xinyi", "plate": "浙A99999", "class": "ambulance"}],
    "blocklist": [{"site": "xinyi", "plate": "浙A66666", "reason": "损坏道闸未处理"}],
}
_KEYS: dict[str, dict[str, Any]] = {
    "households": {"id": "101"},
    "vehicles": {"plate": "浙A12345"},
    "relatives": {"plate": "浙A22222", "household_id": "101"},
    "certificates": {"id": 1},
    "passes": {
        "plate": "浙A12345",
        "pass_id": "pass-resident",
        "valid_from": datetime(2026, 2, 28, 16, tzinfo=UTC),
    },
    "free-vehicles": {"plate": "浙A99999", "class_id": "ambulance"},
    "blocklist": {"plate": "浙A66666"},
}
# What ends here is not what others still need.
_OTHERS: dict[str, dict[str, Any]] = {
    "/households/{entry}/end": {"id": "102"},
    "/certificates/{entry}/end": {"id": 2},
}

# Values of path parameters; what is not here is asked for as something that is not there.
PATHS: dict[str, str] = {
    "stay_id": "xinyi.a",
    "day": "2026-03-02",
    "site": "xinyi",
    "device": "d1",
    "event": "ev-1",
    "policy_id": "hushu-residential",
    "version": "1",
}

# What a route is sent, where it takes a body: a document, or bytes for a file.
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/stays/{stay_id}/payments"): {"channel": "cash", "amount_fen": 800},
    ("POST", "/days/{day}/close"): None,
    ("POST", "/households"): {"site": "xinyi", "household": "103", "reason": "moved in"},
    ("PATCH", "/households/{entry}"): {"area_m2": 51.5, "reason": "measured again"},
    ("POST", "/vehicles"): {"site": "xinyi", "household": "101", "plate": "浙A11111", "reason": "bought"},
    ("PATCH", "/vehicles/{entry}"): {"vehicle": "large", "reason": "a mistake"},
    ("POST", "/relatives"): {
        "site": "xinyi",
        "household": "101",
        "plate": "浙A33333",
        "relation": "child",
        "resident": "张三",
        "evidence": "出生证明 7",
        "approver": "王五",
        "reason": "asked for",
    },
    ("PATCH", "/relatives/{entry}"): {"evidence": "户口簿 13", "reason": "seen again"},
    ("POST", "/certificates"): {
        "site": "xinyi",
        "household": "101",
        "number": "HZ-0099",
        "issuer": "民政局",
        "reason": "asked for",
    },
    ("PATCH", "/certificates/{entry}"): {"issuer": "民政局", "reason": "a mistake"},
    ("POST", "/certificates/{entry}/review"): {"reason": "papers seen"},
    ("POST", "/free-vehicles"): {"site": "xinyi", "plate": "浙A99998", "class": "ambulance", "reason": "asked for"},
    ("PATCH", "/free-vehicles/{entry}"): {"valid_to": "2026-12-31", "reason": "for a year"},
    ("POST", "/blocklist"): {"site": "xinyi", "plate": "浙A66667", "reason": "占用消防通道"},
    ("PATCH", "/blocklist/{entry}"): {"valid_to": "2026-12-31", "reason": "占用消防通道"},
    ("POST", "/blocklist/{entry}/lift"): {"reason": "paid"},
    **{("POST", f"/{kind}/{{entry}}/end"): {"reason": "moved away"} for kind in _KEYS if kind != "passes"},
    ("POST", "/households/import"): b"site,household\nxinyi,104\n",
    ("POST", "/vehicles/import"): "site,household,plate\nxinyi,101,浙A44444\n".encode(),
    ("POST", "/relatives/import"): "site,household,plate,relation\nxinyi,101,浙A44445,parent\n".encode(),
    ("POST", "/certificates/import"): "site,household,number,issuer\nxinyi,101,HZ-7,民政局\n".encode(),
    (
        "POST",
        "/passes/import",
    ): "site,plate,pass,valid_from,valid_to\nxinyi,浙A44444,pass-resident,2026-03-01,2026-03-31\n".encode(),
    ("POST", "/free-vehicles/import"): "site,plate,class\nxinyi,浙A44446,ambulance\n".encode(),
    ("POST", "/blocklist/import"): "site,plate,reason\nxinyi,浙A44447,占用消防通道\n".encode(),
}


# Routes that read what only a trade of their own makes: the tests of that trade have something behind them.
NOTHING_BEHIND = frozenset(
    {
        "/vouchers/{site}/{serial}/steps",
        "/vouchers/books/{book_id}/sheet",
        "/vouchers/{site}/statements/{statement_id}",
        "/sold-passes/{pass_id}",
        "/arrears/reminders/{batch}/file",
    }
)
# Rules are public and name every benefit that there is; whose it is they do not.
RULES = frozenset({"/policies", "/policies/{policy_id}/versions/{version}"})
_QUERIES = {"/allowances/draws": "?site=xinyi&household=101"}


def register_everything(parts: Parts) -> None:
    """An entry of each register, behind the paths below."""
    for kind, rows in ROWS.items():
        report = registers.import_rows(parts, kind, rows)
        assert report.ok, report.problems


def apply_policy(parts: Parts) -> None:
    """The street's, in which these registers' classes and passes are."""
    policies.apply(parts, POLICY.format(mode="pay_first").replace("resident-monthly", "pass-resident"))


def behind(method: str, path: str) -> bool:
    """Whether a route has an example with data behind it."""
    short = path.removeprefix(PREFIX)
    return (method, short) in BODIES if method != "GET" else short not in NOTHING_BEHIND


def entry_id(kind: str, key: dict[str, Any] | None = None) -> str:
    return REGISTERS[kind].id_of({"site_id": "xinyi", **(key or _KEYS[kind])})


def filled(path: str) -> str:
    """A route's template with the example in it."""
    short = path.removeprefix(PREFIX)
    values = defaultdict(lambda: "none", PATHS)
    if "{entry}" in path:
        kind = short.split("/")[1]
        values["entry"] = entry_id(kind, _OTHERS.get(short))
    address = path.format_map(values)
    return f"{address}?reason=asked+for" if short.endswith("/import") else address + _QUERIES.get(short, "")


def body_of(method: str, path: str) -> Any:
    """What the route is sent; None where it takes nothing."""
    return BODIES.get((method, path.removeprefix(PREFIX)))
