"""What `verify` says first after somebody has meddled with the database; what they did is undone."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import text

from gateway.flows.verify import failures
from gateway.flows.verify_scope import Look, Scope
from gateway.wiring import Parts


def named_after(parts: Parts, statement: str) -> str | None:
    """What the first failure is about; None: all holds."""
    with parts.store.engine.connect() as connection:
        assert connection.execute(text(statement)).rowcount
        look = Look(connection, Scope(None, None, parts.settings.zone), Counter(), lambda _: None)
        found = next(failures(look), None)
        connection.rollback()
    return found.what if found is not None else None
