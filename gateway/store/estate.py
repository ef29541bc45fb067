"""Everything configured, loaded whole: it is small, changes rarely, and every decision asks it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection

from sqlalchemy import Connection, bindparam, select

from billing.policy import Policy, parse
from controllers.doors import hours_of
from gateway.store import tables as t
from gateway.store.records import STREET, Estate, LaneFacts, SiteFacts

_OFFSET_COUNTS_FROM_MS = 2_000
_RELOAD_SECONDS = 5.0
_RELOAD_AT_MOST_EVERY_SECONDS = 0.5
_parsed: dict[bytes, Policy] = {}
_PARSED_MAX = 256


# Said once: putting a statement together and looking up what became of it costs more than the rows that these ones find.
_SITES = select(t.Site.id, t.Site.name, t.Site.capacity, t.Site.policy_id).where(t.Site.enabled)
_DEVICES = select(t.Device.site_id, t.Device.id).where(t.Device.enabled)
_LANES = (
    select(
        t.Lane.site_id,
        t.Lane.id,
        t.Lane.device_id,
        t.Lane.direction,
        t.Gate.id.label("gate_id"),
        t.Gate.tier,
        t.Gate.hours,
        t.Gate.residents_only,
        t.Gate.staffed,
        t.Lane.loop,
        t.Lane.passage_sensor,
        t.Lane.offline_exit,
    )
    .join(t.Gate, (t.Gate.site_id == t.Lane.site_id) & (t.Gate.id == t.Lane.gate_id))
    .where(t.Lane.enabled, t.Gate.enabled)
)
_OFFSETS = select(t.DeviceState.site_id, t.DeviceState.device_id, t.DeviceState.clock_offset_ms)
_AGREED = (
    select(t.PayLaterAgreement.id)
    .where(
        t.PayLaterAgreement.site_id.in_(bindparam("places", expanding=True)), t.PayLaterAgreement.state == "approved"
    )
    .limit(1)
)
_EMERGENCIES = select(t.Emergency.site_id).where(t.Emergency.ended_at.is_(None))
_VERSIONS = select(t.PolicyVersion.policy_id, t.PolicyVersion.text, t.PolicyVersion.digest).order_by(
    t.PolicyVersion.policy_id, t.PolicyVersion.effective_from
)


def load_estate(connection: Connection) -> Estate:
    """Sites, devices and lanes in service, policies by id (oldest first), and devices' clock offsets."""
    sites = {
        row.id: SiteFacts(id=row.id, name=row.name, capacity=row.capacity, policy_id=row.policy_id)
        for row in connection.execute(_SITES)
    }
    devices = frozenset((row.site_id, row.id) for row in connection.execute(_DEVICES) if row.site_id in sites)
    lanes = {
        (row.site_id, row.id): LaneFacts(
            site=row.site_id,
            lane=row.id,
            device=row.device_id,
            inward=row.direction == "in",
            residents_only=row.residents_only,
            staffed=row.staffed,
            loop=row.loop,
            passage_sensor=row.passage_sensor,
            offline_exit=row.offline_exit,
            gate=row.gate_id,
            door=row.tier == "small",
            hours=None if row.hours is None else hours_of(row.hours),
        )
        for row in connection.execute(_LANES)
        if (row.site_id, row.device_id) in devices
    }
    offsets = {
        (row.site_id, row.device_id): row.clock_offset_ms
        for row in connection.execute(_OFFSETS)
        if abs(row.clock_offset_ms) >= _OFFSET_COUNTS_FROM_MS
    }
    agreed = connection.execute(_AGREED, {"places": [*sorted(sites), STREET]}).first()
    return Estate(
        sites=sites,
        devices=devices,
        lanes=lanes,
        policies=_policies(connection),
        offsets_ms=offsets,
        agreements=agreed is not None,
        emergencies=frozenset(connection.execute(_EMERGENCIES).scalars()),
    )


def _policies(connection: Connection) -> dict[str, list[Policy]]:
    found: dict[str, list[Policy]] = {}
    for row in connection.execute(_VERSIONS):
        policy = _parsed.get(row.digest)
        if policy is None:
            if len(_parsed) >= _PARSED_MAX:
                _parsed.clear()
            policy = _parsed[row.digest] = parse(row.text)
        found.setdefault(row.policy_id, []).append(policy)
    return found


class Estates:
    """The estate in memory, for every flow of a process: loaded again when it may have changed."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._estate: Estate | None = None
        self._loaded_at = 0.0
        self._lock = threading.Lock()

    def known(self, connection: Connection, lanes: Collection[tuple[str, str]] = ()) -> Estate:
        """As of at most a few seconds ago; a lane that it does not know makes it look again at once."""
        with self._lock:
            age = self._monotonic() - self._loaded_at
            stale = self._estate is None or age > _RELOAD_SECONDS
            if not stale and age > _RELOAD_AT_MOST_EVERY_SECONDS:
                assert self._estate is not None
                stale = any(lane not in self._estate.lanes for lane in lanes)
            if stale:
                self._estate = load_estate(connection)
                self._loaded_at = self._monotonic()
            assert self._estate is not None
            return self._estate

    @property
    def newest(self) -> Estate | None:
        """As somebody last asked for it; None before that."""
        return self._estate

    def forget(self) -> None:
        """Whoever asks next looks at the database: something has changed that cannot wait."""
        with self._lock:
            self._estate = None
