"""Who counts as flooding: far more than its allowance, second after second, and only devices that there are."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.bridge.load_watch import LoadWatch
from gateway.runtime.metrics import Metrics


class Left:
    """An inbox that says what it left behind."""

    def __init__(self) -> None:
        self.behind: list[tuple[str, str, str, int]] = []

    def left_behind(self) -> Sequence[tuple[str, str, str, int]]:
        return self.behind

    def configured(self, devices: object) -> None: ...

    def depth(self, rank: object) -> int:
        return 0

    def oldest(self) -> None: ...


def test_a_flood_lasts_and_a_burst_does_not() -> None:
    now, inbox, found = [0.0], Left(), []
    watch = LoadWatch(inbox, Metrics(), lambda: now[0], lambda: now[0])  # type: ignore[arg-type]
    watch.floods = lambda *who: found.append(who)

    def a_second(*behind: tuple[str, str, str, int]) -> list[tuple[str, ...]]:
        now[0] += 1.0
        inbox.behind = list(behind)
        found.clear()
        watch.look({("xinyi", "d1"), ("xinyi", "d2")})
        return list(found)

    mad, stranger, crowded = (
        ("xinyi", "d1", "allowance", 900),
        ("x", "y", "allowance", 900),
        ("xinyi", "d2", "room", 900),
    )
    assert a_second(mad, stranger, crowded) == []
    assert a_second(mad, stranger, crowded) == [("xinyi", "d1")]
    assert a_second(("xinyi", "d1", "allowance", 400)) == []
    assert a_second(mad) == []
    assert a_second(mad) == [("xinyi", "d1")]
