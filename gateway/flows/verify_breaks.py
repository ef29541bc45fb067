"""Breaks against their steps and the ledger: each stands as its last step left it, what settled it moved what it says, and by whom it may.

What stands in `suspense:<break>` is what runs put there less what resolutions took out; of a break that is resolved nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Row, and_, exists, func, select, text

from billing.breaks import UNSETTLED, suspense
from billing.ledger import WRITTEN_OFF
from billing.people import same_person
from gateway.flows.breaks_books import BREAK, STEP, Offer, digest_of, offer_of
from gateway.flows.reconciliation.standing import break_id
from gateway.flows.verify_evidence import records, wrong_words
from gateway.flows.verify_scope import Failure, Look, chunks
from gateway.store import tables as t

# The words of the index `ix_posting_suspense`: a database uses a partial index only where it can see that its condition holds.
IN_SUSPENSE = text("substr(account, 1, 9) = 'suspense:'")
_LEDGER = t.LedgerTransaction.__table__.c
_POSTING = t.Posting.__table__.c
_SETTLES = ("resolve", "approve")
_KINDS = {"matched": "break_matched", "adjusted": "break_adjusted", "written_off": "break_written_off"}
_RUNS = ("found", "found_again", "changed", "cleared")
_AUDIT = t.AuditEntry.__table__.c
Accounts = dict[str, int]
Told = tuple[str, str, int]


def failures(look: Look) -> Iterator[Failure]:
    """Whatever the days asked for: a break lives longer than its day."""
    look.checked["breaks"] += 0
    for chunk in look.rows(select(*BREAK).order_by(BREAK.site_id, BREAK.id)):
        for site, found in groupby(chunk, key=attrgetter("site_id")):
            rows = list(found)
            ids = [row.id for row in rows]
            steps, lies = _steps(look, site, ids), _lies(look, site, ids)
            every, evidence = [step for name in ids for step in steps[name]], records(look, site, rows)
            posted, told = _posted(look, site, [step.transaction_id for step in every]), _told(look, site, every)
            for row in rows:
                why = _wrong_state(row, steps[row.id]) or _wrong_money(row, steps[row.id], lies.get(row.id, 0))
                why = why or _wrong_runs(row, steps[row.id], posted) or _wrong_row(row, steps[row.id], told)
                why = why or wrong_words(row, steps[row.id][0], evidence)
                if why is not None:
                    yield Failure("break", row.id, why)
                for place, step in enumerate(steps[row.id]):
                    why = _wrong_step(step, steps[row.id][:place], posted) or _untold(step, told)
                    if why is not None:
                        yield Failure("break_step", f"{row.id}:{step.sequence}", why)
                look.count("breaks")
    yield from _unsaid(look)


def _wrong_state(row: Row[Any], steps: Sequence[Row[Any]]) -> str | None:
    if [step.sequence for step in steps] != list(range(1, row.version + 1)):
        return f"it says {row.version} steps, and has {len(steps)}"
    last = steps[-1] if steps else None
    if last is None or last.state != row.state:
        return f"it is {row.state}, its last step left it {last.state if last else 'nowhere'}"
    ends = next((step.at for step in reversed(steps) if step.state == row.state and step.action != "note"), None)
    if row.ended_at != (None if row.state in UNSETTLED else ends):
        return f"it is {row.state} and says that it ended {row.ended_at or 'never'}"
    settled = next((step for step in reversed(steps) if step.action in _SETTLES), None)
    if row.resolution != (settled.resolution if settled and row.state == "resolved" else None):
        return f"it is {row.state} as {row.resolution}, its steps say {settled.resolution if settled else 'nothing of that'}"
    return None


def _wrong_money(row: Row[Any], steps: Sequence[Row[Any]], lies: int) -> str | None:
    expected = row.suspense_fen - sum(step.moved_fen for step in steps)
    if lies != expected:
        return f"{lies} fen stand in suspense, its steps come to {expected}"
    return f"it is resolved and {lies} fen stand in suspense" if row.state == "resolved" and lies else None


def _wrong_runs(row: Row[Any], steps: Sequence[Row[Any]], posted: dict[str, tuple[str, Accounts]]) -> str | None:
    """What matches put into suspense is what the transactions of their steps moved. A drawer's went there with its shift."""
    if row.about == "shift":
        return None
    came = 0
    for step in steps:
        if step.action in _RUNS and step.transaction_id is not None:
            moved = posted.get(step.transaction_id, ("", {}))[1].get(suspense(row.id), 0)
            came += moved
            if not moved:
                return f"transaction {step.transaction_id} of its step {step.sequence} moved nothing of it"
    return None if came == row.suspense_fen else f"matches put {row.suspense_fen} fen into suspense, their steps {came}"


