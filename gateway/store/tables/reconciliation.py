"""对账: what a day's records were held against each other with, and what did not agree. Integer fen; no plate, no name of a driver."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Date, Index, Integer, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.store.tables.base import At, Base, Fen, Instant, Json, Key, SiteId

UNSETTLED = "state IN ('open', 'carried_over', 'awaiting_approval')"


class ReconciliationRun(Base):
    """A match of a site's day that said something else than the one before it. Only ever grows.

    `statements`: those that it was made with, each `{"id", "merchant", "channel", "kind", "digest"}`. `missing`: those that are expected
    and have not come, each `{"merchant", "channel", "kind"}`; empty: the day is complete. `totals`: a list of `{"side", "channel",
    "merchant", "state", "rows", "fen"}`, as `billing.reconciliation.Found` has them. `digest`: SHA-256 over statements, missing, totals
    and the breaks that were found; a run that comes to the same as the newest of its day writes nothing.
    """

    __tablename__ = "reconciliation_run"
    site_id: Mapped[SiteId]
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[At]
    operator: Mapped[str | None] = mapped_column(String(64))
    statements: Mapped[list[Any]] = mapped_column(Json)
    missing: Mapped[list[Any]] = mapped_column(Json)
    totals: Mapped[list[Any]] = mapped_column(Json)
    breaks: Mapped[int] = mapped_column(Integer)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))


class ReconciliationBreak(Base):
    """对账差异: a difference between two records of the same money, as it stands. Its history is `reconciliation_step`.

    `id` is derived from the site and `key`, which the match makes of kind, channel, account and numbers: another run finds the same one.
    A drawer's is the name under which its difference stood in suspense when the shift ended (`shift_step.break_id`). It is also the
    `<break>` of `suspense:<break>`.

    What it is, by the newest run: `kind` as in the contract "money"; `about` payment, refund, fund_flow, shift, stay, opening or
    voucher_book; `account` the merchant account (of cash empty); numbers are empty where there are none, ids null. `subject`: the
    opening or the book of vouchers, else empty. `waits_for`: of a `cut_off` the day whose statement or books may bring the other side.

    | money | |
    |---|---|
    | `amount_fen` | how much is in question, 0 or more; of vouchers how many |
    | `difference_fen` | what the other side has beyond the books; below 0 what it lacks. 0 where the two agree on the money |
    | `suspense_fen` | what runs (of cash: the end of the shift) have put into `suspense:<break>`, a debit positive: `-difference_fen` while it stands, 0 after it was taken back. What a resolution posts is not in it |

    | `state` | |
    |---|---|
    | `open` | nobody has settled it; `owner` may have taken it on |
    | `awaiting_approval` | a resolution was proposed that needs a second person |
    | `carried_over` | 挂账 to the day `carried_to` |
    | `cleared` | by itself: a run did not find it any more; `cleared_by` says why (`neighbour`, `late_statement`, `replaced_statement`, `books`) |
    | `resolved` | by people; `resolution` is `matched`, `adjusted` or `written_off` |

    A cleared one that is found again is open again. A resolved one stays so while it is found with the same difference.
    `ended_at`: when it was cleared or resolved, else null. `version` counts the steps: whoever changes a break names the one that they saw.
    """

    __tablename__ = "reconciliation_break"
    site_id: Mapped[SiteId]
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(400))
    day: Mapped[date] = mapped_column(Date)
    kind: Mapped[str] = mapped_column(String(24))
    about: Mapped[str] = mapped_column(String(12))
    channel: Mapped[str] = mapped_column(String(20))
    account: Mapped[str] = mapped_column(String(64))
    order_number: Mapped[Key]
    refund_number: Mapped[Key]
    stay_id: Mapped[str | None] = mapped_column(String(64))
    shift_id: Mapped[str | None] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(80))
    amount_fen: Mapped[Fen]
    difference_fen: Mapped[Fen]
    suspense_fen: Mapped[Fen]
    waits_for: Mapped[date | None] = mapped_column(Date)
    # {"book_fen", "channel_fen", "book_status", "channel_status", "expected_millifen", "told_millifen", "books": [id…],
    # "lines": ["statement:line"…]} of the newest run; what is null is left out.
    evidence: Mapped[dict[str, Any]] = mapped_column(Json)
    found_at: Mapped[At]
    # The run, by its sequence on `day`, that found it first; null of a drawer's whose shift nobody has matched yet.
    found_by: Mapped[int | None] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(20))
    owner: Mapped[str | None] = mapped_column(String(64))
    carried_to: Mapped[date | None] = mapped_column(Date)
    resolution: Mapped[str | None] = mapped_column(String(12))
    cleared_by: Mapped[str | None] = mapped_column(String(24))
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    version: Mapped[int] = mapped_column(Integer)
    __table_args__ = (
        CheckConstraint("amount_fen >= 0", name="amount"),
        Index(None, "site_id", "day"),
        Index(None, "site_id", "found_at", "id"),
        Index(
            "ix_reconciliation_break_unsettled",
            "site_id",
            "day",
            "id",
            sqlite_where=text(UNSETTLED),
            postgresql_where=text(UNSETTLED),
        ),
    )


class ReconciliationStep(Base):
    """What became of a break, from its first sight on. Only ever grows.

    | `action` | by | |
    |---|---|---|
    | `found`, `found_again` | a run | it is there: for the first time, or after it was cleared, or with another difference after it was resolved |
    | `changed` | a run | it is there with another amount, other evidence or another day |
    | `cleared` | a run | it is not there any more; `reason` as `cleared_by` |
    | `claim`, `release`, `note` | staff | |
    | `propose`, `approve`, `reject`, `withdraw` | staff | a resolution that needs two; `resolution` says which |
    | `resolve` | staff | `resolution`; `other_id` the record it was matched to |
    | `carry_over` | staff | to `carried_to` |

    `state` is how the break stands after it. `run`: the run by its sequence on the break's day, null of staff. `operator` is null of a run that
    nobody started. `amount_fen` and `difference_fen` are the break's after the step. `transaction_id`: what the step put into the ledger.
    `moved_fen`: what a resolution took out of `suspense:<break>` by it, a debit positive; `suspense_fen` of the break less all of these is
    what stands there. `offer`: of a resolution that was proposed or made `{"to": {account: fen}, "with": [{"kind", "id"}]}`.
    """

    __tablename__ = "reconciliation_step"
    site_id: Mapped[SiteId]
    break_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[At]
    action: Mapped[str] = mapped_column(String(12))
    state: Mapped[str] = mapped_column(String(20))
    run: Mapped[int | None] = mapped_column(Integer)
    operator: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    resolution: Mapped[str | None] = mapped_column(String(12))
    other_id: Mapped[str | None] = mapped_column(String(64))
    carried_to: Mapped[date | None] = mapped_column(Date)
    amount_fen: Mapped[Fen]
    difference_fen: Mapped[Fen]
    transaction_id: Mapped[str | None] = mapped_column(String(64))
    moved_fen: Mapped[Fen] = mapped_column(server_default=text("0"))
    offer: Mapped[dict[str, Any] | None] = mapped_column(Json)
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    content_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    __table_args__ = (
        UniqueConstraint("site_id", "idempotency_key"),
        Index(None, "site_id", "at"),
    )
