"""Free ports on loopback, for what the command line starts."""

from __future__ import annotations

import random
import socket

from gateway.cli.main import Refusal

# Below what systems hand to connections that go out (Linux from 32,768, others from 49,152): nobody is given one of these between
# the question and the start of whoever is to listen there.
_FIRST, _LAST = 20_000, 32_000
_TRIES = 200
_random = random.SystemRandom()


def free_port(preferred: int = 0) -> int:
    """`preferred` if it is free on 127.0.0.1, else one that is. Raises `Refusal`."""
    for port in (preferred, *_random.sample(range(_FIRST, _LAST), _TRIES)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                if port:
                    probe.bind(("127.0.0.1", port))
                    return port
            except OSError:
                continue
    raise Refusal("no free port on 127.0.0.1")
