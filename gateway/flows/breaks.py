"""对账差异: taking breaks on, settling them, deciding what another has proposed. One step a transaction.

What is posted stands on the first open day; a closed one never changes. The same key with the same content is the same step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Literal

import msgspec

from billing import breaks as rules
from billing.breaks import Break, Proposal, Rules, Settled
from gateway.flows.breaks_books import (
    Offer,
    Record,
    Step,
    as_seen,
    break_row,
    first_under,
    hold_break,
    item_of,
    last_proposal,
    offer_of,
    write,
)
from gateway.flows.breaks_records import check_records
from gateway.flows.breaks_refusals import refusing
from gateway.flows.charges_books import Asked, By, Desk, asked_as, reason_of
from gateway.flows.refusals import Invalid
from gateway.flows.shifts_books import take_from
from gateway.wiring import Parts

How = Literal["matched", "adjusted", "written_off", "carried_over"]
WITH_MAX = rules.MATCHED_MAX


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody makes of a break. `to`: fen by word of `billing.breaks.TARGETS`; `until`: the day of what is carried over."""

    how: How
    reason: str
    to: Mapping[str, int | None] = {}
    with_: Sequence[Record] = ()
    until: date | None = None


class _Deed(msgspec.Struct, frozen=True):
    """What a step does that settles a break."""

    action: str
    asked: Asked
    reason: str
    resolution: str
    offer: Offer


def claim(parts: Parts, break_id: str, by: By, *, version: int | None = None, key: str | None = None) -> Step:
    """Take it on. Raises `BreakTaken`, `BreakNotOpen`, `BreakChanged`, `NotFound`."""
    return _changed(parts, break_id, "claim", by, version, asked_as(key, "claim", break_id))


def release(parts: Parts, break_id: str, by: By, *, version: int | None = None, key: str | None = None) -> Step:
    """Give it back; a manager also what another has taken on. Raises as `claim`."""
    return _changed(parts, break_id, "release", by, version, asked_as(key, "release", break_id))


def note(parts: Parts, break_id: str, words: str, by: By, *, key: str | None = None) -> Step:
    """Say something to it, whatever became of it. Raises `Invalid`, `NotFound`."""
    said = reason_of(words, "text")
    asked = asked_as(key, "note", break_id, said)
    return _step(
        parts, break_id, by, asked, None, lambda desk, row, item: write(desk, row, "note", item, asked, reason=said)
    )


def resolve(
    parts: Parts, break_id: str, wanted: Resolution, by: By, *, version: int | None = None, key: str | None = None
) -> Step:
    """Settle it, or put it before a second person where it takes two; who does has taken it on.

    Raises `BreakTaken`, `BreakNotOpen`, `BreakChanged`, `NotSettledSo`, `NotInTheSafe`, `Invalid`, `NotFound`.
    """
    words = reason_of(wanted.reason)
    asked = asked_as(key, "resolve", break_id, wanted)

    def settled(desk: Desk, row: Any, item: Break) -> Step:
        if wanted.how == "carried_over":
            return _carry_over(desk, row, item, wanted, asked, words)
        return _settle(desk, row, item, wanted, _Deed("resolve", asked, words, wanted.how, Offer()))

    return _step(parts, break_id, by, asked, version, settled)


def approve(parts: Parts, break_id: str, by: By, *, version: int, key: str | None = None) -> Step:
    """Post what another has proposed. `version` is what the approver saw.

    Raises `SecondPersonNeeded`, `BreakNotOpen`, `BreakTaken`, `BreakChanged`, `NotSettledSo`, `NotInTheSafe`, `NotFound`.
    """
    asked = asked_as(key, "approve", break_id, version)

    def approved(desk: Desk, row: Any, item: Break) -> Step:
        named = item.proposal.others if item.proposal is not None else ()
        others = [break_row(desk.connection, desk.site, one) for one in named]
        with refusing():
            done = rules.approve(item, by.operator, [item_of(desk.connection, one) for one in others])
        proposed = last_proposal(desk.connection, row)
        deed = _Deed("approve", asked, proposed.reason, proposed.resolution, offer_of(proposed.offer))
        return _post(desk, row, item, done, others, deed)

    return _step(parts, break_id, by, asked, version, approved)


def reject(parts: Parts, break_id: str, reason: str, by: By, *, version: int, key: str | None = None) -> Step:
    """It is open again. Raises `SecondPersonNeeded`, `BreakNotOpen`, `BreakChanged`, `Invalid`, `NotFound`."""
    words = reason_of(reason)
    return _changed(parts, break_id, "reject", by, version, asked_as(key, "reject", break_id, words), words)


def withdraw(parts: Parts, break_id: str, by: By, *, version: int | None = None, key: str | None = None) -> Step:
    """Take back one's own proposal. Raises `BreakTaken`, `BreakNotOpen`, `BreakChanged`, `NotFound`."""
    return _changed(parts, break_id, "withdraw", by, version, asked_as(key, "withdraw", break_id, ""))


