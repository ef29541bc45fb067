"""Small gates (小门): who may pass a door, when, and when codes are being guessed. Pure: facts in, decision out.

Whoever leaves is never asked who he is: nobody is trapped behind a door.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from controllers.commands import Action, Reason

# A card's number, or a code: what is shorter can be tried out, what is longer no reader sends.
CARD_CHARACTERS_MIN, CARD_CHARACTERS_MAX = 6, 40
CODE_DIGITS: Final = 8
# So many unknown credentials at one door, and codes open it no more until so much time has passed. Cards do: nobody guesses them.
TRIES_MAX, TRIES_WITHIN = 5, timedelta(minutes=15)
TRIES_A_DAY_MAX, DAY = 60, timedelta(hours=24)
SPANS_MAX: Final = 4
WEEKDAYS: Final = ("1", "2", "3", "4", "5", "6", "7")
HOLIDAY: Final = "holiday"
DAYS: Final = (*WEEKDAYS, HOLIDAY)

_SEPARATORS = re.compile(r"[\s:.\-]+")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00", re.ASCII)
_DAY_MINUTES: Final = 1440

Hours = Mapping[str, Sequence[tuple[int, int]]]
"""Minutes of the day, `[from, to)`, by day: `1` (Monday) to `7`, and `holiday`. An end of 1440 or less; an end before its start is of the next day."""


class BadHours(ValueError):
    """What is said of a door's hours cannot be used; the message begins with the day."""


class Passage(StrEnum):
    """Why a door opened, or did not. For who looks after it; its display tells whoever stands there less."""

    MEMBER = "member"
    LEAVING = "leaving"
    EMERGENCY = "emergency"
    NOT_A_MEMBER = "not_a_member"
    OUTSIDE_HOURS = "outside_hours"
    EXPIRED = "expired"
    BLOCKED = "blocked"
    TRIED_TOO_OFTEN = "tried_too_often"
    TOO_LATE = "too_late"


OPENS: Final = frozenset({Passage.MEMBER, Passage.LEAVING, Passage.EMERGENCY})

_SHOWN: dict[Passage, tuple[str, str]] = {
    Passage.MEMBER: ("请进", "请进"),
    Passage.LEAVING: ("请通行", "请通行"),
    Passage.EMERGENCY: ("紧急放行", "紧急放行 请尽快通行"),
    Passage.OUTSIDE_HOURS: ("未到开放时间 请走大门", "未到开放时间 请走大门"),
    Passage.TRIED_TOO_OFTEN: ("请稍后再试", "请稍后再试"),
}
# The same for a stranger, for who has been blocked and for whose time is over: the display is public.
_REFUSED = ("未能开门 请联系自管会", "请联系自管会")


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """Whose credential it is, as far as this door knows. `by`: `card` or `code`."""

    member: str
    by: str
    valid_to: datetime
    blocked: bool = False


class AtDoor(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of whoever stands at a door. `tries`: when unknown credentials were shown there within a day."""

    inward: bool
    at: datetime
    member: Membership | None = None
    open_now: bool = True
    tries: Sequence[datetime] = ()
    emergency: bool = False
    late: bool = False


def at_door(facts: AtDoor) -> Passage:
    """In this order: too late to open for; leaving; an emergency; guessing; who it is; the hours."""
    if facts.late:
        return Passage.TOO_LATE
    if not facts.inward:
        return Passage.LEAVING
    if facts.emergency:
        return Passage.EMERGENCY
    member = facts.member
    if (member is None or member.by == "code") and guessed(facts.tries, facts.at):
        return Passage.TRIED_TOO_OFTEN
    if member is None:
        return Passage.NOT_A_MEMBER
    if member.blocked:
        return Passage.BLOCKED
    if facts.at >= member.valid_to:
        return Passage.EXPIRED
    return Passage.MEMBER if facts.open_now else Passage.OUTSIDE_HOURS


def guessed(tries: Sequence[datetime], at: datetime) -> bool:
    """Whether so many unknown credentials were shown that codes are being tried out."""
    lately = sum(at - TRIES_WITHIN < one <= at for one in tries)
    return lately >= TRIES_MAX or sum(at - DAY < one <= at for one in tries) >= TRIES_A_DAY_MAX


def action(passage: Passage) -> Action:
    return Action.OPEN if passage in OPENS else Action.SHOW


def reason(passage: Passage) -> Reason:
    """The wire's word: it tells neither who it is nor why not."""
    if passage is Passage.EMERGENCY:
        return Reason.EMERGENCY
    return Reason.RESIDENT if passage in OPENS else Reason.NOT_REGISTERED


def shown(passage: Passage) -> tuple[str, str]:
    """What the display shows and what is said."""
    return _SHOWN.get(passage, _REFUSED)


def normalised(credential: str) -> str:
    """A card or code as it is compared: readers write the same card with and without separators, large and small."""
    return _SEPARATORS.sub("", credential).upper()


# ---------------------------------------------------------------------- hours


def day_of(weekday: int, kind: str | None) -> str:
    """Which of a door's days a date is. `weekday`: 1 to 7. `kind`: workday, weekend or holiday; None: its year is not published yet.

    A day of work that makes up for a holiday is a Monday, whatever the calendar calls it.
    """
    if kind == "holiday":
        return HOLIDAY
    return "1" if kind == "workday" and weekday > 5 else str(weekday)


def is_open(hours: Hours | None, today: str, yesterday: str, minute: int) -> bool:
    """Whether a door is open at a minute of a day. None: at all hours."""
    if hours is None:
        return True
    own = any(start <= minute < (end if end > start else _DAY_MINUTES) for start, end in hours.get(today, ()))
    return own or any(end <= start and minute < end for start, end in hours.get(yesterday, ()))


def hours_of(document: Mapping[str, Sequence[Sequence[str]]]) -> Hours:
    """`{"1": [["06:00", "23:00"]], …, "holiday": []}`: every day is named; one without times is closed. Raises `BadHours`.

    An end before its start is of the next day, one equal to it makes the whole day.
    """
    if set(document) != set(DAYS):
        missing = min(set(DAYS) ^ set(document))
        raise BadHours(f"{missing}: the days are {', '.join(DAYS)}, each once")
    found: dict[str, tuple[tuple[int, int], ...]] = {}
    for day, spans in document.items():
        if len(spans) > SPANS_MAX:
            raise BadHours(f"{day}: at most {SPANS_MAX} times a day")
        found[day] = tuple(_span(day, span) for span in spans)
    return found


def _span(day: str, span: Sequence[str]) -> tuple[int, int]:
    if len(span) != 2 or any(_TIME.fullmatch(one) is None for one in span):
        raise BadHours(f"{day}: a time is from HH:MM to HH:MM")
    start, end = (int(one[:2]) * 60 + int(one[3:]) for one in span)
    if start == _DAY_MINUTES:
        raise BadHours(f"{day}: a time begins before 24:00")
    return start, end
