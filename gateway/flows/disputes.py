"""异议: a driver says on the pay page what is wrong with the bill. It comes before a person, and changes nothing by itself."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select

from gateway.flows.outcome import Situation
from gateway.flows.refusals import Invalid, NotFound
from gateway.flows.saving import OutcomeWriter
from gateway.store import tables as t
from gateway.wiring import Parts

KIND: Final = "bill_disputed"
WHAT: Final = ("not_mine", "times", "benefit", "paid", "other")
"""Whose vehicle, when it came and left, what it is entitled to, that it was paid, anything else."""
WORDS_MAX: Final = 200


def dispute(parts: Parts, stay_id: str, what: str, words: str = "") -> None:
    """Put it into the queue: one item a stay, what is said again is counted. Raises `Invalid`, `NotFound`."""
    if what not in WHAT:
        raise Invalid(f"what: one of {', '.join(WHAT)}")
    said = " ".join(words.split())
    if len(said) > WORDS_MAX:
        raise Invalid(f"words: at most {WORDS_MAX} characters")
    if what == "other" and not said:
        raise Invalid("words: say what is wrong")
    site = stay_id.partition(".")[0]
    with parts.store.writing() as connection:
        row = connection.execute(
            select(t.Stay.state, t.Stay.exit_lane).where(t.Stay.site_id == site, t.Stay.id == stay_id)
        ).one_or_none()
        if row is None or row.state == "void":
            raise NotFound("there is no such stay")
        situation = Situation(
            site=site,
            kind=KIND,
            subject=stay_id,
            at=parts.clock.now(),
            lane=row.exit_lane,
            stay=stay_id,
            detail=f"{what}: {said}" if said else what,
        )
        OutcomeWriter(connection).situations([situation])
        connection.commit()


def stands(parts: Parts, stay_id: str) -> str | None:
    """How far a stay's dispute is, `open` or `resolved`; None where there is none. What staff wrote to it is theirs."""
    item = t.ExceptionItem.__table__.c
    mine = (item.site_id == stay_id.partition(".")[0], item.kind == KIND, item.subject == stay_id)
    with parts.store.reading() as connection:
        found: str | None = connection.execute(select(item.state).where(*mine)).scalar()
    return found
