"""What most tests of the gateway stand on: one street, and the desks that work there."""

from __future__ import annotations

import pytest

from gateway.wiring import Parts
from tests.gateway.pass_office import Office
from tests.gateway.trade import Street
from tests.gateway.voucher_desk import Desk


@pytest.fixture
def street(parts: Parts) -> Street:
    return Street(parts)


@pytest.fixture
def desk(street: Street) -> Desk:
    return Desk(street)


@pytest.fixture
def office(parts: Parts) -> Office:
    return Office(parts)
