"""Settings: `parkgate.toml`, over it `PARKGATE_…` variables.

Keys of the file are the variables in lower case without their prefix. Nothing has a default that would be a secret.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.runtime.channel_settings import MerchantChannels, one_owner_each
from gateway.runtime.invoicing_settings import MerchantInvoicing
from gateway.runtime.mail_settings import MailSettings

DEFAULT_FILE = Path("parkgate.toml")
Role = Literal["guard", "cashier", "console", "registrar", "finance", "manager", "committee", "auditor"]
_BROKER_SCHEMES = {"mqtt": 1883, "mqtts": 8883, "embedded": 1883}


class SettingsError(Exception):
    """Settings that cannot be used: what, where and what to do, on one line."""


class Broker:
    """A broker's address taken apart: `mqtt://user:password@host:port`, `mqtts://…` or `embedded://127.0.0.1:1883`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _BROKER_SCHEMES or not parts.hostname:
            raise ValueError("a broker URL is mqtt://user:password@host:port, mqtts://… or embedded://127.0.0.1:1883")
        self.embedded = parts.scheme == "embedded"
        self.tls = parts.scheme == "mqtts"
        self.host = parts.hostname
        self.port = parts.port or _BROKER_SCHEMES[parts.scheme]
        self.username = unquote(parts.username) if parts.username else None
        self.password = unquote(parts.password) if parts.password else None

    def __str__(self) -> str:
        """Where, without the password."""
        scheme = "embedded" if self.embedded else "mqtts" if self.tls else "mqtt"
        return f"{scheme}://{self.host}:{self.port}"


