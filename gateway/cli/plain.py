"""What commands share that needs neither settings nor a database: `parkgate bill` starts without either."""

from __future__ import annotations

import getpass
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import click

from gateway.cli.main import Refusal

F = TypeVar("F", bound=Callable[..., Any])

INPUT_BYTES_MAX = 64 * 1024 * 1024
_DAY = re.compile(r"(?:19[7-9]\d|2\d{3})-\d\d-\d\d")


def config_option(command: F) -> F:
    """`--config FILE`, here or before the command, handed on as `config: Path | None`."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        default=None,
        callback=lambda context, _option, value: value or context.find_root().params.get("config"),
        help="Settings file; default ./parkgate.toml where it exists.",
    )(command)


def day_of(_context: click.Context, parameter: click.Parameter, text: str | None) -> date | None:
    """A click callback: `YYYY-MM-DD` as a date."""
    if text is None:
        return None
    with suppress(ValueError):
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    raise Refusal(f"--{parameter.opts[0].lstrip('-')} {text[:40]!r} is no day; write it as YYYY-MM-DD")


def read_input(path: Path) -> bytes:
    """A file's bytes, bounded. Raises `Refusal`."""
    try:
        if path.stat().st_size > INPUT_BYTES_MAX:
            raise Refusal(f"{path}: larger than {INPUT_BYTES_MAX >> 20} MiB; split the file")
        return path.read_bytes()
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror or error}; give a readable file") from None


def read_text(path: Path) -> str:
    """A UTF-8 file's text. Raises `Refusal`."""
    try:
        return read_input(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from None


def operator_name() -> str:
    """Who runs the command, for the audit trail: the login name of this computer."""
    try:
        return f"cli:{getpass.getuser()}"[:64]
    except (KeyError, OSError):
        return "cli"
