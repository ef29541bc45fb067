"""The door of devices that speak HTTP: `/devices/{vendor}/…`, with the device's own account.

A request becomes what MQTT brings, in the same inbox: its event is decided and stored by the worker like any other, and answered when
it is, in the vendor's words, with the decision where the device waits for one. What could not be stored in time is answered with 503:
the device keeps it, and sends it again.

The account is given by HTTP Basic, or, for devices that can only be told an address, in it: `/devices/{vendor}/{site}.{device}/{password}/…`.
No address is logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from typing import Any

from msgspec.structs import replace
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.background import BackgroundTask, BackgroundTasks
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from controllers.adapters.joining import Joiner
from controllers.adapters.port import (
    Accepted,
    Adapter,
    CannotCarryOut,
    Delivery,
    Fitting,
    ListPart,
    Picture,
    Posted,
    Reply,
    Said,
)
from controllers.adapters.registry import ADAPTERS
from controllers.adapters.riding import as_it_can
from controllers.events import CommandResult, Outcome, PlateEvent, Undecodable
from gateway.bridge import pictures
from gateway.bridge.fittings import Fittings
from gateway.bridge.inbox import Inbox
from gateway.bridge.link import Raw
from gateway.bridge.porch import Porch
from gateway.bridge.riding import Ridden, Riding
from gateway.bridge.riding_lists import RidingLists
from gateway.flows.credentials import DeviceCredentials, DeviceName, basic
from gateway.flows.inbound import Rejected
from gateway.publish.outbox import claim
from gateway.runtime.logs import logger
from gateway.store.fittings import Fitted
from gateway.wiring import Parts

_log = logger(__name__)

ANSWER_WITHIN_SECONDS = 3.0
"""How long a request waits for its decision: devices give up after five and more."""
_BODY_WITHIN_SECONDS = 10.0
_FITTINGS_EVERY_SECONDS = 1.0
_DUE_EVERY_SECONDS = 0.25
_QUARANTINED_BYTES_MAX = 64 * 1024
_METHODS = ["GET", "POST", "PUT"]
# Where a vendor has both, whoever comes in here is told in answers, whether its site file says so or not.
_BY_HTTP = "http"


class Door:
    """What the requests of one bridge come to. `inbox` is the worker's; `left_behind`: what it had to give up for one of ours.

    `refused`: called with a device's user name, what it tried, and how often.
    """

    def __init__(
        self,
        parts: Parts,
        inbox: Inbox[Raw | None],
        riding: Riding,
        *,
        left_behind: Callable[[Sequence[Raw]], None] = lambda _: None,
        refused: Callable[[str, str, int], None] = lambda *_: None,
        answer_within_seconds: float = ANSWER_WITHIN_SECONDS,
        fittings: Fittings | None = None,
        lists: RidingLists | None = None,
    ) -> None:
        self._lists = lists or RidingLists(parts, lambda _: None)
        self._fittings = fittings or Fittings(parts)
        self._found: Mapping[tuple[str, str], Fitted] | None = None
        self._parts = parts
        self._porch = Porch(inbox, left_behind)
        self._riding = riding
        self._refused = refused
        self._answer_within = answer_within_seconds
        self._credentials = DeviceCredentials(parts.store)
        self._joiner = Joiner()
        self._fitted: dict[tuple[str, str], Fitted] = {}
        self.app = Starlette(
            routes=[Route("/devices/{vendor}/{rest:path}", self._request, methods=_METHODS)], lifespan=self._lifespan
        )

    def look(self) -> None:
        """Read from the site file's tables which devices there are. Raises what the database raises."""
        self._follow(self._fittings.look())

    def _look_again(self) -> None:
        with contextlib.suppress(SQLAlchemyError):  # what was known still stands
            self._follow(self._fittings.lately())

    def _follow(self, found: Mapping[tuple[str, str], Fitted]) -> None:
        if found is self._found:
            return
        self._found = found
        self._fitted = {who: _by_http(fitted) for who, fitted in found.items() if fitted.vendor in ADAPTERS}
        self._riding.serve(
            frozenset(
                who
                for who, (vendor, fitting) in self._fitted.items()
                if ADAPTERS[vendor].capabilities(fitting).delivery is Delivery.ANSWER
                and not ADAPTERS[vendor].listens(found[who].fitting).topics  # told at the broker
            )
        )

    # ------------------------------------------------------------------ one request

    async def _request(self, request: Request) -> Response:
        vendor, rest = request.path_params["vendor"], request.path_params["rest"]
        given = basic(request.headers.get("authorization", ""))
        if given is None:
            name, _, behind = rest.partition("/")
            password, _, rest = behind.partition("/")
            given = (name, password)
        address = "" if request.client is None else request.client.host
        try:
            device = await run_in_threadpool(
                partial(self._credentials.verify, *given, origin=address, now=time.monotonic())
            )
        except SQLAlchemyError:
            return Response(status_code=503)
        if device is None:
            self._refused("", "login", 1)
            return Response(status_code=401, headers={"WWW-Authenticate": 'Basic realm="parkgate"'})
        fitted = await self._fitting_of(device)
        if fitted is None or fitted.vendor != vendor:
            return Response(status_code=404)
        adapter = ADAPTERS[vendor]
        # Before its body: whoever sends too much is not listened to.
        if not self._porch.admits(device):
            return Response(status_code=429, headers={"Retry-After": "5", "Connection": "close"})
        try:
            body = await asyncio.wait_for(_body(request, adapter.payload_bytes_max), _BODY_WITHIN_SECONDS)
        except (TimeoutError, ClientDisconnect):
            return Response(status_code=408)
        if body is None:
            self._refused(f"{device.site}.{device.device}", "too_large", 1)
            return Response(status_code=413, headers={"Connection": "close"})
        message = Posted(
            method=request.method,
            path=f"/{rest}",
            query=request.url.query,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
        )
        return await self._posted(message, device, adapter, fitted.fitting)

    async def _posted(self, message: Posted, device: DeviceName, adapter: Adapter, fitting: Fitting) -> Response:
        now = self._parts.clock.now()
        try:
            heard = await run_in_threadpool(adapter.decode, message, fitting, now)
        except Undecodable as problem:
            return await self._undecodable(message, device, adapter, fitting, problem)
        told: list[Said] = []
        for joined in self._joiner.take(device, heard, now):
            if joined.who == device:
                told += joined.said
            else:
                self._porch.put(DeviceName(*joined.who), joined.said, now)
        events = [one for one in told if isinstance(one, PlateEvent)]
        waits = [self._riding.expect(device.site, device.device, one.id) for one in events]
        self._porch.put(device, told, now)
        if not await self._stored(waits):
            return Response(status_code=503, headers={"Retry-After": "1"})
        now = self._parts.clock.now()
        ridden = None
        if heard.takes_orders:
            ridden = await self._claimed(device, now, events[0].id if events else None)
        can = adapter.capabilities(fitting).actions
        part = self._lists.part(device) if heard.takes_orders else None
        orders = (*(() if ridden is None else (as_it_can(ridden.command, can),)), *(() if part is None else (part,)))
        shown = [one for one in told if isinstance(one, Picture) and one.whole]
        refused = None
        try:
            replies = adapter.answer(message, heard, orders, fitting, now)
        except CannotCarryOut as problem:
            refused, part, replies = problem.code, None, adapter.answer(message, heard, (), fitting, now)
        behind = BackgroundTasks([BackgroundTask(self._after, device, ridden, refused, shown)])
        if heard.takes_orders:
            behind.add_task(self._look_after_list, device, adapter, fitting, part)
        return _response(replies, behind)

    async def _claimed(self, device: DeviceName, now: datetime, event: str | None) -> Ridden | None:
        """The command that the device is told now: ours in the outbox before it is told, and never told again."""
        ridden = self._riding.take(device.site, device.device, now, event)
        try:
            if ridden is None or await run_in_threadpool(claim, self._parts.store, ridden.site, ridden.id, now):
                return ridden
        except SQLAlchemyError as problem:  # it expires in the outbox
            _log.warning("a command could not be claimed", site=device.site, problem=type(problem).__name__)
        return None

    async def _undecodable(
        self, message: Posted, device: DeviceName, adapter: Adapter, fitting: Fitting, problem: Undecodable
    ) -> Response:
        now = self._parts.clock.now()
        rejected = Rejected(
            site=device.site,
            device=device.device,
            topic=f"/devices/{adapter.vendor}{message.path}",
            payload=adapter.redacted(message)[:_QUARANTINED_BYTES_MAX],
            code=problem.code,
            detail=problem.detail[:500],
            received_at=now,
            event_id=problem.event_id,
        )
        stored = self._riding.expect_rejected(rejected)
        self._porch.reject(device, rejected, now)
        if not await self._stored([stored]):
            return Response(status_code=503, headers={"Retry-After": "60"})
        return _response(adapter.answer(message, None, (), fitting, now))

    async def _fitting_of(self, device: DeviceName) -> Fitted | None:
        """A device that was added a moment ago is looked for at once."""
        if device not in self._fitted:
            with contextlib.suppress(SQLAlchemyError):
                await run_in_threadpool(self.look)
        return self._fitted.get(device)

    async def _stored(self, waits: Sequence[Future[None]]) -> bool:
        """Whether all is stored in time."""
        try:
            async with asyncio.timeout(self._answer_within):
                for stored in waits:
                    await asyncio.wrap_future(stored)
        except TimeoutError:
            return False
        finally:
            for stored in waits:
                if not stored.done() or stored.cancelled():
                    self._riding.forget(stored)
        return True

    def _after(self, device: DeviceName, ridden: Ridden | None, refused: str | None, shown: Sequence[Picture]) -> None:
        """When the answer has left: what it told has been taken, as far as such a device ever says. `refused`: it could not be told."""
        if ridden is not None:
            now = self._parts.clock.now()
            taken = Accepted(command=ridden.id, at=now, detail="in_answer")
            cannot = CommandResult(command=ridden.id, outcome=Outcome.REFUSED, at=now, detail=refused)
            self._porch.put(device, (taken if refused is None else cannot,), now)
        for picture in shown:
            pictures.keep(self._parts, device, picture)

    def _look_after_list(self, device: DeviceName, adapter: Adapter, fitting: Fitting, told: ListPart | None) -> None:
        with contextlib.suppress(SQLAlchemyError):  # told again, or later
            if told is not None:
                self._lists.told(device, told)
            self._lists.look(device, adapter, fitting)

    # ------------------------------------------------------------------ beside the requests

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        beside = asyncio.create_task(self._beside())
        yield
        beside.cancel()

    async def _beside(self) -> None:
        """Reads that have waited long enough for their second message; which devices there are."""
        looked = 0.0
        while True:
            now = self._parts.clock.now()
            for joined in self._joiner.due(now):
                self._porch.put(DeviceName(*joined.who), joined.said, now)
            if time.monotonic() - looked > _FITTINGS_EVERY_SECONDS:
                looked = time.monotonic()
                await run_in_threadpool(self._look_again)
            await asyncio.sleep(_DUE_EVERY_SECONDS)


def _by_http(fitted: Fitted) -> Fitted:
    """The device as it comes here."""
    if _BY_HTTP not in ADAPTERS[fitted.vendor].features:
        return fitted
    return Fitted(fitted.vendor, replace(fitted.fitting, features=fitted.fitting.features | {_BY_HTTP}))


def _response(replies: Sequence[Any], background: BackgroundTask | None = None) -> Response:
    """Whole, with its length: neither chunked nor compressed."""
    reply = next(one for one in replies if isinstance(one, Reply))
    return Response(reply.body, reply.status, dict(reply.headers), background=background)


async def _body(request: Request, bytes_max: int) -> bytes | None:
    """None where it is longer."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > bytes_max:
            return None
    return bytes(body)
