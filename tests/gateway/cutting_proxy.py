"""A wire between devices and their broker that can be cut: each device's connection by itself, without a goodbye to either end."""

from __future__ import annotations

import contextlib
import socket
import threading

_READ_BYTES = 65_536
# MQTT 3.1.1's CONNECT before the client id: the protocol's name and level, the flags, the keep-alive.
_BEFORE_CLIENT_ID = 10


class CuttingProxy:
    """Listens on `port`. What is under way when a wire is cut is lost; who comes while it is cut is let in no further than here."""

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._cut: set[str] = set()
        self._wires: dict[str, tuple[socket.socket, socket.socket]] = {}
        self._lock = threading.Lock()
        self.turned_away = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, client_id: str) -> None:
        with self._lock:
            self._cut.add(client_id)
            for end in self._wires.pop(client_id):
                _end(end)

    def restore(self, client_id: str) -> None:
        with self._lock:
            self._cut.discard(client_id)

    def close(self) -> None:
        _end(self._listener)
        self._listener.close()
        with self._lock:
            for wire in self._wires.values():
                for end in wire:
                    _end(end)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                device, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(device,), daemon=True).start()

    def _serve(self, device: socket.socket) -> None:
        with device, contextlib.suppress(OSError):
            greeting = device.recv(_READ_BYTES)
            client_id = _client_id(greeting)
            with socket.create_connection(("127.0.0.1", self._broker_port)) as broker:
                with self._lock:
                    if client_id in self._cut:
                        self.turned_away += 1
                        return
                    self._wires[client_id] = (device, broker)
                for end in (device, broker):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                broker.sendall(greeting)
                back = threading.Thread(target=_carry, args=(broker, device), daemon=True)
                back.start()
                _carry(device, broker)
                back.join()


def _carry(here: socket.socket, there: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while read := here.recv(_READ_BYTES):
            there.sendall(read)
    _end(there)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


def _client_id(connect: bytes) -> str:
    """Raises nothing: a greeting that is cut in two does not come from a device of ours."""
    at = 2
    while connect[at - 1] & 128:
        at += 1
    at += _BEFORE_CLIENT_ID
    length = int.from_bytes(connect[at : at + 2], "big")
    return connect[at + 2 : at + 2 + length].decode()
