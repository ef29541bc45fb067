"""The flows that the API calls, as one object: tests hand in their own."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, NamedTuple

import msgspec

from gateway.flows.close import close_day
from gateway.flows.export import export_day
from gateway.flows.payment import take
from gateway.flows.quote import bill_by_token, bill_document
from gateway.wiring import Parts


class Taken(NamedTuple):
    """A payment as the API answers it."""

    id: str
    stay: str
    channel: str
    amount_fen: int


class Flows:
    """The real ones."""

    def bill(self, parts: Parts, stay_id: str, at: datetime | None) -> dict[str, Any]:
        """A stay's bill at a moment (None: now, or as fixed). Raises `NotFound`."""
        return bill_document(parts, stay_id, at)

    def bill_by_token(self, parts: Parts, token: str) -> dict[str, Any] | None:
        """The bill that a pay token is for, or None if the token is nobody's."""
        return bill_by_token(parts, token)

    def take(
        self,
        parts: Parts,
        *,
        stay_id: str,
        channel: str,
        amount_fen: int,
        reference: str,
        operator: str,
        role: str,
        idempotency_key: str | None,
        origin: str,
    ) -> Taken:
        """Take money for a stay. Raises the refusals of `gateway.flows.payment`."""
        taken = take(
            parts,
            stay_id=stay_id,
            channel=channel,
            amount_fen=amount_fen,
            reference=reference,
            operator=operator,
            role=role,
            idempotency_key=idempotency_key,
            origin=origin,
        )
        return Taken(taken.id, taken.stay, taken.channel, taken.amount_fen)

    def close(self, parts: Parts, day: date, site: str | None, operator: str, origin: str) -> dict[str, Any]:
        """Close a day. Raises `NotClosable`."""
        closed = close_day(parts, day, site, operator, origin=origin)
        return {
            "day": closed.day.isoformat(),
            "sites": [{"site": one.site, "sequence": one.sequence, "hash": one.hash.hex()} for one in closed.sites],
            "street_hash": closed.street_hash.hex(),
        }

    def reconcile(self, parts: Parts, day: date, site: str | None, operator: str, origin: str) -> dict[str, Any]:
        """Match a day, and seal it if it is whole. Raises `NotFound`, `RunsMeet`."""
        from gateway.flows.reconciliation.run import reconcile_day  # noqa: PLC0415 - its engine is for those who ask

        found = reconcile_day(parts, day, site, operator, origin=origin)
        return {"day": day.isoformat(), "sealed": found.sealed, "breaks": msgspec.to_builtins(found.breaks)}

    def export(self, parts: Parts, day: date, form: str, site: str | None, audience: str) -> list[tuple[str, bytes]]:
        """A closed day's files for an audience (a role)."""
        return export_day(parts, day, form, site, audience)
