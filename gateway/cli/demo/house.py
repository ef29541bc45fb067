"""The demo's house: its folder, settings, database, estate, registers and users."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from gateway.cli.demo import small_gates
from gateway.cli.demo.service_process import spare_the_disk
from gateway.cli.main import Refusal
from gateway.flows import estate, policies, registers, users
from gateway.runtime.clock import Clock
from gateway.runtime.ids import random_token
from gateway.runtime.settings import Settings, load
from gateway.store import schema
from gateway.wiring import Parts, build
from simulators.population import Row

MARKER = ".parkgate-demo"
BIG_TO_SMALL = ("households", "vehicles", "relatives", "certificates", "passes", "free-vehicles", "blocklist")


@dataclass(frozen=True)
class House:
    """A demo ready to open its gates. `passwords` are the devices', by user name."""

    out: Path
    parts: Parts
    passwords: dict[str, str]
    users: dict[str, str]


def rule_file(name: str) -> str:
    """A file that Parkgate brings along, as text."""
    return files("rules").joinpath(name).read_text(encoding="utf-8")


def clear(out: Path) -> None:
    """An empty folder for a demo: replaces an earlier demo's files, refuses any other folder that is not empty."""
    try:
        if out.exists() and not out.is_dir():
            raise Refusal(f"--out {out} is a file; give a folder")
        if out.is_dir() and any(out.iterdir()):
            if not (out / MARKER).is_file():
                raise Refusal(f"--out {out} is not empty and holds no earlier demo; give another folder or empty it")
            for entry in sorted(out.iterdir()):
                _remove(entry)
        (out / "exports").mkdir(parents=True)
        (out / MARKER).write_text("Made by `parkgate demo`, which may replace everything in here.\n", encoding="utf-8")
    except OSError as problem:
        raise Refusal(f"--out {out}: {problem.strerror or problem}; give a folder that can be written") from None


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()


def settings_file(
    out: Path,
    *,
    http_port: int,
    broker_port: int,
    devices_http: str = "",
    channels: dict[str, dict[str, dict[str, str]]] | None = None,
) -> Settings:
    """Write a complete `parkgate.toml`, readable by its owner only, and load it. `channels`: payment accounts by merchant."""
    values: dict[str, Any] = {
        "database_url": f"sqlite:///{(out / 'parkgate.db').resolve()}",
        "broker_url": f"embedded://127.0.0.1:{broker_port}",
        "devices_http": devices_http,
        "http_host": "127.0.0.1",
        "http_port": http_port,
        "secret_key": random_token(32),
        "share_group": "",
        "test": True,
        "close_at": "02:00",
        "public_url": "",
        "timezone": "Asia/Shanghai",
        # Simulated hours go by in seconds: whoever plays the driver needs some of them.
        "payment_order_minutes": 720,
        # A day at full speed comes in bursts, one a simulated instant: they are worth a short wait for each other.
        "linger_ms": 0.2,
        # And a gate's whole day in a few seconds is more than any one gate is allowed.
        "device_rate": 0,
        "log_level": "warning",
        "log_format": "text",
    }
    path = out / "parkgate.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    for merchant, accounts in (channels or {}).items():
        for channel, account in accounts.items():
            lines += ["", f"[channels.{merchant}.{channel}]"]
            lines += [f"{key} = {json.dumps(value)}" for key, value in account.items()]
    write_private(path, "\n".join(lines) + "\n")
    # The environment must not turn a demo against somebody's real database.
    text = tomllib.loads(path.read_text(encoding="utf-8"))
    return load(path).model_copy(update=text | {"channels": Settings(channels=text.get("channels", {})).channels})


def write_private(path: Path, text: str) -> None:
    """A file that only its owner reads."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def furnish(out: Path, settings: Settings, clock: Clock, street: str, policy: str, rows: dict[str, list[Row]]) -> House:
    """Schema, policy, sites, registers and one user a role."""
    parts = build(settings, clock=clock)
    spare_the_disk(parts)
    schema.upgrade(parts.store.engine)
    policies.apply(parts, policy, operator="demo")
    applied = estate.apply(parts, street, operator="demo")
    for kind in BIG_TO_SMALL:
        if rows.get(kind):
            report = registers.import_rows(parts, kind, rows[kind], operator="demo")
            if not report.ok:
                raise Refusal(f"the demo's own register {kind} is refused: {report.problems[0]}")
    passwords = {one.username: one.password for one in applied.credentials}
    # A residents' committee has its own site, all others the street.
    own = {"committee": [small_gates.DOOR.site]}
    staff = {role: users.add(parts, role, role, own.get(role, []), operator="demo") or "" for role in users.ROLES}
    return House(out=out, parts=parts, passwords=passwords, users=staff)


def write_credentials(house: House, http_url: str) -> Path:
    """`credentials.json`, for those who try the demo from outside."""
    broker = house.parts.settings.broker
    path = house.out / "credentials.json"
    document = {
        "http": http_url,
        "broker": f"mqtt://{broker.host}:{broker.port}",
        "users": house.users,
        "devices": house.passwords,
    }
    write_private(path, json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    return path
