"""A device gone mad: publishes as fast as its socket takes it, and does nothing with what it is told.

A program of its own, so that it takes nothing from the devices that a test watches. MQTT by hand: a client library would be
slower than what it is to overload.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_AT_ONCE = 20
_TRIES_AGAIN_SECONDS = 0.2
# A tenth of what others get: with less it would hardly send enough on a busy machine to count as a flood.
_NICE = 10


class Flood:
    """The program, running until `end`. `lane`: plate events of strangers there; without one, garbage.

    `tls`: the files of the authority, the device's certificate and its key. `yields`: it takes what processor time others leave.
    """

    def __init__(
        self,
        port: int,
        account: str,
        password: str | None,
        *,
        lane: str | None = None,
        buffered: bool = False,
        tls: tuple[str, str, str] | None = None,
        yields: bool = False,
    ) -> None:
        told = {"port": port, "account": account, "password": password, "lane": lane, "buffered": buffered, "tls": tls}
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), json.dumps(told)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        if yields:
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"flooding\n"

    def end(self) -> int:
        """How many messages it has sent."""
        said, _ = self._process.communicate(timeout=30)
        return int(said)


def _told() -> Any:
    return json.loads(sys.argv[1])


def _main() -> None:
    told, ending = _told(), threading.Event()
    sending = _Sending(told, ending)
    sending.connect()
    sys.stdout.write("flooding\n")
    sys.stdout.flush()
    threading.Thread(target=_until_the_end_of_input, args=(sending, ending), daemon=True).start()
    while not ending.is_set():
        try:
            sending.send()
        except (OSError, AssertionError):
            # Thrown out: it does not give up.
            if not ending.wait(_TRIES_AGAIN_SECONDS):
                with contextlib.suppress(OSError, AssertionError):
                    sending.connect()
    sys.stdout.write(f"{sending.sent}\n")


class _Sending:
    def __init__(self, told: Any, ending: threading.Event) -> None:
        self._told, self._ending, self.sent = told, ending, 0
        site, device = told["account"].split(".")
        self._topic = f"parkgate/v1/{site}/{device}/event".encode()
        self._payloads = _events(told["account"], told["lane"], told["buffered"]) if told["lane"] else _garbage()
        self.connection: socket.socket | None = None

    def connect(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = _connection(self._told["port"], self._told["tls"])
        self.connection.sendall(_connect(self._told["account"], self._told["password"]))
        assert self.connection.recv(4)[:4] == b"\x20\x02\x00\x00", "not let in"
        threading.Thread(target=_swallow, args=(self.connection,), daemon=True).start()

    def send(self) -> None:
        assert self.connection is not None
        packets = [_publish(self._topic, next(self._payloads), (self.sent + n) % 65_535 + 1) for n in range(_AT_ONCE)]
        self.connection.sendall(b"".join(packets))
        self.sent += _AT_ONCE


def _connection(port: int, tls: list[str] | None) -> socket.socket:
    plain = socket.create_connection(("127.0.0.1", port))
    if tls is None:
        return plain
    authority, certificate, key = tls
    context = ssl.create_default_context(cafile=authority)
    context.load_cert_chain(certificate, key)
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def _until_the_end_of_input(sending: _Sending, ending: threading.Event) -> None:
    sys.stdin.read()
    ending.set()
    if sending.connection is not None:
        with contextlib.suppress(OSError):
            sending.connection.shutdown(socket.SHUT_RDWR)


def _swallow(connection: socket.socket) -> None:
    try:
        while connection.recv(65_536):
            pass
    except OSError:
        return


def _garbage() -> Iterator[bytes]:
    while True:
        yield os.urandom(200)


def _events(account: str, lane: str, buffered: bool) -> Iterator[bytes]:
    began = time.time_ns()
    number = 0
    while True:
        number += 1
        event = {
            "id": f"{account}-{began}-{number}",
            "at": datetime.now(UTC).isoformat(),
            "lane": lane,
            "kind": "plate",
        }
        read = {"plate": f"浙D{number % 100_000:05d}", "plate_colour": "blue", "confidence": 0.9, "vehicle": "small"}
        yield json.dumps(event | read | {"buffered": buffered}).encode()


def _text(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def _packet(first: int, body: bytes) -> bytes:
    length, rest = b"", len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length += bytes([digit | (128 if rest else 0)])
        if not rest:
            return bytes([first]) + length + body


def _connect(account: str, password: str | None) -> bytes:
    flags = 0x02 | 0x80 | (0x40 if password is not None else 0)
    parts = [_text(b"MQTT"), bytes([4, flags, 0, 60]), _text(account.encode()), _text(account.encode())]
    return _packet(0x10, b"".join([*parts, *([_text(password.encode())] if password is not None else [])]))


def _publish(topic: bytes, payload: bytes, mid: int) -> bytes:
    return _packet(0x32, _text(topic) + mid.to_bytes(2, "big") + payload)


if __name__ == "__main__":
    _main()
