"""Visitor vouchers: books, the register, presenting at a stay, what was collected offline, stock, buyers' months."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from billing.exports import csv_bytes, yuan
from gateway.api import voucher_shapes as shapes
from gateway.api.answers import Key, SiteName, instant, json
from gateway.api.context import Asking, Context, Staff, With
from gateway.api.lists import ByName, ByTime, ListOf, NotOurCursor, page
from gateway.api.passes import by
from gateway.flows import reading
from gateway.flows.charges_books import Money
from gateway.flows.refusals import Invalid
from gateway.flows.vouchers import books, offline, payments, redeem, register, statements
from gateway.flows.vouchers import reading as found

router = APIRouter(tags=["vouchers"])

BookId = Annotated[str, Path(max_length=64)]
Serial = Annotated[int, Path(ge=1, le=99_999_999)]
MonthOf = Annotated[str | None, Query(pattern=r"^20\d\d-(0[1-9]|1[0-2])$", description="YYYY-MM")]


@router.get("/vouchers", responses={200: {"model": ListOf[shapes.Voucher]}})
def vouchers(
    staff: Asking,
    context: With,
    part: ByName,
    *,
    site: SiteName = None,
    book: Annotated[str | None, Query(max_length=64)] = None,
    state: Annotated[shapes.State | None, Query()] = None,
    serial: Annotated[int | None, Query(ge=1, le=99_999_999)] = None,
    stay: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Vouchers by site and serial. Never their codes: those are on paper only."""
    if part.after is not None and not part.after[1].isdecimal():
        raise NotOurCursor
    wanted = found.VoucherFilter(book=book, state=state, serial=serial, stay=stay)
    with context.reports.reading() as connection:
        rows = found.vouchers(connection, staff.only(site), wanted, part)
    return json(context.parts, page(rows, part.limit))


@router.get("/vouchers/{site}/{serial}/steps", responses={200: {"model": shapes.Steps}})
def steps(staff: Asking, context: With, site: Annotated[str, Path(max_length=40)], serial: Serial) -> Response:
    """Everything that became of one voucher."""
    with context.parts.store.reading() as connection:
        rows = found.history(connection, staff.sites, site, serial)
    return json(context.parts, _all([{**row, "business_day": row["business_day"].isoformat()} for row in rows]))


@router.get("/vouchers/books", responses={200: {"model": ListOf[shapes.Book]}})
def list_books(staff: Asking, context: With, part: ByName, site: SiteName = None) -> Response:
    """Books by site."""
    with context.reports.reading() as connection:
        rows = found.books(connection, staff.only(site), part)
    return json(context.parts, page(rows, part.limit))


@router.post("/vouchers/books", status_code=201, responses={201: {"model": shapes.Book}})
def make_book(staff: Asking, context: With, wanted: shapes.BookToMake, idempotency_key: Key = None) -> Response:
    """Put a book into stock, numbered after the site's last one."""
    staff.only(wanted.site)
    made = books.make_book(
        context.parts,
        site=wanted.site,
        kind=wanted.kind,
        value=wanted.value,
        count=wanted.count,
        valid_from=_instant(context, "valid_from", wanted.valid_from),
        valid_to=_instant(context, "valid_to", wanted.valid_to, end=True),
        buyer=wanted.buyer,
        title=wanted.title,
        operator=staff.name,
        idempotency_key=idempotency_key,
        origin=staff.origin,
    )
    return json(context.parts, msgspec.structs.asdict(made), 201)


@router.get("/vouchers/books/{book_id}/sheet", responses={200: {"content": {"application/pdf": {}}}})
def sheet(
    staff: Asking,
    context: With,
    book_id: BookId,
    first: Annotated[int | None, Query(alias="from", ge=1, le=99_999_999)] = None,
    last: Annotated[int | None, Query(alias="to", ge=1, le=99_999_999)] = None,
) -> Response:
    """Sheets to print and cut, at most 500 vouchers a file. What is printed is as good as money: it leaves an audit line."""
    from gateway.flows.vouchers import printing  # noqa: PLC0415 - what sets pages and draws codes is large

    staff.own(reading.site_of(book_id))
    with context.reports.place():
        name, content = printing.sheet(
            context.parts,
            book_id=book_id,
            first_serial=first,
            last_serial=last,
            operator=staff.name,
            origin=staff.origin,
        )
    return _file(name, content, "application/pdf")


@router.get("/vouchers/buyers", responses={200: {"model": ListOf[shapes.BuyerWithAccount]}})
def list_buyers(staff: Asking, context: With, part: ByName, site: SiteName = None) -> Response:
    """Merchants and visiting firms by site and id, and what each still owes."""
    with context.reports.reading() as connection:
        rows = found.buyers(connection, staff.only(site), part)
    return json(context.parts, page(rows, part.limit))


