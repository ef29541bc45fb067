"""What a correction would change, before anything is stored: each stay as it is and as it would be, and what moves in the books."""

from __future__ import annotations

from datetime import datetime

import msgspec

from billing.ledger import FiveSums, five_sums
from gateway.flows.corrections_refusals import EffectChanged
from gateway.flows.corrections_work import Was, Work
from gateway.runtime.ids import derive
from gateway.store.records import StayRecord


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one stay, in fen. `was` all None: it begins with this. `state` None: nothing is left of it."""

    stay: str
    plate_was: str | None
    plate: str | None
    state_was: str | None
    state: str | None
    entry_was: datetime | None
    entry_at: datetime | None
    exit_was: datetime | None
    exit_at: datetime | None
    payable_was_fen: int | None
    payable_fen: int | None
    by_fen: int
    paid_fen: int
    beyond_fen: int


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """`proposed`: a second person would have to decide. `minutes`: drawn from allowances, negative: given back. `sums`: by how much each
    of the five changes.
    """

    proposed: bool
    stays: tuple[Moved, ...]
    minutes: int
    sums: FiveSums

    @property
    def seen(self) -> str:
        """What whoever saw this hands back, so that nothing else is done than they saw."""
        return derive("seen", msgspec.json.encode(self).decode())


def effect_of(work: Work) -> Preview:
    """Of one that was worked out (`Work.make`)."""
    outcome = work.batch.outcome
    return Preview(
        proposed=work.rises(),
        stays=tuple(_moved(stay_id, was, stay) for stay_id, was, stay in work.changed()),
        minutes=sum(one.minutes for one in outcome.draws),
        sums=five_sums(posting for one in outcome.transactions for posting in one.postings),
    )


def refuse_other(work: Work, seen: str | None) -> None:
    """Raises `EffectChanged` where it comes to something else than was seen. None: nobody looked."""
    if seen is not None and effect_of(work).seen != seen:
        raise EffectChanged


def _moved(stay_id: str, was: Was | None, stay: StayRecord | None) -> Moved:
    payable_was = was.payable_fen if was is not None else None
    payable = stay.payable_fen if stay is not None else None
    return Moved(
        stay=stay_id,
        plate_was=was.plate if was is not None else None,
        plate=stay.plate if stay is not None else None,
        state_was=was.state if was is not None else None,
        state=str(stay.state) if stay is not None else None,
        entry_was=was.entry_at if was is not None else None,
        entry_at=stay.entry_at if stay is not None else None,
        exit_was=was.exit_at if was is not None else None,
        exit_at=stay.exit_at if stay is not None else None,
        payable_was_fen=payable_was,
        payable_fen=payable,
        by_fen=(payable or 0) - (payable_was or 0),
        paid_fen=stay.paid_fen if stay is not None else 0,
        beyond_fen=stay.posted.prepaid_fen if stay is not None else 0,
    )