def _wrong_row(row: Row[Any], steps: Sequence[Row[Any]], told: dict[Told, Row[Any]]) -> str | None:
    """What else of a break follows from its steps and from the trail."""
    if row.id != break_id(row.site_id, row.kind, row.shift_id or f"{row.key} {row.day}"):
        return "its id is not that of its kind, its key and its day"
    last, first = steps[-1], steps[0]
    if row.about == "shift" and row.key != f"{row.kind}:{row.site_id}:{row.shift_id}":
        return f"its key is not that of shift {row.shift_id}"
    if (row.amount_fen, row.difference_fen) != (last.amount_fen, last.difference_fen):
        return f"{row.amount_fen} fen are in question, {row.difference_fen} differ; its last step says otherwise"
    if row.found_at != first.at:
        return f"it was found at {row.found_at}, its first step is of {first.at}"
    cleared = last.reason if row.state == "cleared" else None
    if row.cleared_by != cleared:
        return f"it is {row.state} and cleared by {row.cleared_by}"
    carried = next((step.carried_to for step in reversed(steps) if step.action == "carry_over"), None)
    if row.carried_to != (carried if row.state == "carried_over" else None):
        return f"it is {row.state} and carried over to {row.carried_to}"
    owner = next((told[key].detail.get("owner") for step in reversed(steps) if (key := _key(step)) in told), None)
    return None if row.owner == owner else f"it is {row.owner}'s, the audit trail says {owner}'s"


def _untold(step: Row[Any], told: dict[Told, Row[Any]]) -> str | None:
    """What people did left a line in the audit trail that says the same. Words are not compared: a person is taken out of them."""
    if step.action in _RUNS:
        said = (step.resolution, step.offer, step.other_id, step.carried_to, step.idempotency_key, step.content_hash)
        if any(one is not None for one in said) or (step.action == "cleared") != (step.state == "cleared"):
            return f"it is of a match and says that people made it {step.state}"
        return None
    line = told.get(_key(step))
    if line is None:
        return f"the audit trail has no {step.action} of it at {step.at}"
    if (line.at, line.operator, line.detail.get("state")) != (step.at, step.operator, step.state):
        return (
            f"the audit trail says that {step.action} was done by somebody else, at another time, or left it otherwise"
        )
    if line.detail.get("digest") != digest_of(step):
        return "the audit trail says that something else was done by it"
    return f"it is of staff and of run {step.run}" if step.run is not None else None


def _key(step: Row[Any]) -> Told:
    return step.break_id, f"break.{step.action}", step.sequence


def _told(look: Look, site: str, steps: Sequence[Row[Any]]) -> dict[Told, Row[Any]]:
    """The lines of the audit trail about these steps."""
    instants = sorted({step.at for step in steps if step.action not in _RUNS})
    found: dict[Told, Row[Any]] = {}
    for chunk in chunks(instants):
        lines = look.connection.execute(
            select(*_AUDIT).where(_AUDIT.at.in_(chunk), _AUDIT.site_id == site, _AUDIT.action.startswith("break."))
        )
        found |= {(line.subject, line.action, line.detail.get("version")): line for line in lines}
    return found


