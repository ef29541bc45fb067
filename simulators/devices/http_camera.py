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

from controllers.commands import Action
from controllers.events import BarrierState, PlateColour
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


class Seen(NamedTuple):
    """A read. `plate`: None where none was made out; `number`: the camera's own count; `history`: it happened while the camera was offline."""

    plate: str | None
    at: datetime
    number: int
    history: bool = False
    colour: PlateColour | None = PlateColour.BLUE


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
    """One camera with one barrier. `now`: its clock. `openings`: when its barrier was told to rise, and rose or was up. `serial`: how it calls itself.
    `listed`: the vehicles of its own list, until when.

    `moves`: told of what it does, where the barrier is another's (a virtual gate's), which `barrier_is` then looks at. `hears`: told of every payload that comes from the service.

    It can be made to be `locked` (takes every order, moves nothing), to say no (`refuses`), `busy` (so many orders are answered so) or `mute` (hears, and answers nobody).
    """

    serial = ""

    def __init__(self, now: Callable[[], datetime], place: Place | None = None) -> None:
        self.now, self.place = now, place
        self.barrier = Barrier()
        self.barrier_is: Callable[[], BarrierState] = lambda: self.barrier.state(self.now())
        self.moves: Callable[[Action], None] = self._moves
        self.hears: Callable[[bytes], None] = lambda _: None
        self.openings: list[datetime] = []
        self.told: list[Asked] = []
        self.listed: dict[str, str] = {}
        self.locked = False
        self.refuses = False
        self.busy = 0
        self.mute = False
        self.kept: deque[Push] = deque(maxlen=_KEPT_MAX)
        self.numbers = 0
        self._lock = threading.RLock()
        self._client: httpx.Client | None = None

    def sees(self, plate: str | None, *, at: datetime | None = None) -> None:
        """A vehicle stands there. `at`: another moment than this: it kept the read since."""
        self.keep(plate, at or self.now(), history=at is not None)

    def keep(
        self, plate: str | None, at: datetime, *, history: bool = False, colour: PlateColour | None = PlateColour.BLUE
    ) -> Push:
        """The message of a read, which it keeps until it is taken. `history`: it happened while it was offline."""
        with self._lock:
            self.numbers += 1
            push = self.read(Seen(plate, at, self.numbers, history, colour))
            self.kept.append(push)
        return push

    def deliver(self) -> int:
        """Push what is kept, the oldest first, until something is not taken. Returns how many were."""
        taken = 0
        while self.kept and self._push(self.kept[0]):
            self.kept.popleft()
            taken += 1
        return taken

    def _push(self, push: Push) -> bool:
        assert self.place is not None
        if self._client is None:
            self._client = httpx.Client(timeout=_PUSH_SECONDS, trust_env=False)
        account = (self.place.username, self.place.password)
        try:
            answer = self._client.post(
                self.place.url + push.path, content=push.body, headers=push.headers, auth=account
            )
        except httpx.HTTPError:
            return False
        self.hears(answer.content)
        return answer.status_code == 200 and self.taken(answer.content)

    def polls(self) -> bool:
        """Ask what there is to do, where it is told in answers. Whether anything answered."""
        return True

    def open(self) -> None:  # noqa: B027 - who only pushes has nothing to open
        """It is switched on."""

    def close(self) -> None:
        """It is switched off."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def read(self, seen: Seen) -> Push:
        """The message of a read."""

    def taken(self, answer: bytes) -> bool:
        """Whether a push need not come again; whoever is told in answers does here what it is told."""
        del answer
        return True

    def up(self) -> None:
        if not self.locked:
            self.openings.append(self.now())
            self.moves(Action.OPEN)

    def down(self) -> None:
        if not self.locked:
            self.moves(Action.CLOSE)

    def state(self) -> BarrierState:
        return self.barrier_is()

    def _moves(self, action: Action) -> None:
        (self.barrier.fall if action is Action.CLOSE else self.barrier.rise)(self.now())


class AskedCamera(HttpCamera):
    """A camera that is told by requests, with digest; `url`: where.

    `lost`: what it answers to an order that it has carried out does not arrive. `fast`: by how much its clock is ahead; `tells_time`: whether it says.
    """

    fast = timedelta(0)
    tells_time = True

    def __init__(
        self,
        now: Callable[[], datetime],
        place: Place | None = None,
        *,
        account: tuple[str, str] = ("admin", "secret-1"),
        listens: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        """Raises `OSError` where it cannot listen there."""
        super().__init__(now, place)
        self.digest = Digest(*account)
        self.lost = False
        self.listeners: list[queue.Queue[bytes | None]] = []
        self._server = ThreadingHTTPServer(listens, _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        super().close()
        self.hang_up()
        if self._thread.ident is not None:
            self._server.shutdown()
            self._thread.join(5)
        self._server.server_close()

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
            camera.hears(f"{self.path} ".encode() + body)
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
