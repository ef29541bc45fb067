"""What the commands share: the settings they run with, and the parts built from them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import ArgumentError, InterfaceError, InternalError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft

from gateway.cli.main import Refusal
from gateway.cli.plain import config_option, day_of, operator_name, read_input, read_text
from gateway.runtime.metrics import expose
from gateway.runtime.settings import Settings, SettingsError, load
from gateway.store import schema
from gateway.store.trouble import AWAY, said, trouble_of
from gateway.wiring import Parts, parts


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
