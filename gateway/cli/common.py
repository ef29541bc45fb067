"""What the commands share: the settings they run with, and the parts built from them."""

from __future__ import annotations

import getpass
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import click
from sqlalchemy.exc import ArgumentError, InterfaceError, InternalError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft

from gateway.cli.main import Refusal
from gateway.runtime.metrics import expose
from gateway.runtime.settings import Settings, SettingsError, load
from gateway.store import schema
from gateway.store.trouble import AWAY, said, trouble_of
from gateway.wiring import Parts, parts

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


def settings_of(config: Path | None) -> Settings:
    """The settings. Raises `Refusal` with the one line that `SettingsError` has."""
    try:
        return load(config)
    except SettingsError as error:
        raise Refusal(str(error)) from None


def database_name(settings: Settings) -> str:
    """Which database, without its password."""
    from sqlalchemy import make_url

    try:
        return make_url(settings.database_url).render_as_string(hide_password=True)
    except ArgumentError:
        return "(unreadable URL)"


@contextmanager
def refusals_of_the_database(settings: Settings) -> Iterator[None]:
    """A database that cannot be reached is one line with what to do, never a traceback."""
    try:
        yield
    except (ArgumentError, NoSuchModuleError):
        raise Refusal("PARKGATE_DATABASE_URL is no SQLAlchemy URL, such as sqlite:///parkgate.db; correct it") from None
    except (OperationalError, InterfaceError, InternalError, NoConnectionLeft) as error:
        trouble = trouble_of(error) or AWAY
        what = "check PARKGATE_DATABASE_URL or run `parkgate db upgrade`" if trouble is AWAY else trouble.words
        reach = "cannot reach" if trouble is AWAY else "cannot use"
        raise Refusal(f"{reach} the database {database_name(settings)}: {said(error)}; {what}") from None
    except SettingsError as error:
        raise Refusal(str(error)) from None


@contextmanager
def open_parts(config: Path | None, *, current_schema: bool = True) -> Iterator[Parts]:
    """The parts for the length of a command. With `current_schema`, refuses a database that is not up to date."""
    settings = settings_of(config)
    with refusals_of_the_database(settings), parts(settings) as built:
        if current_schema and schema.current(built.store.engine) != schema.newest():
            raise Refusal(
                f"the database {database_name(settings)} is not at this version's schema; run `parkgate db upgrade`"
            )
        yield built


@contextmanager
def metrics_of(parts: Parts) -> Iterator[None]:
    """Shows the metrics of a process without a web server, where the settings ask for it. Raises `Refusal`."""
    host, port = parts.settings.metrics_host, parts.settings.metrics_port
    try:
        end = expose(parts.metrics, host, port)
    except OSError as error:
        raise Refusal(
            f"cannot show metrics on {host}:{port}: {error.strerror or error}; "
            "set PARKGATE_METRICS_HOST and PARKGATE_METRICS_PORT"
        ) from None
    try:
        yield
    finally:
        end()


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


__all__ = [
    "config_option",
    "database_name",
    "day_of",
    "metrics_of",
    "open_parts",
    "operator_name",
    "read_input",
    "read_text",
    "refusals_of_the_database",
    "settings_of",
]
