"""paho-mqtt, joined up: what waits leaves in one write, what has come is read in one go.

The library reads a packet in three calls (type, length, rest) and writes each packet by itself. Both go through two of its
methods, which this overrides; everything else is the library. Each write saved is also a wake-up saved at the other end.
"""

from __future__ import annotations

from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTErrorCode

_READ_BYTES = 65_536
_DISCONNECT = 0xE0


class JoinedClient(mqtt.Client):
    """For a loop of one's own: `loop_read` handles everything that one read brought, `loop_write` sends all that waits.

    Only for use with `on_socket_register_write` set, so that `publish` and `ack` leave the writing to the loop.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
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
        self._leaving.clear()
        return super().reconnect()

    # ------------------------------------------------------------------ the library's own two calls

    def _sock_recv(self, bufsize: int) -> bytes:
        if not self._arrived:
            self._arrived = memoryview(super()._sock_recv(_READ_BYTES))
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
