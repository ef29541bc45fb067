"""People for tests of privacy: a household with everything that can be held of one, and files searched for every trace of them."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from controllers.events import Kind
from gateway.flows import audit, payment, quote
from gateway.flows.close import close_missed
from gateway.store import tables as t
from gateway.store.scrub import file_of
from tests.gateway.trade import SHANGHAI, Street, local

OWN, RELATIVE, VISITOR = "浙A12345", "浙B67890", "沪C24680"
NAME, RELATIVES_NAME, EVIDENCE = "王小明", "王芳芳", "户口簿存根2026-118"
CERTIFICATE = "杭低保20260731"
HOUSEHOLD = "3-502"
JPEG = b"\xff\xd8\xff a picture \xff\xd9"


def visit(street: Street, plate: str, day: str, *, pays: bool = True, came: str = "09:00", left: str = "11:00") -> str:
    """In and out at the east gate, paid in cash. Returns the stay's id."""
    street.passes("in-1", plate, f"{day} {came}")
    street.arrives("out-1", plate, f"{day} {left}")
    stay = next(one for one in street.stays() if one.plate == plate and one.started_at == local(f"{day} {came}"))
    due = int(quote.bill_document(street.parts, stay.id)["payable_fen"])
    if pays and due:
        payment.take(street.parts, stay_id=stay.id, channel="cash", amount_fen=due, operator="kim", role="cashier")
    read = next(
        one
        for one in rows(street, t.PlateEventRow)
        if one.plate == plate and one.at == local(f"{day} {left}") and one.kind == "plate"
    )
    street.clock.advance(seconds=5)
    street.deliver(street.mark("out-1", Kind.PASSED, street.clock.now(), read.event_id))
    return str(stay.id)


def rows(street: Street, table: Any) -> list[Any]:
    with street.parts.store.reading() as connection:
        return list(connection.execute(select(table.__table__)))


def tables(street: Street, names: set[str]) -> dict[str, list[str]]:
    """Every row of these tables, in an order that does not depend on the database."""
    with street.parts.store.reading() as connection:
        known = t.Base.metadata.tables
        return {name: sorted(map(repr, connection.execute(select(known[name])))) for name in names}


def put(street: Street, table: Any, **values: Any) -> None:
    with street.parts.store.writing() as connection:
        connection.execute(insert(table).values(**values))
        connection.commit()


def days_later(street: Street, days: int) -> None:
    """So many days go by, each closed."""
    street.clock.advance(days=days)
    today: date = street.clock.now().astimezone(SHANGHAI).date()
    list(close_missed(street.parts, today - timedelta(days=1)))


def a_household(street: Street) -> None:
    """With a vehicle, a relative's vehicle and a certificate."""
    street.register("households", {"household": HOUSEHOLD, "name": NAME, "area_m2": "88.5"})
    street.register("vehicles", {"household": HOUSEHOLD, "plate": OWN})
    street.register(
        "relatives",
        {
            "household": HOUSEHOLD,
            "plate": RELATIVE,
            "relation": "parent",
            "name": RELATIVES_NAME,
            "resident": NAME,
            "evidence": EVIDENCE,
        },
    )
    street.register(
        "certificates",
        {"household": HOUSEHOLD, "number": CERTIFICATE, "issuer": "湖墅街道民政科", "valid_to": "2026-12-31"},
    )


def traces(street: Street) -> None:
    """Where else somebody may stand: a picture, a payload that could not be read, what staff wrote."""
    street_rows = rows(street, t.PlateEventRow)
    for plate in (OWN, RELATIVE, VISITOR):
        one = next((one for one in street_rows if one.plate == plate), None)
        if one is not None:
            put(
                street,
                t.Image,
                site_id="xinyi",
                device_id=one.device_id,
                event_id=one.event_id,
                jpeg=JPEG,
                received_at=street.clock.now(),
            )
        for encoding, payload in enumerate((plate.encode(), plate.encode("gbk"), json.dumps(plate).encode())):
            put(
                street,
                t.Quarantine,
                site_id="xinyi",
                device_id="d1",
                topic="parkgate/v1/xinyi/d1/event",
                payload=b'{"plate":' + payload + b"}",
                digest=bytes([encoding, *plate.encode()][:16]).ljust(16, b"\0"),
                code="not_in_schema",
                detail="",
                received_at=street.clock.now(),
            )
    with street.parts.store.writing() as connection:
        audit.record(
            connection,
            at=street.clock.now(),
            operator="li",
            action="note",
            site="xinyi",
            subject=f"{OWN} {VISITOR}",
            origin="192.0.2.7",
            reason=f"{NAME}打电话来问{RELATIVE}，证号{CERTIFICATE}",
            detail={"plate": RELATIVE, "who": [RELATIVES_NAME]},
        )
        connection.commit()


def words_of(*people: str) -> list[bytes]:
    """The ways in which bytes may hold somebody."""
    found: list[bytes] = []
    for one in people:
        found += [one.encode(), one.encode("gbk"), one.encode("utf-16-le"), json.dumps(one)[1:-1].encode()]
    return found


def bytes_of(street: Street) -> bytes:
    """The whole file of a SQLite database with its log; of PostgreSQL every row of every table."""
    file = file_of(street.parts.store)
    if file is not None:
        beside = [file, *(Path(f"{file}{end}") for end in ("-wal", "-journal"))]
        return b"".join(one.read_bytes() for one in beside if one.exists())
    everything = []
    with street.parts.store.reading() as connection:
        for table in t.Base.metadata.sorted_tables:
            for row in connection.execute(select(table)):
                everything.append(repr([bytes(v) if isinstance(v, memoryview) else v for v in row]).encode())
                everything += [bytes(v) for v in row if isinstance(v, bytes | memoryview)]
    return b"\n".join(everything)


def found_in(street: Street, *people: str) -> set[bytes]:
    content = bytes_of(street)
    return {word for word in words_of(*people) if word in content}
