"""A day's records against each other, through the database: what differs is kept once, clears by itself, and the day is sealed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.reconciling import DAY, ONE, Morning


@pytest.fixture
def street(parts: Any) -> Morning:
    return Morning(parts)


def test_a_day_on_which_all_agree_is_sealed_with_nothing_in_it(street: Morning) -> None:
    street.pays()
    street.pays("12:10", "alipay")
    street.night()
    early = street.reconciles()
    assert (early.sealed, early.breaks) == (False, ())
    assert [one["channel"] for one in early.sites[0].missing] == ["alipay", "wechat"]
    street.tells()
    assert not street.reconciles().sealed
    street.tells("alipay")
    found = street.reconciles()
    assert (found.sealed, found.breaks) == (True, ())
    totals = {(one["side"], one["channel"], one["state"]): one["fen"] for one in found.sites[0].totals}
    assert totals == {
        (side, channel, "matched"): 800 for side in ("books", "channel") for channel in ("wechat", "alipay")
    }
    street.holds()


def test_what_only_one_side_has_stands_in_suspense_and_goes_back_when_it_came(street: Morning) -> None:
    deal = street.pays()
    other = street.pays("12:10")
    street.lacks(deal)
    street.tells()
    street.night()
    found = street.reconciles()
    assert found.sealed
    (one,) = found.breaks
    assert (one.kind, one.order, one.amount_fen, one.state, one.channel) == (
        "book_only",
        deal.order,
        800,
        "open",
        "wechat",
    )
    assert street.accounts()[f"suspense:{one.id}"] == 800
    assert street.accounts()["assets:channel:wechat"] == other.amount_fen
    street.holds()
    assert street.reconciles() == found
    assert street.steps(one.id) == ["found"]
    # The channel sends another statement of the day, with what the first one lacked.
    street.deals["wechat"].append(deal)
    street.tells()
    again = street.reconciles()
    assert again.breaks == ()
    row = street.breaks()[deal.order]
    assert (row.state, row.cleared_by, row.suspense_fen) == ("cleared", "replaced_statement", 0)
    assert f"suspense:{one.id}" not in street.accounts()
    assert street.accounts()["assets:channel:wechat"] == 1600
    street.holds()


def test_what_was_cut_off_at_midnight_clears_when_the_neighbour_comes(street: Morning) -> None:
    deal = street.pays("2026-03-02 23:59:50")
    street.says(deal, at=deal.at + (local_midnight() - deal.at))
    street.tells()
    street.night()
    (one,) = street.reconciles().breaks
    assert one.kind == "cut_off"
    assert f"suspense:{one.id}" not in street.accounts()
    street.tells(day=DAY + ONE)
    street.night(DAY + ONE)
    after = street.reconciles(DAY + ONE)
    assert after.breaks == ()
    assert street.breaks()[deal.order].cleared_by == "neighbour"
    assert after.sealed
    street.holds()


def local_midnight() -> Any:
    from tests.gateway.trade import local

    return local("2026-03-03 00:00:10")
