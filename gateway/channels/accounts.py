"""Which merchant is paid through which channel. Adapters and their libraries are loaded here, by name, when they are first needed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, cast

from gateway.channels.port import Channel, WithinApp
from gateway.runtime.channel_settings import MerchantChannels

NAMES = ("wechat", "alipay")
# By name, so that nothing that serves gates has the client libraries even in sight.
# Kinds of statements that a channel hands out by API, in the order in which they are asked for. UnionPay sends files, a drawer is counted.
_BILLS = {"wechat": ("trade", "fund_flow"), "alipay": ("trade",)}
_FILES = {"unionpay": ("trade",)}
_ADAPTERS = {"wechat": "gateway.channels.wechat", "alipay": "gateway.channels.alipay"}


class Accounts:
    """The adapters of one process, each made once. Safe for threads."""

    def __init__(self, settings: Mapping[str, MerchantChannels] | None = None) -> None:
        self._settings = dict(settings or {})
        self._made: dict[tuple[str, str], Channel] = {}
        self._making = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._settings)

    def channels_of(self, merchant: str) -> tuple[str, ...]:
        """The channels through which a merchant can be paid."""
        found = self._settings.get(merchant)
        return () if found is None else tuple(name for name in NAMES if getattr(found, name) is not None)

    def statements(self) -> Iterator[tuple[str, str, str]]:
        """The statements that can be fetched: merchant, channel, kind. Loads no adapter."""
        for merchant in sorted(self._settings):
            for channel in self.channels_of(merchant):
                account = getattr(self._settings[merchant], channel)
                for kind in _BILLS[channel]:
                    if kind != "fund_flow" or account.fund_flow:
                        yield merchant, channel, kind

    def files(self) -> Iterator[tuple[str, str, str]]:
        """The statements that come as files: merchant, channel, kind."""
        for merchant, accounts in sorted(self._settings.items()):
            for channel, kinds in _FILES.items():
                if getattr(accounts, channel) is not None:
                    yield from ((merchant, channel, kind) for kind in kinds)

    def get(self, merchant: str, channel: str) -> Channel | None:
        """The account, or None where the merchant has none. Raises `SecretMissing`."""
        if channel not in self.channels_of(merchant):
            return None
        with self._making:
            made = self._made.get((merchant, channel))
            if made is None:
                adapter: Any = import_module(_ADAPTERS[channel])
                made = cast("Channel", adapter.open_account(getattr(self._settings[merchant], channel)))
                self._made[merchant, channel] = made
        return made

    def within(self, merchant: str, channel: str) -> WithinApp | None:
        """The account, where it can be paid inside the channel's app. Raises `SecretMissing`."""
        found: WithinApp | None = getattr(self.get(merchant, channel), "within", None)
        return found

    def merchants_at(self, channel: str) -> tuple[str, ...]:
        """Those that can be paid through a channel."""
        return tuple(merchant for merchant in self._settings if channel in self.channels_of(merchant))
