"""The metrics of a process without a web server."""

from __future__ import annotations

import socket
from dataclasses import replace

import httpx
import pytest

from gateway.cli.common import metrics_of
from gateway.cli.main import Refusal
from gateway.cli.ports import free_port
from gateway.wiring import Parts


def showing(parts: Parts, port: int) -> Parts:
    return replace(parts, settings=parts.settings.model_copy(update={"metrics_port": port}))


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def test_they_are_shown_while_the_process_runs(parts: Parts) -> None:
    port = free_port()
    parts.metrics.repeats.inc(3)
    with metrics_of(showing(parts, port)):
        assert "parkgate_events_repeated_total 3.0" in httpx.get(f"http://127.0.0.1:{port}/metrics").text
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics")


def test_an_address_that_is_taken_is_one_line_with_what_to_do(parts: Parts) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Refusal, match="PARKGATE_METRICS_PORT"), metrics_of(showing(parts, port)):
            raise AssertionError("never reached")
