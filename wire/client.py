"""paho-mqtt, joined up: what waits leaves in one write, what has come is read in one go.

The library reads a packet in three calls (type, length, rest) and writes each packet by itself. Both go through two of its
methods, which this overrides; everything else is the library. Each write saved is also a wake-up saved at the other end.

The library takes some 60 µs for a message, so that a single client at the other side of the broker can send more than it reads, and
everybody else's messages wait behind those. Where a sieve says so, a message is acknowledged and forgotten in 3 µs before the
library sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTErrorCode

_READ_BYTES = 65_536
_DISCONNECT = 0xE0
_PUBLISH, _KIND, _QOS_1 = 0x30, 0xF0, 0x02
_PUBACK = b"\x40\x02"

# Topic and payload (behind the properties of MQTT 5, if any) of a message that has come: whether it is let in.
Sieve = Callable[[bytes, bytes], bool]


class JoinedClient(mqtt.Client):
    """For a loop of one's own: `loop_read` handles everything that one read brought, `loop_write` sends all that waits.

    Only for use with `on_socket_register_write` set, so that `publish` and `ack` leave the writing to the loop.
    """

    def __init__(self, *arguments: Any, sieve: Sieve | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._sieve = sieve
        self._begun = b""
        self._arrived = memoryview(b"")
        self._leaving = bytearray()

    @property
    def unanswered(self) -> int:
        """Messages published at QoS 1 that the broker has not acknowledged."""
        return len(self._out_messages)

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        code = super().loop_read(max_packets)
        while self._arrived and code == mqtt.MQTT_ERR_SUCCESS and self.socket() is not None:
            code = super().loop_read(max_packets)
        return code

    def loop_write(self) -> MQTTErrorCode:
        code = super().loop_write()
        if code == mqtt.MQTT_ERR_SUCCESS and self._leaving:
            try:
                self._send_what_waits()
            except BlockingIOError:
                return code  # the socket takes no more: `want_write` says that there is some left
            except OSError:
                return self._loop_rc_handle(mqtt.MQTT_ERR_CONN_LOST)
        return code

    def want_write(self) -> bool:
        return bool(self._leaving) or super().want_write()

    def reconnect(self) -> MQTTErrorCode:
        """What an earlier connection left half read or half written belongs to no other."""
        self._arrived = memoryview(b"")
        self._begun = b""
        self._leaving.clear()
        return super().reconnect()

    # ------------------------------------------------------------------ the library's own two calls

    def _sock_recv(self, bufsize: int) -> bytes:
        if not self._arrived:
            read = super()._sock_recv(_READ_BYTES)
            if read and self._sieve is not None:
                read = self._let_in(self._begun + read, self._sieve)
                if not read:
                    raise BlockingIOError  # nothing for the library this time; an empty answer would mean the end
            self._arrived = memoryview(read)
        taken, self._arrived = self._arrived[:bufsize], self._arrived[bufsize:]
        return bytes(taken)

    def _sock_send(self, buf: bytes | bytearray) -> int:
        self._leaving += buf
        if buf[0] == _DISCONNECT:
            self._send_what_waits()  # the library closes the socket behind its goodbye
        return len(buf)

    def _send_what_waits(self) -> None:
        while self._leaving:
            del self._leaving[: super()._sock_send(self._leaving)]

    def _let_in(self, read: bytes, sieve: Sieve) -> bytes:
        """Whole packets without those that are not let in; what is not whole yet is kept for the next read."""
        kept, taken_to, at, size = [], 0, 0, len(read)
        while (bounds := _bounds(read, at, size)) is not None:
            body, end = bounds
            if read[at] & _KIND == _PUBLISH:
                topic_end = body + 2 + (read[body] << 8 | read[body + 1])
                payload = topic_end + 2 if read[at] & _QOS_1 else topic_end
                if not sieve(read[body + 2 : topic_end], read[payload:end]):
                    if payload > topic_end:
                        self._leaving += _PUBACK + read[topic_end:payload]
                    kept.append(read[taken_to:at])
                    taken_to = end
            at = end
        self._begun = read[at:]
        kept.append(read[taken_to:at])
        return b"".join(kept)


def _bounds(read: bytes, at: int, size: int) -> tuple[int, int] | None:
    """Where the body of the packet at `at` begins and ends; None if it is not whole."""
    if at + 2 > size:
        return None
    length, body = read[at + 1], at + 2
    if length > 127:
        length, shift = length & 127, 7
        while True:
            if body >= size or shift > 21:
                return None
            digit = read[body]
            length |= (digit & 127) << shift
            body, shift = body + 1, shift + 7
            if digit < 128:
                break
    end = body + length
    return (body, end) if end <= size else None
