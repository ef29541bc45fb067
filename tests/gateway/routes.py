"""For tests that walk through every route of the API: real entries behind the paths, and a body that a route takes.

Whatever is read has something behind it. A change without an example is still asked for, and must still refuse who may not.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from billing.invoices import Buyer
from gateway.flows import passes, policies, registers, shifts_work
from gateway.flows.charges_books import By
from gateway.flows.invoices import asking, records
from gateway.flows.passes_terms import Wanted
from gateway.flows.registers_kinds import REGISTERS
from gateway.flows.vouchers import books, register
from gateway.runtime.ids import derive, derive_in_site
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.statements import cash_count
from tests.gateway.trade import POLICY, local

PREFIX = "/api/v1"
# An allowed one never ends; see the tests of the stream.
STREAMS = {f"{PREFIX}/live", f"{PREFIX}/live/emergencies"}
NUMBER = "HZ-0042"
MORNING = local("2026-03-02 09:00")

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
    "free-vehicles": [{"site": "xinyi", "plate": "浙A99999", "class": "ambulance", "valid_to": "2027-12-31"}],
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
    "serial": "1",
    "book_id": derive_in_site("xinyi", "voucher book", "1"),
    "buyer": "cafe",
    "statement_id": "vs-1",
    "bill": "cs-1",
    "pass_id": derive_in_site("xinyi", "pass", "key:example"),
    "batch": "rem-1",
    "shift_id": derive_in_site("xinyi", "shift", "key:shift"),
    "order_id": "pgexample",
    "lane_id": "xinyi.out-1",
    "door_id": "xinyi.garden",
    "member_id": derive_in_site("xinyi", "door member", "test", "key:example"),
    "case_id": derive_in_site("xinyi", "zombie", "example"),
    "name": "somebody",
    "device_id": "xinyi.d1",
    "break_id": derive_in_site("xinyi", "break", "example"),
    "item_id": "item-1",
    "invoice_id": derive("iv", "xinyi", "xinyi.a", "0", MORNING.isoformat()).replace("-", ""),
}

# What a route is sent, where it takes a body: a document, or bytes for a file.
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/stays/{stay_id}/payments"): {"channel": "cash", "amount_fen": 800},
    ("POST", "/days/{day}/close"): None,
    ("POST", "/days/{day}/reconcile"): None,
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
    ("POST", "/free-vehicles"): {
        "site": "xinyi",
        "plate": "浙A99998",
        "class": "ambulance",
        "reason": "asked for",
        "valid_to": "2027-12-31",
    },
    ("PATCH", "/free-vehicles/{entry}"): {"valid_to": "2026-12-31", "reason": "for a year"},
    ("POST", "/blocklist"): {"site": "xinyi", "plate": "浙A66667", "reason": "占用消防通道"},
    ("PATCH", "/blocklist/{entry}"): {"valid_to": "2026-12-31", "reason": "占用消防通道"},
    ("POST", "/blocklist/{entry}/lift"): {"reason": "paid"},
    **{("POST", f"/{kind}/{{entry}}/end"): {"reason": "moved away"} for kind in _KEYS if kind != "passes"},
    ("POST", "/vouchers/books"): {
        "site": "xinyi",
        "kind": "hour",
        "value": 60,
        "count": 2,
        "valid_from": "2026-03-01",
        "valid_to": "2026-03-31",
    },
    ("POST", "/vouchers/buyers"): {"site": "xinyi", "id": "shop", "kind": "firm", "name": "街角小店"},
    ("POST", "/vouchers/buyers/{buyer}/payments"): {"site": "xinyi", "channel": "cash", "amount_fen": 100},
    ("POST", "/households/import"): b"site,household\nxinyi,104\n",
    ("POST", "/vehicles/import"): "site,household,plate\nxinyi,101,浙A44444\n".encode(),
    ("POST", "/relatives/import"): "site,household,plate,relation\nxinyi,101,浙A44445,parent\n".encode(),
    ("POST", "/certificates/import"): "site,household,number,issuer\nxinyi,101,HZ-7,民政局\n".encode(),
    (
        "POST",
        "/passes/import",
    ): "site,plate,pass,valid_from,valid_to\nxinyi,浙A44444,pass-resident,2026-03-01,2026-03-31\n".encode(),
    ("POST", "/free-vehicles/import"): "site,plate,class,valid_to\nxinyi,浙A44446,ambulance,2027-12-31\n".encode(),
    ("POST", "/blocklist/import"): "site,plate,reason\nxinyi,浙A44447,占用消防通道\n".encode(),
    ("PUT", "/doors/{door_id}/hours"): {"hours": None, "reason": "白天黑夜都开"},
    ("POST", "/door-members"): {"site": "xinyi", "name": "李", "valid_to": "2026-12-31T00:00:00+08:00", "code": True},
    ("PATCH", "/door-members/{member_id}"): {"blocked": True, "reason": "卡丢了"},
    ("POST", "/door-members/{member_id}/erasure"): {"reason": "搬走"},
    ("POST", "/zombie-vehicles/{case_id}/steps"): {"step": "notice", "note": "贴单"},
    ("POST", "/account/second-factor"): {"password": "nine barriers in a row"},
    ("POST", "/users"): {"name": "newcomer", "role": "guard", "sites": ["xinyi"]},
    ("PATCH", "/users/{name}"): {"role": "cashier", "reason": "another post"},
    ("POST", "/statements/import"): b"".join(cash_count([])),
    ("POST", "/statements/fetch"): {"day": "2026-03-02"},
    ("POST", "/statements/empty"): {"channel": "alipay", "day": "2026-03-02"},
}


# What only more than a street's first morning has: a closed day, a month that was charged, a command given by hand, an account at a channel.
NOTHING_BEHIND = frozenset(
    {
        ("GET", "/charges/{charge_id}"),
        ("GET", "/exports"),
        ("GET", "/lanes/{lane_id}/commands/{command_id}"),
        ("POST", "/statements/fetch"),
    }
)

# Rules are public and name every benefit that there is, settings every kind of data that is kept; whose it is they do not.
RULES = frozenset({"/policies", "/policies/{policy_id}/versions/{version}", "/settings"})
_QUERIES = {
    "/allowances/draws": "?site=xinyi&household=101",
    "/allowances/months": "?site=xinyi&household=101",
    "/statements/import": "?channel=cash&day=2026-03-02",
    "/reports/breaks": "?month=2026-03",
    "/exports": "?format=csv&day=2026-03-02",
}


def register_everything(parts: Parts) -> None:
    """An entry of each register, behind the paths below."""
    for kind, rows in ROWS.items():
        report = registers.import_rows(parts, kind, rows)
        assert report.ok, report.problems


def apply_policy(parts: Parts) -> None:
    """The street's, in which these registers' classes and passes are."""
    policies.apply(parts, POLICY.format(mode="pay_first").replace("resident-monthly", "pass-resident"))


def trade_in_everything(parts: Parts) -> None:
    """What a route reads that only a trade of its own makes: a book of vouchers, a buyer's month, a pass, a reminder.

    The pass is that of a household with a certificate: whoever reads it must be one who administers them.
    """
    ends = local("2026-04-01 00:00")
    books.make_book(
        parts, site="xinyi", kind="hour", value=60, count=2, valid_from=MORNING, valid_to=ends, operator="test"
    )
    register.issue(
        parts,
        site="xinyi",
        first_serial=1,
        last_serial=1,
        household="101",
        purpose="访客",
        signature="第 1 页",
        operator="test",
    )
    books.register_buyer(parts, site="xinyi", buyer="cafe", kind="merchant", name="转角咖啡", operator="test")
    wanted = Wanted(site="xinyi", plate="浙A12345", offer="pass-resident", first_day=ends.date())
    passes.sell(parts, wanted, None, By(operator="test", role="registrar"), "example")
    shifts_work.open_at(parts, "xinyi", "east", {}, "bank", By(operator="test", role="cashier"), "shift")
    with parts.store.writing() as connection:
        connection.execute(
            insert(t.VoucherStatement).values(
                site_id="xinyi", id="vs-1", buyer_id="cafe", month="2026-02", used=1, fen=800, made_at=MORNING
            )
        )
        connection.execute(
            insert(t.ChannelStatement).values(
                site_id="xinyi", id="cs-1", merchant_id="hushu", channel="wechat", kind="trade", day=MORNING.date(),
                account="19", digest=b"1" * 32, rows=1, orphans=1, payments=1, payments_fen=800, refunds=0,
                refunds_fen=0, fee_millifen=5000, imported_at=MORNING, imported_by="test",
            )
        )  # fmt: skip
        connection.execute(
            insert(t.ChannelStatementRow).values(
                site_id="xinyi", statement_id="cs-1", line=2, kind="payment", status="done", order_number="P1",
                channel_number="42", refund_number="", at=MORNING, amount_fen=800, fee_millifen=5000,
            )
        )  # fmt: skip
        connection.execute(
            insert(t.ArrearsReminder).values(
                site_id="xinyi", stay_id="xinyi.a", sequence=1, batch="rem-1", at=MORNING, sender="csv",
                amount_fen=800, operator="test",
            )
        )  # fmt: skip
        _zombie(connection)
        _door(connection)
        _break(connection)
        _invoice(connection)
        connection.execute(
            insert(t.PaymentOrder).values(
                site_id="xinyi", id="pgexample", stay_id="xinyi.a", merchant_id="hushu", channel="wechat", amount_fen=800,
                state="closed", quoted_at=MORNING, expires_at=MORNING, look_at=MORNING, looks=0, paid_fen=0, applied_fen=0,
                refunded_fen=0,
            )
        )  # fmt: skip
        connection.commit()


def _door(connection: Connection) -> None:
    """A small gate without a lane, and a member of it."""
    gate = {"site_id": "xinyi", "id": "garden", "tier": "small", "residents_only": False, "staffed": False}
    connection.execute(insert(t.Gate).values(**gate, enabled=True))
    member = {"site_id": "xinyi", "id": PATHS["member_id"], "name": "王", "valid_to": MORNING.replace(year=2027)}
    connection.execute(insert(t.DoorMember).values(**member, registered_at=MORNING, registered_by="test"))


def _zombie(connection: Connection) -> None:
    """The stay's vehicle has not moved for long; and an account that a manager looks after."""
    case = {"site_id": "xinyi", "id": PATHS["case_id"], "stay_id": PATHS["stay_id"], "state": "found"}
    connection.execute(insert(t.ZombieVehicle).values(**case, since=MORNING, found_at=MORNING))
    first = {"site_id": "xinyi", "zombie_id": PATHS["case_id"], "sequence": 1, "at": MORNING, "step": "found"}
    connection.execute(insert(t.ZombieStep).values(**first, operator="parkgate", note=""))
    account = {"name": PATHS["name"], "role": "guard", "sites": ["xinyi"], "password_hash": "none"}
    connection.execute(insert(t.UserAccount).values(**account, generation=1, enabled=True, created_at=MORNING))


