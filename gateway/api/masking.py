"""Poverty is nobody's business: to all but registrar and finance a low-income exemption and a pass both read `resident`."""

from __future__ import annotations

from typing import Any, Final

from gateway.api.access import SEES_LOW_INCOME

RESIDENT: Final = "resident"
_ONE_WORD: Final = frozenset({"low_income", "pass"})


def bill(document: dict[str, Any], role: str | None) -> dict[str, Any]:
    """A bill as a role may see it. `role` None is the driver and the public.

    A pass is masked as well: if only one of the two were renamed, the new name would say which it is. So is the line's rule,
    which names the certificate's exemption or the pass, and the minutes, of which only a pass has any.
    """
    if role in SEES_LOW_INCOME:
        return document
    return {**document, "lines": [_line(line) for line in document.get("lines", ())]}


def _line(line: dict[str, Any]) -> dict[str, Any]:
    return {**line, "kind": RESIDENT, "rule": RESIDENT, "minutes": 0} if line.get("kind") in _ONE_WORD else line


def reason(word: str | None) -> str | None:
    """A decision's reason as on the wire, whatever was stored."""
    return RESIDENT if word in _ONE_WORD else word
