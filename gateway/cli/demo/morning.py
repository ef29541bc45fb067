"""The simulated morning: each channel says what it settled, its statement is imported, and the day is reconciled."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from gateway.flows.reconciliation.run import Reconciled, reconcile_day
from gateway.flows.statements import Who, import_file, record_empty
from gateway.wiring import Parts
from simulators.channels.provider import Provider
from simulators.statement_day import fee_of
from simulators.statements import Deal, alipay_zip, wechat_fund_flow, wechat_trade

CHANNELS = {"wechat": "1900000001", "alipay": "2088000000000001"}
_MERCHANT = "hushu"
_WHO = Who(operator="demo", origin="simulation")


def phones(channels: Provider, day: date) -> dict[str, list[Deal]]:
    """What the simulated channels themselves took on a day, and gave back: whoever watches may play a driver who pays."""
    found: dict[str, list[Deal]] = {}
    for name in CHANNELS:
        till = channels.till(name)
        paid = {
            order.number: Deal(
                order=order.number,
                number=order.trade,
                at=order.paid_at,
                amount_fen=order.fen,
                fee_fen=fee_of(order.fen),
            )
            for order in till.orders.values()
            if order.paid_at is not None
        }
        back = [
            replace(
                paid[one.order], refund=one.number, refund_id=f"50{one.number[2:]}", at=one.at, amount_fen=one.fen,
                fee_fen=fee_of(one.fen), status="SUCCESS" if one.state == "done" else "PROCESSING",
            )
            for one in till.refunds.values()
            if one.order in paid
        ]  # fmt: skip
        found[name] = [deal for deal in (*paid.values(), *back) if deal.local.date() == day]
    return found


def received(deals: Iterable[Deal]) -> int:
    """What a channel took, less what it gave back, in fen."""
    return sum(-deal.amount_fen if deal.refund else deal.amount_fen for deal in deals)


def reconcile(parts: Parts, day: date, deals: dict[str, list[Deal]]) -> Reconciled:
    """Statements of all channels, and the match of the whole street."""
    for channel in CHANNELS:
        _tell(parts, channel, day, deals.get(channel, ()))
    return reconcile_day(parts, day, operator="demo")


def _tell(parts: Parts, channel: str, day: date, deals: Iterable[Deal]) -> None:
    account = _account(parts, channel)
    told = sorted(deals, key=lambda deal: (deal.at, deal.order, deal.refund))
    kinds = ("trade", "fund_flow") if channel == "wechat" else ("trade",)
    for kind in kinds:
        if told:
            import_file(parts, channel, io.BytesIO(_file(account, channel, kind, day, told)), _WHO, merchant=_MERCHANT)
        else:
            record_empty(parts, channel, day, _WHO, kind=kind, merchant=_MERCHANT)


def _account(parts: Parts, channel: str) -> str:
    """The account's number at the channel, as the settings have it where drivers can pay by phone."""
    offered = parts.settings.channels.get(_MERCHANT)
    if offered is None or offered.wechat is None or offered.alipay is None:
        return CHANNELS[channel]
    return offered.wechat.merchant_no if channel == "wechat" else offered.alipay.seller_id


def _file(account: str, channel: str, kind: str, day: date, deals: list[Deal]) -> bytes:
    if channel == "alipay":
        return alipay_zip(deals, account, day, datetime.combine(day + timedelta(days=1), time(1), UTC))
    return b"".join((wechat_fund_flow if kind == "fund_flow" else wechat_trade)(deals, account))
