"""What a broker is to know: who may log in, and which topics each may use. From it and what it knows, what to tell it.

One role a device, as `%u` is not replaced in roles. Subscriptions are literal: whoever joined the bridges' shared subscription would
swallow its share of the events, and an `acl_file` grants every subscription. Nothing else is allowed to anybody.
Only what differs is told: the plugin throws out whoever's role or password is touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from controllers.adapters import native
from gateway.bridge.broker_refusals import REFUSED_TOPIC
from gateway.bridge.intake import shared_prefix
from gateway.bridge.intake import topics as subscriptions
from gateway.flows.device_access import Account

Command = dict[str, Any]
Rule = tuple[str, str]
"""What is allowed, and the topic."""

BRIDGE_ROLE = "bridge"
REFUSED_ACCOUNT = "parkgate.refused"
"""Who tells the bridges what the broker refused: its entrypoint (`deploy/mosquitto`)."""
_SAYS, _RECEIVES, _SUBSCRIBES = "publishClientSend", "publishClientReceive", "subscribeLiteral"
_DOWNWARD: tuple[native.Channel, ...] = ("command", "receipt", "list", "list/delta")
DENIED = {
    "command": "setDefaultACLAccess",
    "acls": [
        {"acltype": kind, "allow": kind == "unsubscribe"} for kind in (_SAYS, _RECEIVES, "subscribe", "unsubscribe")
    ],
}


class Wanted(NamedTuple):
    """`password` None: whatever it is. `client_id` None: any, and the broker puts the user name in its place."""

    role: str
    serves: bool
    client_id: str | None
    password: str | None


class Client(NamedTuple):
    """As the broker has it. `enabled`: it may log in."""

    roles: frozenset[str]
    client_id: str | None
    enabled: bool


class Known(NamedTuple):
    """What the broker has now: roles with their rules, clients with their roles and whether they may log in."""

    roles: Mapping[str, frozenset[Rule]]
    clients: Mapping[str, Client]


class Plan(NamedTuple):
    """`without_password`: devices that the broker cannot let in, since nobody told it theirs."""

    commands: tuple[Command, ...]
    without_password: tuple[str, ...]


def rules_of(account: Account) -> frozenset[Rule]:
    """A device's own topics."""
    return frozenset(
        [
            *((_SAYS, topic) for topic in account.says),
            *((_SUBSCRIBES, topic) for topic in account.hears),
            *((_RECEIVES, topic) for topic in account.hears),
        ]
    )


def rules_of_bridges(share_group: str, accounts: Iterable[Account]) -> frozenset[Rule]:
    """What is said on every topic of ours, and on those of each device that speaks its vendor's protocol."""
    rules: set[Rule] = {(_SUBSCRIBES, one) for one in subscriptions(share_group)}
    rules |= {(_RECEIVES, f"{native.ROOT}/+/+/{channel}") for channel in native.UPWARD}
    rules |= {(_SAYS, f"{native.ROOT}/+/+/{channel}") for channel in _DOWNWARD}
    shared = shared_prefix(share_group)
    rules |= {(_SUBSCRIBES, f"{shared}{REFUSED_TOPIC}"), (_RECEIVES, REFUSED_TOPIC)}
    for one in accounts:
        if not one.native:
            rules |= {(_SUBSCRIBES, f"{shared}{topic}") for topic in one.says}
            rules |= {(_SUBSCRIBES, topic) for topic in one.says}
            rules |= {(_RECEIVES, topic) for topic in one.says}
            rules |= {(_SAYS, topic) for topic in one.hears}
    return frozenset(rules)


def plan(
    accounts: Sequence[Account],
    passwords: Mapping[str, str],
    known: Known,
    *,
    share_group: str,
    bridges: Mapping[str, str],
    refused: str | None = None,
) -> Plan:
    """What to tell the broker. `passwords`: of devices, as far as they are known; `bridges`: the bridges' user names and theirs.

    `refused`: the password of who tells what it refused.
    """
    roles = {BRIDGE_ROLE: rules_of_bridges(share_group, accounts)}
    if refused is not None:
        roles[REFUSED_ACCOUNT] = frozenset({(_SAYS, REFUSED_TOPIC)})
    roles |= {one.username: rules_of(one) for one in accounts if one.serves}
    clients = {
        one.username: Wanted(
            one.username, one.serves, one.username if one.native else None, passwords.get(one.username)
        )
        for one in accounts
    } | {name: Wanted(BRIDGE_ROLE, True, name, password) for name, password in bridges.items()}
    if refused is not None:
        clients[REFUSED_ACCOUNT] = Wanted(REFUSED_ACCOUNT, True, REFUSED_ACCOUNT, refused)
    commands = [DENIED, *_roles(roles, known)]
    missing = []
    for name, wanted in clients.items():
        if name in known.clients:
            commands += _changed(name, wanted, *known.clients[name])
        elif wanted.password is not None and wanted.serves:
            commands.append(_created(name, wanted))
        elif wanted.serves:
            missing.append(name)
    return Plan(tuple(commands), tuple(missing))


def _roles(wanted: Mapping[str, frozenset[Rule]], known: Known) -> list[Command]:
    return [
        {
            "command": "modifyRole" if role in known.roles else "createRole",
            "rolename": role,
            "acls": [{"acltype": kind, "topic": topic, "allow": True} for kind, topic in sorted(rules)],
        }
        for role, rules in wanted.items()
        if known.roles.get(role) != rules
    ]


def _created(name: str, wanted: Wanted) -> Command:
    client_id = {} if wanted.client_id is None else {"clientid": wanted.client_id}
    return {
        "command": "createClient",
        "username": name,
        "password": wanted.password,
        "roles": [{"rolename": wanted.role}],
        **client_id,
    }


def _changed(name: str, wanted: Wanted, roles: frozenset[str], client_id: str | None, enabled: bool) -> list[Command]:
    """Whoever may no longer log in is shut out first; whoever may again comes in with what is right by then."""
    commands: list[Command] = []
    if enabled and not wanted.serves:
        commands.append({"command": "disableClient", "username": name})
    if wanted.serves and wanted.password is not None:
        commands.append({"command": "setClientPassword", "username": name, "password": wanted.password})
    if wanted.serves and (roles != {wanted.role} or client_id != wanted.client_id):
        said = {"roles": [{"rolename": wanted.role}], "clientid": wanted.client_id or ""}
        commands.append({"command": "modifyClient", "username": name, **said})
    if wanted.serves and not enabled:
        commands.append({"command": "enableClient", "username": name})
    return commands
