"""A day's figures, from the database alone."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Connection, func, select

from billing.ledger import Posting, five_sums
from controllers.events import Kind
from gateway.flows.posting import day_bounds
from gateway.store import tables as t
from gateway.wiring import Parts

# To all but registrar and finance, a pass and a low-income exemption are one word.
_SHOWN = {"low_income": "resident", "pass": "resident"}


def of_day(parts: Parts, day: date) -> dict[str, Any]:
    """Stays begun, events, openings, and the money of a business day in fen; the street's sites together.

    What happens at small gates is apart: no vehicle comes there, and nothing is due.
    """
    start, end = day_bounds(day, parts.settings.zone)
    event, stay, command, passed = t.PlateEventRow, t.Stay, t.CommandRow, t.DoorPassage
    with parts.store.reading() as connection:
        sums = _accounts(connection, day)
        return {
            "stays": _count(
                connection,
                select(func.count()).where(stay.started_at >= start, stay.started_at < end, stay.state != "void"),
            ),
            "events": _count(
                connection, select(func.count()).where(event.at >= start, event.at < end, event.kind != Kind.DOOR)
            ),
            "opened": _count(
                connection,
                select(func.count()).where(
                    command.planned_at >= start,
                    command.planned_at < end,
                    command.action == "open",
                    command.true_reason.not_like("door\\_%", escape="\\"),
                    command.state.in_(("done", "accepted")),  # which is the last that most vendors' devices say
                ),
            ),
            "doors": {
                name: _count(
                    connection,
                    select(func.count()).where(passed.at >= start, passed.at < end, passed.opened == let_through),
                )
                for name, let_through in (("opened", True), ("refused", False))
            },
            **_money(sums),
        }


def at_channels(connection: Connection, day: date) -> dict[str, int]:
    """What the ledger has at each channel of a business day, in fen, breaks taken off."""
    channel = "assets:channel:"
    sums = _accounts(connection, day).items()
    return {account.removeprefix(channel): fen for account, fen in sums if account.startswith(channel)}


def _count(connection: Connection, statement: Any) -> int:
    return int(connection.execute(statement).scalar_one())


def _accounts(connection: Connection, day: date) -> dict[str, int]:
    ledger, posting = t.LedgerTransaction, t.Posting
    statement = (
        select(posting.account, func.sum(posting.amount_fen))
        .join(ledger, (ledger.site_id == posting.site_id) & (ledger.id == posting.transaction_id))
        .where(ledger.business_day == day)
        .group_by(posting.account)
        .order_by(posting.account)
    )
    return {account: int(fen) for account, fen in connection.execute(statement)}


def _money(sums: dict[str, int]) -> dict[str, Any]:
    waived: dict[str, int] = {}
    for account, fen in sums.items():
        head, _, benefit = account.partition(":")
        if head == "waived":
            shown = _SHOWN.get(benefit, benefit)
            waived[shown] = waived.get(shown, 0) + fen
    five = five_sums(Posting(account, fen) for account, fen in sums.items())
    return {
        "gross_fen": five.earned_fen,
        "waived_fen": dict(sorted(waived.items())),
        "received_fen": five.received_fen,
        "receivable_fen": five.owed_fen,
    }
