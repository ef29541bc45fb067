"""What staff decided, against the audit trail: who proposed and decided what, when, and about how much; and nobody both. And what they did alone
at a barrier, by name.

A proposal moves no money, so the ledger says nothing of it, and its row changes while it is decided. The trail only grows: each step
left a line there, which must say the same; and a line whose row is gone tells that it was there. Words are not compared: what is found
of a person in them is taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, select

from controllers.commands import Action
from gateway.flows.cash_refunds import STATES
from gateway.flows.verify_scope import Failure, Look
from gateway.store import tables as t
from gateway.store.records import STREET

_LINE = t.AuditEntry.__table__.c
Said = dict[str, Any]


class Step(NamedTuple):
    """A line that a row must have: `detail` is what of the line's detail must be so."""

    action: str
    at: datetime
    operator: str
    subject: str
    detail: Said


class Kept(NamedTuple):
    """A table whose rows leave lines. `key`: under which name their id stands in the detail; none: it is the subject."""

    what: str
    table: Any
    key: str | None
    steps: Callable[[Row[Any]], Iterator[Step | str]]
    at: str
    actions: tuple[str, ...]
    each: bool = True
    """Whether each row must have its lines. Else its lines, where it has any, must be about it."""
    name: str = "id"
    """The column of its id."""

    @property
    def columns(self) -> list[Any]:
        """All of a row, its id as `id`."""
        every = self.table.__table__.c
        return [*every] if self.name == "id" else [*every, every[self.name].label("id")]


def failures(look: Look) -> Iterator[Failure]:
    for kept in _KEPT:
        if kept.each:
            yield from _rows(look, kept)
    yield from _lines(look)


def _rows(look: Look, kept: Kept) -> Iterator[Failure]:
    """Rows whose steps are not on record, or otherwise."""
    row = kept.table.__table__.c
    query = select(*kept.columns).where(*look.scope.instants(row[kept.at])).order_by(*kept.table.__table__.primary_key)
    for chunk in look.rows(query):
        wanted = [(one, list(kept.steps(one))) for one in chunk]
        steps = [step for _, said in wanted for step in said if isinstance(step, Step)]
        told = _told(look, kept, {step.at for step in steps})
        for one, said in wanted:
            wrong = next((why for step in said if (why := _wrong(step, one, told)) is not None), None)
            if wrong is not None:
                yield Failure(kept.what, one.id, wrong)
            look.count("decisions")


def _wrong(step: Step | str, row: Row[Any], told: dict[tuple[str, str, str], Row[Any]]) -> str | None:
    if isinstance(step, str):
        return step
    line = told.get((row.site_id, step.action, row.id))
    if line is None:
        return f"the audit trail has no {step.action} of it at {step.at}"
    if (line.at, line.operator, line.subject) != (step.at, step.operator[:64], step.subject):
        return f"the audit trail says that {step.action} was done by somebody else, at another time or about something else"
    for name, value in step.detail.items():
        # What later lines say more than earlier ones did is not asked of those.
        if name in line.detail and _plain(line.detail.get(name)) != _plain(value):
            return f"the audit trail says at {step.action} that {name} is {line.detail.get(name)}, not {value}"
    return None


def _told(look: Look, kept: Kept, instants: set[datetime]) -> dict[tuple[str, str, str], Row[Any]]:
    """Lines by site, action and whom they are about, as of these instants."""
    lines = look.connection.execute(
        select(*_LINE).where(_LINE.at.in_(sorted(instants)), _LINE.action.in_(kept.actions)).order_by(_LINE.id)
    )
    return {(line.site_id or STREET, line.action, _about(line, kept)): line for line in lines}


def _about(line: Row[Any], kept: Kept) -> str:
    return str(line.subject if kept.key is None else line.detail.get(kept.key, ""))


