"""A stay that a close has sealed does not disappear, whatever comes later."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from controllers.events import Kind
from gateway.flows.close import close_missed
from gateway.flows.verify import verify
from gateway.store import tables as t
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


def test_who_was_let_out_before_midnight_may_yet_have_backed_away(parts: Parts) -> None:
    """The barrier rose, and nothing more was heard of it until long after the close."""
    street = Street(parts)
    street.passes("in-1", "浙A12345", "2026-03-02 23:45")
    street.arrives("out-1", "浙A12345", "2026-03-02 23:50", id="waits")
    street.clock.set(local("2026-03-03 02:00"))
    list(close_missed(parts, MONDAY))
    assert verify(parts).ok
    street.clock.set(local("2026-03-03 06:00"))
    street.deliver(street.mark("out-1", Kind.REVERSED, street.clock.now(), "waits"))
    (stay,) = street.stays()
    assert stay.exit_at is None
    report = verify(parts)
    assert report.ok, report.first_failure
    # Without the bill that was taken back it would be a sealed exit that nobody can account for.
    with parts.store.writing() as connection:
        connection.execute(update(t.Bill).where(t.Bill.kind == "void").values(fixed_at=local("2026-03-02 23:51")))
        connection.commit()
    found = verify(parts).first_failure
    assert found is not None
    assert (found.what, found.id) == ("close", "xinyi:2026-03-02")
