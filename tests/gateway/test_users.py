"""Staff accounts."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from gateway.flows import estate, users
from gateway.flows.refusals import Invalid, NotFound
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.cheap import AS_DELIVERED
from tests.gateway.house import PASSWORD, site_file


def test_a_made_password_lets_in_and_is_stored_only_as_its_hash(parts: Parts) -> None:
    made = users.add(parts, "kim", "console", [], operator="test")
    assert made is not None
    user = users.authenticate(parts.store, "kim", made)
    assert user is not None
    assert (user.name, user.role, user.sites) == ("kim", "console", ())
    with parts.store.reading() as connection:
        stored = connection.execute(select(t.UserAccount.password_hash)).scalar_one()
    assert stored.startswith("$argon2id$")


def test_a_hash_takes_the_work_that_is_recommended() -> None:
    """As delivered: other tests make theirs with less (`tests.cheap`)."""
    assert AS_DELIVERED.hash(PASSWORD).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_given_password_is_not_returned(parts: Parts) -> None:
    assert users.add(parts, "kim", "console", [], PASSWORD, operator="test") is None
    assert users.authenticate(parts.store, "kim", PASSWORD) is not None
    assert users.authenticate(parts.store, "kim", PASSWORD + "x") is None
    assert users.authenticate(parts.store, "nobody", PASSWORD) is None
    assert users.authenticate(parts.store, "kim", "x" * 100_000) is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("name", "role", "sites", "password"),
    [
        ("Kim", "console", [], None),
        ("k" * 65, "console", [], None),
        ("", "console", [], None),
        ("kim", "emperor", [], None),
        ("kim", "guard", ["atlantis"], None),
        ("kim", "guard", [], "short"),
        ("kim", "guard", [], "x" * 201),
    ],
)
def test_a_wrong_account_is_refused(parts: Parts, name: str, role: str, sites: list[str], password: str | None) -> None:
    with pytest.raises(Invalid):
        users.add(parts, name, role, sites, password, operator="test")
    assert users.listed(parts) == []


def test_a_name_is_given_once(parts: Parts) -> None:
    users.add(parts, "kim", "console", [], PASSWORD, operator="test")
    with pytest.raises(Invalid, match="already"):
        users.add(parts, "kim", "guard", [], operator="test")
    (user,) = users.listed(parts)
    assert user.role == "console"


def test_a_reset_changes_the_password_and_ends_every_token(parts: Parts) -> None:
    users.add(parts, "kim", "console", [], PASSWORD, operator="test")
    made = users.reset(parts, "kim", operator="test")
    assert made is not None
    assert users.authenticate(parts.store, "kim", PASSWORD) is None
    user = users.authenticate(parts.store, "kim", made)
    assert user is not None
    assert user.generation == 2
    with pytest.raises(NotFound):
        users.reset(parts, "nobody", operator="test")


def test_accounts_are_listed_by_name_with_their_sites_and_audited(parts: Parts) -> None:
    estate.apply(parts, site_file("xinyi"))
    users.add(parts, "lee", "guard", ["xinyi"], PASSWORD, operator="boss", origin="command line")
    users.add(parts, "kim", "manager", [], PASSWORD, operator="boss")
    assert [(user.name, user.sites) for user in users.listed(parts)] == [("kim", ()), ("lee", ("xinyi",))]
    with parts.store.reading() as connection:
        lines = connection.execute(select(t.AuditEntry).where(t.AuditEntry.action == "user.add")).all()
    assert [(line.operator, line.subject) for line in lines] == [("boss", "lee"), ("boss", "kim")]
    assert PASSWORD not in str(lines)
