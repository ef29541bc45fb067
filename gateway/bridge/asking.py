"""One request of ours to a device, and one stream held open at it: digest, bounds, and what can be said of it when it fails.

What must be known of a command that failed is whether the device may have carried it out. So before each order its place is looked at, without
credentials and without the order: the challenge that comes back shows that the device is there and quick at this moment, and only then, if the order is
still fresh, it goes out, once. Nothing is sent over a connection that has stood idle, no redirect is followed, no address is logged.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Generator, Mapping

import httpx

from controllers.adapters.framing import Frames, boundary_of
from controllers.adapters.port import Answered, Ask, Auth, Part
from gateway.bridge.asked import REFUSED, Account, NoAnswer, NotReached, SignedOut, Stale

ANSWER_BYTES_MAX = 256 * 1024
_CONNECT_SECONDS = 2.0
_NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


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
                    body = await _bounded(response)
                    return Answered(ask=ask, status=response.status_code, body=body, headers=_headers(response))
        except _NOTHING_SENT as problem:
            raise NotReached(type(problem).__name__) from None
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as problem:
            if auth.told:
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
            return _Digest(self.account.login, self.account.password, fresh, looks_first=ask.order is not None)
        return _Auth() if ask.auth is Auth.NONE else _Basic(self.account.login, self.account.password)


class _Auth(httpx.Auth):
    """`told`: what it carries out may have left."""

    told = True


class _Basic(_Auth):
    def __init__(self, login: str, password: str) -> None:
        self._basic = httpx.BasicAuth(login, password)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        return self._basic.auth_flow(request)


class _Digest(_Auth):
    """A new one for each request, so that the device is heard of before it is told. `looks_first`: the request is an order."""

    told = False

    def __init__(self, login: str, password: str, fresh: Callable[[], bool], *, looks_first: bool) -> None:
        self._digest = httpx.DigestAuth(login, password)
        self._fresh = fresh
        self._looks_first = looks_first

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        flow = self._digest.auth_flow(request)
        first = next(flow)
        if self._looks_first:
            first = httpx.Request("GET", request.url.copy_with(query=None), extensions=request.extensions)
        response = yield first
        try:
            signed = flow.send(response)  # with the challenge of its place
        except StopIteration:  # it asks nobody who he is
            if not self._looks_first:
                return
            signed = request
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