def _lines(look: Look) -> Iterator[Failure]:
    """Lines about rows that are not there, or that know nothing of it any more. The trail is gone through once."""
    of_action = {action: kept for kept in _KEPT for action in kept.actions}
    query = select(*_LINE).where(_LINE.action.in_(sorted(of_action)), *look.scope.instants(_LINE.at))
    for chunk in look.rows(query.order_by(_LINE.id)):
        for kept in _KEPT:
            mine = [line for line in chunk if of_action[line.action] is kept]
            yield from _unknown(look, kept, mine)


def _unknown(look: Look, kept: Kept, lines: list[Row[Any]]) -> Iterator[Failure]:
    table = kept.table.__table__
    told = {(line.site_id or STREET, _about(line, kept), line.action) for line in lines}
    sites, ids = sorted({site for site, _, _ in told}), sorted({name for _, name, _ in told})
    of_them = (table.c.site_id.in_(sites), table.c[kept.name].in_(ids))
    rows = look.connection.execute(select(*kept.columns).where(*of_them)) if ids else ()
    said = [(row, step) for row in rows for step in kept.steps(row)]
    if not kept.each:
        lines_of = {(line.site_id or STREET, line.action, _about(line, kept)): line for line in lines}
        for row, step in said:
            if isinstance(step, str) or (row.site_id, step.action, row.id) in lines_of:
                why = _wrong(step, row, lines_of)
                if why is not None:
                    yield Failure(kept.what, row.id, why)
    known = {(row.site_id, row.id, step.action) for row, step in said if isinstance(step, Step)}
    for _, name, action in sorted(told - known):
        yield Failure(kept.what, name, f"the audit trail tells of {action}, and it is not there, or says nothing of it")


