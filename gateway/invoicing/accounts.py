"""Which merchant issues invoices through which provider. Providers and their libraries are loaded here, when they are first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

from gateway.runtime.invoicing_settings import MerchantInvoicing

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.invoicing.port import Provider

# By name, so that nothing that serves gates has what prints even in sight.
_PROVIDERS = {"simulated": "gateway.invoicing.simulated"}


class Invoicing:
    """The providers of one process, each made once. Safe for threads."""

    def __init__(
        self,
        settings: Mapping[str, MerchantInvoicing] | None = None,
        *,
        now: Callable[[], datetime] | None = None,
        zone: ZoneInfo | None = None,
        font: str = "",
    ) -> None:
        self._settings = dict(settings or {})
        self._surroundings = {"now": now, "zone": zone, "font": font}
        self._made: dict[str, Provider] = {}
        self._making = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._settings)

    def offers(self, merchant: str) -> bool:
        """Whether a merchant issues invoices at all."""
        return merchant in self._settings

    def get(self, merchant: str) -> Provider | None:
        """The provider, or None where the merchant has none."""
        found = self._settings.get(merchant)
        if found is None:
            return None
        with self._making:
            if merchant not in self._made:
                module: Any = import_module(_PROVIDERS[found.provider])
                self._made[merchant] = cast("Provider", module.open_account(found, **self._surroundings))
            return self._made[merchant]
