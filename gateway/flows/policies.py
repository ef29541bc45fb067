"""Policies in the store: immutable versions, each later than the one before it."""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec
from sqlalchemy import Connection, insert, select, text

from billing.policy import Policy, check_succession, parse
from gateway.flows import audit
from gateway.store.tables import PolicyVersion
from gateway.wiring import Parts


class PolicyLoaded(msgspec.Struct, frozen=True, kw_only=True):
    """A stored version. `new` is false if the same text was there already."""

    policy_id: str
    version: int
    effective_from: datetime
    digest: str
    new: bool


def apply(parts: Parts, text_: str, *, operator: str = "cli", origin: str = "", source: str = "") -> PolicyLoaded:
    """Load a new version; the same text again changes nothing.

    Raises `billing.policy.PolicyError` if the text is no policy or does not follow the versions before it; the old one stays.
    """
    policy = parse(text_)
    digest = hashlib.sha256(text_.encode()).digest()
    with parts.store.writing() as connection:
        if parts.store.postgres:
            connection.execute(text("LOCK TABLE policy_version IN SHARE ROW EXCLUSIVE MODE"))
        stored = connection.execute(
            select(PolicyVersion.version, PolicyVersion.digest, PolicyVersion.text)
            .where(PolicyVersion.policy_id == policy.id)
            .order_by(PolicyVersion.version)
        ).all()
        loaded = PolicyLoaded(
            policy_id=policy.id,
            version=policy.version,
            effective_from=policy.effective_from,
            digest=digest.hex(),
            new=not any(row.digest == digest for row in stored),
        )
        if not loaded.new:
            return loaded
        if stored:
            check_succession(parse(stored[-1].text), policy)
        connection.execute(
            insert(PolicyVersion).values(
                policy_id=policy.id,
                version=policy.version,
                effective_from=policy.effective_from,
                text=text_,
                digest=digest,
                applied_at=parts.clock.now(),
            )
        )
        audit.record(
            connection,
            at=parts.clock.now(),
            operator=operator,
            action="policy.apply",
            subject=f"{policy.id} {policy.version}",
            origin=origin,
            detail={"digest": digest.hex(), "file": source},
        )
        connection.commit()
    return loaded


def versions(connection: Connection) -> dict[str, list[Policy]]:
    """Every stored policy by its id, its versions in order."""
    found: dict[str, list[Policy]] = {}
    rows = connection.execute(
        select(PolicyVersion.policy_id, PolicyVersion.text).order_by(PolicyVersion.policy_id, PolicyVersion.version)
    )
    for policy_id, text_ in rows:
        found.setdefault(policy_id, []).append(parse(text_))
    return found
