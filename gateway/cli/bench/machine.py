"""What processes take of the machine, as the kernel counts it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from time import perf_counter

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
# Fields of /proc/PID/stat after the program's name: parent, user and system time, and the same of children that have ended.
_PARENT, _USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM = 1, 11, 12, 13, 14


def known() -> bool:
    """Whether this kernel tells (Linux does)."""
    return (_PROC / "self" / "stat").exists()


def family(pid: int) -> list[int]:
    """A process and everything that it started, now."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[_PARENT]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += children.get(one, [])
    return found


def children(pid: int) -> list[int]:
    """What a process started itself."""
    return [one for one in family(pid) if one != pid and int((_stat(one) or ["", "0"])[_PARENT]) == pid]


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time so far, with that of children that have ended."""
    ticks = 0
    for pid in pids:
        fields = _stat(pid)
        if fields:
            ticks += sum(int(fields[place]) for place in (_USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM))
    return ticks / _TICKS


def resident_mib(pid: int) -> float:
    """What a process has in memory now, in MiB; 0 if it has gone."""
    try:
        pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


class Shares:
    """From its making on: how much of one processor each of these takes. `roots` are processes with their families."""

    def __init__(self, roots: Mapping[str, int], alone: Iterable[str] = ()) -> None:
        self._alone = frozenset(alone)
        self._roots = dict(roots)
        self._before = self._times()
        self._began = perf_counter()

    def so_far(self) -> dict[str, float]:
        """Shares of one processor, 0 to the number of processors."""
        seconds = perf_counter() - self._began
        now = self._times()
        return {name: round((now[name] - self._before[name]) / seconds, 3) for name in self._roots}

    def _times(self) -> dict[str, float]:
        return {name: cpu_seconds([pid] if name in self._alone else family(pid)) for name, pid in self._roots.items()}


def peak_mib() -> float:
    """The most memory that this process has had at once, in MiB."""
    for line in (_PROC / "self" / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def processors() -> int:
    return os.cpu_count() or 1


def _stat(pid: int) -> list[str] | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    return text.rsplit(")", 1)[1].split()
