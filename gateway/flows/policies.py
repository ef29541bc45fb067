"""Policies in the store: immutable versions, each later than the one before it."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, text

from billing.policy import Policy, PolicyError, check_succession, parse
from gateway.flows import audit
from gateway.flows.refusals import NotFound, Refused
from gateway.store.tables import PolicyVersion, Site
from gateway.wiring import Parts


class PolicyRefused(Refused):
    """The text is no policy, or does not follow the versions before it; the old one stays. `errors` says where and why."""

    status = 422
    slug = "policy-refused"

    def __init__(self, error: PolicyError, which: str = "text") -> None:
        super().__init__(f"{which}: {error.problems[0] if error.problems else error}")
        self.errors = [
            {"where": which if problem.line is None else f"{which}, line {problem.line}", "what": problem.what}
            for problem in error.problems
        ]


class PolicyLoaded(msgspec.Struct, frozen=True, kw_only=True):
    """A stored version. `new` is false if the same text was there already. `started`: it was in force before it was loaded."""

    policy_id: str
    version: int
    effective_from: datetime
    digest: str
    new: bool
    started: bool = False


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
            started=bool(stored) and policy.effective_from <= parts.clock.now(),
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


def texts(connection: Connection, policy_id: str) -> list[dict[str, Any]]:
    """The versions of one policy as they were loaded, in order: `version`, `effective_from`, `applied_at`, `digest`, `text`."""
    rows = connection.execute(
        select(
            PolicyVersion.version,
            PolicyVersion.effective_from,
            PolicyVersion.applied_at,
            PolicyVersion.digest,
            PolicyVersion.text,
        )
        .where(PolicyVersion.policy_id == policy_id)
        .order_by(PolicyVersion.version)
    )
    return [{**row._asdict(), "digest": row.digest.hex()} for row in rows]


def listing(connection: Connection, now: datetime) -> list[dict[str, Any]]:
    """Every policy: its sites, the version in force now, and its versions without their texts, in order."""
    sites: dict[str, list[str]] = {}
    for policy_id, site in connection.execute(select(Site.policy_id, Site.id).where(Site.enabled).order_by(Site.id)):
        sites.setdefault(policy_id, []).append(site)
    found: dict[str, list[dict[str, Any]]] = {}
    rows = connection.execute(
        select(
            PolicyVersion.policy_id,
            PolicyVersion.version,
            PolicyVersion.effective_from,
            PolicyVersion.applied_at,
            PolicyVersion.digest,
        ).order_by(PolicyVersion.policy_id, PolicyVersion.version)
    )
    for policy_id, version, effective_from, applied_at, digest in rows:
        found.setdefault(policy_id, []).append(
            {"version": version, "effective_from": effective_from, "applied_at": applied_at, "digest": digest.hex()}
        )
    return [
        {
            "id": policy_id,
            "sites": sites.get(policy_id, []),
            "in_force": _in_force(kept, now),
            "versions": kept,
        }
        for policy_id, kept in found.items()
    ]


def _in_force(kept: list[dict[str, Any]], now: datetime) -> int:
    """The first version also before its start (rule 13)."""
    started = [one["version"] for one in kept if one["effective_from"] <= now]
    version: int = started[-1] if started else kept[0]["version"]
    return version


def version_text(connection: Connection, policy_id: str, version: int) -> dict[str, Any]:
    """One version with its text, exactly as it was loaded. Raises `NotFound`."""
    for one in texts(connection, policy_id):
        if one["version"] == version:
            return {"id": policy_id, **one}
    raise NotFound("there is no such version of a policy")