@router.post("/vouchers/buyers", responses={200: {"model": shapes.Buyer}})
def register_buyer(staff: Asking, context: With, buyer: shapes.BuyerToRegister) -> Response:
    """Add one, or change its name; the same again changes nothing."""
    staff.only(buyer.site)
    document = books.register_buyer(
        context.parts,
        site=buyer.site,
        buyer=buyer.id,
        kind=buyer.kind,
        name=buyer.name,
        enabled=buyer.enabled,
        operator=staff.name,
        origin=staff.origin,
    )
    return json(context.parts, document)


@router.post("/vouchers/buyers/{buyer}/payments", status_code=201, responses={201: {"model": shapes.BuyerPaid}})
def pay(
    staff: Asking,
    context: With,
    buyer: Annotated[str, Path(max_length=40)],
    asked: shapes.BuyerPays,
    idempotency_key: Key = None,
) -> Response:
    """Take what a buyer owes for its months, or a part of it. 409 for more than it owes."""
    staff.only(asked.site)
    money = Money(channel=asked.channel, amount_fen=asked.amount_fen, reference=asked.reference)
    paid = payments.pay(context.parts, asked.site, buyer, money, by(staff), idempotency_key)
    return json(context.parts, msgspec.structs.asdict(paid), 201)


@router.get("/vouchers/issues", responses={200: {"model": ListOf[shapes.Issue]}})
def list_issues(
    staff: Asking,
    context: With,
    part: ByTime,
    *,
    site: SiteName = None,
    household: Annotated[str | None, Query(max_length=64)] = None,
    month: MonthOf = None,
) -> Response:
    """The register of who took what, the newest first."""
    with context.reports.reading() as connection:
        rows = found.register(connection, staff.only(site), part, household=household, month=month)
    return json(context.parts, page([(key, msgspec.structs.asdict(one)) for key, one in rows], part.limit))


@router.post("/vouchers/issues", status_code=201, responses={201: {"model": shapes.Issue}})
def issue(staff: Asking, context: With, wanted: shapes.ToIssue, idempotency_key: Key = None) -> Response:
    """Hand out serials of one book against a signature. 409 beyond the household's quota of the month."""
    staff.only(wanted.site)
    made = register.issue(
        context.parts,
        site=wanted.site,
        first_serial=wanted.first_serial,
        last_serial=wanted.last_serial,
        household=wanted.household,
        taker=wanted.taker,
        purpose=wanted.purpose,
        signature=wanted.signature,
        operator=staff.name,
        idempotency_key=idempotency_key,
        origin=staff.origin,
    )
    return json(context.parts, msgspec.structs.asdict(made), 201)


@router.post("/vouchers/returns", responses={200: {"model": shapes.Moved}})
def give_back(staff: Asking, context: With, wanted: shapes.RangeWithReason) -> Response:
    """Unused vouchers come back; all of the range or none. They may be issued again."""
    staff.only(wanted.site)
    return json(context.parts, {"moved": register.give_back(context.parts, **_range(staff, wanted))})


@router.post("/vouchers/voids", responses={200: {"model": shapes.Moved}})
def declare_void(staff: Asking, context: With, wanted: shapes.RangeWithReason) -> Response:
    """Worth nothing from now on; all of the range or none. Not what is presented or used."""
    staff.only(wanted.site)
    return json(context.parts, {"moved": register.declare_void(context.parts, **_range(staff, wanted))})


@router.get("/vouchers/stock", responses={200: {"model": shapes.StockDay}})
def stock(
    staff: Asking,
    context: With,
    site: SiteName = None,
    day: Annotated[
        date | None, Query(ge=date(2000, 1, 1), le=date(2199, 12, 31), description="by default today")
    ] = None,
) -> Response:
    """Each book on a business day: what moved, how it stood at its end, and whether it balances."""
    wanted = day or context.parts.clock.now().astimezone(context.parts.settings.zone).date()
    with context.reports.reading() as connection:
        rows = found.stock(connection, staff.only(site), wanted)
    return json(context.parts, _all(rows))


@router.post("/stays/{stay_id}/vouchers", status_code=201, responses={201: {"model": shapes.Presented}})
def present(
    staff: Asking, context: With, stay_id: Annotated[str, Path(max_length=64)], voucher: shapes.Code
) -> Response:
    """Present a voucher for a stay; the same one again changes nothing. The lane opens if nothing is due any more."""
    staff.own(reading.site_of(stay_id))
    said = redeem.present(context.parts, stay_id=stay_id, code=voucher.code, operator=staff.name, origin=staff.origin)
    return json(context.parts, msgspec.structs.asdict(said), 201)


@router.post("/stays/{stay_id}/vouchers/withdrawal", status_code=204)
def withdraw(
    staff: Asking, context: With, stay_id: Annotated[str, Path(max_length=64)], wanted: shapes.Withdrawal
) -> Response:
    """Take a voucher back that was presented for the wrong stay, while no bill uses it."""
    staff.own(reading.site_of(stay_id))
    redeem.withdraw(
        context.parts,
        stay_id=stay_id,
        serial=wanted.serial,
        reason=wanted.reason,
        operator=staff.name,
        origin=staff.origin,
    )
    return Response(status_code=204)


