"""Vzenith's topics, in the layouts that its firmware has had, and the features that choose among them."""

from __future__ import annotations

import re
from typing import NamedTuple

from controllers.adapters.port import CannotCarryOut, Fitting
from controllers.events import Undecodable

HTTP = "http"
"""The device pushes by HTTP: orders ride on answers."""
SERIAL_FIRST = "serial_first"
"""`{sn}/device/message/…` in the place of `device/{sn}/message/…`."""
LEGACY = "legacy"
"""One topic for all devices; commands on `/device/{sn}/command`."""

SHARED_TOPIC = "/device/push/result"
UPWARD = ("ivs_result", "quick_ivs_result", "keep_alive", "gpio_in", "barr_gate_status")
DOWNWARD = (
    "gpio_out",
    "gate_direct_open",
    "set_io_lock_status",
    "io_lock",
    "serial_data",
    "white_list_operator",
    "set_time",
)

_SERIAL = r"[0-9A-Za-z-]{1,40}"
_TOPIC = re.compile(
    rf"(?:\$/)?(?:device/(?P<serial>{_SERIAL})|(?P<first>{_SERIAL})/device)/message/"
    r"(?:up/(?P<up>\w{1,40})|down/(?P<down>\w{1,40})/reply)",
    re.ASCII,
)


class Address(NamedTuple):
    """Whose topic, and which message. `serial` is empty on the shared topic of legacy firmware."""

    serial: str
    name: str
    reply: bool = False


def address(topic: str) -> Address:
    """Raises `Undecodable` (`bad_topic`)."""
    if topic == SHARED_TOPIC:
        return Address("", "push")
    found = _TOPIC.fullmatch(topic)
    if found is None:
        raise Undecodable("bad_topic", f"not a topic of vzenith: {topic[:200]!r}")
    return Address(found["serial"] or found["first"], found["up"] or found["down"], found["down"] is not None)


def upward(fitting: Fitting) -> tuple[str, ...]:
    """Every topic that the device publishes on, literally; none without its serial number."""
    if HTTP in fitting.features:
        return ()
    if LEGACY in fitting.features:
        return (SHARED_TOPIC,)
    if not fitting.serial:
        return ()
    base = _base(fitting)
    return (
        *(f"{base}/up/{name}" for name in UPWARD),
        f"$/device/{fitting.serial}/message/up/keep_alive",
        *(f"{base}/down/{name}/reply" for name in DOWNWARD),
    )


def told(fitting: Fitting) -> tuple[str, ...]:
    """Every topic on which the device is told, literally; none without its serial number."""
    if HTTP in fitting.features or not fitting.serial:
        return ()
    return tuple(sorted({downward(fitting, name) for name in DOWNWARD}))


def downward(fitting: Fitting, name: str) -> str:
    """Raises `CannotCarryOut` (`not_supported`) where the serial number is not known."""
    if not fitting.serial:
        raise CannotCarryOut("not_supported", f"{fitting.site}.{fitting.device} has no serial number to address it by")
    return f"/device/{fitting.serial}/command" if LEGACY in fitting.features else f"{_base(fitting)}/down/{name}"


def _base(fitting: Fitting) -> str:
    if SERIAL_FIRST in fitting.features:
        return f"{fitting.serial}/device/message"
    return f"device/{fitting.serial}/message"
