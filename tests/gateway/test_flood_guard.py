"""How long a device that floods is shut out of Mosquitto."""

from __future__ import annotations

from gateway.bridge.flood_guard import REMEMBERED_SECONDS, SHUT_OUT_SECONDS, SHUT_OUT_SECONDS_MAX, Outside


def test_whoever_goes_on_stays_outside_longer_each_time() -> None:
    """Each time that it is let in, others feel it."""
    outside, now, terms = Outside(), 0.0, []
    for _ in range(5):
        terms.append(outside.put("xinyi.d3", now))
        assert outside.over(now + terms[-1] - 1) == set()
        now += terms[-1]
        assert outside.over(now) == {"xinyi.d3"}
        outside.let_in("xinyi.d3")
        now += REMEMBERED_SECONDS - 1
    assert terms == [SHUT_OUT_SECONDS, 300, 1_500, SHUT_OUT_SECONDS_MAX, SHUT_OUT_SECONDS_MAX]


def test_whoever_was_quiet_begins_anew_and_nobody_answers_for_another() -> None:
    outside = Outside()
    outside.put("xinyi.d3", 0)
    outside.let_in("xinyi.d3")
    assert outside.put("xinyi.d5", 61) == SHUT_OUT_SECONDS
    assert outside.put("xinyi.d3", SHUT_OUT_SECONDS + REMEMBERED_SECONDS) == SHUT_OUT_SECONDS
