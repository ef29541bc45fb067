"""A device gone mad: publishes as fast as its socket takes it, and does nothing with what it is told.

A program of its own, so that it takes nothing from the devices that a test watches. MQTT by hand: a client library would be
slower than what it is to overload.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_AT_ONCE = 20


class Flood:
    """The program, running until `end`. `lane`: plate events of strangers there; without one, garbage."""

    def __init__(
        self, port: int, account: str, password: str | None, *, lane: str | None = None, buffered: bool = False
    ) -> None:
        told = {"port": port, "account": account, "password": password, "lane": lane, "buffered": buffered}
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), json.dumps(told)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"flooding\n"

    def end(self) -> int:
        """How many messages it has sent."""
        said, _ = self._process.communicate(timeout=30)
        return int(said)


def _told() -> Any:
    return json.loads(sys.argv[1])


def _main() -> None:
    told, sent, ending = _told(), 0, threading.Event()
    site, device = told["account"].split(".")
    topic = f"parkgate/v1/{site}/{device}/event".encode()
    payloads = _events(told["account"], told["lane"], told["buffered"]) if told["lane"] else _garbage()
    with socket.create_connection(("127.0.0.1", told["port"])) as connection:
        connection.sendall(_connect(told["account"], told["password"]))
        assert connection.recv(4)[:1] == b"\x20", "not let in"
        sys.stdout.write("flooding\n")
        sys.stdout.flush()
        threading.Thread(target=_swallow, args=(connection,), daemon=True).start()
        threading.Thread(target=_until_the_end_of_input, args=(connection, ending), daemon=True).start()
        try:
            while not ending.is_set():
                packets = [_publish(topic, next(payloads), (sent + n) % 65_535 + 1) for n in range(_AT_ONCE)]
                connection.sendall(b"".join(packets))
                sent += _AT_ONCE
        except OSError:
            if not ending.is_set():
                raise
    sys.stdout.write(f"{sent}\n")


def _until_the_end_of_input(connection: socket.socket, ending: threading.Event) -> None:
    sys.stdin.read()
    ending.set()
    connection.shutdown(socket.SHUT_RDWR)


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
