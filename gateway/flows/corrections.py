"""更正: a stay's plate or entry is put right. The old record stays visible; the bill follows by its difference; no gate opens by it.

What would make a bill rise after the vehicle has left is only proposed: a second person decides (money: "When what is posted").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, and_, delete, insert, select, update
from sqlalchemy.exc import OperationalError

from gateway.flows import audit
from gateway.flows.charges_books import By, another, reason_of
from gateway.flows.charges_refusals import AlreadyDecided, AlreadyProposed
from gateway.flows.corrections_preview import Preview, effect_of, refuse_other
from gateway.flows.corrections_records import Correction, of_stay, one
from gateway.flows.corrections_refusals import NotCorrectable
from gateway.flows.corrections_work import MovedOn, Wanted, Work
from gateway.flows.outcome import Situation
from gateway.flows.passes_terms import plate_of
from gateway.flows.reading import site_of
from gateway.flows.refusals import Invalid, KeyReused, NotFound
from gateway.flows.registers_rows import tells
from gateway.flows.rows_of import corrected_read
from gateway.flows.saving import OutcomeWriter
from gateway.runtime.ids import derive_in_site, random_token
from gateway.store import tables as t
from gateway.store.records import CorrectedRead
from gateway.wiring import Parts

__all__ = ["Correction", "Preview", "Wanted", "approve", "correct", "of_stay", "preview", "preview_of", "refuse"]

PROPOSED_ITEM = "correction_proposed"
_STEP = t.StayCorrection.__table__.c
_READ = t.StayCorrectionRead.__table__.c
_ITEM = t.ExceptionItem.__table__.c
# Each time somebody else has moved the stay to another vehicle in between.
_TRIES = 5
_DEADLOCK = "40P01"
_PREVIEWED = "preview"
Done = TypeVar("Done")


def correct(
    parts: Parts,
    stay_id: str,
    wanted: Wanted,
    reason: str,
    by: By,
    idempotency_key: str | None = None,
    *,
    fen_max: int | None = None,
    seen: str | None = None,
) -> Correction:
    """Put a stay right, or propose it where a bill would rise after the exit. One transaction.

    `seen`: what a preview was (`Preview.seen`); what comes to something else by now is refused (`EffectChanged`). `fen_max`: where no person asks for it, the highest bill; then nothing is proposed either, but refused (`NotCorrectable`). Raises `NotFound`, `Invalid`, `NotCorrectable`, `NothingToCorrect`, `StaysOverlap`, `AlreadyProposed`, `KeyReused`.
    """
    words, wanted = _reason(reason), _checked(wanted)
    key = f"key:{idempotency_key}" if idempotency_key else f"once:{random_token()}"
    return _tried(lambda: _correct(parts, stay_id, wanted, words, by, key, fen_max=fen_max, seen=seen))


def approve(parts: Parts, correction_id: str, by: By, *, seen: str | None = None) -> Correction:
    """Make what was proposed. Raises as `correct` does, and `SecondPersonNeeded`, `AlreadyDecided`."""
    return _tried(lambda: _approve(parts, correction_id, by, seen))


def refuse(parts: Parts, correction_id: str, reason: str, by: By) -> Correction:
    """The record stays as it is. Raises `SecondPersonNeeded`, `AlreadyDecided`, `NotFound`."""
    words, now = _reason(reason), parts.clock.now()
    with parts.store.writing() as connection:
        row = _undecided(connection, correction_id, by)
        changed = _decide(connection, row, by, now, {"state": "refused", "reason": words})
        _audit(connection, "stay.correction.refuse", changed, by)
        connection.commit()
        return one(connection, correction_id)


def preview(parts: Parts, stay_id: str, wanted: Wanted) -> Preview:
    """What would become of it at this moment. Writes nothing. Raises as `correct` does, but for `KeyReused`."""
    wanted = _checked(wanted)

    def once() -> Preview:
        with parts.store.deciding() as connection:
            work = Work(parts, connection, stay_id, wanted, parts.clock.now())
            _refuse_proposed(connection, work.site, {stay_id})
            work.make(work.reads(_PREVIEWED), _PREVIEWED)
            return effect_of(work)

    return _tried(once)


def preview_of(parts: Parts, correction_id: str) -> Preview:
    """What would become of a proposed one if it were approved at this moment. Writes nothing. Raises as `approve` does."""

    def once() -> Preview:
        with parts.store.deciding() as connection:
            row = _waiting(connection, correction_id)
            work = Work(parts, connection, row.stay_id, _wanted_of(connection, row), parts.clock.now())
            work.make(work.reads(_PREVIEWED), _PREVIEWED)
            return effect_of(work)

    return _tried(once)


def _tried(once: Callable[[], Done]) -> Done:
    """Again where somebody else was faster, or where the database parted us from a late event of the same passage."""
    for _ in range(_TRIES):
        try:
            return once()
        except MovedOn:
            continue
        except OperationalError as problem:
            if getattr(problem.orig, "sqlstate", None) != _DEADLOCK:
                raise
    raise NotCorrectable("the stay is being corrected by somebody else at this moment: look at it again")


def _reason(text: str) -> str:
    words = reason_of(text)
    if tells(words):
        raise Invalid("reason: of a household's means nothing is said here; say what was misread")
    return words


def _checked(wanted: Wanted) -> Wanted:
    plate = plate_of(wanted.plate) if wanted.plate is not None else None
    if plate is None and wanted.entry_at is None:
        raise Invalid("say what is right: plate, entry_at, or both")
    return msgspec.structs.replace(wanted, plate=plate)


def _correct(
    parts: Parts, stay_id: str, wanted: Wanted, words: str, by: By, key: str, *, fen_max: int | None, seen: str | None
) -> Correction:
    with parts.store.deciding() as connection:
        now = parts.clock.now()
        first = _first(connection, site_of(stay_id), key, stay_id, wanted, words)
        if first is not None:
            return first
        work = Work(parts, connection, stay_id, wanted, now)
        # Behind the vehicle's lock: a repeat that waited for it sees the first one's row.
        first = _first(connection, work.site, key, stay_id, wanted, words)
        if first is not None:
            return first
        _refuse_proposed(connection, work.site, {stay_id})
        correction = derive_in_site(work.site, "correction", key, stay_id)
        reads = work.reads(correction)
        row = {
            "site_id": work.site,
            "id": correction,
            "step": 1,
            "stay_id": stay_id,
            "part": wanted.part,
            "new_plate": work.before != work.after,
            "reason": words,
            "at": now,
            "operator": by.operator,
            "idempotency_key": key,
            **_made(work, reads, by),
        }
        refuse_other(work, seen)
        if fen_max is not None:
            _refuse_dear(work, row["payable_after"], fen_max)
        if work.rises():
            row["state"] = "proposed"
            _propose(connection, work, reads, correction, stay_id, now)
            action = "stay.correction.propose"
        else:
            _save(connection, work, by)
            action = "stay.correct"
        connection.execute(insert(t.StayCorrection).values(**row))
        _audit(connection, action, row, by)
        connection.commit()
        return one(connection, correction)


def _refuse_dear(work: Work, payable_fen: int | None, fen_max: int) -> None:
    """Raises `NotCorrectable`."""
    if work.rises() or payable_fen is None or payable_fen > fen_max:
        raise NotCorrectable("what it costs is for a person to decide")


def _approve(parts: Parts, correction_id: str, by: By, seen: str | None) -> Correction:
    with parts.store.deciding() as connection:
        now = parts.clock.now()
        row = _undecided(connection, correction_id, by)
        work = Work(parts, connection, row.stay_id, _wanted_of(connection, row), now)
        row = _undecided(connection, correction_id, by)
        connection.execute(
            delete(t.StayCorrectionRead).where(_READ.site_id == row.site_id, _READ.correction_id == correction_id)
        )
        reads = work.reads(correction_id)
        made = _made(work, reads, by)
        refuse_other(work, seen)
        _save(connection, work, by)
        changed = _decide(connection, row, by, now, {**made, "reason": ""})
        _audit(connection, "stay.correction.approve", changed, by)
        connection.commit()
        return one(connection, correction_id)


def _wanted_of(connection: Connection, row: Any) -> Wanted:
    """What a proposal asks for. Raises `NotCorrectable`."""
    mine = _READ.site_id == row.site_id, _READ.correction_id == row.id
    plate = connection.execute(select(_READ.to_plate).where(*mine).limit(1)).scalar()
    if plate is None or plate.startswith("#"):
        raise NotCorrectable("the reads that the stay follows from were deleted when their time was over")
    moved = row.entry_after if row.entry_after != row.entry_before else None
    return Wanted(plate=plate if row.new_plate else None, entry_at=moved, part=row.part)


def _made(work: Work, reads: list[CorrectedRead], by: By) -> dict[str, Any]:
    found = work.make(reads, by.operator)
    return {
        "state": "made",
        "stay_after": found.id,
        "entry_before": work.entry_before,
        "entry_after": work.entry_before if work.wanted.entry_at is None else work.wanted.entry_at,
        "payable_before": work.payable_before,
        "payable_after": found.payable_fen,
    }


def _save(connection: Connection, work: Work, by: By) -> None:
    OutcomeWriter(connection).save(work.batch.outcome, work.batch.facts, work.now, None)
    for kind, subject in work.explained():
        _resolve(connection, work.site, kind, subject, by, work.now, "corrected")


def _propose(
    connection: Connection, work: Work, reads: Iterable[CorrectedRead], correction: str, stay_id: str, now: datetime
) -> None:
    """Nothing of it holds yet; what is wanted, and that somebody has to look at it, is on record."""
    rows = [{**corrected_read(read), "sequence": None} for read in reads]
    connection.execute(insert(t.StayCorrectionRead), rows)
    item = Situation(site=work.site, kind=PROPOSED_ITEM, subject=correction, at=now, stay=stay_id)
    OutcomeWriter(connection).situations([item])


def _first(connection: Connection, site: str, key: str, stay_id: str, wanted: Wanted, words: str) -> Correction | None:
    """The same key with the same content is the same correction. Raises `KeyReused`."""
    row = connection.execute(
        select(_STEP.id, _STEP.stay_id, _STEP.part, _STEP.reason, _STEP.new_plate).where(
            _STEP.site_id == site, _STEP.idempotency_key == key
        )
    ).first()
    if row is None:
        return None
    found = one(connection, row.id)
    asked_plate = wanted.plate == found.plate_after if row.new_plate else True
    asked_entry = (wanted.entry_at or found.entry_before) == found.entry_after
    if (row.stay_id, row.part, row.reason) != (stay_id, wanted.part, words) or not (asked_plate and asked_entry):
        raise KeyReused
    return found


def _refuse_proposed(connection: Connection, site: str, stays: set[str]) -> None:
    """Raises `AlreadyProposed`."""
    later = t.StayCorrection.__table__.alias()
    decided = (
        select(later.c.id).where(later.c.site_id == _STEP.site_id, later.c.id == _STEP.id, later.c.step == 2).exists()
    )
    waiting = select(_STEP.id).where(
        _STEP.site_id == site, _STEP.stay_id.in_(stays), _STEP.state == "proposed", ~decided
    )
    if connection.execute(waiting.limit(1)).first() is not None:
        raise AlreadyProposed("a correction of this stay is proposed already: decide that one")


def _undecided(connection: Connection, correction_id: str, by: By) -> Any:
    last = _waiting(connection, correction_id)
    another(last.operator, by)
    return last


def _waiting(connection: Connection, correction_id: str) -> Any:
    """The last step of one that nobody has decided. Raises `NotFound`, `AlreadyDecided`."""
    mine = and_(_STEP.site_id == site_of(correction_id), _STEP.id == correction_id)
    steps = connection.execute(select(*_STEP).where(mine).order_by(_STEP.step)).all()
    if not steps:
        raise NotFound("there is no such correction, or not for you")
    last = steps[-1]
    if last.state != "proposed":
        raise AlreadyDecided(f"the correction was {last.state} by {last.operator}")
    return last


def _decide(connection: Connection, row: Any, by: By, now: datetime, changed: dict[str, Any]) -> dict[str, Any]:
    step = {
        **row._asdict(),
        "step": 2,
        "at": now,
        "operator": by.operator,
        "idempotency_key": None,
        **changed,
    }
    connection.execute(insert(t.StayCorrection).values(**step))
    _resolve(connection, row.site_id, PROPOSED_ITEM, row.id, by, now, step["state"])
    return step


def _resolve(
    connection: Connection, site: str, kind: str, subject: str, by: By, now: datetime, resolution: str
) -> None:
    connection.execute(
        update(t.ExceptionItem)
        .where(_ITEM.site_id == site, _ITEM.kind == kind, _ITEM.subject == subject, _ITEM.state == "open")
        .values(state="resolved", resolved_at=now, resolved_by=by.operator, resolution=resolution)
    )


def _audit(connection: Connection, action: str, row: dict[str, Any], by: By) -> None:
    """Old and new. The plates stand with the correction, because they end with the reads; the trail is kept for good."""
    audit.record(
        connection,
        at=row["at"],
        operator=by.operator,
        action=action,
        site=row["site_id"],
        subject=row["stay_id"],
        origin=by.origin,
        reason=row["reason"],
        detail={
            "correction": row["id"],
            "part": row["part"],
            "plate": row["new_plate"],
            "entry": [at.isoformat() if at else None for at in (row["entry_before"], row["entry_after"])],
            "payable_fen": [row["payable_before"], row["payable_after"]],
            "stay_after": row["stay_after"],
        },
    )
