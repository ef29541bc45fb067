"""A stay that a close has sealed does not disappear, whatever comes later."""

from __future__ import annotations

from datetime import timedelta

from gateway.flows.close import close_missed
from gateway.flows.verify import verify
from gateway.wiring import Parts
from tests.gateway.books import MONDAY
from tests.gateway.trade import Street, local


def test_who_is_refused_at_an_exit_again_on_another_day_leaves_the_sealed_stay_in_its_place(parts: Parts) -> None:
    street = Street(parts)
    street.arrives("out-1", "浙A12345", "2026-03-02 09:00")
    (first,) = street.stays()
    street.clock.set(local("2026-03-03 02:00"))
    list(close_missed(parts, MONDAY))
    assert verify(parts).ok
    street.arrives("out-1", "浙A12345", "2026-03-03 09:00")
    street.clock.set(local("2026-03-04 02:00"))
    list(close_missed(parts, MONDAY + timedelta(days=1)))
    report = verify(parts)
    assert report.ok, report.first_failure
    assert first.id in {stay.id for stay in street.stays()}
