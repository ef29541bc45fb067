"""Telling by mail what stands in the queue since now: for who does not look there every hour."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.flows.alarms import Subject
from gateway.flows.mailing import MailNotSent, send
from gateway.runtime.logs import logger
from gateway.wiring import Parts

LINES_MAX = 50
_log = logger(__name__)


def tell(parts: Parts, what: str, new: Sequence[tuple[Subject, str]], mail: Callable[..., None] = send) -> None:
    """One mail for all of them: site, what it is about, what to do. A server that does not take it is logged: the queue has them anyway."""
    settings = parts.settings.mail
    if not new or settings is None or not settings.alerts:
        return
    lines = [f"{site}: {subject}; {detail}" for (site, subject), detail in new[:LINES_MAX]]
    if len(new) > LINES_MAX:
        lines.append(f"… {len(new) - LINES_MAX} more in the queue")
    text = "\n".join([*lines, "", "docs/operations.md"])
    try:
        mail(settings, parts.clock, settings.alerts, f"Parkgate: {what} ({len(new)})", text)
    except MailNotSent as why:
        _log.warning("an alert was not mailed", what=what, why=str(why))
