"""Options that the benches share."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import click

from gateway.bridge.embedded import BrokerDidNotStart
from gateway.cli.bench import machine, servers
from gateway.cli.bench.stand import Arrangement, Databases, can_be_measured, databases
from gateway.cli.main import CheckFailed, Refusal
from gateway.runtime import logs

F = TypeVar("F", bound=Callable[..., Any])

ALL = "all"
BROKERS = ("mosquitto", "embedded")
DATABASES = ("sqlite", "postgresql")


def plain(command: F) -> F:
    """`--json` and `--quick`; they may stand before the name as well."""

    def inherited(name: str) -> Any:
        return lambda context, _option, value: value or bool(context.parent and context.parent.params.get(name))

    for option in (
        click.option(
            "--quick", is_flag=True, callback=inherited("quick"), help="Small sizes: does it run, not how fast is it."
        ),
        click.option("--json", "as_json", is_flag=True, callback=inherited("as_json"), help="One JSON document."),
    ):
        command = option(command)
    return command


def common(command: F) -> F:
    """`--json`, `--quick` and `--dir`."""
    folder = click.option(
        "--dir",
        "folder",
        type=click.Path(path_type=Path, file_okay=False, exists=True, writable=True),
        default=None,
        help="Where databases are put, so that the right disk is measured; default: the folder for temporary files.",
    )
    return plain(folder(command))


def where(command: F) -> F:
    """`--broker` and `--database`."""
    for option in (
        click.option("--database", type=click.Choice([*DATABASES, ALL]), default=None, help="Default: all that fit."),
        click.option("--broker", type=click.Choice([*BROKERS, ALL]), default=None, help="Default: all that fit."),
    ):
        command = option(command)
    return command


def chosen(arrangements: tuple[Arrangement, ...], broker: str | None, database: str | None) -> tuple[Arrangement, ...]:
    """Those that the options leave. Raises `Refusal` if none is left."""
    left = tuple(
        one for one in arrangements if broker in {None, ALL, one.broker} and database in {None, ALL, one.database}
    )
    if not left:
        raise Refusal(f"nothing to measure with --broker {broker or ALL} and --database {database or ALL}")
    return left


def databases_at_hand(database: str) -> list[str]:
    """The database that was asked for, or both, as far as its server is installed. Raises `CheckFailed` if none is."""
    names = DATABASES if database == ALL else (database,)
    return [one.database for one in can_be_measured([Arrangement(broker="embedded", database=name) for name in names])]


@contextmanager
def measuring(folder: Path | None) -> Iterator[Databases]:
    """The databases for a bench; whatever keeps a server from starting becomes one line."""
    if not machine.known():
        raise Refusal("the benches read /proc to see what processes take: run them on Linux")
    logs.configure("error", form="text")

    def leave(_signal: int, _frame: FrameType | None) -> None:
        sys.exit(143)  # so that every server is stopped on the way out

    before = signal.signal(signal.SIGTERM, leave)
    try:
        with databases(folder) as made:
            yield made
    except (servers.DidNotStart, BrokerDidNotStart) as problem:
        raise CheckFailed(str(problem)) from None
    except servers.Missing as problem:
        raise Refusal(str(problem)) from None
    finally:
        signal.signal(signal.SIGTERM, before)
