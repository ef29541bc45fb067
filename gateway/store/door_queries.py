"""The event path's queries of small gates: whose a credential is, and how often unknown ones were tried. Run by `gateway.store.facts`."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from controllers.doors import TRIES_A_DAY_MAX
from gateway.store import tables as t
from gateway.store.keyed import Keyed

_CREDENTIAL, _MEMBER, _PASSED = t.DoorCredential.__table__.c, t.DoorMember.__table__.c, t.DoorPassage.__table__.c
DOOR_MEMBERS = Keyed(
    (
        _CREDENTIAL.site_id,
        _CREDENTIAL.digest,
        _CREDENTIAL.member_id,
        _CREDENTIAL.kind,
        _MEMBER.gate_id,
        _MEMBER.valid_to,
        _MEMBER.blocked,
    ),
    (_CREDENTIAL.site_id, _CREDENTIAL.digest),
    _MEMBER.site_id == _CREDENTIAL.site_id,
    _MEMBER.id == _CREDENTIAL.member_id,
)
DOOR_TRIES = (
    select(_PASSED.at)
    .where(
        _PASSED.site_id == bindparam("site"),
        _PASSED.lane_id == bindparam("lane"),
        _PASSED.at > bindparam("since"),
        _PASSED.unknown,
    )
    .order_by(_PASSED.at.desc())
    .limit(TRIES_A_DAY_MAX)
)
