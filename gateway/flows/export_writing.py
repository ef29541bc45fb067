"""Files that are there whole or not at all: written beside their place, then moved there together."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from billing.exports import File


def write_together(out: Path, files: Sequence[File]) -> list[Path]:
    """Write each file piece by piece, and move them when the last one is on the disk. Raises `OSError`.

    If anything fails, or the process is told to stop, nothing that was there has changed.
    """
    out.mkdir(parents=True, exist_ok=True)
    waiting: list[tuple[Path, Path]] = []
    try:
        for name, write in files:
            descriptor, temporary = tempfile.mkstemp(dir=out, prefix=f".{name}.")
            waiting.append((Path(temporary), out / name))
            os.close(descriptor)
            with Path(temporary).open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
        for temporary_path, path in waiting:
            temporary_path.replace(path)
    except BaseException:
        for temporary_path, _ in waiting:
            with suppress(OSError):
                temporary_path.unlink()
        raise
    return [path for _, path in waiting]
