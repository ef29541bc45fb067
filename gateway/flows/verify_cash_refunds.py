"""Cash that was given back: off its stay, out of the drawer it left, by two persons, and never more than was paid."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, func, select

from gateway.flows.cash_refunds import REFUND
from gateway.flows.shifts import CASH, account
from gateway.flows.verify_scope import Failure, Look
from gateway.store.tables import CashRefund, LedgerTransaction, Payment, Posting

_PAYMENT = Payment.__table__.c
_POSTING = Posting.__table__.c
_LEDGER = LedgerTransaction.__table__.c


class TakenOff(NamedTuple):
    """What one refund took off a stay: what the ledger has for it, by account, and where the stay had received it."""

    stay: str
    ledger: dict[str, int]
    received: str
    fen: int


def taken_off(connection: Connection, site: str, stays: Sequence[str]) -> Iterator[TakenOff]:
    """What was given back of these stays. The drawer it left stands for the one that had received it."""
    query = _refunds().where(REFUND.site_id == site, REFUND.stay_id.in_(stays), REFUND.state == "paid")
    rows = connection.execute(query).all()
    posted = _posted(connection, site, [row.id for row in rows])
    for row in rows:
        came, went = account(CASH, row.came_shift), account(CASH, row.shift_id)
        ledger = dict(posted[row.id])
        ledger[came] = ledger.get(came, 0) + ledger.pop(went, 0) if came != went else ledger.get(went, 0)
        yield TakenOff(row.stay_id, ledger, came, row.amount_fen)


def failures(look: Look) -> Iterator[Failure]:
    """In the order of (site, id)."""
    look.checked["cash_refunds"] += 0
    query = _refunds().where(*look.scope.instants(REFUND.proposed_at)).order_by(REFUND.site_id, REFUND.id)
    for chunk in look.rows(query):
        posted = {
            site: _posted(look.connection, site, [row.id for row in chunk if row.site_id == site])
            for site in {row.site_id for row in chunk}
        }
        for row in chunk:
            why = _wrong(row, posted[row.site_id][row.id]) or _too_much(look, row) or _wrong_transaction(look, row)
            if why is not None:
                yield Failure("cash refund", row.id, why)
            look.count("cash_refunds")


def _refunds() -> Any:
    """With the payment of each: of which stay, what came, and into whose shift."""
    of_payment = and_(_PAYMENT.site_id == REFUND.site_id, _PAYMENT.id == REFUND.payment_id)
    return (
        select(
            *REFUND,
            _PAYMENT.stay_id.label("paid_stay"),
            _PAYMENT.channel.label("came_by"),
            _PAYMENT.shift_id.label("came_shift"),
            _PAYMENT.amount_fen.label("came_fen"),
        )
        .select_from(CashRefund)
        .outerjoin(Payment, of_payment)
    )


def _wrong(row: Row[Any], posted: dict[str, int]) -> str | None:
    if (row.paid_stay, row.came_by) != (row.stay_id, CASH):
        return "it gives back no cash payment of its stay"
    if row.state != "paid":
        moved = posted or row.transaction_id is not None or row.paid_at is not None or row.given_up_fen
        return f"it is {row.state} and money has moved" if moved else None
    if not row.decided_by or row.decided_by == row.proposed_by:
        return "no second person approved it"
    drawer = account(CASH, row.shift_id)
    others = {name: fen for name, fen in posted.items() if name != drawer}
    taken = sum(others.values())
    given_up = others.get("waived:written_off", 0)
    if posted.get(drawer, 0) != -row.amount_fen or taken != row.amount_fen or given_up != row.given_up_fen:
        return f"{row.amount_fen} fen were handed out, the ledger has {posted}"
    return None


def _wrong_transaction(look: Look, row: Row[Any]) -> str | None:
    mine = (_LEDGER.site_id == row.site_id, _LEDGER.reference_kind == "refund", _LEDGER.reference == row.id)
    made = set(look.connection.execute(select(_LEDGER.id).where(*mine)).scalars())
    if row.state != "paid" or row.transaction_id in made:
        return None
    return f"transaction {row.transaction_id} is not the one that gave it back"


def _too_much(look: Look, row: Row[Any]) -> str | None:
    mine = (REFUND.site_id == row.site_id, REFUND.payment_id == row.payment_id, REFUND.state != "refused")
    total = look.connection.execute(select(func.sum(REFUND.amount_fen)).where(*mine)).scalar() or 0
    return f"{total} fen are given back of {row.came_fen}" if total > row.came_fen else None


def _posted(connection: Connection, site: str, refunds: Sequence[str]) -> dict[str, dict[str, int]]:
    """All that the ledger has because of these refunds, by refund and account."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    rows = connection.execute(
        select(_LEDGER.reference, _POSTING.account, func.sum(_POSTING.amount_fen))
        .join(Posting, and_(_POSTING.site_id == _LEDGER.site_id, _POSTING.transaction_id == _LEDGER.id))
        .where(_LEDGER.site_id == site, _LEDGER.reference_kind == "refund", _LEDGER.reference.in_(refunds))
        .group_by(_LEDGER.reference, _POSTING.account)
    )
    for refund, name, fen in rows:
        found[refund][name] = int(fen)
    return found