def _plain(value: Any) -> Any:
    """As a line's detail keeps it; instants as such, because they may be written in any zone."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, str) and "T" in value:
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return value
    return value


# ---------------------------------------------------------------------- what leaves which lines


def _decided(row: Row[Any], undecided: bool) -> Iterator[str]:
    """Four eyes, and a decision has both who and when."""
    if undecided:
        if (row.decided_at, row.decided_by) != (None, None):
            yield "it is undecided and says who decided it"
    elif row.decided_at is None or row.decided_by is None:
        yield "it is decided and does not say by whom and when"
    elif row.decided_by.strip().casefold() == row.proposed_by.strip().casefold():
        yield "who proposed it decided it"


def _write_off(row: Row[Any]) -> Iterator[Step | str]:
    detail = {"write_off": row.id, "kind": row.kind, "amount_fen": row.amount_fen}
    yield from _decided(row, row.state == "proposed")
    yield Step("arrears.write_off.propose", row.proposed_at, row.proposed_by, row.stay_id, detail)
    if row.decided_at is not None:
        action = {"approved": "arrears.write_off.approve", "refused": "arrears.write_off.refuse"}.get(row.state, "?")
        yield Step(action, row.decided_at, row.decided_by or "", row.stay_id, detail)


def _payment_refund(row: Row[Any]) -> Iterator[Step | str]:
    detail = {"refund": row.id, "order": row.order_id, "amount_fen": row.amount_fen}
    yield from _decided(row, row.state == "proposed")
    # What the service proposes is what the ledger has beyond the bill, under one number an order.
    if row.idempotency_key is not None:
        yield Step("refund.propose", row.proposed_at, row.proposed_by, row.stay_id, detail)
    if row.decided_at is not None:
        action = "refund.refuse" if row.state == "refused" else "refund.approve"
        yield Step(action, row.decided_at, row.decided_by or "", row.stay_id, detail)
    if (row.state == "done") != (row.done_at is not None) or (row.done_at is not None and row.sent_at is None):
        yield f"it is {row.state}, sent at {row.sent_at} and done at {row.done_at}"
    if row.done_at is not None:
        yield Step("refund.made", row.done_at, "service", row.stay_id, detail)


def _pass_refund(row: Row[Any]) -> Iterator[Step | str]:
    detail = {"refund": row.id}
    yield from _decided(row, row.state == "proposed")
    yield Step("pass.refund.propose", row.proposed_at, row.proposed_by, row.pass_id, detail)
    if row.decided_at is not None:
        action = "pass.refund.refuse" if row.state == "refused" else "pass.refund.approve"
        yield Step(action, row.decided_at, row.decided_by or "", row.pass_id, detail)
    given = (row.paid_at, row.paid_by, row.channel)
    if any((one is not None) != (row.state == "paid") for one in given) or (row.shift_id and row.channel != "cash"):
        yield f"it is {row.state} and was paid at {row.paid_at} by {row.paid_by} through {row.channel}"
    if row.state in {"proposed", "refused"} and (row.amount_fen or row.ended_day):
        yield f"it is {row.state} and gives back {row.amount_fen} fen from {row.ended_day}"
    if row.paid_at is not None:
        paid = detail | {"channel": row.channel, "amount_fen": row.amount_fen}
        yield Step("pass.refund.pay", row.paid_at, row.paid_by or "", row.pass_id, paid)


def _cash_refund(row: Row[Any]) -> Iterator[Step | str]:
    detail = {"refund": row.id, "payment": row.payment_id, "amount_fen": row.amount_fen}
    yield from _decided(row, row.state == "proposed")
    if row.state not in STATES:
        yield f"it is {row.state}"
    yield Step("cash_refund.propose", row.proposed_at, row.proposed_by, row.stay_id, detail)
    if row.decided_at is not None:
        action = "cash_refund.refuse" if row.state == "refused" else "cash_refund.approve"
        yield Step(action, row.decided_at, row.decided_by or "", row.stay_id, detail)
    if any((one is not None) != (row.state == "paid") for one in (row.paid_at, row.paid_by, row.shift_id)):
        yield f"it is {row.state} and was handed out at {row.paid_at} by {row.paid_by} from {row.shift_id}"
    if row.paid_at is not None:
        yield Step("cash_refund.pay", row.paid_at, row.paid_by or "", row.stay_id, detail)


def _staff_command(row: Row[Any]) -> Iterator[Step]:
    # By which role, the trail does not say.
    lane = f"{row.site_id}.{row.lane_id}"
    yield Step(f"lane.{row.action}", row.at, row.operator, lane, {"command": row.id})


def _emergency(row: Row[Any]) -> Iterator[Step | str]:
    yield Step("emergency.declare", row.declared_at, row.declared_by, row.id, {})
    if len({one is None for one in (row.ended_at, row.ended_by, row.end_reason)}) > 1:
        yield f"it ended at {row.ended_at}, by {row.ended_by}"
    if row.ended_at is not None:
        yield Step("emergency.end", row.ended_at, row.ended_by or "", row.id, {})


def _agreement(row: Row[Any]) -> Iterator[Step | str]:
    detail = {"limit_fen": row.limit_fen, "valid_from": row.valid_from, "valid_to": row.valid_to}
    yield from _decided(row, row.state == "proposed")
    if row.state not in {"proposed", "approved", "refused", "ended"}:
        yield f"it is {row.state}"
    yield Step("agreement.propose", row.proposed_at, row.proposed_by, row.id, detail)
    if row.decided_at is not None:
        action = "agreement.refused" if row.state == "refused" else "agreement.approved"
        yield Step(action, row.decided_at, row.decided_by or "", row.id, detail)
    if ((row.state == "ended") != (row.ended_at is not None)) or (row.ended_at is None) != (row.ended_by is None):
        yield f"it is {row.state}, ended at {row.ended_at} by {row.ended_by}"
    if row.ended_at is not None:
        yield Step("agreement.ended", row.ended_at, row.ended_by or "", row.id, detail)


def _order(row: Row[Any]) -> Iterator[Step | str]:
    detail = {"order": row.id, "channel": row.channel, "amount_fen": row.amount_fen}
    yield Step("order.place", row.quoted_at, row.ordered_by or "service", row.stay_id, detail)
    if row.paid_at is not None and row.told_at is not None:
        beyond = {"owed_back_fen": row.paid_fen - row.applied_fen}
        yield Step("order.paid", row.told_at, "service", row.stay_id, detail | beyond)
    refunded = 0 < row.paid_fen == row.refunded_fen
    if (row.state == "refunded") != refunded or (row.state in {"paid", "refunded"}) != (row.paid_fen > 0):
        yield f"it is {row.state}, with {row.paid_fen} fen paid and {row.refunded_fen} fen paid back"


_STEP_OF_CORRECTION = {
    (1, "made"): "stay.correct",
    (1, "proposed"): "stay.correction.propose",
    (2, "made"): "stay.correction.approve",
    (2, "refused"): "stay.correction.refuse",
}


def _correction(row: Row[Any]) -> Iterator[Step | str]:
    action = _STEP_OF_CORRECTION.get((row.step, row.state))
    if action is None:
        yield f"there is no step {row.step} that makes a correction {row.state}"
        return
    detail = {
        "correction": row.id,
        "part": row.part,
        "plate": row.new_plate,
        "entry": [row.entry_before, row.entry_after],
        "payable_fen": [row.payable_before, row.payable_after],
        "stay_after": row.stay_after,
    }
    yield Step(action, row.at, row.operator, row.stay_id, detail)


def _book(row: Row[Any]) -> Iterator[Step]:
    detail = {"kind": row.kind, "value": row.value, "serials": [row.first_serial, row.last_serial]}
    yield Step("voucher.book", row.made_at, row.operator, row.id, detail | {"buyer": row.buyer_id})


def _issue(row: Row[Any]) -> Iterator[Step]:
    detail = {"book": row.book_id, "serials": [row.first_serial, row.last_serial]}
    yield Step("voucher.issue", row.at, row.operator, row.id, detail)


_KEPT = (
    Kept(
        *("write_off", t.ArrearsWriteOff, "write_off", _write_off, "proposed_at"),
        ("arrears.write_off.propose", "arrears.write_off.approve", "arrears.write_off.refuse"),
    ),
    Kept(
        *("refund", t.PaymentRefund, "refund", _payment_refund, "proposed_at"),
        ("refund.propose", "refund.approve", "refund.refuse", "refund.made"),
    ),
    Kept(
        *("pass_refund", t.PassRefund, "refund", _pass_refund, "proposed_at"),
        ("pass.refund.propose", "pass.refund.approve", "pass.refund.refuse", "pass.refund.pay"),
    ),
    Kept(
        *("cash refund", t.CashRefund, "refund", _cash_refund, "proposed_at"),
        ("cash_refund.propose", "cash_refund.approve", "cash_refund.refuse", "cash_refund.pay"),
    ),
    Kept(
        *("staff_command", t.StaffCommand, "command", _staff_command, "at"),
        tuple(f"lane.{action.value}" for action in Action),
        name="command_id",
    ),
    Kept(*("emergency", t.Emergency, None, _emergency, "declared_at"), ("emergency.declare", "emergency.end")),
    Kept(
        *("agreement", t.PayLaterAgreement, None, _agreement, "proposed_at"),
        ("agreement.propose", "agreement.approved", "agreement.refused", "agreement.ended"),
    ),
    Kept(
        *("correction", t.StayCorrection, "correction", _correction, "at"),
        tuple(_STEP_OF_CORRECTION.values()),
    ),
    Kept(
        *("order", t.PaymentOrder, "order", _order, "quoted_at"),
        ("order.place", "order.paid"),
        each=False,
    ),
    Kept(*("voucher_book", t.VoucherBook, None, _book, "made_at"), ("voucher.book",)),
    Kept(*("voucher_issue", t.VoucherIssue, None, _issue, "at"), ("voucher.issue",)),
)
