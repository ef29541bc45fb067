"""From neutral messages to a device's topic and bytes. A device's vendor decides; for now all speak the native protocol."""

from __future__ import annotations

from controllers.adapters import native
from controllers.commands import Command, ListDelta, Receipt, WholeList


def topic_of(site: str, device: str) -> str:
    """Where a device listens for commands."""
    return native.topic(site, device, "command")


def command_message(site: str, device: str, command: Command) -> tuple[str, bytes]:
    return topic_of(site, device), native.encode(command)


def receipt_message(site: str, device: str, receipt: Receipt) -> tuple[str, bytes]:
    return native.topic(site, device, "receipt"), native.encode(receipt)


def list_message(site: str, device: str, whole: WholeList) -> tuple[str, bytes]:
    return native.topic(site, device, "list"), native.encode(whole)


def delta_message(site: str, device: str, delta: ListDelta) -> tuple[str, bytes]:
    return native.topic(site, device, "list/delta"), native.encode(delta)
