"""What is done about vouchers day by day: what was not used in time expires, buyers' months that are closed are billed."""

from __future__ import annotations

from gateway.flows.vouchers.register import expire
from gateway.flows.vouchers.statements import make_due
from gateway.wiring import Parts


def tend(parts: Parts) -> str:
    """Both; run again it does nothing more. Returns what was done, empty for nothing."""
    expired, billed = expire(parts), make_due(parts)
    said = [f"{expired} vouchers expired"] if expired else []
    said += [f"{billed} buyers' months made"] if billed else []
    return ", ".join(said)
