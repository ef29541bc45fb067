"""What a site file does not say of a device, though nothing goes without it: told whenever the file is applied, and refused never.

A file may name a camera before anybody has read its label, and one of the plainest form, with vendor and password alone, has to be taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC

from msgspec.structs import replace

from controllers.adapters.port import Fitting, Listens
from controllers.adapters.registry import ADAPTERS
from gateway.flows.estate_file import ASKED, DeviceEntry, Estate

_ANY = "1"
_BY_HTTP = "http"


def gaps(estate: Estate) -> tuple[str, ...]:
    """A sentence each: where, what, and what to do."""
    called = Counter(name for device in estate.devices for name in _names(device))
    return tuple(
        f"[[site]] {device.site}, [[site.device]] {device.id}: {what}"
        for device in estate.devices
        for what in _of(device, called)
    )


def _of(device: DeviceEntry, called: Counter[tuple[str, str]]) -> Iterator[str]:
    vendor, same = device.vendor, max((called[name] for name in _names(device)), default=0)
    if _needs_serial(device):
        pushes = (
            f', or features = ["{_BY_HTTP}"] where it pushes by HTTP' if _BY_HTTP in ADAPTERS[vendor].features else ""
        )
        yield (
            f"serial: missing: at the broker a device of {vendor} is known by its own name for itself; until then it is not heard, or is told nothing. "
            f'Write serial = "…" as its label says{pushes}, and apply again'
        )
    elif same > 1:
        yield (
            f"serial: {repr(device.serial) if device.serial else 'missing'}: {same} devices of {vendor} are called so; until then nobody knows which "
            "of them speaks, and what they say goes into quarantine. Write each one's own name for itself, and apply again"
        )
    if vendor in ASKED and not device.address:
        yield (
            f"address: missing: a device of {vendor} is told by requests to it; until then every command is a fault. "
            'Write address = "http://…", and apply again'
        )


def _needs_serial(device: DeviceEntry) -> bool:
    fitting = _fitting(device)
    return not device.serial and _listens(device, fitting) != _listens(device, replace(fitting, serial=_ANY))


def _names(device: DeviceEntry) -> frozenset[tuple[str, str]]:
    """By which it is known among all that are heard on a topic."""
    return frozenset((topic, device.serial) for topic in _listens(device, _fitting(device)).topics)


def _listens(device: DeviceEntry, fitting: Fitting) -> Listens:
    return replace(ADAPTERS[device.vendor].listens(fitting), streams=())


def _fitting(device: DeviceEntry) -> Fitting:
    features = frozenset(device.features)
    return Fitting(site=device.site, device=device.id, lanes=(), zone=UTC, serial=device.serial, features=features)