_CHANGES: dict[str, Callable[[Break, By], Break]] = {
    "claim": lambda item, by: rules.claim(item, by.operator),
    "release": lambda item, by: rules.release(item, by.operator, supervises=by.role == "manager"),
    "reject": lambda item, by: rules.reject(item, by.operator),
    "withdraw": lambda item, by: rules.withdraw(item, by.operator),
}


def _changed(
    parts: Parts, break_id: str, action: str, by: By, version: int | None, asked: Asked, words: str = ""
) -> Step:
    def changed(desk: Desk, row: Any, item: Break) -> Step:
        with refusing():
            after = _CHANGES[action](item, by)
        return write(desk, row, action, after, asked, reason=words)

    return _step(parts, break_id, by, asked, version, changed)


def _step(
    parts: Parts, break_id: str, by: By, asked: Asked, version: int | None, do: Callable[[Desk, Any, Break], Step]
) -> Step:
    """One step in one transaction, with the site's books held; asked again, the first one."""
    with parts.store.writing() as connection:
        desk, row = hold_break(parts, connection, break_id, by)
        first = first_under(desk, asked)
        if first is not None:
            return first
        as_seen(row, version)
        step = do(desk, row, item_of(connection, row))
        connection.commit()
    return step


def _carry_over(desk: Desk, row: Any, item: Break, wanted: Resolution, asked: Asked, words: str) -> Step:
    if wanted.until is None:
        raise Invalid("until: carried over to which day?")
    with refusing():
        changed = rules.carry_over(item, desk.by.operator, wanted.until, desk.today)
    return write(desk, row, "carry_over", changed, asked, reason=words, carried_to=wanted.until)


def _settle(desk: Desk, row: Any, item: Break, wanted: Resolution, deed: _Deed) -> Step:
    others = _others(desk, wanted)
    check_records(desk.connection, desk.site, wanted.with_)
    items = [item_of(desk.connection, one) for one in others]
    with refusing():
        rules.may_settle(item, desk.by.operator)
        proposal = _proposal(item, wanted, desk.by, items)
        done = rules.settle(item, proposal, items, Rules(desk.parts.settings.break_alone_fen))
    deed = msgspec.structs.replace(deed, resolution=proposal.how, offer=Offer(proposal.to, list(wanted.with_)))
    if done.item.state != "awaiting_approval":
        return _post(desk, row, item, done, others, deed)
    said: dict[str, Any] = {"resolution": deed.resolution, "offer": msgspec.to_builtins(deed.offer)}
    return write(desk, row, "propose", done.item, deed.asked, reason=deed.reason, **said)


def _others(desk: Desk, wanted: Resolution) -> list[Any]:
    """The breaks that it is matched with: of its own site. Raises `NotFound`, `Invalid`."""
    if wanted.with_ and wanted.how != "matched":
        raise Invalid("with: only what is matched is matched with something")
    if wanted.to and wanted.how != "adjusted":
        raise Invalid("to: only what is adjusted goes to accounts")
    if not wanted.with_ and wanted.how == "matched":
        raise Invalid("with: matched with which record?")
    if len(wanted.with_) > WITH_MAX:
        raise Invalid(f"with: at most {WITH_MAX} records")
    return [break_row(desk.connection, desk.site, one.id) for one in wanted.with_ if one.kind == "break"]


def _proposal(item: Break, wanted: Resolution, by: By, others: Sequence[Break]) -> Proposal:
    if wanted.how == "matched":
        return rules.matched(item, by.operator, others)[0]
    if wanted.how == "adjusted":
        return rules.adjusted(item, by.operator, wanted.to)
    return rules.written_off(item, by.operator)


def _post(desk: Desk, row: Any, before: Break, done: Settled, others: Sequence[Any], deed: _Deed) -> Step:
    """One transaction for all that is settled by it; each break's own step names it."""
    for line in done.postings:
        if line.account == rules.SAFE_ACCOUNT and line.amount_fen < 0:
            take_from(desk, "safe", -line.amount_fen)
    transaction = desk.post(
        f"break_{deed.resolution}",
        ("break", row.id),
        f"break:{row.id}:{row.version + 1}",
        done.postings,
        operator=desk.by.operator,
    )
    said: dict[str, Any] = {"resolution": deed.resolution, "transaction_id": transaction}
    for one, after in zip(others, done.others, strict=True):
        offer = msgspec.to_builtins(Offer(with_=[Record("break", row.id)]))
        fen = item_of(desk.connection, one).suspense_fen
        write(desk, one, "resolve", after, reason=deed.reason, moved_fen=fen, other_id=row.id, offer=offer, **said)
    first = next((one.id[:64] for one in deed.offer.with_), None)
    offer = msgspec.to_builtins(deed.offer)
    step = {"moved_fen": before.suspense_fen, "other_id": first, "offer": offer, **said}
    return write(desk, row, deed.action, done.item, deed.asked, reason=deed.reason, **step)


__all__ = ["How", "Resolution", "approve", "claim", "note", "reject", "release", "resolve", "withdraw"]
