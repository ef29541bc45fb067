"""The driver's page: what this stay costs, and why. Its address is signed, so nobody reaches another vehicle's by guessing."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from billing.invoices import Buyer
from gateway.api.context import Context, With, address_of
from gateway.console.qr import qr_code
from gateway.console.rendering import language_of, render, script_data
from gateway.flows import arrears, disputes, help_calls
from gateway.flows.invoices import asking as invoices
from gateway.flows.invoices.refusals import BuyerWrong
from gateway.flows.orders import looking, placing, within
from gateway.flows.orders.refusals import ChannelAway
from gateway.flows.pay_token import invoice_token, stay_of
from gateway.flows.refusals import Refused
from gateway.flows.vouchers import redeem
from gateway.wiring import Parts

router = APIRouter(include_in_schema=False)

Token = Annotated[str, Path(max_length=200)]
# Codes that were refused are counted for a page, and for an address at all pages. A code has 50 bits: this is against noise more
# than against luck.
_ANY = "any"
_IN_WECHAT = "MicroMessenger"


@router.get("/pay/{token}")
def pay(request: Request, context: With, token: Token) -> Response:
    """The bill of the moment in words, in which a pass and a low-income exemption read the same."""
    return _page(request, context, token)


@router.post("/pay/{token}")
def present_voucher(
    request: Request, context: With, token: Token, code: Annotated[str, Form(max_length=60)] = ""
) -> Response:
    """A voucher's code, typed or scanned from paper. Nobody tries many."""
    stay = stay_of(context.parts.settings.secret(), token)
    if stay is None:
        return render(request, "notice.html", 404, staff=None, message="pay.gone")
    address, now = address_of(request), context.wall.now()
    at_page, from_address = context.voucher_guesses, context.voucher_guesses_of_address
    if at_page.closed_for(stay, _ANY, now) or from_address.closed_for(_ANY, address, now):
        return _page(request, context, token, "wait", 429)
    try:
        redeem.present(context.parts, stay_id=stay, code=code, origin=address)
    except Refused as refused:
        at_page.failed(stay, _ANY, now)
        from_address.failed(_ANY, address, now)
        word = refused.slug if refused.slug in _REFUSALS else "voucher-not-now"
        return _page(request, context, token, word, refused.status)
    return _page(request, context, token, "taken")


@router.post("/pay/{token}/order")
def order(request: Request, context: With, token: Token, channel: Annotated[str, Form(max_length=20)] = "") -> Response:
    """A code to scan, or a link to open, for exactly what is due now."""
    stay = stay_of(context.parts.settings.secret(), token)
    if stay is None:
        return render(request, "notice.html", 404, staff=None, message="pay.gone")
    try:
        placing.place(context.parts, stay, channel, payer_address=address_of(request))
    except ChannelAway as refused:
        return _page(request, context, token, status=refused.status, channel_notice="channel-away")
    except Refused as refused:  # paid meanwhile, or not offered: the page says what is
        return _page(request, context, token, status=refused.status)
    return _page(request, context, token)


@router.get("/pay/{token}/wechat")
def pay_within(
    request: Request,
    context: With,
    token: Token,
    code: Annotated[str, Query(max_length=512)] = "",
    state: Annotated[str, Query(max_length=128)] = "",
) -> Response:
    """Inside WeChat: the phone is sent to say whose it is, and comes back with a code for an order that only it can pay."""
    parts, channel = context.parts, "wechat"
    stay = stay_of(parts.settings.secret(), token)
    if stay is None:
        return render(request, "notice.html", 404, staff=None, message="pay.gone")
    try:
        if not code:
            back = f"{parts.settings.base_url}/pay/{token}/wechat"
            return RedirectResponse(within.sign_in(parts, stay, channel, back), 303)
        payer = within.payer(parts, stay, channel, code, state)
        made = placing.place(parts, stay, channel, payer_address=address_of(request), payer=payer)
        call = within.call(parts, made.id, stay, channel)
    except ChannelAway as refused:
        return _page(request, context, token, status=refused.status, channel_notice="channel-away")
    except Refused as refused:
        return _page(request, context, token, status=refused.status)
    return _page(request, context, token, call=call)


@router.post("/pay/{token}/paid")
def paid(request: Request, context: With, token: Token) -> Response:
    """The driver says that it is paid: where no callback has come, the channel is asked."""
    stay = stay_of(context.parts.settings.secret(), token)
    if stay is None:
        return render(request, "notice.html", 404, staff=None, message="pay.gone")
    try:
        looking.look_for(context.parts, stay)
    except ChannelAway:
        return _page(request, context, token, channel_notice="channel-away")
    except Refused:
        return _page(request, context, token, channel_notice="person")
    return _page(request, context, token, channel_notice="waiting")


@router.post("/pay/{token}/help")
def call(request: Request, context: With, token: Token) -> Response:
    """Call a member of staff: who cannot pay here may leave owing."""
    stay = stay_of(context.parts.settings.secret(), token)
    if stay is None:
        return render(request, "notice.html", 404, staff=None, message="pay.gone")
    address, now = address_of(request), context.wall.now()
    calls = context.help_calls
    if calls.closed_for(stay, _ANY, now) or calls.closed_for(_ANY, address, now):
        return _page(request, context, token, status=429, help_notice="calls")
    calls.failed(stay, _ANY, now)
    calls.failed(_ANY, address, now)
    try:
        help_calls.call_from_page(context.parts, stay)
    except Refused as refused:
        return _page(request, context, token, status=refused.status)
    return _page(request, context, token, help_notice="called")


