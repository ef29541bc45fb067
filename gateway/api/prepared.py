"""Files that take longer to make than an answer may wait: made once, and asked for again until they are whole.

A proxy in front of us gives up on an answer that does not begin, after a minute for most. So whoever asks for such a file waits a
little, is told how far it is, and asks the same again. What is made is this process's: another one that is asked makes its own.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from gateway.api.problems import TooMany
from gateway.runtime.clock import Pace, SystemPace

_WAITS_SECONDS: Final = 20.0
# Who asks every few seconds and has not been heard for so long has gone.
_ASKS_WITHIN_SECONDS: Final = 120.0
_MADE_AT_ONCE_MAX: Final = 20
_ASK_AGAIN_SECONDS: Final = 3

Tick = Callable[[int], None]
Begins = Callable[[int], Tick]
Make = Callable[[Path, Begins], Path]


class UnderWay(BaseModel):
    """How far a file is. Ask the same again: the answer is this, or the file."""

    done: int = Field(description="of `total` ledger transactions, how many have been gone through")
    total: int = Field(description="0 while that is not known yet")


class _Gone(Exception):
    """Nobody asks for the file any more."""


@dataclass
class _Making:
    folder: Path
    asked_at: float
    done: int = 0
    total: int = 0
    file: Path | None = None
    problem: BaseException | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    taken: threading.Event = field(default_factory=threading.Event)


class Prepared:
    """The files that are being made in this process. Safe for threads; nothing stays of a file that nobody fetches."""

    def __init__(
        self,
        *,
        waits_seconds: float = _WAITS_SECONDS,
        asks_within_seconds: float = _ASKS_WITHIN_SECONDS,
        pace: Pace | None = None,
    ) -> None:
        self._waits_seconds = waits_seconds
        self._asks_within_seconds = asks_within_seconds
        self._pace = pace or SystemPace()
        self._lock = threading.Lock()
        self._open: dict[Hashable, _Making] = {}
        self._home: Path | None = None

    def ask(self, what: str, key: Hashable, make: Make) -> Path | UnderWay:
        """The file, in a folder of its own that is now the caller's; or how far it is. Raises what `make` raised, and `TooMany`.

        `key`: who asks for what. `make` gets the folder and what is told how much there is to do.
        """
        while True:
            one = self._joined(what, key, make)
            if not one.ended.wait(self._waits_seconds):
                return UnderWay(done=one.done, total=one.total)
            if not self._take(key, one) or isinstance(one.problem, _Gone):
                continue  # the same was asked twice at once, and the other has it; or it was given up at this moment
            if one.problem is not None:
                raise one.problem
            assert one.file is not None
            return one.file

    def _joined(self, what: str, key: Hashable, make: Make) -> _Making:
        with self._lock:
            one = self._open.get(key)
            if one is None:
                if len(self._open) >= _MADE_AT_ONCE_MAX:
                    raise TooMany("too many files are being made; try again later")
                folder = Path(tempfile.mkdtemp(prefix=f"parkgate-{what}-", dir=self._found_home()))
                one = self._open[key] = _Making(folder, self._pace.monotonic())
                threading.Thread(target=self._work, args=(key, one, make), name=f"making-{what}", daemon=True).start()
            one.asked_at = self._pace.monotonic()
            return one

    def _found_home(self) -> Path:
        """Where all of it lies; it ends with the process, whatever is being made then."""
        if self._home is None:
            self._home = Path(tempfile.mkdtemp(prefix="parkgate-prepared-"))
            weakref.finalize(self, shutil.rmtree, self._home, ignore_errors=True)
        return self._home

    def _take(self, key: Hashable, one: _Making) -> bool:
        """Whoever takes it owns it, once."""
        with self._lock:
            if self._open.get(key) is not one:
                return False
            del self._open[key]
        one.taken.set()
        return True

    def _work(self, key: Hashable, one: _Making, make: Make) -> None:
        def begins(total: int) -> Tick:
            one.total = total
            return tick

        def tick(count: int) -> None:
            one.done += count
            if self._pace.monotonic() - one.asked_at > self._asks_within_seconds:
                raise _Gone

        try:
            one.file = make(one.folder, begins)
        except BaseException as problem:
            one.problem = problem
            shutil.rmtree(one.folder, ignore_errors=True)
        one.ended.set()
        if not one.taken.wait(self._asks_within_seconds) and self._take(key, one):
            shutil.rmtree(one.folder, ignore_errors=True)


def come_again(how_far: UnderWay) -> Response:
    """202: a client asks the same again after `Retry-After`, a browser by itself."""
    again: dict[str, Any] = {"Retry-After": str(_ASK_AGAIN_SECONDS), "Refresh": str(_ASK_AGAIN_SECONDS)}
    return JSONResponse(how_far.model_dump(), status_code=202, headers=again)
