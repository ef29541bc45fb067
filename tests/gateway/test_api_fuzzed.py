"""Whatever a caller may send by the API's own description, and somewhat beyond it, is answered: never with a server error."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from gateway.api import access
from gateway.wiring import Parts
from tests.gateway import routes
from tests.gateway.house import MORNING, Staff, a_house, a_read, a_stay, an_exception, heard

_EXAMPLES = 4


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_call_ends_in_a_server_error(parts: Parts) -> None:
    house = a_house(parts)
    a_stay(parts, routes.PATHS["stay_id"], at=MORNING)
    a_read(parts, "xinyi", "ev-1", "浙A12345")
    an_exception(parts, "xinyi", "a", "no_entry")
    heard(parts, "xinyi", in_1="closed")
    routes.register_everything(parts)
    staff = house.one_of_each()
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", house.app)
    told: list[str] = []
    seen = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        call = (operation.method.upper(), operation.path)
        if operation.path in routes.STREAMS:
            continue
        role = next((one for one in staff if access.allowed(one, *call)), None)
        seen += 1
        _tried(operation, staff[role] if role else None, told)
    assert seen > 100
    assert told == []


def _tried(operation: Any, who: Staff | None, told: list[str]) -> None:
    headers = who.headers if who else {}

    @settings(
        max_examples=_EXAMPLES,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def one(case: Any) -> None:
        answer = case.call(headers=headers)
        if answer.status_code >= 500:
            told.append(f"{operation.label}: {answer.status_code} {answer.text[:200]} {case.as_curl_command()[:600]}")

    one()
