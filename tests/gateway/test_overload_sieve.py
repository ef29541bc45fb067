"""What a connection acknowledges and forgets before the client library sees it: exactly what is not let in, however it is cut."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from wire.client import JoinedClient


class Packet(NamedTuple):
    """A message, or (topic None) another packet of the protocol."""

    topic: bytes | None
    payload: bytes
    mid: int
    qos: int

    @property
    def wire(self) -> bytes:
        if self.topic is None:
            return _packet(0x40, self.mid.to_bytes(2, "big"))
        mid = self.mid.to_bytes(2, "big") if self.qos else b""
        return _packet(
            0x30 | self.qos << 1 | self.mid & 8, len(self.topic).to_bytes(2, "big") + self.topic + mid + self.payload
        )


def _packet(first: int, body: bytes) -> bytes:
    digits, rest = [], len(body)
    while True:
        rest, digit = divmod(rest, 128)
        digits.append(digit | (128 if rest else 0))
        if not rest:
            return bytes([first, *digits]) + body


PACKETS = st.lists(
    st.builds(
        Packet,
        st.sampled_from([b"good/event", b"bad/event", b"bad", None]),
        st.one_of(st.binary(max_size=40), st.integers(100, 20_000).map(bytes)),
        st.integers(1, 65_535),
        st.integers(0, 1),
    ),
    max_size=30,
)


class Sieving(JoinedClient):
    """A client without a broker: `let_in` is what the library would see of what was read."""

    def __init__(self) -> None:
        super().__init__(CallbackAPIVersion.VERSION2)
        self.seen: list[tuple[bytes, bytes]] = []

    def let_in(self, read: bytes) -> bytes:
        return self._let_in(self._begun + read, self._sees)

    def _sees(self, topic: bytes, payload: bytes) -> bool:
        self.seen.append((topic, payload))
        return not topic.startswith(b"bad")

    @property
    def answered(self) -> bytes:
        return bytes(self._leaving)


@given(PACKETS, st.lists(st.integers(0, 10_000), max_size=20))
def test_whatever_is_not_let_in_is_acknowledged_and_all_else_reaches_the_library(
    packets: list[Packet], cuts: list[int]
) -> None:
    client = Sieving()
    stream = b"".join(one.wire for one in packets)
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    let_in = b"".join(client.let_in(stream[begin:end]) for begin, end in pairwise(places))
    messages = [one for one in packets if one.topic is not None]
    assert client.seen == [(one.topic, one.payload) for one in messages]
    bad = [one for one in messages if one.topic and one.topic.startswith(b"bad")]
    assert let_in == b"".join(one.wire for one in packets if one not in bad)
    assert client.answered == b"".join(b"\x40\x02" + one.mid.to_bytes(2, "big") for one in bad if one.qos)
