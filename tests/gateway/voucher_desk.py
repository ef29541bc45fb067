"""The desk that hands vouchers out, on a street of the tests."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import select

from billing.vouchers import code
from gateway.flows import payment
from gateway.flows.close import close_missed
from gateway.flows.verify import verify
from gateway.flows.vouchers import books, redeem, register
from gateway.flows.vouchers.day import steps, stocks
from gateway.flows.vouchers.moving import signing_key
from gateway.store import tables as t
from tests.gateway.trade import Street, local


class Desk:
    """Books valid in March 2026, issued to `Mr Li` unless said otherwise."""

    def __init__(self, street: Street) -> None:
        self.street, self.parts = street, street.parts

    def book(self, kind: str = "hour", value: int = 120, count: int = 10, **more: Any) -> books.Book:
        more.setdefault("valid_from", local("2026-03-01 00:00"))
        more.setdefault("valid_to", local("2026-04-01 00:00"))
        return books.make_book(
            self.parts, site="xinyi", kind=kind, value=value, count=count, operator="registrar", **more
        )

    def issue(self, first: int, last: int | None = None, **more: Any) -> register.Issue:
        if "household" not in more:
            more.setdefault("taker", "Mr Li")
        more.setdefault("purpose", "guests")
        more.setdefault("signature", "sheet 1")
        return register.issue(
            self.parts, site="xinyi", first_serial=first, last_serial=last or first, operator="registrar", **more
        )

    def issued(self, kind: str = "hour", value: int = 120, count: int = 1, **more: Any) -> list[str]:
        """A new book, all of it handed out; the codes."""
        made = self.book(kind, value, count, **more)
        self.issue(made.first_serial, made.last_serial)
        return [self.code(serial) for serial in range(made.first_serial, made.last_serial + 1)]

    def code(self, serial: int, site: str = "xinyi") -> str:
        return code(signing_key(self.parts), site, serial)

    def present(self, plate: str, presented: str, **more: Any) -> redeem.Presented:
        stay = [one for one in self.street.stays() if one.plate == plate and one.state != "void"][-1]
        more.setdefault("operator", "console")
        return redeem.present(self.parts, stay_id=stay.id, code=presented, **more)

    def give_back(self, first: int, last: int) -> int:
        return register.give_back(
            self.parts, site="xinyi", first_serial=first, last_serial=last, reason="not needed", operator="registrar"
        )

    def void(self, first: int, last: int) -> int:
        return register.declare_void(
            self.parts, site="xinyi", first_serial=first, last_serial=last, reason="lost", operator="registrar"
        )

    def states(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for row in self.rows(t.Voucher):
            found[row.state] = found.get(row.state, 0) + 1
        return found

    def state(self, serial: int) -> str:
        return next(row.state for row in self.rows(t.Voucher) if row.serial == serial)

    def walked(self, serial: int) -> list[str]:
        """The steps of one voucher."""
        rows = [row for row in self.rows(t.VoucherMovement) if row.serial == serial]
        return [row.kind for row in sorted(rows, key=lambda row: row.sequence)]

    def stock(self, book: str) -> Any:
        with self.parts.store.reading() as connection:
            return stocks(steps(connection, t.VoucherMovement.site_id == "xinyi"))[book]

    def rows(self, model: Any) -> list[Any]:
        with self.parts.store.reading() as connection:
            return list(connection.execute(select(*model.__table__.c)).all())

    def holds(self) -> None:
        report = verify(self.parts)
        assert report.ok, report.first_failure


def close_until(desk: Desk, until: date) -> None:
    """Close every day of the street up to one, that one included."""
    list(close_missed(desk.parts, until))


def uses(desk: Desk, code: str, plate: str, day: str = "2026-03-02") -> str:
    """Three hours and a voucher; what is left is paid."""
    desk.street.passes("in-1", plate, f"{day} 09:00")
    desk.street.arrives("out-1", plate, f"{day} 12:00")
    said = desk.present(plate, code)
    if said.due_fen:
        payment.take(desk.parts, stay_id=said.stay, channel="wechat", amount_fen=said.due_fen)
    return said.stay
