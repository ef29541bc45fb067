"""Structured logs, one JSON object a line on standard error (or readable text). Never a credential, never a benefit's true name."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Any, TextIO, cast

import structlog

_SECRET_KEYS = frozenset({"password", "credential", "token", "secret", "secret_key", "authorization"})


def _redact(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for key in _SECRET_KEYS & event.keys():
        event[key] = "…"
    return event


class _StandardError:
    """Whatever standard error is at the moment of writing. A log line that cannot be written must not end a thread."""

    def write(self, text: str) -> int:
        try:
            return sys.stderr.write(text)
        except (OSError, ValueError):
            return 0  # closed: nobody reads it any more

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


def configure(level: str = "info", *, form: str = "json") -> None:
    """Set up logging for a process. `form`: `json` or `text`."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        # Never with what variables held: that would be whose bill failed, and why it was waived.
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    stream = cast("TextIO", _StandardError())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    # What libraries say goes the same way, warnings and worse only.
    handler = logging.StreamHandler(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)


def logger(name: str) -> Any:
    """A logger that names its module. `Any`: structlog's bound loggers are typed by what wraps them."""
    return structlog.get_logger(module=name)
