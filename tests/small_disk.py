"""A disk that is soon full: a file system in memory, of a size. Only root may mount one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import missing


@contextmanager
def a_small_disk(place: Path, size: str) -> Iterator[Path]:
    """An empty disk of `size` (`16k`, `2m`) at a folder that is there."""
    if os.geteuid() != 0:
        missing("only root can mount a small disk")
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        missing("no file system can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    """`ro`, `rw`, `size=8m`."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)
