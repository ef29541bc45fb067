"""Four eyes: what one has proposed another decides, once; the row says who proposed it and who decided it, and when.

Shared by whatever keeps a proposal as a row with `state`, `proposed_by`, `decided_by` and `decided_at`. The caller holds what keeps
two from deciding at once: the row, its stay, or the site's books.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from gateway.flows.charges_books import By, another
from gateway.flows.charges_refusals import AlreadyDecided


def undecided(row: Any, by: By, what: str) -> Any:
    """The row, if it may be decided by them. `what` it is called. Raises `AlreadyDecided`, `SecondPersonNeeded`."""
    if row.state != "proposed":
        raise AlreadyDecided(f"the {what} was {row.state} by {row.decided_by}")
    another(row.proposed_by, by)
    return row


def decide(connection: Connection, table: Any, row: Any, by: By, now: datetime, **changed: Any) -> Any:
    """Write a decision into its row. `changed`: the state, and what follows from it. Returns the row after it."""
    return change(connection, table, row, decided_at=now, decided_by=by.operator, **changed)


def change(connection: Connection, table: Any, row: Any, **changed: Any) -> Any:
    """Write into a row that has a site and an id. Returns the row after it."""
    mine = (table.site_id == row.site_id, table.id == row.id)
    connection.execute(update(table).where(*mine).values(**changed))
    return connection.execute(select(*table.__table__.c).where(*mine)).one()
