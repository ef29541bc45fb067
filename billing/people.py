"""Names of accounts of staff, as people read them. Pure."""

from __future__ import annotations


def same_person(one: str | None, other: str) -> bool:
    """Whether two names are one account: however they are written, nobody decides what they have proposed themselves."""
    return one is not None and one.strip().casefold() == other.strip().casefold()
