"""Logs: one line on whatever standard error is now, and never the end of a thread."""

from __future__ import annotations

import io
import json

import pytest
import structlog

from gateway.runtime import logs


@pytest.fixture(autouse=True)
def as_before() -> object:
    yield
    structlog.reset_defaults()


def test_a_closed_standard_error_does_not_end_the_thread_that_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    first = io.StringIO()
    monkeypatch.setattr("sys.stderr", first)
    logs.configure("info")
    log = logs.logger("test")
    log.warning("before", site="xinyi")
    assert json.loads(first.getvalue())["event"] == "before"
    first.close()
    log.warning("nobody reads this")
    second = io.StringIO()
    monkeypatch.setattr("sys.stderr", second)
    log.warning("after", password="not a secret")
    assert json.loads(second.getvalue())["event"] == "after"
    assert "not a secret" not in second.getvalue()
