"""A street on which there is something to see on every page: staff, registers, stays, and what needs a person."""

from __future__ import annotations

from gateway.flows import passes, registers_entries, users
from gateway.flows.charges_books import By
from gateway.flows.passes_terms import Wanted
from gateway.flows.reading import Slice
from gateway.flows.registers_entries import Filter
from gateway.flows.users import ROLES
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.browser.street_doors import a_small_gate
from tests.browser.street_money import a_cafe, papers
from tests.gateway.house import PASSWORD, an_exception, heard
from tests.gateway.people import JPEG, OWN, a_household, put, visit
from tests.gateway.trade import Street
from tests.gateway.voucher_desk import Desk


class Console(Street):
    """A street with one member of staff of each role, called like it. `url`: where its web server is."""

    url = ""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        for role in ROLES:
            users.add(parts, role, role, [], PASSWORD, operator="test")
        a_household(self)
        self.register("households", {"household": "3-503", "name": "李四"}, {"household": "3-504"})
        self.register("free-vehicles", {"plate": "浙A99999", "class": "ambulance", "valid_to": "2026-03-20"})
        self.register("blocklist", {"plate": "浙C66666", "reason": "多次尾随"})
        self.vouchers = Desk(self)
        self.vouchers.issued(count=3)
        a_cafe(self, self.vouchers)
        wanted = Wanted(site="xinyi", plate=OWN, offer="resident-monthly")
        sold = passes.sell(parts, wanted, None, By(operator="registrar", role="registrar"))
        self.sold_pass = f"/passes/{sold.id}"
        self.door_member = a_small_gate(self)
        visit(self, "沪C24680", "2026-03-02")
        self.passes("in-1", "浙B67890", "2026-03-02 12:00")
        self.arrives("out-1", "浙D44444", "2026-03-02 12:30")
        put(
            self,
            t.Image,
            site_id="xinyi",
            device_id="d1",
            event_id=f"e{self._events}",
            jpeg=JPEG,
            received_at=self.clock.now(),
        )
        _free_hours(self)
        an_exception(parts, "xinyi", "help-1", "help_call", at=self.clock.now(), lane_id="out-1", detail="看不清屏幕")
        self.money = papers(self, self.stay("沪C24680").id)
        heard(parts, "xinyi", at=self.clock.now(), in_1="closed", out_1="fault")

    def read_of(self, plate: str) -> str:
        """The page of what was read at the entry of its newest stay."""
        stay = self.stay(plate)
        return f"/events/xinyi/{stay.entry_device}/{stay.entry_event}"

    def entry(self, kind: str, named: str) -> str:
        """The page of the entry of a register whose plate or household is this."""
        with self.parts.store.reading() as connection:
            how = registers_entries.shown(connection, self.parts, kind)
            found = registers_entries.listed(connection, kind, None, Filter(), Slice(None, 100), how)
        return next(
            f"/registers/{kind}/{one['id']}" for _, one in found if named in {one.get("plate"), one["household"]}
        )

    def at(self, url: str) -> Console:
        self.url = url
        return self


def _free_hours(street: Street) -> None:
    """A household has used some of a month, and was given some of it back."""
    here = {"site_id": "xinyi", "holder": "household:3-502", "month": "2026-03"}
    put(street, t.AllowanceBalance, **here, limit_minutes=3600, drawn_minutes=95)
    stay = street.stays()[0].id
    for sequence, minutes in enumerate((120, -25), 1):
        at = street.clock.now()
        put(street, t.AllowanceDraw, **here, stay_id=stay, sequence=sequence, minutes=minutes, at=at)
