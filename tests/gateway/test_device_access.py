"""Who may log in, and what the broker is told of it: only what differs, and never more than a device's own topics."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from sqlalchemy import select, update

from gateway.bridge.broker_accounts import DENIED, REFUSED_ACCOUNT, Known, plan, rules_of, rules_of_bridges
from gateway.bridge.broker_refusals import REFUSED_TOPIC
from gateway.flows import estate
from gateway.flows.charges_books import By
from gateway.flows.credentials import DeviceCredentials
from gateway.flows.device_access import Account, accounts, renew, revoke
from gateway.flows.device_refusals import Refusals
from gateway.flows.refusals import Invalid, NotFound
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import DEVICE_PASSWORD, site_file

BY = By(operator="cli:li", origin="command line")


def test_a_revoked_device_comes_back_with_a_new_password_and_no_other_way(parts: Parts) -> None:
    estate.apply(parts, site_file("xinyi"))
    credentials = DeviceCredentials(parts.store)
    assert credentials.verify("xinyi.d1", DEVICE_PASSWORD)
    revoke(parts, None, "xinyi.d1", "stolen", BY)
    revoke(parts, None, "xinyi.d1", "stolen, said again", BY)
    assert credentials.verify("xinyi.d1", DEVICE_PASSWORD) is None
    estate.apply(parts, site_file("xinyi"))
    assert credentials.verify("xinyi.d1", DEVICE_PASSWORD) is None
    assert [one.serves for one in accounts(parts.store, parts.settings.zone)] == [False]
    made = renew(parts, None, "xinyi.d1", "found again", BY)
    assert credentials.verify("xinyi.d1", made.password) == ("xinyi", "d1")
    assert credentials.verify("xinyi.d1", "revoked") is None
    with parts.store.reading() as connection:
        trail = connection.execute(
            select(t.AuditEntry.action, t.AuditEntry.subject, t.AuditEntry.reason)
            .where(t.AuditEntry.action.like("device.%"))
            .order_by(t.AuditEntry.id)
        ).all()
    assert trail == [("device.revoke", "xinyi.d1", "stolen"), ("device.renew", "xinyi.d1", "found again")]


def test_what_is_not_there_or_not_for_one_is_refused(parts: Parts) -> None:
    estate.apply(parts, site_file("xinyi"))
    for device, sites in (("xinyi.d9", None), ("xinyi", None), ("", None), ("xinyi.d1", ["archive"])):
        with pytest.raises(NotFound):
            revoke(parts, sites, device, "a reason", BY)
        with pytest.raises(NotFound):
            renew(parts, sites, device, "a reason", BY)
    with pytest.raises(Invalid):
        revoke(parts, None, "xinyi.d1", " ", BY)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_serial_that_would_stand_for_others_becomes_no_rule(parts: Parts) -> None:
    estate.apply(parts, site_file("xinyi"))
    with parts.store.writing() as connection:
        connection.execute(update(t.Device).values(vendor="xinlutong", serial="+"))
        connection.commit()
    (one,) = accounts(parts.store, parts.settings.zone)
    assert (one.serves, one.says, one.hears) == (False, (), ())
    assert "wildcard" in one.problem


NATIVE = Account(
    username="xinyi.d1",
    serves=True,
    native=True,
    says=("parkgate/v1/xinyi/d1/event",),
    hears=("parkgate/v1/xinyi/d1/command",),
)
CAMERA = Account(username="xinyi.c1", serves=True, native=False, says=("upload/1",), hears=("download/1",), serial="1")


def told(known: Known, *devices: Account, **passwords: str) -> list[tuple[str, str]]:
    found = plan(devices, passwords, known, share_group="g", bridges={})
    assert found.commands[0] == DENIED
    return [(one["command"], one.get("username") or one.get("rolename") or "") for one in found.commands[1:]]


def as_it_should_be(*devices: Account) -> Known:
    roles = {"bridge": rules_of_bridges("g", devices)} | {one.username: rules_of(one) for one in devices}
    clients = {
        one.username: (frozenset({one.username}), one.username if one.native else None, one.serves) for one in devices
    }
    return Known(roles, clients)


def test_a_new_broker_is_told_everything_and_a_right_one_nothing() -> None:
    empty = Known({}, {})
    assert told(empty, NATIVE, CAMERA, **{"xinyi.d1": "x"}) == [
        ("createRole", "bridge"),
        ("createRole", "xinyi.d1"),
        ("createRole", "xinyi.c1"),
        ("createClient", "xinyi.d1"),
    ]
    assert plan([NATIVE, CAMERA], {}, empty, share_group="", bridges={}).without_password == ("xinyi.d1", "xinyi.c1")
    assert told(as_it_should_be(NATIVE, CAMERA), NATIVE, CAMERA) == []


def test_who_tells_what_the_broker_refused_says_that_and_nothing_else() -> None:
    found = plan([], {}, Known({}, {}), share_group="g", bridges={}, refused="a password")
    told = [one for one in found.commands if REFUSED_ACCOUNT in (one.get("username"), one.get("rolename"))]
    assert [one["command"] for one in told] == ["createRole", "createClient"]
    assert told[0]["acls"] == [{"acltype": "publishClientSend", "topic": REFUSED_TOPIC, "allow": True}]
    assert {
        ("subscribeLiteral", f"$share/g/{REFUSED_TOPIC}"),
        ("publishClientReceive", REFUSED_TOPIC),
    } <= rules_of_bridges("g", [])


def test_who_may_no_longer_is_shut_out_and_who_may_again_comes_in() -> None:
    out, known = replace(CAMERA, serves=False), as_it_should_be(NATIVE, CAMERA)
    assert told(known, NATIVE, out, **{"xinyi.c1": "y"})[-1:] == [("disableClient", "xinyi.c1")]
    shut = Known(known.roles, known.clients | {"xinyi.c1": (frozenset({"xinyi.c1"}), None, False)})
    assert told(shut, NATIVE, CAMERA, **{"xinyi.c1": "y"}) == [
        ("setClientPassword", "xinyi.c1"),
        ("enableClient", "xinyi.c1"),
    ]


def test_a_role_that_somebody_widened_is_put_right() -> None:
    known = as_it_should_be(NATIVE)
    wide = Known(
        known.roles | {"xinyi.d1": rules_of(NATIVE) | {("subscribePattern", "#")}},
        {"xinyi.d1": (frozenset({"xinyi.d1", "admin"}), None, True)},
    )
    assert told(wide, NATIVE) == [("modifyRole", "xinyi.d1"), ("modifyClient", "xinyi.d1")]


def test_nobody_but_the_bridges_is_given_the_shared_subscription() -> None:
    shared = ("subscribeLiteral", "$share/g/parkgate/v1/+/+/event")
    assert shared in rules_of_bridges("g", [NATIVE, CAMERA])
    for one in (NATIVE, CAMERA):
        assert not any("$share" in topic or "+" in topic or "#" in topic for _, topic in rules_of(one))


def test_who_guesses_is_refused_without_a_look_and_keeps_nobody_out(parts: Parts) -> None:
    estate.apply(parts, site_file("xinyi"))
    credentials = DeviceCredentials(parts.store)

    def at_home(password: str) -> object:
        return credentials.verify("xinyi.d1", password, origin="10.0.0.1", now=1.0)

    assert at_home(DEVICE_PASSWORD)
    assert [at_home(f"guess {number}") for number in range(30)] == [None] * 30
    assert at_home(DEVICE_PASSWORD), "who was right before is let in all the same"
    made = renew(parts, None, "xinyi.d1", "a new controller", BY)
    assert at_home(made.password) is None, "nobody looks at what comes from there"
    assert credentials.verify("xinyi.d1", made.password, origin="10.0.0.1", now=10.0), (
        "a guess every two seconds is looked at"
    )


def test_what_a_device_was_refused_is_counted_and_stands_in_the_queue_once(parts: Parts) -> None:
    estate.apply(parts, site_file("xinyi"))
    refusals = Refusals(parts)
    refusals.count("xinyi.d1", "publish", 7)
    refusals.count("xinyi.d1", "login")
    refusals.count("", "login", 5)
    refusals.flooded("xinyi", "d1", "allowance", 100)
    refusals.tell()
    refusals.count("xinyi.d1", "publish")
    refusals.tell()  # within the minute
    with parts.store.reading() as connection:
        (item,) = connection.execute(select(t.ExceptionItem)).all()
    assert (item.site_id, item.kind, item.subject, item.detail) == (
        "xinyi",
        "device_refused",
        "d1",
        "login 1, publish 7",
    )
    read = parts.metrics.registry.get_sample_value
    assert read("parkgate_device_refused_total", {"site": "xinyi", "device": "d1", "what": "publish"}) == 8
    assert read("parkgate_device_refused_total", {"site": "", "device": "", "what": "login"}) == 5
