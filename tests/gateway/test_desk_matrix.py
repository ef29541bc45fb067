"""Every role at every route of the working pages: allowed or refused, and nothing else; and no form of anybody else's page changes a thing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import func, select

from gateway.api import access
from gateway.console.desk.routers import ROUTERS
from gateway.console.desk.sections import PAGES
from gateway.flows.users import ROLES
from gateway.store.tables import AuditEntry
from gateway.wiring import Parts
from tests.gateway import routes
from tests.gateway.house import MORNING, Client, a_house, a_stay, an_exception, heard
from tests.gateway.test_console import signed_in

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
# Shown, led elsewhere, asked wrongly, not for this role, not there (or not for you), not as it stands.
_ANSWERS = {200, 303, 403, 404, 409, 422}


def working(method: str) -> Iterator[str]:
    """The addresses of the working pages' routes, with an example in them."""
    values = defaultdict(lambda: "none", routes.PATHS, kind="vehicles", name="flow", item_id="none")
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            if method in route.methods:
                yield route.path.replace(":path", "").format_map(values)


@pytest.fixture
def staff(parts: Parts) -> dict[str, Client]:
    house = a_house(parts)
    a_stay(parts, routes.PATHS["stay_id"], at=MORNING)
    an_exception(parts, "xinyi", "a", "no_entry")
    heard(parts, "xinyi", in_1="closed")
    for role in ROLES:
        house.hires(role, role)
    return {**{role: signed_in(house, role) for role in ROLES}, "nobody": Client(house.app)}


def test_a_page_of_the_navigation_is_for_whoever_may_make_its_call(staff: dict[str, Client]) -> None:
    for role in ROLES:
        for page in PAGES:
            # Who signs in begins at "/": whoever does not watch gates is led on from there.
            wanted = 200 if access.allowed(role, *page.call) else 303 if page.where == "/" else 403
            assert staff[role].get(page.where).status_code == wanted, (role, page.where)


def test_no_link_leads_where_the_role_may_not_go(staff: dict[str, Client]) -> None:
    # Who sees least, who works at a gate, and who reads without working.
    for role in ("committee", "guard", "auditor"):
        first = staff[role].get("/")
        assert staff[role].get(first.headers.get("location", "/")).status_code == 200, role
        pages = {page.where for page in PAGES if page.where != "/" and access.allowed(role, *page.call)}
        links = {
            link.partition("#")[0]
            for where in {first.headers.get("location", "/"), *pages}
            for link in re.findall(r'<a [^>]*href="(/[^"?]*)', staff[role].get(where).text)
        }
        assert "/" in links, role
        for link in links - pages:
            assert staff[role].get(link).status_code != 403, (role, link)


def test_every_other_page_is_shown_or_refused(staff: dict[str, Client]) -> None:
    for path in working("GET"):
        answer = staff["nobody"].get(path)
        # What is no address at all is said so to anybody.
        assert answer.status_code == 422 or answer.headers.get("location") == "/login", path
        for role in ROLES:
            assert staff[role].get(path).status_code in _ANSWERS, (role, path)


def test_a_form_of_somebody_elses_page_changes_nothing(parts: Parts, staff: dict[str, Client]) -> None:
    def lines() -> int:
        with parts.store.reading() as connection:
            return int(connection.execute(select(func.count()).select_from(AuditEntry)).scalar_one())

    before = lines()
    for path in working("POST"):
        for role in (*ROLES, "nobody"):
            answer = staff[role].post(path, data={"csrf": "made up", "reason": "x", "action": "open"})
            assert answer.status_code in _ANSWERS, (role, path)
            assert lines() == before, (role, path)
