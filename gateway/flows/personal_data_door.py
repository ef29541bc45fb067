"""The door in what only ever grows, and who stands in a row from which a person was taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from gateway.runtime.ids import random_token
from gateway.store import tables as t

GONE = "[-]"
"""What stands in a text where a person stood."""

_HOLDERS = (t.AllowanceDraw, t.AllowanceBalance, t.Bill)


def nobody(stay: str) -> str:
    """What stands in the place of a stay's plate: no plate begins so, and no two stays share one. The end of the stay's own id."""
    return f"#{stay[-15:]}"


def stranger() -> str:
    """What stands in the place of a plate or a household in other rows that stay. 16 characters; nobody can tell who it was."""
    return f"#{random_token(12)[:15]}"


@contextmanager
def door(connection: Connection, key: str, now: datetime) -> Iterator[None]:
    """Opens what only ever grows, for the columns that may hold a person (migration 0008), as long as this lasts.

    On an error the transaction goes back, and the door with it.
    """
    connection.execute(insert(t.Erasing).values(id=key, since=now))
    yield
    connection.execute(delete(t.Erasing).where(t.Erasing.id == key))


def rename_holder(connection: Connection, site: str, holder: str, somebody: str) -> Counter[str]:
    """Who drew free minutes: the same stranger in draws, balances and bills, so that they still add up. The door is open."""
    done: Counter[str] = Counter()
    renamed = f"{holder.partition(':')[0]}:{somebody}"
    _rename_in_facts(connection, site, holder, renamed)
    for table in _HOLDERS:
        columns = table.__table__.c
        mine = update(table).where(columns.site_id == site, columns.holder == holder)
        done[table.__tablename__] += connection.execute(mine.values(holder=renamed)).rowcount
    return done


def _rename_in_facts(connection: Connection, site: str, holder: str, renamed: str) -> None:
    """Where several gave minutes for one bill, its facts name each."""
    draw, bill = t.AllowanceDraw.__table__.c, t.Bill.__table__.c
    drawn = select(draw.stay_id).where(draw.site_id == site, draw.holder == holder)
    found = connection.execute(
        select(bill.stay_id, bill.sequence, bill.facts).where(bill.site_id == site, bill.stay_id.in_(drawn))
    )
    for row in found.all():
        shares = row.facts.get("drawn_by")
        if shares and holder in shares:
            facts = {**row.facts, "drawn_by": {renamed if one == holder else one: shares[one] for one in shares}}
            own = (bill.site_id == site, bill.stay_id == row.stay_id, bill.sequence == row.sequence)
            connection.execute(update(t.Bill).where(*own).values(facts=facts))


def forget_history(connection: Connection, site: str, kind: str, entries: Collection[str]) -> int:
    """The history of entries of a register: who changed something and when stays, what it said and of whom goes. The door is open.

    Also under what it stood: that is a digest of a plate or a household, and there are few to try.
    """
    change = t.RegisterChange.__table__.c
    done = 0
    for entry in sorted(set(entries)):
        mine = update(t.RegisterChange).where(change.site_id == site, change.kind == kind, change.entry == entry)
        done += connection.execute(
            mine.values(
                entry=stranger(), origin="", file="", reason="", digest=None, request_key=None, before={}, after={}
            )
        ).rowcount
    return done
