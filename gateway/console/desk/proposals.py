"""What is proposed for an item of the queue: one step, with a reason that stands in its field and can be written anew, under one key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from controllers.commands import Action
from gateway.api import access
from gateway.api.context import Staff
from gateway.api.passes import by
from gateway.console.words import Language, exception_word, word
from gateway.flows import attending, help_calls, matching, staff_commands
from gateway.wiring import Parts

Does = Literal["open", "pay_later", "match", "resolution"]
# A vehicle waits at a barrier. Who is blocked is not let in by one key.
_WAITS: Final = frozenset({"no_entry", "not_registered", "unreadable", "barrier_fault", "help_call"})
CALLS: Final[Mapping[Does, tuple[str, str]]] = {
    "open": ("POST", "/lanes/{lane_id}/commands"),
    "pay_later": ("POST", "/exceptions/{item_id}/pay-later"),
    "match": ("POST", "/stays/{stay_id}/corrections"),
    "resolution": ("POST", "/exceptions/{item_id}/resolution"),
}
"""What each does, as a call of the API: who may make it is offered it."""


class Proposal(NamedTuple):
    """What would be done, and why."""

    does: Does
    reason: str


def of(item: Mapping[str, Any], staff: Staff, lang: Language) -> Proposal:
    """What is proposed to this member of staff."""
    kind = item["kind"]
    if kind == help_calls.KIND and item["stay"] is not None and _may(staff, "pay_later"):
        return Proposal("pay_later", word(lang, "propose", "pay_later"))
    if item["whose"] and item["whose"][0]["score"] > 0 and _may(staff, "match"):
        return Proposal("match", word(lang, "propose", "match"))
    if kind in _WAITS and item["lane"] and item["event"] and _may(staff, "open"):
        return Proposal("open", f"{word(lang, 'propose', 'open')}{exception_word(lang, kind)}")
    said = word(lang, "propose", kind)
    return Proposal("resolution", word(lang, "propose", "seen") if said == kind else said)


def _may(staff: Staff, does: Does) -> bool:
    return access.allowed(staff.role, *CALLS[does])


class Done(NamedTuple):
    """What is said of it. `command`: what the lane was told, whose outcome is still to come."""

    said: str
    command: str | None = None


def accept(
    parts: Parts,
    staff: Staff,
    item: Mapping[str, Any],
    does: Does,
    reason: str,
    once: str | None,
    candidate: str = "",
) -> Done:
    """Do it, as whoever has taken the item on. Raises what the flow raises, and `Claimed` while somebody else works on it."""
    who = by(staff)
    said = f"accepted-{does}"
    attending.claim(parts, staff.sites, item["id"], who)
    match does:
        case "open":
            # For the vehicle that was read, and for no other that has come to stand there since.
            asked = staff_commands.Asked(action=Action.OPEN, reason=reason, event=item["event"])
            return Done(said, staff_commands.command(parts, item["lane"], asked, who, once).id)
        case "pay_later":
            help_calls.pay_later(parts, item["id"], reason, who)
        case "match":
            made = matching.settle(parts, item["stay"], candidate, reason, who, once)
            said = f"{said}-{made.state}"
        case "resolution":
            attending.resolve(parts, staff.sites, item["id"], reason, "", who)
    return Done(said)