def _wrong_step(step: Row[Any], before: Sequence[Row[Any]], posted: dict[str, tuple[str, Accounts]]) -> str | None:
    if step.action not in _SETTLES:
        return "it moved money and settles nothing" if step.moved_fen else None
    if step.moved_fen and step.transaction_id is None:
        return f"{step.moved_fen} fen are said to have left suspense, and no transaction moved them"
    offer = offer_of(step.offer)
    why = _wrong_people(step, before, offer)
    if why is not None or step.transaction_id is None:
        return why
    kind, accounts = posted.get(step.transaction_id, ("", {}))
    if kind != _KINDS.get(step.resolution or ""):
        return f"its transaction is a {kind or 'nothing'}, it was {step.resolution}"
    if accounts.get(suspense(step.break_id), 0) != -step.moved_fen:
        return f"its transaction moved {accounts}, the step says {step.moved_fen} fen out of suspense"
    wrong = {to: fen for to, fen in offer.to.items() if accounts.get(to, 0) != fen}
    return f"its transaction moved {accounts}, the step says {offer.to}" if wrong else None


def _wrong_people(step: Row[Any], before: Sequence[Row[Any]], offer: Offer) -> str | None:
    """What was proposed is what was approved, by somebody else; nothing is given up without that."""
    if step.action == "approve":
        if not before or before[-1].state != "awaiting_approval":
            return "it approves what nobody has proposed"
        asked = next((one for one in reversed(before) if one.action == "propose"), None)
        if asked is None or (asked.resolution, offer_of(asked.offer)) != (step.resolution, offer):
            return "it approves something else than was proposed"
        return "who proposed it approved it" if same_person(asked.operator, step.operator or "") else None
    gives_up = step.resolution == "written_off" or WRITTEN_OFF in offer.to
    return "one person alone gave it up" if gives_up else None


def _steps(look: Look, site: str, ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    query = select(*STEP).where(STEP.site_id == site, STEP.break_id.in_(ids)).order_by(STEP.break_id, STEP.sequence)
    for row in look.connection.execute(query):
        found[row.break_id].append(row)
    return found


def _lies(look: Look, site: str, ids: Sequence[str]) -> dict[str, int]:
    """What stands in suspense, by break."""
    accounts = {suspense(name): name for name in ids}
    rows = look.connection.execute(
        select(_POSTING.account, func.sum(_POSTING.amount_fen))
        .where(_POSTING.site_id == site, IN_SUSPENSE, _POSTING.account.in_(sorted(accounts)))
        .group_by(_POSTING.account)
    )
    return {accounts[account]: int(fen) for account, fen in rows}


def _posted(look: Look, site: str, ids: Sequence[str | None]) -> dict[str, tuple[str, Accounts]]:
    """Kind and amounts by account, by transaction."""
    found: dict[str, tuple[str, Accounts]] = {}
    wanted = sorted({one for one in ids if one})
    for chunk in chunks(wanted):
        rows = look.connection.execute(
            select(_LEDGER.id, _LEDGER.kind, _POSTING.account, func.sum(_POSTING.amount_fen))
            .join(t.Posting, and_(_POSTING.site_id == _LEDGER.site_id, _POSTING.transaction_id == _LEDGER.id))
            .where(_LEDGER.site_id == site, _LEDGER.id.in_(chunk))
            .group_by(_LEDGER.id, _LEDGER.kind, _POSTING.account)
        )
        for name, kind, account, fen in rows:
            found.setdefault(name, (kind, {}))[1][account] = int(fen)
    return found


def _unsaid(look: Look) -> Iterator[Failure]:
    """A transaction that settles a break and that no step has; a step of a break that is not there."""
    step = exists().where(STEP.site_id == _LEDGER.site_id, STEP.transaction_id == _LEDGER.id)
    query = select(_LEDGER.id).where(_LEDGER.kind.in_(tuple(_KINDS.values())), _LEDGER.reference_kind == "break", ~step)
    for transaction in look.connection.execute(query.order_by(_LEDGER.id).limit(1)).scalars():
        yield Failure("transaction", transaction, "it settles a break and no step says so")
    there = exists().where(BREAK.site_id == STEP.site_id, BREAK.id == STEP.break_id)
    for name in look.connection.execute(select(STEP.break_id).where(~there).order_by(STEP.break_id).limit(1)).scalars():
        yield Failure("break", name, "there are steps of it and it is not there")
