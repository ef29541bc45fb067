"""渠道账单: what channels said day by day, what of it has not come, and bringing it: by a file, from the channel, or as a day with nothing."""

from __future__ import annotations

import io
from datetime import date, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from gateway.api import statement_shapes as shapes
from gateway.api.context import Context, Staff, With
from gateway.api.lists import ByName
from gateway.api.lists import page as sliced
from gateway.api.live import in_zone
from gateway.api.statements import UNPACKED_MAX, ChannelName, who
from gateway.console.desk import door, forms
from gateway.console.desk.forms import Entered, Said
from gateway.flows import closes, statements_reading
from gateway.flows import statements as flow
from gateway.flows.charges_books import By
from gateway.flows.reading import Slice
from gateway.flows.refusals import Invalid, Refused

router = APIRouter(include_in_schema=False)

HERE: Final = "statements"
WHERE: Final = "/money/statements"
UPLOAD: Final = WHERE + "/import"
_SEE: Final = ("GET", "/statements")
_ROWS: Final = ("GET", "/statements/{bill}/rows")
_CALLS: Final = {
    "import": ("POST", "/statements/import"),
    "empty": ("POST", "/statements/empty"),
    "fetch": ("POST", "/statements/fetch"),
}
_CHANNELS: Final = ("wechat", "alipay", "unionpay", "cash")
_KINDS: Final = ("trade", "payments", "refunds", "fund_flow", "count")
_DAYS_SHOWN: Final = 7
_A_DAY_MAX: Final = 200
# What stands around a line says what it is.
_BEFORE_A_LINE: Final = 3
_FIELDS: Final = ("file", "channel", "merchant", "day", "kind")
Until = Annotated[date | None, Query(ge=date(2000, 1, 1), le=date(2199, 12, 31))]


@router.get(WHERE)
def statements(request: Request, context: With, until: Until = None) -> Response:
    """A week of days, the newest first: what came, and what is still expected."""
    staff = door.staff_at(request, context, _SEE)
    last = until or _yesterday(context)
    with context.reports.reading() as connection:
        days = [_day(connection, staff, last - timedelta(days=back)) for back in range(_DAYS_SHOWN)]
    return door.page(
        request,
        staff,
        "money_statements.html",
        here=HERE,
        days=in_zone(days, context.parts.settings.zone),
        acts=[what for what, call in _CALLS.items() if door.may(staff, *call)],
        before=(last - timedelta(days=_DAYS_SHOWN)).isoformat(),
    )


@router.get(UPLOAD)
def import_form(request: Request, context: With, channel: ChannelName | None = None, day: Until = None) -> Response:
    """Bring a file."""
    staff = door.staff_at(request, context, _CALLS["import"])
    return _form(request, context, staff, "import", _begun(channel, day))


@router.get(WHERE + "/empty")
def empty_form(request: Request, context: With, channel: ChannelName | None = None, day: Until = None) -> Response:
    """Say that a channel had nothing."""
    staff = door.staff_at(request, context, _CALLS["empty"])
    return _form(request, context, staff, "empty", _begun(channel, day))


@router.post(WHERE + "/empty")
def empty(request: Request, context: With, said: Said) -> Response:
    """The channel had nothing that day."""
    staff = door.staff_at(request, context, _CALLS["empty"])

    def work(_by: By) -> str:
        asked = forms.shaped(
            shapes.EmptyDay,
            channel=said["channel"],
            day=said["day"],
            kind=said.or_none("kind"),
            merchant=said.or_none("merchant"),
        )
        flow.record_empty(context.parts, asked.channel, asked.day, who(staff), kind=asked.kind, merchant=asked.merchant)
        return f"{WHERE}?until={asked.day}"

    def shown(why: Refused) -> Response:
        return _form(request, context, staff, "empty", said, why)

    return forms.step(staff, said, work, shown, WHERE, "statement_empty")


@router.post(WHERE + "/fetch")
def fetch(request: Request, context: With, said: Said) -> Response:
    """Ask the channels for a day, now; what became of each is shown."""
    staff = door.staff_at(request, context, _CALLS["fetch"])
    door.own_form(staff, said["csrf"], WHERE)
    from gateway.flows.statements_fetch import fetch as fetch_all  # noqa: PLC0415 - loaded by who asks for it

    asked = forms.shaped(shapes.FetchDay, day=said["day"])
    with context.reports.place():
        found = fetch_all(context.parts, asked.day, who(staff), tries=1)
    return door.page(request, staff, "money_fetched.html", here=HERE, day=asked.day.isoformat(), found=found)


