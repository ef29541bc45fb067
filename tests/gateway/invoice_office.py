"""Drivers who ask for an invoice, on the street whose drivers pay by phone; its merchant issues through the simulated provider."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from sqlalchemy import select

from billing.invoices import Buyer
from gateway.flows import estate
from gateway.flows.charges_books import By
from gateway.flows.invoices import asking, records, sending
from gateway.flows.orders import refunds
from gateway.flows.orders.sending import send
from gateway.invoicing.accounts import Invoicing
from gateway.invoicing.simulated import Simulated
from gateway.runtime.invoicing_settings import MerchantInvoicing
from gateway.store import tables as t
from gateway.wiring import Parts
from simulators.channels.provider import Provider
from tests.gateway.channel_house import PLATE, Phones
from tests.gateway.trade import SITE

COMPANY = Buyer(kind="company", title="杭州某某科技有限公司", tax_number="91330100799655058B")
PERSON = Buyer(kind="person", title="王小明", email="wang@example.com")
LI, WANG = By(operator="li", role="console"), By(operator="wang", role="finance")
SELLER = """
  [merchant.seller]
  title = "湖墅停车管理有限公司"
  tax_number = "9144030071526726XG"
  address = "湖墅南路 1 号"
"""
PREMISES = """
  [site.premises]
  region = "浙江省-杭州市-拱墅区"
  address = "信义坊 1 号"
"""


def site_file(seller: str = SELLER, premises: str = PREMISES) -> str:
    text = SITE.format(capacity=100).replace('name = "湖墅"\n', f'name = "湖墅"\n{seller}')
    return text.replace('merchant = "hushu"\n', f'merchant = "hushu"\n{premises}')


class Office(Phones):
    """`provider` is the channels'; `tax` is the one that issues invoices."""

    tax: Simulated

    def __init__(self, parts: Parts, provider: Provider, folder: Path, **more: Any) -> None:
        super().__init__(parts, provider, folder)
        estate.apply(self.parts, site_file(**more))
        self.restarts()

    def restarts(self) -> None:
        """The service, and with it what the simulated provider remembers."""
        settings = {"hushu": MerchantInvoicing(provider="simulated")}
        invoicing = Invoicing(settings, now=self.clock.now, zone=self.parts.settings.zone)
        self.parts = replace(self.parts, invoicing=invoicing)
        self.tax = cast("Simulated", invoicing.get("hushu"))

    def pays_and_leaves(self, plate: str = PLATE, channel: str = "wechat", at: str = "09:00") -> str:
        """Ten yuan, by phone, at the exit. The stay."""
        stay = self.parks(at, plate)
        left = f"out{len(self.stays())}"
        self.arrives("out-1", plate, "11:10:00", id=left)
        self.pays_now(stay, channel)
        self.goes("out-1", "11:11", after=left)
        return stay

    def pays_now(self, stay: str, channel: str = "wechat") -> None:
        order = self.orders(stay, channel)
        self.pays(order)
        self.hears(channel, self.notice(order))

    def asks(self, stay: str, buyer: Buyer = COMPANY, by: By | None = None) -> records.Invoice:
        return asking.ask(self.parts, stay, buyer, by)

    def time_passes(self, rounds: int = 3) -> None:
        """The job looks after invoices, until nothing is due."""
        for _ in range(rounds):
            sending.tend(self.parts)
            self.clock.advance(seconds=3700)

    def invoice(self, number: str) -> records.Invoice:
        return records.invoice(self.parts, number)

    def invoices(self) -> list[Any]:
        return list(self._all(select(t.Invoice.__table__).order_by(t.Invoice.requested_at, t.Invoice.id)))

    def issued(self, plate: str = PLATE, buyer: Buyer = COMPANY) -> records.Invoice:
        """Paid, asked for, issued."""
        made = self.asks(self.pays_and_leaves(plate), buyer)
        self.time_passes()
        return self.invoice(made.id)

    def refunds_of(self, stay: str, fen: int) -> None:
        """Part of what was paid goes back, by two."""
        order = self._all(select(t.PaymentOrder.id).where(t.PaymentOrder.stay_id == stay))[0].id
        proposed = refunds.propose(self.parts, order, "设备故障，多收", LI, fen)
        refunds.approve(self.parts, proposed.id, fen, WANG)
        send(self.parts, proposed.id)

    def change(self, statement: str) -> None:
        """As somebody would with the file in hand."""
        with self.parts.store.writing() as connection:
            connection.exec_driver_sql(statement)
            connection.commit()