def _invoice(connection: Connection) -> None:
    """An invoice of the stay, issued."""
    stay = connection.execute(select(*t.Stay.__table__.c).where(t.Stay.id == PATHS["stay_id"])).one()
    row = asking.put(connection, stay, "hushu", Buyer(kind="person", title="王小明"), MORNING, count=0)
    assert row.id == PATHS["invoice_id"]
    records.change(
        connection,
        row,
        state="issued",
        amount_fen=800,
        tax_fen=66,
        rate="0.09",
        number="2633" + "9" * 16,
        issued_at=MORNING,
    )
    file = {"site_id": "xinyi", "invoice_id": row.id, "part": "blue", "pdf": b"%PDF-1.4", "received_at": MORNING}
    connection.execute(insert(t.InvoiceFile).values(**file))


def _break(connection: Connection) -> None:
    """A break of the stay, with its entry's picture, and an item of the queue about the same read."""
    connection.execute(
        update(t.Stay).where(t.Stay.id == PATHS["stay_id"]).values(entry_device="d1", entry_event=PATHS["event"])
    )
    connection.execute(
        insert(t.Image).values(
            site_id="xinyi", device_id="d1", event_id=PATHS["event"], jpeg=b"\xff\xd8\xff\xd9", received_at=MORNING
        )
    )
    connection.execute(
        insert(t.ExceptionItem).values(
            site_id="xinyi", id=PATHS["item_id"], kind="alarm", subject="d1", state="open", opened_at=MORNING, count=1,
            lane_id="in-1", event_id=PATHS["event"], detail="",
        )
    )  # fmt: skip
    where = {"site_id": "xinyi", "amount_fen": 800, "difference_fen": 800, "state": "open"}
    connection.execute(
        insert(t.ReconciliationBreak).values(
            **where, id=PATHS["break_id"], key="channel_only:example", day=MORNING.date(), kind="channel_only",
            about="payment", channel="wechat", account="hushu", order_number="pgexample", refund_number="",
            stay_id=PATHS["stay_id"], subject="", suspense_fen=0, found_at=MORNING, version=1,
            evidence={"channel_fen": 800, "lines": ["cs-1:2"]},
        )
    )  # fmt: skip
    connection.execute(
        insert(t.ReconciliationStep).values(
            **where, break_id=PATHS["break_id"], sequence=1, at=MORNING, action="found", reason=""
        )
    )


def of_doors_alone(role: str, method: str, path: str) -> bool:
    """A committee has small gates alone, and this street has none."""
    return role == "committee" and method == "GET" and path.endswith("/commands")


def behind(method: str, path: str) -> bool:
    """Whether a route has an example with data behind it."""
    route = (method, path.removeprefix(PREFIX))
    return route not in NOTHING_BEHIND and (method == "GET" or route in BODIES)


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
    return address + _QUERIES.get(short, "?reason=asked+for" if short.endswith("/import") else "")


def body_of(method: str, path: str) -> Any:
    """What the route is sent; None where it takes nothing."""
    return BODIES.get((method, path.removeprefix(PREFIX)))