@router.get("/vouchers/redemptions", responses={200: {"model": ListOf[shapes.Redemption]}})
def list_redemptions(
    staff: Asking,
    context: With,
    part: ByTime,
    *,
    site: SiteName = None,
    state: Annotated[Literal["queued", "done", "refused", "resolved"] | None, Query()] = None,
) -> Response:
    """What was collected offline, the newest first."""
    with context.reports.reading() as connection:
        rows = found.redemptions(connection, staff.only(site), part, state=state)
    return json(context.parts, page(rows, part.limit))


@router.post("/vouchers/redemptions", responses={200: {"model": ListOf[shapes.Redemption]}})
def bring(staff: Asking, context: With, wanted: shapes.ToBring) -> Response:
    """Bring codes that were collected without a network. Each counts once, however often it is brought."""
    for item in wanted.items:
        staff.only(reading.site_of(item.lane))
    items = [
        offline.Collected(code=item.code, lane=item.lane, at=_instant(context, f"items.{place}.at", item.at))
        for place, item in enumerate(wanted.items)
    ]
    rows = offline.bring(context.parts, items, operator=staff.name, origin=staff.origin)
    return json(context.parts, _all([msgspec.structs.asdict(row) for row in rows]))


@router.post("/vouchers/redemptions/{redemption_id}/resolution", responses={200: {"model": shapes.Redemption}})
def resolve(
    staff: Asking, context: With, redemption_id: Annotated[str, Path(max_length=64)], wanted: shapes.ToResolve
) -> Response:
    """Decide about one that needs a person: its stay, back to its holder, void, or nothing to do."""
    staff.own(wanted.site)
    row = offline.resolve(
        context.parts,
        site=wanted.site,
        redemption=redemption_id,
        action=wanted.action,
        stay=wanted.stay,
        reason=wanted.reason,
        operator=staff.name,
        origin=staff.origin,
    )
    return json(context.parts, msgspec.structs.asdict(row))


@router.get("/vouchers/statements", responses={200: {"model": ListOf[shapes.Statement]}})
def list_statements(
    staff: Asking,
    context: With,
    part: ByName,
    *,
    site: SiteName = None,
    month: MonthOf = None,
    buyer: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:
    """Buyers' months, the newest first."""
    with context.reports.reading() as connection:
        rows = found.statements(connection, staff.only(site), part, month=month, buyer=buyer)
    return json(context.parts, page(rows, part.limit))


@router.post("/vouchers/statements", responses={200: {"model": ListOf[shapes.Statement]}})
def make_statements(staff: Asking, context: With, part: ByName, wanted: shapes.StatementsToMake) -> Response:
    """Bill a site's buyers for a month that is closed; made again it is the same. Its first page, as the list has it."""
    staff.only(wanted.site)
    statements.make_statements(
        context.parts, site=wanted.site, month=wanted.month, operator=staff.name, origin=staff.origin
    )
    with context.parts.store.reading() as connection:
        rows = found.statements(connection, [wanted.site], part, month=wanted.month)
    return json(context.parts, page(rows, part.limit))


@router.get("/vouchers/{site}/statements/{statement_id}", responses={200: {"model": shapes.StatementLines}})
def statement_lines(
    staff: Asking,
    context: With,
    site: Annotated[str, Path(max_length=40)],
    statement_id: Annotated[str, Path(max_length=64)],
    form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> Response:
    """What a buyer is billed for, voucher by voucher, for the buyer to check: no plates, no stays."""
    staff.own(site)
    with context.reports.reading() as connection:
        rows = statements.lines(connection, statement_id, site)
    if form == "json":
        return json(context.parts, _all(rows))
    zone = context.parts.settings.zone
    table = csv_bytes(
        (
            "券号 voucher",
            "券本 book",
            "种类 kind",
            "面值 value",
            "事项 what",
            "时间 at",
            "金额(分) amount_fen",
            "金额(元) amount_yuan",
        ),
        [
            (
                row["voucher"],
                row["book"],
                row["kind"],
                row["value"],
                row["what"],
                row["at"].astimezone(zone).isoformat(timespec="seconds"),
                row["amount_fen"],
                yuan(row["amount_fen"]),
            )
            for row in rows
        ],
    )
    return _file(f"vouchers-{site}-{statement_id}.csv", table, "text/csv; charset=utf-8")


def _all(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"items": rows, "next": None}


def _range(staff: Staff, wanted: shapes.RangeWithReason) -> dict[str, Any]:
    return {**wanted.model_dump(), "operator": staff.name, "origin": staff.origin}


def _instant(context: Context, name: str, text: str, *, end: bool = False) -> datetime:
    at = instant(name, text, context.parts.settings.zone, end=end)
    if at is None:
        raise Invalid(f"{name}: must not be empty")
    return at


def _file(name: str, content: bytes, media: str) -> Response:
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(content, media_type=media, headers=headers)
