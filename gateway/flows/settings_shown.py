"""The settings as they may be shown: what holds a secret is named, and says only whether it is set. Closed by default."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.runtime.settings import Broker, Settings


def _place(url: str) -> str:
    """Where a database is, without who signs in there."""
    parts = urlsplit(url)
    where = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{where}{port}{parts.path}"


def _names(value: Any) -> str:
    return ", ".join(sorted(value)) if value else ""


def _whether(value: Any) -> str:
    return "***" if value else ""


# How each that is not plain is shown.
_SHOWN: Final[dict[str, Callable[[Any], str]]] = {
    "database_url": _place,
    "broker_url": lambda value: str(Broker(value)),
    "secret_key": _whether,
    "mail": _whether,
    "channels": _names,
    "invoicing": _names,
}
_PLAIN: Final = frozenset(
    {
        *("http_host", "http_port", "devices_http", "share_group", "test", "close_at", "public_url", "timezone"),
        *("bridge_id", "queue_max", "device_rate", "device_burst", "quarantine_per_hour", "reports_max", "linger_ms"),
        *("batch_max", "statements_at", "statements_missed_at", "export_folder", "export_formats"),
        *("payment_order_minutes", "metrics_host", "metrics_port", "log_level", "log_format"),
        *("second_factor_roles", "idle_lock_minutes", "voucher_household_month_max", "break_alone_fen"),
        *("print_font", "accounting_mapping"),
    }
)


def shown(settings: Settings) -> list[dict[str, Any]]:
    """Each setting: its name, its value as it may be shown, whether it is the default, and what it is for."""
    return [
        {
            "name": name,
            "value": _value(name, getattr(settings, name)),
            "default": getattr(settings, name) == field.get_default(call_default_factory=True),
            "about": field.description or "",
        }
        for name, field in Settings.model_fields.items()
    ]


def _value(name: str, value: Any) -> str:
    if name in _SHOWN:
        return _SHOWN[name](value)
    if name in _PLAIN or name.startswith("retention_"):
        return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return _whether(value)
