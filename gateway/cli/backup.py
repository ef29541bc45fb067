"""`parkgate backup` and `parkgate restore`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click
from sqlalchemy import make_url
from tqdm import tqdm

from gateway.cli.common import config_option, database_name, open_parts, settings_of
from gateway.cli.main import CheckFailed, Refusal
from gateway.runtime.ids import random_token
from gateway.runtime.settings import Settings, SettingsError
from gateway.store import schema
from gateway.wiring import Parts

if TYPE_CHECKING:
    from gateway.store.backup_file import TableSum

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@_JSON
@config_option
def backup(file: Path, force: bool, as_json: bool, config: Path | None) -> None:
    """A consistent copy of the database while everything runs.

    One compressed file for either database, readable by its owner only: it holds plates, names and encrypted certificate numbers.
    It appears under its name when it is complete. Keep PARKGATE_SECRET_KEY apart from it.
    """
    with open_parts(config) as parts:
        _refuse_the_database_itself(parts.settings, file)
        with _appearing(file, force=force) as part:
            sums = _save(parts, part)
        where = database_name(parts.settings)
    _report(as_json, f"{where} → {file}", file, sums)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--check", "only_check", is_flag=True, help="Read and check FILE; no database is touched.")
@_JSON
@config_option
def restore(file: Path, only_check: bool, as_json: bool, config: Path | None) -> None:
    """A database from a copy, all of it or nothing.

    FILE is checked from its first byte to its last before anything is changed. The database must be empty (it may have the
    schema); it may be of the other kind than the one that was saved. A copy of an earlier schema is upgraded.
    """
    from gateway.store.backup import check, load
    from gateway.store.backup_file import Reader

    settings = settings_of(config)
    with _opened(file) as source, _refusals(file):
        with _progress() as progress:
            reader = Reader(source)
            check(reader, progress)
        _warn_of_the_key(settings, reader.head.key_check)
        if only_check:
            _report(
                as_json, f"{file}: whole, of revision {reader.head.schema}, {reader.head.created_at}", file, reader.sums
            )
            return
        source.seek(0)
        with open_parts(config, current_schema=False) as parts, _progress() as progress:
            with parts.store.writing() as connection:
                again = Reader(source)
                load(connection, again, progress)
                if again.sums != reader.sums:
                    raise Refusal(f"{file}: changed while it was read; try again")
                connection.commit()
            where = database_name(parts.settings)
    _report(as_json, f"{file} → {where}; now run `parkgate verify`", file, reader.sums)


def _save(parts: Parts, part: BinaryIO) -> dict[str, TableSum]:
    from gateway.store.backup import one_moment, save
    from gateway.store.backup_file import FORM, Head, Writer

    head = Head(
        parkgate_backup=FORM,
        schema=schema.newest(),
        parkgate=version("parkgate"),
        created_at=parts.clock.now().isoformat(timespec="seconds"),
        database=parts.store.engine.dialect.name,
        key_check=_key_check(parts.settings),
    )
    writer = Writer(part, head)
    with parts.store.reading() as connection, _progress() as progress:
        one_moment(connection)
        save(connection, writer, progress)
    return writer.finish()


def _key_check(settings: Settings) -> str | None:
    """A digest by which a changed secret key is noticed. None where no key is set."""
    from gateway.flows.secrecy import derived_key

    try:
        return derived_key(settings.secret(), b"recognised by a backup").hex()[:16]
    except SettingsError:
        return None


def _warn_of_the_key(settings: Settings, saved: str | None) -> None:
    if saved is not None and saved != _key_check(settings):
        click.echo(
            "parkgate: the copy was made with another secret_key than the one that is set now; "
            "without that one certificate numbers cannot be read",
            err=True,
        )


def _refuse_the_database_itself(settings: Settings, file: Path) -> None:
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        return
    own = {Path(url.database + ending).resolve() for ending in ("", "-wal", "-shm", "-journal")}
    if file.resolve() in own:
        raise Refusal(f"{file}: is the database itself; give another file")


@contextmanager
def _appearing(file: Path, *, force: bool) -> Iterator[BinaryIO]:
    """A file beside the target, which takes its name when all is written and on the disk. Removed if anything fails."""
    part = file.with_name(f".{file.name[:200]}.{random_token(6)}.part")
    taken = f"{file}: is there already; give another name, or --force to replace it"
    if not force and file.exists():
        raise Refusal(taken)
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            yield opened
            opened.flush()
            os.fsync(opened.fileno())
        _take_name(part, file, force=force)
        _sync_folder(file.parent)
    except FileExistsError:
        raise Refusal(taken) from None
    except OSError as error:
        raise Refusal(f"{file}: {error.strerror or error}; nothing was kept, give a place with room to write") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _take_name(part: Path, file: Path, *, force: bool) -> None:
    """Raises `FileExistsError` where another has taken the name meanwhile."""
    if force:
        part.replace(file)
        return
    try:
        os.link(part, file)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if file.exists():
            raise FileExistsError from None
        part.replace(file)


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # not every system lets a folder be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    try:
        with file.open("rb") as opened:
            yield opened
    except OSError as error:
        raise Refusal(f"{file}: {error.strerror or error}; give a readable file") from None


@contextmanager
def _refusals(file: Path) -> Iterator[None]:
    from gateway.store.backup import NotRestorable
    from gateway.store.backup_file import Damaged

    try:
        yield
    except Damaged as why:
        raise CheckFailed(f"{file}: {why}; nothing was changed, take another copy") from None
    except NotRestorable as why:
        raise Refusal(f"{file}: {why}; nothing was changed") from None


@contextmanager
def _progress() -> Iterator[Callable[[str, int], object]]:
    with tqdm(unit=" rows", unit_scale=True, file=sys.stderr, disable=None, leave=False) as bar:

        def progress(table: str, rows: int) -> None:
            bar.set_description_str(table, refresh=False)
            bar.update(rows)

        yield progress


def _report(as_json: bool, said: str, file: Path, sums: dict[str, TableSum]) -> None:
    rows = {name: one.rows for name, one in sums.items()}
    if as_json:
        click.echo(json.dumps({"file": str(file), "bytes": file.stat().st_size, "rows": rows}))
        return
    click.echo(f"{said} ({sum(rows.values())} rows, {file.stat().st_size} bytes)")
