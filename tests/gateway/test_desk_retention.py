"""到期删除 in the console: what is kept how long, what a night deleted, and no word of certificates but to who administers them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.flows.retention import KINDS, retire
from gateway.flows.users import ROLES
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import House
from tests.gateway.people import put
from tests.gateway.test_console import signed_in
from tests.gateway.test_desk_allowances import told
from tests.gateway.trade import Street

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
WHERE = "/personal-data/retention"


@pytest.fixture
def house(parts: Parts) -> House:
    """One night on which something was due."""
    street = Street(parts)
    received_at = street.clock.now() - timedelta(days=91)
    put(
        street,
        t.Quarantine,
        topic="x",
        payload=b"x",
        digest=b"1" * 16,
        code="not_json",
        detail="",
        received_at=received_at,
    )
    retire(parts)
    found = House(parts)
    for role in ROLES:
        found.hires(role, role)
    return found


def test_each_kind_says_how_long_it_is_kept_and_what_was_deleted(house: House) -> None:
    page = signed_in(house, "registrar").get(WHERE).text
    words = told(page)
    assert "无法识别的报文 1" in words
    assert "照片 90" in words
    assert "优免凭证 180" in words
    assert words.count("已完成") == len(KINDS) + 1
    english = told(signed_in(house, "registrar").get(f"{WHERE}?lang=en").text)
    assert "payloads that could not be read 1" in english
    assert "retention_kind" not in english
    early = signed_in(house, "registrar").get(f"{WHERE}?from=2020-01-01&to=2020-01-31").text
    assert "这些日子没有执行过" in early
    assert signed_in(house, "registrar").get(f"{WHERE}?from=2020-01-01").status_code == 422


def test_certificates_are_named_to_who_administers_them(house: House) -> None:
    for role, status in {"finance": 200, "manager": 200, "auditor": 200, "console": 403, "guard": 403}.items():
        answer = signed_in(house, role).get(WHERE)
        assert answer.status_code == status, role
        assert ("优免凭证 180" in told(answer.text)) is (role == "finance"), role
