"""The close: its bytes, its digest, its chain."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from billing.close import (
    FIRST_PREVIOUS,
    DayFacts,
    DoesNotBalance,
    Openings,
    Passage,
    Record,
    chained,
    lines_of,
    read_document,
    read_lines,
    seal,
    street_hash,
    verify_chain,
)
from billing.ledger import Posting, Transaction

DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


def a_transaction(
    name: str = "t-1", *, at: datetime = NOON, fen: int = 1000, belongs_to: date | None = None
) -> Transaction:
    return Transaction(
        id=name,
        site="xinyi",
        business_day=DAY,
        belongs_to=belongs_to,
        at=at,
        kind="charge",
        reference_kind="stay",
        reference="xinyi.s",
        operator=None,
        idempotency_key=name,
        reverses=None,
        postings=(Posting("income:parking", -fen), Posting("assets:cash:shift-1", fen)),
    )


def a_day(**changes: Any) -> DayFacts:
    facts = DayFacts(
        site="xinyi",
        day=DAY,
        timezone="Asia/Shanghai",
        transactions=[a_transaction()],
        passages=[
            Passage(NOON, "xinyi.s", "entry", "in-1"),
            Passage(NOON, "xinyi.r", "exit", "out-1", "left", 1000, 800, 800),
        ],
        openings=Openings({"paid": 1}, {"list": 2}),
        open_exceptions=[("no_passage", DAY), ("no_passage", DAY - timedelta(days=2)), ("no_passage", DAY)],
    )
    return msgspec.structs.replace(facts, **changes)


def a_chain(days: int = 4) -> list[Record]:
    records: list[Record] = []
    for number in range(days):
        facts = a_day(day=DAY + timedelta(days=number))
        previous = records[-1].hash if records else FIRST_PREVIOUS
        records.append(seal(facts, sequence=number + 1, previous_hash=previous).record)
    return records


def test_the_hash_is_of_the_previous_hash_and_the_canonical_bytes() -> None:
    sealed = seal(a_day(), sequence=1, previous_hash=FIRST_PREVIOUS)
    assert sealed.record.hash == hashlib.sha256(bytes(32) + sealed.record.canonical).digest()
    assert rfc8785.dumps(json.loads(sealed.record.canonical)) == sealed.record.canonical


def test_the_document_says_what_happened() -> None:
    said = json.loads(seal(a_day(), sequence=3, previous_hash=bytes(32)).record.canonical)
    assert (said["format"], said["kind"], said["site"], said["day"], said["sequence"]) == (
        1,
        "close",
        "xinyi",
        "2026-03-02",
        3,
    )
    assert said["totals"]["accounts"] == {"income:parking": -1000, "assets:cash:shift-1": 1000}
    assert said["totals"]["channels"] == {"cash": 1000}
    assert said["totals"]["shifts"] == {"shift-1": 1000}
    assert said["totals"]["lanes"]["out-1"] == {
        "entries": 0,
        "exits": 1,
        "gross_fen": 1000,
        "paid_fen": 800,
        "payable_fen": 800,
    }
    assert said["openings"] == {"by_device": {"list": 2}, "commanded": {"paid": 1}}
    assert said["exceptions"] == [
        {"age_days": 0, "count": 2, "kind": "no_passage"},
        {"age_days": 2, "count": 1, "kind": "no_passage"},
    ]
    assert said["breaks"] == []


def test_the_digest_is_over_the_lines_in_the_order_of_instant_and_id() -> None:
    sealed = seal(a_day(), sequence=1, previous_hash=FIRST_PREVIOUS)
    expected = [
        ["2026-03-02T04:00:00+00:00", "t-1", "transaction", a_transaction().content_hash().hex()],
        ["2026-03-02T04:00:00+00:00", "xinyi.r", "exit", "out-1", "left", 1000, 800, 800],
        ["2026-03-02T04:00:00+00:00", "xinyi.s", "entry", "in-1"],
    ]
    digest = hashlib.sha256(b"".join(rfc8785.dumps(line) + b"\n" for line in expected)).hexdigest()  # type: ignore[arg-type]
    assert read_document(sealed.record.canonical).digest == digest
    lines = read_lines(sealed.lines)
    assert lines.digest == digest
    assert lines.transactions == {"t-1": a_transaction().content_hash().hex()}
    assert sorted(lines.passages, key=lambda passage: passage.way) == sorted(
        a_day().passages, key=lambda passage: passage.way
    )


instants = st.datetimes(datetime(2026, 3, 1), datetime(2026, 3, 3), timezones=st.just(UTC))


@given(st.lists(instants, max_size=12), st.randoms(use_true_random=False))
def test_the_digest_does_not_depend_on_the_order_of_loading(times: list[datetime], random: Any) -> None:
    transactions = [a_transaction(f"t-{number}", at=at) for number, at in enumerate(times)]
    passages = [Passage(at, f"s-{number}", "entry", "in-1") for number, at in enumerate(times)]
    shuffled, others = list(transactions), list(passages)
    random.shuffle(shuffled)
    random.shuffle(others)
    assert lines_of(transactions, passages) == lines_of(shuffled, others)


def test_late_postings_are_told_by_the_day_they_belong_to() -> None:
    late = a_transaction("t-2", belongs_to=date(2026, 2, 27), fen=300)
    said = read_document(
        seal(a_day(transactions=[a_transaction(), late]), sequence=1, previous_hash=bytes(32)).record.canonical
    )
    assert [(one.day, one.transactions, one.sums.earned_fen) for one in said.late] == [("2026-02-27", 1, 300)]


def test_what_does_not_balance_is_not_sealed() -> None:
    wrong = msgspec.structs.replace(a_transaction(), postings=(Posting("assets:bank", 1),))
    with pytest.raises(DoesNotBalance, match="t-1 sums to 1"):
        seal(a_day(transactions=[wrong]), sequence=1, previous_hash=FIRST_PREVIOUS)


def test_an_empty_day_can_be_sealed() -> None:
    sealed = seal(a_day(transactions=[], passages=[], open_exceptions=[]), sequence=1, previous_hash=FIRST_PREVIOUS)
    assert read_lines(sealed.lines).transactions == {}
    assert read_document(sealed.record.canonical).digest == hashlib.sha256(b"").hexdigest()


def test_a_chain_that_holds() -> None:
    chain = a_chain()
    assert verify_chain(chain) is None
    assert verify_chain(chain[2:], after=chain[1]) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("canonical", b"{}"),
        ("hash", bytes(32)),
        ("previous_hash", b"\x01" * 32),
        ("sequence", 9),
        ("day", date(2026, 3, 9)),
        ("site", "other"),
        ("kind", "reconciled"),
    ],
)
@pytest.mark.parametrize("number", [0, 2])
def test_any_change_breaks_the_chain_there(field: str, value: Any, number: int) -> None:
    chain = a_chain()
    chain[number] = msgspec.structs.replace(chain[number], **{field: value})
    broken = verify_chain(chain)
    assert broken is not None
    assert broken.record is chain[number]


def test_a_forged_close_with_a_hash_of_its_own_breaks_the_next() -> None:
    chain = a_chain()
    canonical = chain[1].canonical.replace(b"1000", b"1001")
    chain[1] = msgspec.structs.replace(chain[1], canonical=canonical, hash=chained(chain[1].previous_hash, canonical))
    broken = verify_chain(chain)
    assert broken is not None
    assert broken.record is chain[2]


def test_another_format_is_refused() -> None:
    canonical = a_chain()[0].canonical.replace(b'"format":1', b'"format":2')
    with pytest.raises(ValueError, match="format 2"):
        read_document(canonical)


@pytest.mark.parametrize(
    "junk", [b"", b"\x00", b"x\x9c", seal(a_day(), sequence=1, previous_hash=bytes(32)).lines[:-5]]
)
def test_lines_that_were_not_written_by_a_close_are_refused(junk: bytes) -> None:
    with pytest.raises(ValueError):
        read_lines(junk)


def test_the_streets_hash_is_in_the_order_of_ids() -> None:
    hashes = {"xinyi": b"x" * 32, "b2": b"2" * 32, "b10": b"1" * 32}
    assert street_hash(hashes) == hashlib.sha256(b"1" * 32 + b"2" * 32 + b"x" * 32).digest()