@router.post("/pay/{token}/dispute")
def dispute(
    request: Request,
    context: With,
    token: Token,
    what: Annotated[str, Form(max_length=20)] = "",
    words: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Say what is wrong with the bill: a person looks at it."""
    stay = stay_of(context.parts.settings.secret(), token)
    if stay is None:
        return render(request, "notice.html", 404, staff=None, message="pay.gone")
    address, now, said = address_of(request), context.wall.now(), context.disputes
    if said.closed_for(stay, _ANY, now) or said.closed_for(_ANY, address, now):
        return _page(request, context, token, status=429, dispute_notice="wait")
    try:
        disputes.dispute(context.parts, stay, what, words)
    except Refused as refused:
        return _page(request, context, token, status=refused.status, dispute_notice="wrong")
    said.failed(stay, _ANY, now)
    said.failed(_ANY, address, now)
    return _page(request, context, token, dispute_notice="sent")


@router.post("/pay/{token}/invoice")
def ask_for_invoice(
    request: Request,
    context: With,
    token: Token,
    *,
    kind: Annotated[Literal["person", "company"], Form()] = "person",
    title: Annotated[str, Form(max_length=400)] = "",
    tax_number: Annotated[str, Form(max_length=60)] = "",
    email: Annotated[str, Form(max_length=400)] = "",
) -> Response:
    """Ask for an invoice over what was paid; its own page is for whoever asked."""
    parts = context.parts
    stay = stay_of(parts.settings.secret(), token)
    if stay is None:
        return render(request, "notice.html", 404, staff=None, message="pay.gone")
    buyer = Buyer(kind=kind, title=title, tax_number=tax_number if kind == "company" else "", email=email)
    try:
        made = invoices.ask(parts, stay, buyer, origin=address_of(request))
    except BuyerWrong as refused:
        return _page(request, context, token, status=refused.status, invoice_notice=refused.fields[0])
    except Refused as refused:
        return _page(request, context, token, status=refused.status, invoice_notice=refused.slug)
    return RedirectResponse(f"/invoice/{invoice_token(parts.settings.secret(), made.id)}", 303)


_REFUSALS = frozenset({"voucher-not-valid", "voucher-used", "voucher-not-issued", "voucher-over", "voucher-not-now"})


def _page(
    request: Request,
    context: Context,
    token: str,
    voucher: str | None = None,
    status: int = 200,
    *,
    channel_notice: str | None = None,
    help_notice: str | None = None,
    call: dict[str, str] | None = None,
    invoice_notice: str | None = None,
    dispute_notice: str | None = None,
) -> Response:
    """The page, with a word on the voucher that was just presented, or on the channel that was just asked."""
    parts = context.parts
    stay = stay_of(parts.settings.secret(), token) or ""
    beside = {
        "page": f"/pay/{token}",
        "help_notice": help_notice,
        "dispute_notice": dispute_notice,
        "disputed": disputes.stands(parts, stay),
    }
    try:
        bill = context.flows.bill_by_token(parts, token)
    except Refused:
        # Its bill needs a person: calling one is what is left to do.
        return render(request, "person.html", 409, **beside)
    if bill is None:
        return render(request, "notice.html", 404, staff=None, message="pay.gone")
    shown = _order_shown(parts, stay, bill["due_fen"])
    return render(
        request,
        "pay.html",
        status,
        **beside,
        voucher=voucher,
        plate=bill["plate"],
        minutes=bill["minutes"],
        due_fen=bill["due_fen"],
        sentences=bill[language_of(request)],
        allowance=bill["allowance"],
        earlier=arrears.offered(parts, token),
        channels=placing.offered(parts, stay.partition(".")[0]),
        order=shown,
        call=script_data(call) if call else None,
        within=_IN_WECHAT in request.headers.get("user-agent", "")
        and within.offered(parts, stay, "wechat") is not None,
        qr=qr_code(shown["code"]) if shown else None,
        invoice=invoices.offered(parts, stay),
        invoice_notice=invoice_notice,
        paid=bill["paid_fen"] > 0,
        channel_notice=None if channel_notice == "waiting" and bill["due_fen"] <= 0 else channel_notice,
    )


def _order_shown(parts: Parts, stay: str, due_fen: int) -> dict[str, Any] | None:
    """The order that can be paid now: only while it says exactly what is due."""
    if not parts.channels or due_fen <= 0:
        return None
    found = looking.payable(parts, stay, due_fen)
    if found is None or found.code is None or within.is_within(found.code):
        return None
    link = found.code if found.code.startswith(("https://", "http://")) else None
    until = found.expires_at.astimezone(parts.settings.zone)
    return {
        "channel": found.channel,
        "amount_fen": found.amount_fen,
        "code": found.code,
        "link": link,
        "until": until,
    }
