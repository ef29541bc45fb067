"""What waits for the worker: bounded, the urgent first, every device in its turn, and in the order in which each spoke."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.adapters import native
from gateway.bridge.inbox import BEHIND_MAX, BESIDE_MIN, BEYOND_EACH_MAX, EACH_MAX, LATE_AFTER_SECONDS, Inbox
from gateway.bridge.senders import BEYOND_SECONDS, Rank

LIVE = b'{"id": "e", "buffered": false}'
KEPT = b'{"id":"e","buffered":true}'


class Message(NamedTuple):
    """Stands in for what the link puts there."""

    topic: str
    payload: bytes
    arrived: float
    number: int = 0

    @property
    def device(self) -> str:
        return self.topic.split("/")[3]

    @property
    def rank(self) -> Rank:
        if self.topic.endswith("status"):
            return Rank.STATUS
        return Rank.LATE if b"true" in self.payload else Rank.LIVE


def said(device: str, payload: bytes = LIVE, arrived: float = 0.0, channel: native.Channel = "event") -> Message:
    return Message(native.topic("xinyi", device, channel), payload, arrived)


def numbered(sent: list[Message], start: int = 0) -> list[Message]:
    """One after the other, a millisecond apart."""
    return [one._replace(number=place, arrived=place / 1000) for place, one in enumerate(sent, start)]


MESSAGES = st.lists(
    st.builds(
        said,
        st.sampled_from(["d1", "d2", "d3", "d4"]),
        st.sampled_from([LIVE, KEPT, b"\xff garbage", LIVE + b" " * 9_000]),
        channel=st.sampled_from(["event", "result", "status"]),
    ),
    max_size=120,
).map(numbered)


def admitted(inbox: Inbox[Message | None], one: Message) -> bool:
    return inbox.admits(one.topic.encode(), one.payload, one.arrived)


def drained(inbox: Inbox[Message | None], most: int = 7) -> list[list[Message]]:
    batches = []
    while batch := inbox.take(most):
        batches.append([one for one in batch if one is not None])
    return batches


@given(MESSAGES, st.integers(1, 40), st.integers(1, 30))
def test_each_message_is_either_taken_once_or_left_with_its_sender(sent: list[Message], bound: int, most: int) -> None:
    inbox: Inbox[Message | None] = Inbox(bound)
    left = [one for message in sent for one in inbox.put_nowait(message)]
    taken = [one for batch in drained(inbox, most) for one in batch]
    assert Counter([*taken, *left]) == Counter(sent)
    assert sum(n for *_, n in inbox.left_behind()) == len(left)
    assert (inbox.qsize(), inbox.full(), inbox.left_behind(), inbox.oldest()) == (0, False, [], None)


@given(MESSAGES, st.integers(1, 40))
def test_it_never_holds_more_than_its_bound(sent: list[Message], bound: int) -> None:
    inbox: Inbox[Message | None] = Inbox(bound)
    held: Counter[Message] = Counter()
    for message in sent:
        held[message] += 1
        held.subtract(inbox.put_nowait(message))  # type: ignore[arg-type]
        assert sum((1 + len(one.payload) // 4096) * n for one, n in held.items()) <= bound
        assert inbox.qsize() == sum(held.values())


@given(MESSAGES, st.integers(1, 40), st.integers(1, 30))
def test_what_a_device_says_of_one_rank_stays_in_order(sent: list[Message], bound: int, most: int) -> None:
    inbox: Inbox[Message | None] = Inbox(bound)
    for message in sent:
        inbox.put_nowait(message)
    lanes: dict[tuple[str, Rank], list[int]] = {}
    for batch in drained(inbox, most):
        assert [one.number for one in batch] == sorted(one.number for one in batch)
        for one in batch:
            lanes.setdefault((one.device, one.rank), []).append(one.number)
    assert all(numbers == sorted(numbers) for numbers in lanes.values())


@given(MESSAGES, st.integers(2, 30))
def test_what_is_live_goes_first_and_the_rest_gets_a_small_place(sent: list[Message], most: int) -> None:
    inbox: Inbox[Message | None] = Inbox(10_000)
    for message in sent:
        inbox.put_nowait(message)
    while inbox.qsize():
        live, others = inbox.depth(Rank.LIVE), inbox.depth(Rank.STATUS) + inbox.depth(Rank.LATE)
        batch = inbox.take(most)
        taken = sum(one.rank is Rank.LIVE for one in batch if one)
        late = sum(one.rank is Rank.LATE for one in batch if one)
        assert len(batch) <= most + taken  # a status may go with each live message of its device
        if live:
            assert taken >= 1
            assert late <= BESIDE_MIN + taken // 8
        else:
            assert min(others, 1) <= len(batch) <= min(others, most, BEHIND_MAX)


@given(st.integers(1, 500), st.integers(0, 3), st.sampled_from([LIVE, KEPT, b"garbage"]))
def test_one_that_floods_delays_another_by_its_turn_at_most(flood: int, quiet: int, payload: bytes) -> None:
    inbox: Inbox[Message | None] = Inbox(100)
    for message in numbered([said("flooding", payload)] * flood):
        inbox.put_nowait(message)
    for message in numbered([said("quiet")] * (quiet + 1), flood):
        assert all(left.device == "flooding" for left in inbox.put_nowait(message) if left)
    first = inbox.take(200)
    assert sum(one.device == "quiet" for one in first if one) == quiet + 1
    assert len(first) <= EACH_MAX + quiet + 1


def test_others_wait_for_few_of_one_that_sends_more_than_its_allowance_and_only_while_it_does() -> None:
    inbox: Inbox[Message | None] = Inbox(1_000, rate=50, burst=40)
    sent = numbered([said("mad")] * 200)
    for one in sent:
        if admitted(inbox, one):
            inbox.put_nowait(one)
    inbox.put_nowait(said("quiet", arrived=0.3))
    first = inbox.take(64)
    assert Counter(one.device for one in first if one is not None) == {"mad": BEYOND_EACH_MAX, "quiet": 1}
    inbox.put_nowait(said("quiet", channel="status", arrived=0.3 + BEYOND_SECONDS))  # time passes
    later = [one for one in inbox.take(64) if one is not None]
    assert sum(one.device == "mad" for one in later) > BEYOND_EACH_MAX
    assert inbox.qsize() + len(first) + len(later) >= 40


def test_when_it_is_full_whoever_has_the_most_waiting_gives_way_with_the_oldest() -> None:
    inbox: Inbox[Message | None] = Inbox(6)
    for message in numbered([said("d1")] * 4 + [said("d2")] * 2):
        assert list(inbox.put_nowait(message)) == []
    assert [one.number for one in inbox.put_nowait(numbered([said("d3")], 6)[0]) if one] == [0]
    assert [one.number for one in inbox.put_nowait(numbered([said("d1")], 7)[0]) if one] == [1]
    assert inbox.left_behind() == [("xinyi", "d1", "room", 2)]


def test_when_it_is_full_what_is_live_displaces_the_rest_and_never_the_other_way_round() -> None:
    inbox: Inbox[Message | None] = Inbox(3)
    kept, status = said("d1", KEPT), said("d2", channel="status")
    for message in (kept, status, said("d3")):
        inbox.put_nowait(message)
    assert list(inbox.put_nowait(said("d4"))) == [kept]
    assert list(inbox.put_nowait(said("d5"))) == [status]
    assert list(inbox.put_nowait(kept)) == [kept]
    assert (inbox.depth(Rank.LIVE), inbox.qsize(), inbox.full()) == (3, 3, True)


def test_what_can_hardly_be_answered_in_time_any_more_goes_behind_what_can() -> None:
    inbox: Inbox[Message | None] = Inbox(100)
    old = [said("d1", arrived=0.1 * n) for n in range(3)]
    fresh = [said(device, arrived=1 + LATE_AFTER_SECONDS) for device in ("d1", "d2")]
    for message in [*old, *fresh]:
        inbox.put_nowait(message)
    assert set(inbox.take(2)) == set(fresh)
    assert inbox.depth(Rank.LATE) == 3
    assert inbox.take(10) == old


def test_a_status_is_no_later_than_what_its_device_says_after_it() -> None:
    """It may say that the device's clock is off."""
    inbox: Inbox[Message | None] = Inbox(100)
    status, event = numbered([said("d1", channel="status"), said("d1")])
    for message in (*numbered([said(f"other-{n}", channel="status") for n in range(20)]), status, event):
        inbox.put_nowait(message)
    assert {status, event} <= set(inbox.take(10))


