"""Comparing policies over many stays: what processes share out is what one of them counts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from billing.compare_many import Raw, shares
from billing.policy import parse
from gateway.flows import compare_work
from tests.gateway.recorded import DEARER, OLD


def many(number: int, sites: int = 4) -> list[Raw]:
    """Recorded stays as rows have them: visitors of every length, every tenth a relative."""
    start = datetime(2026, 3, 1, tzinfo=UTC)
    raws = []
    for place in range(number):
        entry = start + timedelta(minutes=(place * 37) % (30 * 1440))
        leaves = entry + timedelta(minutes=5 + (place * 7919) % 900)
        allowance = {"2026-03": 3600, "2026-04": 3600} if place % 10 == 0 else None
        stay = {"entry": entry.isoformat(), "exit": leaves.isoformat(), "vehicle": "small"}
        facts = json.dumps({"stay": stay, "benefits": {"allowance": allowance}})
        households = (f"h{place % 500}",) if allowance else ()
        raws.append(
            Raw(
                id=f"s{place}", site=f"s{place % sites}", key=f"p{place % 9000}", party=f"p{place % 9000}", entry=entry,
                exit=leaves, facts=facts, shown="ordinary", households=households, relation="parent" if allowance else None,
                grace_days={}, limit_minutes=3600, came_before=0, paid_early_at=None, booked_gross_fen=0, booked_payable_fen=0,
                counted=True,
            )
        )  # fmt: skip
    return sorted(raws, key=lambda raw: (raw.exit, raw.id))


def test_two_processes_say_what_one_says() -> None:
    raws = many(compare_work.ALONE_MAX + 500)
    assert {raw.site for share in shares(raws, 2) for raw in share} == {"s0", "s1", "s2", "s3"}
    two = compare_work.run([OLD], [DEARER], "2026-03", raws)
    from billing.compare_many import count

    one = count([parse(OLD)], [parse(DEARER)], "2026-03", raws)
    assert sorted(two.figures) == sorted(one.figures)
    assert (two.old_waived, two.new_waived, two.left_out) == (one.old_waived, one.new_waived, one.left_out)
    assert {key: example.stays for key, example in two.examples.items()} == {
        key: example.stays for key, example in one.examples.items()
    }
