"""Whatever steps vouchers go, in whatever order: stock balances, day by day and over the close that carries it on."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from billing.vouchers import MOVES, NOWHERE, Moved, Stock, code, day_of_books, serial_of

KINDS = sorted(MOVES)
BOOKS = ("a", "b", "c")


@st.composite
def histories(draw: st.DrawFn) -> list[list[tuple[str, str, str, str]]]:
    """Days of steps (book, kind, from, to), each one that its voucher can go."""
    states = {(book, place): NOWHERE for book in BOOKS for place in range(draw(st.integers(min_value=1, max_value=6)))}
    days: list[list[tuple[str, str, str, str]]] = []
    for _ in range(draw(st.integers(min_value=1, max_value=6))):
        days.append([])
        for _ in range(draw(st.integers(min_value=0, max_value=12))):
            voucher = draw(st.sampled_from(sorted(states)))
            can = [kind for kind in KINDS if states[voucher] in MOVES[kind][0]]
            if not can:
                continue
            kind = draw(st.sampled_from(can))
            days[-1].append((voucher[0], kind, states[voucher], MOVES[kind][1]))
            states[voucher] = MOVES[kind][1]
    return days


def counted(steps: list[tuple[str, str, str, str]]) -> list[Moved]:
    return [
        Moved(book, kind, before, after, count, 0)
        for (book, kind, before, after), count in sorted(Counter(steps).items())
    ]


@given(histories())
def test_stock_balances_at_the_end_of_every_day(days: list[list[tuple[str, str, str, str]]]) -> None:
    standing: dict[str, Stock] = {}
    everything: list[tuple[str, str, str, str]] = []
    for day in days:
        everything += day
        # What the close of yesterday says, and for books that it left out all of their steps so far.
        carried = {
            book: stock for book, stock in standing.items() if stock.stock or stock.returned or stock.outstanding
        }
        at_rest = {one[0] for one in day} - carried.keys()
        before = {**carried, **{book: of_all(everything[: len(everything) - len(day)], book) for book in at_rest}}
        for one in day_of_books(before, counted(day)):
            assert one.stands.wrong() is None
            assert one.stands == of_all(everything, one.book)
            standing[one.book] = one.stands
    for book, stock in standing.items():
        assert stock == of_all(everything, book)


def of_all(steps: list[tuple[str, str, str, str]], book: str) -> Stock:
    """Counted afresh, voucher by voucher as it were: the naive way."""
    states: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    for of_book, _, before, after in steps:
        if of_book != book:
            continue
        states[before] -= 1
        states[after] += 1
        held = before in {"issued", "presented", "used"}
        sums["made"] += before == NOWHERE
        if after in {"void", "expired"}:
            sums[after if held else "scrapped"] += 1
    issued = states["issued"] + states["presented"] + states["used"] + sums["void"] + sums["expired"]
    return Stock(
        made=sums["made"],
        stock=states["stock"],
        returned=states["returned"],
        scrapped=sums["scrapped"],
        issued=issued,
        used=states["used"],
        void=sums["void"],
        expired=sums["expired"],
        outstanding=states["issued"] + states["presented"],
    )


@given(
    st.binary(min_size=32, max_size=32),
    st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=40),
    st.integers(1, 99_999_999),
)
def test_every_code_is_read_back(key: bytes, site: str, serial: int) -> None:
    assert serial_of(key, site, code(key, site, serial)) == serial
