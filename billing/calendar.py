"""Dates and minutes: the kind of a day, its festival, and the whole minutes that stays are measured in.

Holidays are those published by the State Council each autumn for the year to come, from the package `chinesecalendar`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final, Literal, cast
from zoneinfo import ZoneInfo

import chinese_calendar

from billing.errors import BadTime, CalendarUnknown, TimeOutOfRange

KindOfDay = Literal["workday", "weekend", "holiday"]
KINDS_OF_DAY: Final[tuple[KindOfDay, ...]] = ("workday", "weekend", "holiday")
FESTIVALS: Final[frozenset[str]] = frozenset(holiday.name for holiday in chinese_calendar.Holiday)
FESTIVAL_WORDS: Final[dict[str, tuple[str, str]]] = {
    holiday.name: (holiday.chinese, holiday.value) for holiday in chinese_calendar.Holiday
}
MINUTES_PER_DAY: Final = 1440

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL: Final = _EPOCH.toordinal()
_DAYS_LOOKED_AT: Final = 31
_MINUTE: Final = timedelta(minutes=1)
_FESTIVAL_OF: Final[dict[str, str]] = {holiday.value: holiday.name for holiday in chinese_calendar.Holiday}
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)?",
    re.ASCII,
)


@lru_cache(maxsize=4096)
def _detail(day: date) -> tuple[bool, str | None]:
    try:
        day_off, name = chinese_calendar.get_holiday_detail(day)
    except NotImplementedError:
        raise CalendarUnknown(day.year) from None
    return bool(day_off), cast("str | None", name)


def kind_of_day(day: date) -> KindOfDay:
    """Exactly one of three: a published day off (weekends within it included), a day of work (make-up days included),
    or a plain weekend. Raises CalendarUnknown.
    """
    day_off, name = _detail(day)
    if not day_off:
        return "workday"
    return "holiday" if name is not None else "weekend"


def festival(day: date) -> str | None:
    """The festival for which this day off was published (`spring_festival`), None for every other day.

    Raises CalendarUnknown.
    """
    day_off, name = _detail(day)
    return _FESTIVAL_OF.get(name) if day_off and name is not None else None


def newest_known_year(year: int) -> int | None:
    """The last year from this one on whose holidays are known without a gap; None if this one's are not."""
    if not known_year(year):
        return None
    while known_year(year + 1):
        year += 1
    return year


def known_year(year: int) -> bool:
    """Whether the holidays of a year have been published, as far as this installation knows."""
    try:
        _detail(date(year, 1, 1))
    except CalendarUnknown:
        return False
    return True


def minute_of(instant: datetime) -> int:
    """The whole minute of an instant, counted from 1970 in UTC (rule 1: cut, never rounded). Raises TimeOutOfRange."""
    if instant.tzinfo is None or not 1970 <= instant.year <= 9990:
        raise TimeOutOfRange(instant.isoformat())
    return (instant - _EPOCH) // _MINUTE


def local_time(minute: int, zone: tzinfo) -> datetime:
    """The wall clock of a zone at a minute counted from 1970."""
    return datetime.fromtimestamp(minute * 60, zone)


@lru_cache(maxsize=65_536)
def _steady_offset(day: int, zone: tzinfo) -> int | None:
    """Minutes east of UTC all through a day of UTC (counted from 1970); None where clocks change on it."""
    offsets = {
        datetime.fromtimestamp(minute * 60, zone).utcoffset()
        for minute in (day * MINUTES_PER_DAY, day * MINUTES_PER_DAY + 720, (day + 1) * MINUTES_PER_DAY)
    }
    offset = offsets.pop()
    return offset // _MINUTE if not offsets and offset is not None and not offset % _MINUTE else None


def steady_offset(start: int, end: int, zone: tzinfo) -> int | None:
    """Minutes east of UTC all through [start, end), minutes counted from 1970; None where clocks change, or nobody looked."""
    first, last = start // MINUTES_PER_DAY, (end - 1) // MINUTES_PER_DAY
    offset = _steady_offset(first, zone)
    if first == last:
        return offset
    if last - first > _DAYS_LOOKED_AT:
        return None
    return offset if all(_steady_offset(day, zone) == offset for day in range(first + 1, last + 1)) else None


def wall_clock(minute: int, zone: tzinfo) -> tuple[int, int]:
    """What a zone's clock shows at a minute counted from 1970: the day (counted from 1970) and the minute of that day.

    The same as `local_time`, without its objects: a month of stays has millions of units.
    """
    offset = _steady_offset(minute // MINUTES_PER_DAY, zone)
    if offset is not None:
        return divmod(minute + offset, MINUTES_PER_DAY)
    local = local_time(minute, zone)
    return local.toordinal() - _EPOCH_ORDINAL, local.hour * 60 + local.minute


@lru_cache(maxsize=65_536)
def date_of(day: int) -> date:
    """The date of a day counted from 1970."""
    return date.fromordinal(day + _EPOCH_ORDINAL)


@lru_cache(maxsize=8192)
def month_of(day: int) -> str:
    """The month (`2026-11`) of a day counted from 1970."""
    return date_of(day).isoformat()[: len("2026-11")]


def minute_at(day: date, minute_of_day: int, zone: tzinfo) -> int:
    """The minute, counted from 1970, at which a zone's clock shows this minute of this day; 1440 is next midnight."""
    days, rest = divmod(minute_of_day, MINUTES_PER_DAY)
    local = datetime(day.year, day.month, day.day, rest // 60, rest % 60, tzinfo=zone) + timedelta(days=days)
    return (local.astimezone(UTC) - _EPOCH) // _MINUTE


def days_between(start: int, end: int, zone: tzinfo) -> Iterator[date]:
    """The local dates of the minutes from start up to, not including, end."""
    day, last = local_time(start, zone).date(), local_time(end - 1, zone).date()
    while day <= last:
        yield day
        day += timedelta(days=1)


def parse_instant(text: str, zone: str) -> datetime:
    """An RFC 3339 instant, or a local time of `zone` where it has no offset. Seconds may be left out. Raises BadTime."""
    if _INSTANT.fullmatch(text) is None:
        raise BadTime(repr(text[:40]))
    try:
        instant = datetime.fromisoformat(text.upper())
    except ValueError:
        raise BadTime(repr(text[:40])) from None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=ZoneInfo(zone))
