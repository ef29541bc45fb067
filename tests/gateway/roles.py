"""Every role at pages that stand for calls of the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.api import access
from gateway.flows.users import ROLES
from tests.gateway.house import Client


def each_gets_what_the_api_gives_it(person: Callable[[str], Client], pages: Mapping[str, tuple[str, str]]) -> None:
    """`pages`: each address with the call that it stands for. `person`: who is signed in, by the name of a role."""
    for role in ROLES:
        browser = person(role)
        for where, call in pages.items():
            assert browser.get(where).status_code == (200 if access.allowed(role, *call) else 403), (role, where)