class Settings(BaseSettings):
    """Everything that differs between deployments."""

    model_config = SettingsConfigDict(env_prefix="PARKGATE_", extra="forbid", frozen=True)

    database_url: str = Field(
        default="sqlite:///parkgate.db", description="where the database is: a SQLite file or PostgreSQL"
    )
    broker_url: str = Field(default="embedded://127.0.0.1:1883", description="the MQTT broker; embedded: our own")
    broker_admin_url: str = Field(
        default="",
        repr=False,
        description="who administers Mosquitto's accounts, mqtts://admin:password@host:8883: for `parkgate device`, and bridges that shut floods out",
    )
    http_host: str = Field(default="127.0.0.1", description="where console and API listen")
    http_port: int = Field(default=8080, ge=0, le=65535, description="the port of console and API")
    devices_http: str = Field(
        default="", description="where devices that speak HTTP reach the bridge, host:port; empty: nowhere"
    )
    secret_key: str = Field(default="", repr=False, description="the key of sessions, pay pages and devices' passwords")
    share_group: str = Field(default="", description="the shared subscription of several bridges; empty: one bridge")
    second_factor_roles: list[Role] = Field(
        default=[], description="whose accounts must have a second factor; of others it is asked where they have one"
    )
    idle_lock_minutes: int = Field(
        default=15, ge=1, le=720, description="after so long without use a console on a shared terminal is locked"
    )
    test: bool = Field(default=False, description="a deployment for tests: payment channels and messages are simulated")
    close_at: str = Field(default="02:00", description="when the day before is closed, local time")
    public_url: str = Field(default="", description="where phones and devices reach this service")
    timezone: str = Field(default="Asia/Shanghai", description="the time zone of all sites")
    bridge_id: str = Field(
        default="1", description="distinguishes several bridges; keeps each one's persistent session"
    )
    queue_max: int = Field(
        default=10_000,
        ge=10,
        le=50_000,  # the broker hands over 65,535 unacknowledged messages at most, and then nothing
        description="messages waiting for the worker, at most; one over 4 KiB counts for as many as it has 4 KiB",
    )
    device_rate: float = Field(
        default=50,
        ge=0,
        le=1_000_000,
        description="messages a second that one device may send for long; what is more stays with it; 0: no limit",
    )
    device_burst: int = Field(
        default=500, ge=1, le=1_000_000, description="messages that one device may send at once after a quiet time"
    )
    quarantine_per_hour: int = Field(
        default=300,
        ge=0,
        le=1_000_000,
        description="payloads of one device put in quarantine in an hour, in units of 4 KiB; 0: no limit",
    )
    reports_max: int = Field(
        default=2, ge=1, le=100, description="exports and searches of one process at the same time, at most"
    )
    linger_ms: float = Field(
        default=0, ge=0, le=100, description="how long a batch waits for company after its first message; 0: never"
    )
    batch_max: int = Field(default=200, ge=1, le=5_000, description="events in one transaction, at most")
    retention_at: str = Field(default="03:30", description="when what has been kept long enough is deleted, local time")
    retention_pictures_days: int = Field(default=90, ge=7, description="how long devices' pictures are kept")
    retention_records_days: int = Field(
        default=365, ge=30, description="how long finished commands and resolved exceptions are kept"
    )
    retention_quarantine_days: int = Field(
        default=90, ge=7, description="how long payloads are kept that could not be read"
    )
    retention_plates_days: int = Field(
        default=365, ge=90, description="how long after a vehicle's last visit its plate is kept; its events with it"
    )
    retention_registrations_days: int = Field(
        default=365, ge=30, description="how long after its end a vehicle's registration is kept, and its history"
    )
    retention_names_days: int = Field(
        default=90, ge=0, description="how long after their end names of residents and relatives are kept"
    )
    retention_evidence_days: int = Field(
        default=365, ge=0, description="how long after its end the reference to a relation's proof is kept"
    )
    retention_certificates_days: int = Field(
        default=180, ge=30, description="how long after its end a low-income certificate is kept"
    )
    retention_blocklist_days: int = Field(
        default=90, ge=0, description="how long after its end an entry of the blocklist is kept"
    )
    retention_door_passages_days: int = Field(
        default=30, ge=1, le=30, description="how long it is kept who went through a small gate, and when"
    )
    retention_vouchers_days: int = Field(
        default=1095, ge=30, description="how long it is kept who took vouchers, and the signature"
    )
    retention_agreements_days: int = Field(
        default=1095, ge=30, description="how long after its end it is kept whose a pay-later agreement was"
    )
    retention_invoices_days: int = Field(
        default=1827,
        ge=365,
        description="how long it is kept whose an invoice is, and its file; the law asks for five years",
    )
    retention_origins_days: int = Field(
        default=183, ge=183, description="how long addresses in the audit trail are kept; the law asks for six months"
    )
    retention_requests_days: int = Field(
        default=1095, ge=365, description="how long requests about personal data are kept"
    )
    voucher_household_month_max: int = Field(
        default=20, ge=0, le=5_000, description="visitor vouchers that one household may take in a month; 0: no limit"
    )
    break_alone_fen: int = Field(
        default=10_000,
        ge=0,
        le=10**12,
        description="up to how many fen one person settles a break of reconciliation; what is written off always takes two",
    )
    print_font: str = Field(
        default="",
        description="a TrueType file with Chinese for printed sheets; empty: the first known one of the system",
    )
    accounting_mapping: str = Field(
        default="",
        description="a TOML file with the account codes and VAT rates of exported vouchers; empty: rules/accounting.toml",
    )
    channels: dict[str, MerchantChannels] = Field(
        default_factory=dict,
        description="payment accounts by merchant (收款主体) of the site file: [channels.hushu.wechat]",
    )
    statements_at: str = Field(
        default="10:00",
        description="from when on the day before's statements are fetched from the channels, local time",
    )
    invoicing: dict[str, MerchantInvoicing] = Field(
        default_factory=dict,
        description="who issues electronic invoices (数电票), by merchant of the site file: [invoicing.hushu]",
    )
    statements_missed_at: str = Field(
        default="13:00",
        description="from when on somebody is told that a day before's statement has not come, local time",
    )
    export_folder: str = Field(
        default="",
        description="where a day's exports are dropped once it is closed, and again once reconciled; empty: nowhere",
    )
    export_formats: list[Literal["xlsx", "csv", "json", "beancount", "accounting", "pdf"]] = Field(
        default=["xlsx"], min_length=1, description="in which formats exports are dropped and mailed"
    )
    mail: MailSettings | None = Field(
        default=None, description="through whom mail is sent, and who of finance gets the exports"
    )
    payment_order_minutes: int = Field(
        default=5, ge=2, le=1440, description="how long an order of a payment channel can be paid"
    )
    metrics_host: str = Field(
        default="127.0.0.1",
        description="the address at which `bridge` and `jobs`, which have no web server, show metrics",
    )
    metrics_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="the port at which `bridge` and `jobs`, which have no web server, show metrics; 0: nowhere",
    )
    log_level: str = Field(default="info", description="how much the log says")
    log_format: str = Field(default="json", description="the log's form")

    @field_validator("broker_url")
    @classmethod
    def _broker(cls, value: str) -> str:
        Broker(value)
        return value

    @field_validator("broker_admin_url")
    @classmethod
    def _administrator(cls, value: str) -> str:
        if value and (Broker(value).embedded or not Broker(value).username):
            raise ValueError("mqtt://user:password@host:port or mqtts://…, of a Mosquitto")
        return value

    @field_validator("close_at", "retention_at", "statements_at", "statements_missed_at")
    @classmethod
    def _close_at(cls, value: str) -> str:
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
            raise ValueError('a local time such as "02:00"')
        return value

    @field_validator("invoicing")
    @classmethod
    def _no_samples(cls, value: dict[str, MerchantInvoicing], info: ValidationInfo) -> dict[str, MerchantInvoicing]:
        """A driver who is given a sample has no invoice."""
        if not info.data.get("test") and any(one.provider == "simulated" for one in value.values()):
            raise ValueError("a simulated provider issues samples; it needs test = true")
        return value

    @field_validator("channels")
    @classmethod
    def _one_owner_each(cls, value: dict[str, MerchantChannels]) -> dict[str, MerchantChannels]:
        one_owner_each(value)
        return value

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("an IANA time zone such as Asia/Shanghai") from None
        return value

    @field_validator("share_group", "bridge_id")
    @classmethod
    def _name(cls, value: str) -> str:
        if not re.fullmatch(r"[a-zA-Z0-9-]{0,40}", value):
            raise ValueError("letters, digits and hyphens, at most 40")
        return value

    @field_validator("devices_http")
    @classmethod
    def _address(cls, value: str) -> str:
        if value and not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:\s\[\]]+):\d{1,5}", value):
            raise ValueError("host:port, such as 0.0.0.0:8090")
        if value and int(value.rpartition(":")[2]) > 65_535:
            raise ValueError("a port is at most 65535")
        return value

    @property
    def devices_address(self) -> tuple[str, int] | None:
        """Where devices that speak HTTP come in; None: nowhere."""
        host, _, port = self.devices_http.rpartition(":")
        return (host.strip("[]"), int(port)) if host else None

    @property
    def broker(self) -> Broker:
        return Broker(self.broker_url)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def base_url(self) -> str:
        """What a phone can reach: `public_url`, else this process's own address."""
        return self.public_url.rstrip("/") or f"http://{self.http_host}:{self.http_port}"

    def secret(self) -> str:
        """The key that signs sessions and encrypts certificate numbers. Raises `SettingsError` if it is not set."""
        if len(self.secret_key) < 16:
            raise SettingsError(
                "secret_key is not set or shorter than 16 characters; set PARKGATE_SECRET_KEY or secret_key in parkgate.toml"
            )
        return self.secret_key

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, which arrives as keyword arguments."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def load(config: Path | None = None) -> Settings:
    """Settings from `config` (default `./parkgate.toml` where it exists) and the environment.

    Raises `SettingsError`, naming the file and the key.
    """
    path = config or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"{path}: {error.strerror or error}; give a readable file with --config") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: {error}; correct the file") from None
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else "?"
        where = f"PARKGATE_{key.upper()}" if f"PARKGATE_{key.upper()}" in os.environ else f"{path}: {key}"
        what = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{where}: {what}") from None
