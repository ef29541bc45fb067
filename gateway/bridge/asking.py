"""One request of ours to a device, and one stream held open at it: digest, bounds, and what can be said of it when it fails.

What must be known of a command that failed is whether the device may have carried it out. Each order is asked for without credentials first:
the device's challenge shows that it is there and quick at this moment, and only then, if the order is still fresh, the request that it
carries out goes out. Nothing is sent over a connection that has stood idle, no redirect is followed, no address is logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from typing import NamedTuple

import httpx

from controllers.adapters.framing import Frames, boundary_of
from controllers.adapters.port import Answered, Ask, Auth, Part

ANSWER_BYTES_MAX = 256 * 1024
_CONNECT_SECONDS = 2.0
REFUSED = 401
"""403 may only say that this model has no such thing."""
_NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class NotReached(Exception):
    """It did not get to the device, or the device let nobody in yet: nothing of it has been carried out."""


class NoAnswer(Exception):
    """It may have been carried out: no answer has come."""


class Stale(Exception):
    """It was fresh when it was begun, and is not any more: nothing of it has been carried out."""


class SignedOut(Exception):
    """The device does not take our account: devices lock accounts after a few tries, so that nobody may try again at once."""


class Account(NamedTuple):
    """`address`: scheme, host and port, as the site file has it."""

    address: str
    login: str
    password: str

    def __repr__(self) -> str:
        """Without the password: a traceback may show it."""
        return f"Account({self.address}, {self.login})"


def open_client() -> httpx.AsyncClient:
    """For all devices of a bridge. Certificates count as this computer has them; proxies of its environment do not."""
    return httpx.AsyncClient(
        verify=ssl.create_default_context(),
        trust_env=False,
        follow_redirects=False,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        headers={"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "parkgate"},
    )


class Asker:
    """One device."""

    def __init__(self, client: httpx.AsyncClient, account: Account) -> None:
        self._client = client
        self.account = account
        # Whether it has ever asked who we are: then nothing without credentials was carried out.
        self._challenges = False

    async def ask(self, ask: Ask, *, within: float, fresh: Callable[[], bool] = lambda: True) -> Answered:
        """`within`: seconds, for all of it. Raises `NotReached`, `NoAnswer`, `Stale`."""
        auth = self._auth(ask, fresh)
        try:
            async with asyncio.timeout(within):
                async with self._client.stream(
                    ask.method,
                    self._url(ask),
                    headers=list(ask.headers),
                    content=ask.body or None,
                    auth=auth,
                    timeout=httpx.Timeout(within, connect=min(within, _CONNECT_SECONDS)),
                ) as response:
                    self._challenges = self._challenges or auth.challenged
                    body = await _bounded(response)
                    return Answered(ask=ask, status=response.status_code, body=body, headers=_headers(response))
        except _NOTHING_SENT as problem:
            raise NotReached(type(problem).__name__) from None
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as problem:
            self._challenges = self._challenges or auth.challenged
            if auth.told or not self._challenges:
                raise NoAnswer(type(problem).__name__) from None
            raise NotReached(type(problem).__name__) from None

    async def listen(self, ask: Ask, *, quiet: float, bytes_max: int) -> AsyncIterator[tuple[Part, ...]]:
        """The parts of an answer that does not end. `quiet`: seconds without a byte after which it is taken for dead.

        Raises `NotReached` when it cannot be had or has ended, `SignedOut`, `Undecodable` where it is no stream of parts.
        """
        timeout = httpx.Timeout(quiet, connect=_CONNECT_SECONDS)
        try:
            async with self._client.stream(
                ask.method,
                self._url(ask),
                headers=list(ask.headers),
                auth=self._auth(ask, lambda: True),
                timeout=timeout,
            ) as response:
                if response.status_code == REFUSED:
                    raise SignedOut
                if response.status_code != 200:
                    raise NotReached(f"http {response.status_code}")
                frames = Frames(boundary_of(_headers(response)), bytes_max=bytes_max)
                yield ()
                async for piece in response.aiter_raw():
                    if parts := tuple(frames.feed(piece)):
                        yield parts
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            raise NotReached(type(problem).__name__) from None
        raise NotReached("it ended")

    def _url(self, ask: Ask) -> httpx.URL:
        """To the letter as the adapter has it: digest signs it."""
        target = f"{ask.path}?{ask.query}" if ask.query else ask.path
        return httpx.URL(self.account.address).copy_with(raw_path=target.encode("ascii"))

    def _auth(self, ask: Ask, fresh: Callable[[], bool]) -> _Auth:
        if ask.auth is Auth.DIGEST:
            return _Digest(self.account.login, self.account.password, fresh)
        return _Auth() if ask.auth is Auth.NONE else _Basic(self.account.login, self.account.password)


class _Auth(httpx.Auth):
    """`challenged`: the device has asked who we are. `told`: what it carries out may have left."""

    challenged = False
    told = True


class _Basic(_Auth):
    def __init__(self, login: str, password: str) -> None:
        self._basic = httpx.BasicAuth(login, password)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        return self._basic.auth_flow(request)


class _Digest(_Auth):
    """A new one for each request, so that the device is heard of before it is told."""

    told = False

    def __init__(self, login: str, password: str, fresh: Callable[[], bool]) -> None:
        self._digest = httpx.DigestAuth(login, password)
        self._fresh = fresh

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        flow = self._digest.auth_flow(request)
        response = yield next(flow)
        with contextlib.suppress(StopIteration):
            signed = flow.send(response)
            self.challenged = True
            if not self._fresh():
                raise Stale
            self.told = True
            yield signed


async def _bounded(response: httpx.Response) -> bytes:
    """What is longer says nothing that we understand: the rest is not read."""
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > ANSWER_BYTES_MAX:
            break
    return bytes(body[:ANSWER_BYTES_MAX])


def _headers(response: httpx.Response) -> Mapping[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}
