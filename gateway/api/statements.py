"""Statements of payment channels: import, days on which a channel had nothing, what was imported."""

from __future__ import annotations

import io
from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from gateway.api import statement_shapes as shapes
from gateway.api.answers import json
from gateway.api.context import Asking, Context, Staff, With
from gateway.api.lists import ByName, ListOf, page
from gateway.flows import statements as flow
from gateway.flows import statements_reading

router = APIRouter(tags=["statements"])

# A large memory for a small file is not to be had over the network.
UNPACKED_MAX = 512 * 1024 * 1024

ChannelName = Literal["wechat", "alipay", "unionpay", "cash"]
StatementId = Annotated[str, Path(max_length=64)]
Merchant = Annotated[str | None, Query(max_length=40, description="收款主体; needed where it was not told before")]


@router.post("/statements/import", responses={200: {"model": shapes.Imported}})
async def upload(
    staff: Asking,
    context: With,
    request: Request,
    *,
    channel: Annotated[ChannelName, Query(description="whose form the file has")],
    name: Annotated[str, Query(max_length=200, description="the file's name; UnionPay's says its day")] = "",
    merchant: Merchant = None,
    day: Annotated[date | None, Query(description="of which day it must be")] = None,
) -> Response:
    """Import a channel's own bill file, sent as the body: all of it or nothing. The same file again changes nothing."""
    data = await request.body()
    return await run_in_threadpool(_import, staff, context, data, channel, name, merchant, day)


def _import(
    staff: Staff, context: Context, data: bytes, channel: str, name: str, merchant: str | None, day: date | None
) -> Response:
    with context.reports.place():
        found = flow.import_file(
            context.parts,
            channel,
            io.BytesIO(data),
            who(staff),
            name=name,
            merchant=merchant,
            day=day,
            unpacked_max=UNPACKED_MAX,
        )
    return json(context.parts, _plain(found))


@router.post("/statements/empty", responses={200: {"model": shapes.Imported}})
def empty(staff: Asking, context: With, asked: shapes.EmptyDay) -> Response:
    """The channel had nothing that day (NO_STATEMENT_EXIST, BILL_NOT_EXIST). 409 where a statement with rows stands."""
    found = flow.record_empty(
        context.parts, asked.channel, asked.day, who(staff), kind=asked.kind, merchant=asked.merchant
    )
    return json(context.parts, _plain(found))


@router.post("/statements/fetch", responses={200: {"model": shapes.FetchedDay}})
def fetch(staff: Asking, context: With, asked: shapes.FetchDay) -> Response:
    """Ask the channels for a day's statements now and import what comes. What is here already is recognised; each says what became of it."""
    from gateway.flows.statements_fetch import fetch as fetch_all  # noqa: PLC0415 - loaded by who asks for it

    with context.reports.place():
        # Once: who waits for the answer may ask again, and the job does.
        found = fetch_all(context.parts, asked.day, who(staff), channel=asked.channel, merchant=asked.merchant, tries=1)
    return json(context.parts, {"items": [msgspec.to_builtins(one, builtin_types=(datetime,)) for one in found]})


@router.get("/statements", responses={200: {"model": ListOf[shapes.Statement]}})
def statements(
    staff: Asking,
    context: With,
    part: ByName,
    *,
    day: Annotated[date | None, Query(description="only of this day")] = None,
    channel: Annotated[ChannelName | None, Query()] = None,
    merchant: Merchant = None,
    replaced: Annotated[bool, Query(description="also those that another took the place of")] = False,
) -> Response:
    """What was imported, by day."""
    wanted = statements_reading.Wanted(day=day, channel=channel, merchant=merchant, replaced=replaced)
    with context.reports.reading() as connection:
        found = statements_reading.statements(connection, staff.sites, wanted, part)
    return json(context.parts, page(found, part.limit))


@router.get("/statements/{bill}/rows", responses={200: {"model": ListOf[shapes.StatementRow]}})
def rows(staff: Asking, context: With, bill: StatementId, part: ByName) -> Response:
    """A statement's rows of your sites, by line."""
    with context.reports.reading() as connection:
        found = statements_reading.rows(connection, staff.sites, bill, part)
    return json(context.parts, page(found, part.limit))


def who(staff: Staff) -> flow.Who:
    """Who asks, for a flow."""
    return flow.Who(operator=staff.name, origin=staff.origin, only=staff.sites)


def _plain(found: flow.Imported) -> Any:
    return msgspec.to_builtins(found, builtin_types=(datetime,))
