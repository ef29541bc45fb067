"""What simulated cameras that speak HTTP have in common: a barrier, reads that they keep until they are taken, and a server for what they are told."""

from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

import httpx

from controllers.events import BarrierState
from simulators.barrier import Barrier
from simulators.devices.digest import Digest

_BODY_BYTES_MAX = 1024 * 1024
_PUSH_SECONDS = 30.0
_KEPT_MAX = 1_000


class Place(NamedTuple):
    """Where a camera pushes to: the bridge's address for its vendor, and its own account."""

    url: str
    username: str
    password: str


class Push(NamedTuple):
    path: str
    body: bytes
    headers: dict[str, str]


class Asked(NamedTuple):
    """A request that a camera has let in."""

    method: str
    path: str
    query: str
    body: bytes


class Answer(NamedTuple):
    """`stream`: what comes in its place, piece by piece, without end."""

    status: int = 200
    body: bytes = b""
    kind: str = "text/plain"
    stream: Iterator[bytes] | None = None


class HttpCamera(ABC):
    """One camera with one barrier. `now`: its clock. `openings`: when its barrier was told to rise, and rose or was up.

    It can be made to be `locked` (takes every order, moves nothing), to say no (`refuses`), `busy` (so many orders are answered so) or `mute` (hears, and answers nobody).
    """

    def __init__(self, now: Callable[[], datetime], place: Place | None = None) -> None:
        self.now, self.place = now, place
        self.barrier = Barrier()
        self.openings: list[datetime] = []
        self.told: list[Asked] = []
        self.locked = False
        self.refuses = False
        self.busy = 0
        self.mute = False
        self.kept: deque[Push] = deque(maxlen=_KEPT_MAX)
        self._numbers = 0
        self._lock = threading.RLock()

    def sees(self, plate: str | None, *, at: datetime | None = None) -> None:
        """A vehicle stands there. `at`: another moment than this: it kept the read since."""
        with self._lock:
            self._numbers += 1
            self.kept.append(self.read(plate, at or self.now(), self._numbers, history=at is not None))

    def deliver(self) -> int:
        """Push what is kept, the oldest first, until something is not taken. Returns how many were."""
        taken = 0
        while self.kept and self._push(self.kept[0]):
            self.kept.popleft()
            taken += 1
        return taken

    def _push(self, push: Push) -> bool:
        assert self.place is not None
        try:
            answer = httpx.post(
                self.place.url + push.path,
                content=push.body,
                headers=push.headers,
                auth=(self.place.username, self.place.password),
                timeout=_PUSH_SECONDS,
                trust_env=False,
            )
        except httpx.HTTPError:
            return False
        return answer.status_code == 200 and self.taken(answer.content)

    @abstractmethod
    def read(self, plate: str | None, at: datetime, number: int, *, history: bool) -> Push:
        """The message of a read."""

    def taken(self, answer: bytes) -> bool:
        """Whether a push need not come again; whoever is told in answers does here what it is told."""
        del answer
        return True

    def up(self) -> None:
        if not self.locked:
            self.openings.append(self.now())
            self.barrier.rise(self.now())

    def down(self) -> None:
        if not self.locked:
            self.barrier.fall(self.now())

    def state(self) -> BarrierState:
        return self.barrier.state(self.now())


class AskedCamera(HttpCamera):
    """A camera that is told by requests, with digest; `url`: where. `listed`: the vehicles of its own list, until when.

    `lost`: what it answers to an order that it has carried out does not arrive. `fast`: by how much its clock is ahead.
    """

    fast = timedelta(0)

    def __init__(
        self,
        now: Callable[[], datetime],
        place: Place | None = None,
        *,
        account: tuple[str, str] = ("admin", "secret-1"),
    ) -> None:
        super().__init__(now, place)
        self.digest = Digest(*account)
        self.lost = False
        self.listed: dict[str, str] = {}
        self.listeners: list[queue.Queue[bytes | None]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @abstractmethod
    def asked(self, asked: Asked) -> Answer:
        """What it answers to a request that it has let in."""

    def stream(self, beginning: bytes = b"") -> Iterator[bytes]:
        """Until the camera hangs up."""
        pieces: queue.Queue[bytes | None] = queue.Queue(maxsize=1_000)
        with self._lock:
            self.listeners.append(pieces)
        yield beginning
        while (piece := pieces.get()) is not None:
            yield piece

    def say(self, piece: bytes) -> None:
        """To all who listen."""
        with self._lock:
            for pieces in self.listeners:
                pieces.put_nowait(piece)

    def hang_up(self) -> None:
        with self._lock:
            for pieces in self.listeners:
                pieces.put_nowait(None)
            self.listeners.clear()


def _handler(camera: AskedCamera) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(min(size, _BODY_BYTES_MAX))
            if camera.mute:
                return  # it hangs up without a word
            if not camera.digest.allows(self.command, self.path, self.headers.get("authorization", "")):
                self._send(Answer(401), {"WWW-Authenticate": camera.digest.challenge()})
                return
            path, _, query = self.path.partition("?")
            asked = Asked(self.command, path, query, body)
            camera.told.append(asked)
            answer = camera.asked(asked)
            if not (camera.lost and self.command == "PUT"):
                self._send(answer, {})

        do_GET = do_PUT = do_POST = _serve  # noqa: N815 - the library's names

        def _send(self, answer: Answer, headers: dict[str, str]) -> None:
            with suppress(OSError):
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.kind)
                if answer.stream is None:
                    self.send_header("Content-Length", str(len(answer.body)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                for piece in (answer.body,) if answer.stream is None else answer.stream:
                    self.wfile.write(piece)
                    self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Nobody reads a simulated camera's log."""

    return Handler
