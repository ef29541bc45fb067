"""The street with its console's money pages, and how a browser without script sends their forms."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from gateway.api.app import create_app
from gateway.flows import payment, quote, users
from gateway.wiring import Parts
from tests.gateway.breaks_desk import Breaks
from tests.gateway.house import PASSWORD, Client, House
from tests.gateway.reconciling import DAY, Morning
from tests.gateway.test_console import csrf_of, signed_in

SITE_DAY = f"/money/days/{DAY}/xinyi"


class Desk(Morning, Breaks):
    """The street with its console: the real flows behind it."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.house = House(parts)
        self.house.app = create_app(parts, wall=parts.clock)

    def hires(self, name: str, role: str, *sites: str) -> None:
        users.add(self.parts, name, role, list(sites), PASSWORD, operator="test")

    def at(self, name: str) -> Client:
        return signed_in(self.house, name)

    def takes_cash(self, plate: str = "浙B00001", operator: str = "li") -> tuple[str, str]:
        """Two hours, paid in cash at the exit: the stay and the payment."""
        self.passes("in-1", plate, "12:00")
        self.arrives("out-1", plate, "14:00", id=f"o{plate}")
        stay = str(self.stay(plate).id)
        due = int(quote.bill_document(self.parts, stay)["payable_fen"])
        taken = payment.take(
            self.parts, stay_id=stay, channel="cash", amount_fen=due, operator=operator, role="cashier"
        )
        self.clock.set(self.clock.now() + timedelta(seconds=5))
        self.goes("out-1", "14:00:05", after=f"o{plate}")
        return stay, taken.id


def sends(browser: Client, path: str, form: str = "", **fields: Any) -> Any:
    """A form, as the page at `form` (by default the same address) gives it: with its token, its own key and what it hides."""
    page = browser.get(form or path).text
    hidden = dict(re.findall(r'<input type="hidden" name="(once|version|seen_fen)" value="([^"]*)"', page))
    return browser.post(path, data={"csrf": csrf_of(page), **hidden, **fields})


def content_of(answer: Any) -> str:
    return str(answer.text.split('<main id="content"')[1].split("</main>")[0])
