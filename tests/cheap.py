"""What makes three thousand tests cheap and none of them weaker: files in memory, passwords that take no work, statements compiled once."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from argon2 import PasswordHasher, Type
from sqlalchemy import Engine

from gateway.flows import passwords
from gateway.store.engine import Store, open_engine

_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 2 * 1024**3
AS_DELIVERED = passwords._hasher
_first: dict[str, Engine] = {}


def files_in_memory() -> None:
    """Temporary folders of this process and of those that it starts, where there is room and nobody has said otherwise.

    No test pulls the plug: what is killed leaves its files to the next one wherever they lie. On a disk each PostgreSQL test
    waits half a second to a second for a copy of the template (some 900 files), and each SQLite test for its commits.
    """
    if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES:
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None


def compiled_once() -> None:
    """What Python has compiled is kept beside the sources, as it is by itself, also where the environment forbids it (images do).

    The tests start some hundred processes of the service: a fourth of a command, and half of `serve`, was compiling it again.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def light_passwords() -> None:
    """The least work that argon2id takes, in this process. A hash says how it was made: those of other processes are read as well.

    A street has two devices and staff of seven roles: made with the work that is due, their passwords were half of most tests.
    """
    passwords._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, type=Type.ID)
    passwords._NOBODY = passwords._hasher.hash("nobody has this password")


def open_store(url: str) -> Store:
    """A store on a database, whose engines find the statements that earlier ones of their kind have put into words.

    SQLAlchemy keeps compiled statements by dialect, and a dialect knows nothing of the database that its engine leads to.
    """
    engine = open_engine(url)
    if engine.name not in _first:
        engine.connect().close()  # only then its dialect knows whom it speaks to
        _first[engine.name] = engine
    store = Store(_like_the_first(engine))
    _like_the_first(store.by_index)
    return store


def _like_the_first(engine: Engine) -> Engine:
    first = _first[engine.name]
    engine.dialect, engine._compiled_cache = first.dialect, first._compiled_cache
    return engine
