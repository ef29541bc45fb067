"""Which virtual devices speak which vendor's protocol over MQTT, or have a relay that does."""

from __future__ import annotations

from datetime import tzinfo

from controllers.adapters.relay import RELAY
from simulators.devices.dialect import Dialect, NativeDialect
from simulators.devices.mqtt_frigate import FrigateDialect
from simulators.devices.mqtt_qianyi import QianyiDialect
from simulators.devices.mqtt_relay import RelayDialect
from simulators.devices.mqtt_vzenith import VzenithDialect
from simulators.devices.mqtt_xinlutong import XinlutongDialect
from simulators.street import DeviceSpec, SiteSpec


def dialect_of(site: SiteSpec, device: DeviceSpec, zone: tzinfo) -> Dialect | None:
    """None: it is none of these, or has no name for itself, or no lane. All but ours and Qianyi's stand at one lane each."""
    lanes = site.lanes_of(device.id)
    if device.vendor == "native":
        return NativeDialect(site.id, device.id)
    if not device.serial or not lanes:
        return None
    match device.vendor:
        case "vzenith" if "http" not in device.features:
            return VzenithDialect(site.id, device, lanes[0])
        case "qianyi":
            return QianyiDialect(site.id, device, lanes)
        case "xinlutong":
            return XinlutongDialect(site.id, device, lanes[0], zone)
        case "frigate" if RELAY in device.features:
            return FrigateDialect(site.id, device, lanes[0])
        case "platerecognizer" | "openalpr" if RELAY in device.features:
            return RelayDialect(site.id, device, lanes[0])
    return None
