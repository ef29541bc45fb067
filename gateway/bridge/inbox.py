"""What waits between the network thread and the worker: bounded, the urgent first, and every device in its turn.

The network thread never stops reading: what it left with the broker would keep the urgent behind the rest, in the order of the
flood. It reads, and what is too much is left with its sender, which keeps whatever has no receipt and sends it again.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from operator import attrgetter
from typing import Generic, TypeVar

from gateway.bridge.senders import Lane, Rank, Sender, Senders, Waits
from gateway.runtime.allowance import WEIGHT_BYTES

_T = TypeVar("_T", bound=Waits | None)

# A read that has waited longer can hardly be answered in time any more (12 s after it happened at most): fresh ones go first.
LATE_AFTER_SECONDS = 5.0
# Of one device and rank in one batch: whoever is flooded by others waits for as many of theirs at most.
EACH_MAX = 16
# Of one that sends more than its allowance: who is out of order has others wait for it no longer than that.
BEYOND_EACH_MAX = 4
# Without anything live: small enough that what comes meanwhile hardly waits. With 16 a live decision took twice as long, and what
# was kept drained no sooner (`parkgate bench backlog`, SQLite).
BEHIND_MAX = 6
# Beside what is live, and one more for each eight of that. With fewer, what was kept would hardly move wherever each batch has
# something live in it, which a slow database brings about with 40 reads a second.
BESIDE_MIN = 4
# As every JSON encoder of a device writes it. A wrong guess costs only rank: the worker decides by the decoded event.
_BUFFERED = (b'"buffered":true', b'"buffered": true')
_ARRIVED = attrgetter("arrived")


class Inbox(Generic[_T]):
    """Holds messages of `bound` units (`weight`). `rate`, `burst`: a device's allowance a second; rate 0: none.

    What must give way when it is full: the lowest rank first, of it the device with the most waiting, of that the oldest.
    None is no message; it wakes who waits.
    """

    def __init__(self, bound: int, *, rate: float = 0, burst: float = 0) -> None:
        self._bound, self._rate, self._burst = bound, rate, burst
        self._senders = Senders()
        self._rings: tuple[deque[Lane], ...] = tuple(deque() for _ in Rank)
        self._weights = [0] * len(Rank)
        self._weight = 0
        self._counts = [0] * len(Rank)
        self._newest = 0.0
        self._longest: Lane | None = None
        self._left_behind: set[Sender] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._woken = False
        self._asleep = False
        self._deaf = False
        # Called by the network thread, as soon as somebody sends far more than its allowance: it must return at once.
        self.floods: Callable[[str, str], None] = lambda *_: None
        self._bell = threading.Lock()
        self._bell.acquire()

    # ------------------------------------------------------------------ the network thread

    def admits(self, topic: bytes, payload: bytes, now: float, *, beside: int = 0) -> bool:
        """Whether its device's allowance, which this uses up, takes one more message. `now`: seconds, as `arrived` has them.

        `beside`: bytes of it that use nothing up, such as a picture's: they count where a flood is told from a crowd.
        """
        if not self._rate:
            return True
        cost = 1 + len(payload) // WEIGHT_BYTES
        with self._lock:
            sender, rank = self._senders.of(str(topic, "utf-8", "replace"))
            if rank is Rank.LIVE and (_BUFFERED[0] in payload or _BUFFERED[1] in payload):
                rank = Rank.LATE
            if sender.may(rank, cost, self._rate, self._burst, now):
                return True
            self._leave(sender, "allowance")
            if sender.site and sender.floods(cost + beside // WEIGHT_BYTES, now):
                self.floods(sender.site, sender.device)
            return False

    def put_nowait(self, item: _T) -> Sequence[_T]:
        """Takes it. Returns what is left with its sender instead: mostly nothing, this one, or older ones that give way."""
        with self._lock:
            left = self._put(item) if item is not None and not self._closed else ()
            self._woken = self._woken or item is None
            if self._asleep and not (self._deaf and not self._woken and not self._counts[Rank.LIVE]):
                self._asleep = False
                self._bell.release()
        return left

    def _put(self, item: _T) -> Sequence[_T]:
        assert item is not None
        payload = item.payload
        sender, rank = self._senders.of(item.topic)
        if rank is Rank.LIVE and (_BUFFERED[0] in payload or _BUFFERED[1] in payload):
            rank = Rank.LATE
        cost = 1 + len(payload) // WEIGHT_BYTES
        lane = sender.lane(rank)
        left: Sequence[_T] = ()
        if self._weight + cost > self._bound:
            left = self._make_room(lane, cost)
            if self._weight + cost > self._bound:
                self._leave(sender, "room")
                return (*left, item)
        self._newest = item.arrived
        self._append(lane, cost, item)
        return left

    def _append(self, lane: Lane, cost: int, item: _T) -> None:
        if not lane.waiting:
            self._rings[lane.rank].append(lane)
        lane.waiting.append((cost, item))
        lane.weight += cost
        self._weights[lane.rank] += cost
        self._weight += cost
        self._counts[lane.rank] += 1

    def _pop(self, lane: Lane) -> _T:
        """The oldest of a lane. The caller sees to its place in the ring."""
        cost, item = lane.waiting.popleft()
        lane.weight -= cost
        self._weights[lane.rank] -= cost
        self._weight -= cost
        self._counts[lane.rank] -= 1
        found: _T = item
        return found

    def _make_room(self, lane: Lane, cost: int) -> list[_T]:
        """What gives way to a message of this lane; not enough where nothing may."""
        left = []
        while self._weight + cost > self._bound and (giving := self._giving_way(lane)) is not None:
            left.append(self._pop(giving))
            self._leave(giving.sender, "room")
            if not giving.waiting:
                self._rings[giving.rank].remove(giving)
        return left

    def _giving_way(self, lane: Lane) -> Lane | None:
        """A lane with more than its share, of the lowest rank that has any; this one itself if it has as much as others."""
        rank = next((rank for rank in reversed(Rank) if rank >= lane.rank and self._rings[rank]), None)
        if rank is None:
            return None
        ring = self._rings[rank]
        share = self._weights[rank] / len(ring)
        if lane.rank is rank and lane.weight >= share:
            return lane
        longest = self._longest
        if longest is None or longest.rank is not rank or not longest.waiting or longest.weight < share:
            longest = self._longest = max(ring, key=lambda one: one.weight)
        return longest

    def _leave(self, sender: Sender, reason: str) -> None:
        sender.left_behind[reason] = sender.left_behind.get(reason, 0) + 1
        self._left_behind.add(sender)

    # ------------------------------------------------------------------ the worker

    def wait(self, timeout: float | None = None, *, live: bool = False) -> bool:
        """Until there is something (`live`: something live), or somebody woke us. False after `timeout` seconds."""
        with self._lock:
            if self._woken or (self._counts[Rank.LIVE] if live else self._weight):
                self._woken = False
                return True
            self._asleep, self._deaf = True, live
        if not self._bell.acquire(timeout=-1 if timeout is None else timeout):
            with self._lock:
                if self._asleep:
                    self._asleep = False
                    return False
            self._bell.acquire()  # rung between the two lines above
        self._woken = False
        return True

    def take(self, most: int, *, others: bool = True) -> list[_T]:
        """A batch, in order of arrival: what is live, each device in its turn, and a few of the others behind it.

        Nothing live: a small batch of the others, so that what comes meanwhile hardly waits. Without `others` what is live alone,
        with what its devices said of themselves before. Never blocks.
        """
        with self._lock:
            live, status, late = self._rings if others else (self._rings[Rank.LIVE], None, None)
            # Never without a place for the others: who is always behind would wait for ever.
            batch = self._round(Rank.LIVE, most - most // 9 if status or late else most) if live else []
            if status or late:
                room = min(most - len(batch), BESIDE_MIN + len(batch) // 8 if batch else BEHIND_MAX)
                statuses = self._round(Rank.STATUS, room - room // 8 if late else room)
                batch += statuses
                batch += self._round(Rank.LATE, room - len(statuses))
        if len(batch) > 1:
            batch.sort(key=_ARRIVED)
        return batch

    def _round(self, rank: Rank, most: int) -> list[_T]:
        """One message of each device, then the next of each."""
        ring = self._rings[rank]
        taken: list[_T] = []
        for turn in range(EACH_MAX):
            before = len(taken)
            for _ in range(len(ring)):
                if len(taken) >= most:
                    return taken
                lane = ring.popleft()
                if turn >= BEYOND_EACH_MAX and lane.sender.is_beyond(self._newest):
                    ring.append(lane)
                    continue
                if rank is Rank.LIVE and not self._still_live(lane):
                    continue
                taken.append(self._pop(lane))
                if lane.waiting:
                    ring.append(lane)
                if rank is Rank.LIVE and (status := lane.sender.statuses()) is not None:
                    # It came before, and may say that the device's clock is off: it is no later than what it explains.
                    taken.append(self._pop(status))
                    if not status.waiting:
                        self._rings[Rank.STATUS].remove(status)
            if len(taken) == before:
                break
        return taken

    def _still_live(self, lane: Lane) -> bool:
        """Makes late what has waited too long to be answered, and says whether something live is left."""
        too_old = self._newest - LATE_AFTER_SECONDS
        while lane.waiting and lane.waiting[0][1].arrived < too_old:
            cost = lane.waiting[0][0]
            self._append(lane.sender.lane(Rank.LATE), cost, self._pop(lane))
        return bool(lane.waiting)

    def get(self, timeout: float | None = None) -> _T | None:
        """One message, or None if somebody woke us. Raises `queue.Empty` after `timeout` seconds."""
        if not self.wait(timeout):
            raise queue.Empty
        found = self.take(1)
        return found[0] if found else None

    def get_nowait(self) -> _T:
        """Raises `queue.Empty`."""
        found = self.take(1)
        if not found:
            raise queue.Empty
        return found[0]

    # ------------------------------------------------------------------ who looks on

    def close(self) -> None:
        """What comes from now on is neither taken nor left with its sender: whoever stops forgets it."""
        with self._lock:
            self._closed = True

    def full(self) -> bool:
        """Whoever sends more displaces something."""
        return self._weight >= self._bound

    def qsize(self) -> int:
        return sum(self._counts)

    def depth(self, rank: Rank) -> int:
        """Messages of this rank that wait."""
        return self._counts[rank]

    def oldest(self) -> float | None:
        """When the message that has waited longest arrived; None if nothing waits."""
        with self._lock:
            return min((lane.waiting[0][1].arrived for ring in self._rings for lane in ring), default=None)

    def configured(self, devices: Collection[tuple[str, str]]) -> None:
        """All others share one place, and nothing of theirs is live."""
        with self._lock:
            self._senders.only(devices)

    def left_behind(self) -> list[tuple[str, str, str, int]]:
        """Since the last question: site, device, reason and how many messages were left with it."""
        with self._lock:
            senders, self._left_behind = self._left_behind, set()
            found = [(one.site, one.device, reason, n) for one in senders for reason, n in one.left_behind.items()]
            for one in senders:
                one.left_behind = {}
        return sorted(found)
