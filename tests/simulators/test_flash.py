"""What a controller keeps over a power cut."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from controllers.events import CommandResult, Kind, Outcome, PlateEvent
from simulators.flash import FlashJournal, KeptList, lines

AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def an_event(name: str, kind: Kind = Kind.PLATE) -> PlateEvent:
    return PlateEvent(id=name, at=AT, lane="in-1", kind=kind, plate="浙A12345", plate_raw="浙A12345")


def held(journal: FlashJournal) -> list[tuple[str, str, bool]]:
    return [(entry.drawer, entry.id, entry.buffered) for entry in journal]


def test_what_has_no_receipt_outlives_a_power_cut_and_is_no_longer_live(tmp_path: Path) -> None:
    first = FlashJournal(tmp_path / "journal")
    for name in ("a", "b"):
        first.write("event", name, an_event(name), buffered=False)
    first.write("result", "c", CommandResult(command="c", outcome=Outcome.DONE, at=AT), buffered=False)
    first.receipt(["a"], [])
    second = FlashJournal(tmp_path / "journal")
    assert held(second) == [("event", "b", True), ("result", "c", True)]
    assert next(iter(second)).content == an_event("b")
    second.receipt(["b"], ["c"])
    assert held(FlashJournal(tmp_path / "journal")) == []


def test_every_start_has_its_own_number(tmp_path: Path) -> None:
    assert [FlashJournal(tmp_path / "journal").boot for _ in range(3)] == [1, 2, 3]


def test_it_knows_what_happened_last_at_a_lane(tmp_path: Path) -> None:
    first = FlashJournal(tmp_path / "journal")
    first.write("event", "a", an_event("a"), buffered=False)
    first.write("event", "b", an_event("b", Kind.PASSED), buffered=False)
    first.receipt(["a", "b"], [])
    assert FlashJournal(tmp_path / "journal").last == {"in-1": Kind.PASSED}


def test_a_line_that_the_power_cut_tore_off_never_was(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    first = FlashJournal(path)
    first.write("event", "a", an_event("a"), buffered=False)
    whole = path.read_bytes()
    first.write("event", "b", an_event("b"), buffered=False)
    path.write_bytes(path.read_bytes()[:-7])
    second = FlashJournal(path)
    assert held(second) == [("event", "a", True)]
    second.write("event", "c", an_event("c"), buffered=False)
    assert path.read_bytes().startswith(whole)
    assert [line.event.id for line in lines(path) if line.event is not None] == ["a", "c"]


def test_the_list_is_kept_with_its_changes(tmp_path: Path) -> None:
    kept = KeptList(tmp_path / "list")
    assert kept.messages() == []
    for channel, payload in (
        ("list", b"1"),
        ("list/delta", b"2"),
        ("list", b"3"),
        ("receipt", b"4"),
        ("list/delta", b"5"),
    ):
        kept.heard(channel, payload)
    assert KeptList(tmp_path / "list").messages() == [("list", b"3"), ("list/delta", b"5")]