def test_over_its_allowance_a_device_keeps_what_it_sends_and_others_notice_nothing() -> None:
    inbox: Inbox[Message | None] = Inbox(1_000, rate=10, burst=20)
    assert sum(admitted(inbox, said("d1")) for _ in range(100)) == 20
    assert admitted(inbox, said("d2"))
    assert inbox.left_behind() == [("xinyi", "d1", "allowance", 80)]
    assert admitted(inbox, said("d1", KEPT))  # what it kept has an allowance of its own
    assert sum(admitted(inbox, said("d1", arrived=1.0)) for _ in range(100)) == 10


def test_a_large_payload_uses_more_of_the_allowance() -> None:
    inbox: Inbox[Message | None] = Inbox(1_000, rate=10, burst=20)
    large = said("d1", b"x" * 65_536)
    assert [admitted(inbox, large) for _ in range(4)] == [True, True, False, False]


def test_devices_that_nobody_has_configured_share_one_place_behind_all_others() -> None:
    inbox: Inbox[Message | None] = Inbox(1_000)
    inbox.configured({("xinyi", "d1")})
    for device in ("x1", "x2", "d1"):
        inbox.put_nowait(said(device))
    inbox.put_nowait(Message("no/topic/of/ours", LIVE, 0.0))
    assert (inbox.depth(Rank.LIVE), inbox.depth(Rank.LATE)) == (1, 3)
    inbox.configured({("xinyi", "d1"), ("xinyi", "x1")})
    inbox.put_nowait(said("x1"))
    assert inbox.depth(Rank.LIVE) == 2


def test_whoever_waits_is_woken_by_a_message_and_without_one() -> None:
    inbox: Inbox[Message | None] = Inbox(10)
    assert not inbox.wait(0.001)
    with pytest.raises(queue.Empty):
        inbox.get(timeout=0.001)
    inbox.put_nowait(None)
    assert inbox.get(timeout=10) is None
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.append(inbox.get(timeout=60)))
    waiting.start()
    inbox.put_nowait(said("d1"))
    waiting.join(60)
    assert found == [said("d1")]


def test_nothing_is_lost_between_two_threads() -> None:
    inbox: Inbox[Message | None] = Inbox(100_000)
    sent = numbered([said(f"d{n % 7}") for n in range(20_000)])
    sending = threading.Thread(target=lambda: [inbox.put_nowait(one) for one in sent])
    sending.start()
    taken: list[Message | None] = []
    while len(taken) < len(sent):
        assert inbox.wait(30)
        taken += inbox.take(200)
    sending.join()
    assert Counter(taken) == Counter(sent)