@router.get(WHERE + "/{bill}")
def rows(
    request: Request,
    context: With,
    bill: Annotated[str, Path(max_length=64)],
    part: ByName,
    *,
    line: Annotated[int | None, Query(ge=1, le=9_999_999)] = None,
) -> Response:
    """What the channel said, row by row, of the reader's sites; `line`: from there on, that one marked."""
    staff = door.staff_at(request, context, _ROWS)
    if line is not None and part.after is None:
        part = statements_reading.from_line(max(line - _BEFORE_A_LINE, 1), part.limit)
    with context.reports.reading() as connection:
        statement = statements_reading.statement(connection, staff.sites, bill)
        found = statements_reading.rows(connection, staff.sites, bill, part)
    zone = context.parts.settings.zone
    return door.page(
        request,
        staff,
        "money_statement_rows.html",
        here=HERE,
        statement=in_zone({**statement, "day": statement["day"].isoformat()}, zone),
        found=in_zone(sliced(found, part.limit), zone),
        line=line,
    )


def uploading(request: Request, context: With) -> Staff:
    """Who sends a file: looked at before any of it is read."""
    return door.staff_at(request, context, _CALLS["import"])


@router.post(UPLOAD)
async def upload(
    request: Request, context: With, staff: Annotated[Staff, Depends(uploading, use_cache=False)]
) -> Response:
    """Import a channel's own bill file: all of it or nothing. The same file again changes nothing."""
    async with request.form(max_files=1, max_fields=20) as form:
        said = Entered({name: [value] for name, value in form.items() if isinstance(value, str)})
        sent = form.get("file")
        name, data = ("", b"") if sent is None or isinstance(sent, str) else (sent.filename or "", await sent.read())
    return await run_in_threadpool(_import, request, context, staff, said, name, data)


def _import(request: Request, context: Context, staff: Staff, said: Entered, name: str, data: bytes) -> Response:
    def work(_by: By) -> str:
        if not data:
            raise Invalid("file: choose the file that the channel gave")
        asked = forms.shaped(shapes.EmptyDay, channel=said["channel"], day=said.or_none("day") or _today(context))
        with context.reports.place():
            made = flow.import_file(
                context.parts,
                asked.channel,
                io.BytesIO(data),
                who(staff),
                name=name[:200],
                merchant=said.or_none("merchant"),
                day=asked.day if said["day"] else None,
                unpacked_max=UNPACKED_MAX,
            )
        return f"{WHERE}?until={made.day}"

    def shown(why: Refused) -> Response:
        # A file that is no such statement is wrong at its field.
        at = why if why.slug != "bad-statement" else Invalid(f"file: {why.detail}")
        return _form(request, context, staff, "import", said, at)

    return forms.step(staff, said, work, shown, WHERE, "statement_imported")


def _form(
    request: Request,
    context: Context,
    staff: Staff,
    what: str,
    said: Entered,
    why: Refused | None = None,
) -> Response:
    return forms.form(
        request,
        staff,
        "money_statement.html",
        here=HERE,
        said=said,
        why=why,
        fields=_FIELDS,
        what=what,
        channels=_CHANNELS,
        kinds=_KINDS,
        latest=_today(context),
    )


def _begun(channel: str | None, day: date | None) -> Entered:
    return Entered({"channel": [channel or ""], "day": [day.isoformat() if day else ""]})


def _day(connection: Any, staff: Staff, day: date) -> dict[str, Any]:
    """What stands of a day, and what is expected of it and has not come."""
    wanted = statements_reading.Wanted(day=day)
    found = statements_reading.statements(connection, staff.sites, wanted, Slice(None, _A_DAY_MAX))
    expected = closes.day(connection, staff.sites, day)["sites"]
    missing = {(one["merchant"], one["channel"], one["kind"]) for site in expected for one in site["missing"]}
    return {
        "day": day.isoformat(),
        "statements": [one for _, one in found],
        "missing": [dict(zip(("merchant", "channel", "kind"), one, strict=True)) for one in sorted(missing)],
    }


def _today(context: Context) -> str:
    return context.parts.clock.now().astimezone(context.parts.settings.zone).date().isoformat()


def _yesterday(context: Context) -> date:
    return date.fromisoformat(_today(context)) - timedelta(days=1)
