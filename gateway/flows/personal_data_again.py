"""After a restore: who was erased since the copy was made is erased once more.

A copy holds what was held when it was made. The register of requests holds keyed digests of whom it erased; every plate and household
that is held after the restore is tried against them, which only the secret key can do.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, union

from gateway.flows import personal_data_words as words
from gateway.flows.personal_data_erase import Erasure, afterwards, take_out
from gateway.flows.personal_data_holdings import HOLDINGS
from gateway.flows.personal_data_subject import Secrets, Subject, find
from gateway.flows.refusals import NotFound, Refused
from gateway.runtime.ids import derive, random_token
from gateway.runtime.logs import logger
from gateway.store import tables as t
from gateway.wiring import Parts

_log = logger(__name__)


def erase_again(parts: Parts, digests: Collection[bytes], *, operator: str, origin: str) -> tuple[int, int]:
    """How many were erased, and how many are still needed (inside, owe, disputed): call it again for these."""
    secrets = Secrets(parts.settings.secret())
    wanted = set(digests)
    with parts.store.reading() as connection:
        found = [one for one in everybody(connection) if secrets.digest(one) in wanted]
    erased = needed = 0
    for subject in found:
        try:
            _erase(parts, subject, secrets, operator, origin)
            erased += 1
        except NotFound:
            continue  # went with the household before it
        except Refused as why:
            _log.warning("not erased again yet", why=type(why).__name__)
            needed += 1
    return erased, needed


def everybody(connection: Connection) -> list[Subject]:
    """Every household and every plate that is held."""
    homes = connection.execute(
        select(t.Household.site_id, t.Household.id).order_by(t.Household.site_id, t.Household.id)
    )
    found = [Subject("household", number, site) for site, number in homes]
    plates: list[ColumnElement[Any]] = [table.__table__.c.plate for table in (t.Stay, t.Presence, t.PlateEventRow)]
    plates += [holding.table.__table__.c[holding.plate] for holding in HOLDINGS if holding.plate is not None]
    known = connection.execute(union(*(select(plate.label("plate")) for plate in plates))).scalars()
    return found + [Subject("plate", plate) for plate in sorted(one for one in known if one and one[0] != "#")]


def _erase(parts: Parts, subject: Subject, secrets: Secrets, operator: str, origin: str) -> None:
    with parts.store.reading() as connection:
        hits = words.find(connection, find(connection, subject, None, secrets))
    key = derive("pd", random_token())
    erasure = Erasure(key=key, subject=subject, allowed=None, action="erase_again", operator=operator, origin=origin)
    with parts.store.writing() as connection:
        person, _ = take_out(parts, connection, erasure, secrets, hits)
        connection.commit()
    afterwards(parts, person, key)
