"""The accounts with which we sign in at devices: encrypted, shown once, never where they do not belong."""

from __future__ import annotations

from datetime import UTC

import pytest

from controllers.adapters.port import Delivery, FittedLane, Fitting
from controllers.adapters.registry import ADAPTERS
from gateway.flows import estate
from gateway.flows.device_logins import LoginSeals
from gateway.flows.estate import EstateInvalid
from gateway.flows.estate_file import ASKED, parse
from gateway.store.fittings import load_access
from gateway.wiring import Parts
from tests.gateway.house import site_file

PLACE = 'address = "http://10.0.3.21"'
WHO = ("xinyi", "d1")


def fitted(*lines: str, vendor: str = "hikvision") -> str:
    text = site_file("xinyi").replace('vendor = "native"', f'vendor = "{vendor}"\n' + "\n".join(lines))
    assert f'vendor = "{vendor}"' in text
    return text


def password_of(parts: Parts) -> str | None:
    with parts.store.reading() as connection:
        access = load_access(connection)[WHO]
    return LoginSeals(parts.settings.secret()).opened(access.sealed)


def test_an_account_is_made_shown_once_and_kept_encrypted(parts: Parts) -> None:
    applied = estate.apply(parts, fitted(PLACE))
    (made,) = applied.logins
    assert (made.site, made.device, made.login) == (*WHO, "admin")
    assert 8 <= len(made.password) <= 16
    with parts.store.reading() as connection:
        access = load_access(connection)[WHO]
    assert (access.address, access.login) == ("http://10.0.3.21", "admin")
    assert made.password.encode() not in access.sealed
    assert password_of(parts) == made.password
    again = estate.apply(parts, fitted(PLACE))
    assert (again.logins, again.changed) == ((), 0)
    assert password_of(parts) == made.password


def test_an_account_that_the_device_has_already_is_taken_and_changed(parts: Parts) -> None:
    applied = estate.apply(parts, fitted(PLACE, 'login = "gate"', 'login_password = "kept-1"'))
    assert (applied.logins, applied.passwords_changed) == ((), ())
    again = estate.apply(parts, fitted(PLACE, 'login = "gate"', 'login_password = "kept-1"'))
    assert (again.changed, again.passwords_changed) == (0, ())
    changed = estate.apply(parts, fitted(PLACE, 'login = "gate"', 'login_password = "kept-2"'))
    assert (changed.changed, changed.passwords_changed) == (1, ("xinyi.d1",))
    assert password_of(parts) == "kept-2"


def test_who_is_asked_no_more_loses_the_account(parts: Parts) -> None:
    estate.apply(parts, fitted(PLACE))
    estate.apply(parts, fitted())
    with parts.store.reading() as connection:
        assert load_access(connection) == {}


def test_with_another_key_nothing_is_opened() -> None:
    sealed = LoginSeals("one key of the house").seal("kept-1")
    assert LoginSeals("one key of the house").opened(sealed) == "kept-1"
    assert LoginSeals("another key of the house").opened(sealed) is None


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (['address = "10.0.3.21"'], "not http://host"),
        (['address = "http://admin:pass@10.0.3.21"'], "not http://host"),
        (['address = "http://10.0.3.21/ISAPI"'], "not http://host"),
        (['login = "gate"'], "unknown key"),
        (['login_password = "kept-1"'], "unknown key"),
    ],
)
def test_what_is_no_address_is_refused(lines: list[str], why: str) -> None:
    with pytest.raises(EstateInvalid, match=why):
        parse(fitted(*lines))


def test_only_vendors_that_are_asked_have_an_address() -> None:
    lane = FittedLane(id="in-1", inward=True)
    bare = Fitting(site="xinyi", device="d1", lanes=(lane,), zone=UTC)
    asked = {name for name, one in ADAPTERS.items() if one.capabilities(bare).delivery is Delivery.REQUEST}
    assert asked == ASKED
    with pytest.raises(EstateInvalid, match="nothing is asked of a device of huaxia"):
        parse(fitted(PLACE, vendor="huaxia"))
