"""Everything configured, loaded whole: it is small, changes rarely, and every decision asks it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection

from sqlalchemy import Connection, select

from billing.policy import Policy, parse
from gateway.store import tables as t
from gateway.store.records import STREET, Estate, LaneFacts, SiteFacts

_OFFSET_COUNTS_FROM_MS = 2_000
_RELOAD_SECONDS = 5.0
_RELOAD_AT_MOST_EVERY_SECONDS = 0.5
_parsed: dict[bytes, Policy] = {}
_PARSED_MAX = 256


def load_estate(connection: Connection) -> Estate:
    """Sites, devices and lanes in service, policies by id (oldest first), and devices' clock offsets."""
    site, lane, gate, device = t.Site, t.Lane, t.Gate, t.Device
    sites = {
        row.id: SiteFacts(id=row.id, name=row.name, capacity=row.capacity, policy_id=row.policy_id)
        for row in connection.execute(select(site.id, site.name, site.capacity, site.policy_id).where(site.enabled))
    }
    devices = frozenset(
        (row.site_id, row.id)
        for row in connection.execute(select(device.site_id, device.id).where(device.enabled))
        if row.site_id in sites
    )
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
        )
        for row in connection.execute(
            select(
                lane.site_id,
                lane.id,
                lane.device_id,
                lane.direction,
                gate.residents_only,
                gate.staffed,
                lane.loop,
                lane.passage_sensor,
                lane.offline_exit,
            )
            .join(gate, (gate.site_id == lane.site_id) & (gate.id == lane.gate_id))
            .where(lane.enabled, gate.enabled)
        )
        if (row.site_id, row.device_id) in devices
    }
    state = t.DeviceState
    offsets = {
        (row.site_id, row.device_id): row.clock_offset_ms
        for row in connection.execute(select(state.site_id, state.device_id, state.clock_offset_ms))
        if abs(row.clock_offset_ms) >= _OFFSET_COUNTS_FROM_MS
    }
    agreement = t.PayLaterAgreement
    places = [*sorted(sites), STREET]
    agreed = connection.execute(
        select(agreement.id).where(agreement.site_id.in_(places), agreement.state == "approved").limit(1)
    ).first()
    return Estate(
        sites=sites,
        devices=devices,
        lanes=lanes,
        policies=_policies(connection),
        offsets_ms=offsets,
        agreements=agreed is not None,
    )


def _policies(connection: Connection) -> dict[str, list[Policy]]:
    version = t.PolicyVersion
    found: dict[str, list[Policy]] = {}
    rows = connection.execute(
        select(version.policy_id, version.text, version.digest).order_by(version.policy_id, version.effective_from)
    )
    for row in rows:
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
