"""The parts of a policy file, each read from its table. What they mean: the policy contract; here is what is allowed."""

from __future__ import annotations

import re
from typing import Final, Literal, cast

from billing.calendar import FESTIVALS, KINDS_OF_DAY, MINUTES_PER_DAY
from billing.policy_parts import (
    VEHICLES,
    Band,
    Cap,
    Days,
    Discount,
    FreeClass,
    Hours,
    LowIncome,
    Matching,
    PassOffer,
    Price,
    RelativeAllowance,
    Tariff,
)
from billing.policy_reader import Reader, shown

TARIFFS_MAX: Final = 50
BANDS_MAX: Final = 48
FIRST_MAX: Final = 48
MONTH_MINUTES_MAX: Final = 31 * MINUTES_PER_DAY

DAYS: Final[tuple[str, ...]] = ("all", *KINDS_OF_DAY)
ENERGIES: Final = ("new",)
GROUPS: Final = ("registered_visitor", "tenant")
EXEMPTIONS: Final = ("parking", "pass", "property_fee")
_NO_BAND: Final = 255
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


def read_tariffs(file: Reader, free_day: frozenset[str]) -> tuple[Tariff, ...]:
    """All tariffs; the first one has no selector, so that every stay has a price."""
    readers = file.tables("tariff", most=TARIFFS_MAX)
    if not readers and not file.page.problems:
        file.problem("tariff", "missing; a policy has at least one [[tariff]]")
    tariffs = tuple(_tariff(reader, number, free_day) for number, reader in enumerate(readers, start=1))
    if tariffs and (tariffs[0].energy is not None or tariffs[0].who is not None):
        key = "energy" if tariffs[0].energy is not None else "who"
        readers[0].problem(key, "the first tariff serves everybody else and has no selector; put this one after it")
    return tariffs


def _tariff(reader: Reader, number: int, free_day: frozenset[str]) -> Tariff:
    vehicles = reader.words("vehicles", VEHICLES)
    energy = reader.word("energy", ENERGIES) if reader.has("energy") else None
    who = reader.word("who", GROUPS) if reader.has("who") else None
    cap, month_cap_fen = _caps(reader)
    free_minutes = reader.whole("free_minutes", most=MONTH_MINUTES_MAX, default=0)
    free_minutes_deducted = reader.flag("free_minutes_deducted")
    leave_within_minutes = reader.whole("leave_within_minutes", most=MINUTES_PER_DAY, default=0)
    visit_fen = reader.optional_whole("visit_fen")
    free_stays_per_day = reader.optional_whole("free_stays_per_day", most=1000)
    reentry_minutes = reader.optional_whole("reentry_minutes", most=MONTH_MINUTES_MAX)
    own_free_day = read_free_day(reader)
    bands, clock = _bands(reader, visit_fen)
    reader.done()
    return Tariff(
        number=number,
        vehicles=vehicles,
        energy=energy,
        who=who,
        free_minutes=free_minutes,
        free_minutes_deducted=free_minutes_deducted,
        leave_within_minutes=leave_within_minutes,
        cap=cap,
        month_cap_fen=month_cap_fen,
        bands=bands,
        visit_fen=visit_fen,
        free_stays_per_day=free_stays_per_day,
        reentry_minutes=reentry_minutes,
        free_day=free_day | own_free_day,
        clock=clock,
    )


def read_free_day(reader: Reader) -> frozenset[str]:
    return frozenset(reader.words("free_day", sorted(FESTIVALS), required=False))


def _caps(tariff: Reader) -> tuple[Cap | None, int | None]:
    month_cap_fen = tariff.optional_whole("month_cap_fen")
    reader = tariff.table("cap")
    if reader is None:
        return None, month_cap_fen
    per = reader.word("per", ("24h", "calendar_day"))
    fen = reader.whole("fen")
    across_stays = reader.flag("across_stays")
    if across_stays and per != "calendar_day":
        reader.problem("across_stays", 'only a cap per "calendar_day" can count other stays')
    if reader.has("month_cap_fen"):  # it may stand beside the day's cap or in the tariff; it means the same
        inner = reader.whole("month_cap_fen")
        if month_cap_fen is not None:
            reader.problem("month_cap_fen", "stands both in the tariff and in its cap; write it once")
        month_cap_fen = inner
    reader.done()
    return Cap(cast('Literal["24h", "calendar_day"]', per), fen, across_stays), month_cap_fen


def _bands(tariff: Reader, visit_fen: int | None) -> tuple[tuple[Band, ...], tuple[bytes, bytes, bytes]]:
    before = len(tariff.page.problems)
    readers = tariff.tables("band", most=BANDS_MAX)
    bands = tuple(_band(reader) for reader in readers)
    nothing = (b"", b"", b"")
    if visit_fen is not None:
        if readers:
            readers[0].problem(None, "a tariff with visit_fen has no bands")
        return (), nothing
    if len(tariff.page.problems) > before:  # a gap that only comes of an unreadable time would mislead
        return bands, nothing
    if not bands:
        tariff.problem("band", "missing; a tariff has bands that cover the 24 hours, or visit_fen")
        return (), nothing
    return bands, _clock(tariff, readers, bands)


def _band(reader: Reader) -> Band:
    hours = _hours(reader)
    first = tuple(_price(one, tolerance=False) for one in reader.tables("first", most=FIRST_MAX, one_is_enough=True))
    unit_reader = reader.table("unit", required=True)
    unit = Price(1, 0) if unit_reader is None else _price(unit_reader, tolerance=True)
    cap_fen = reader.optional_whole("cap_fen")
    reader.done()
    return Band(hours, unit, first, cap_fen)


def _hours(reader: Reader) -> Hours:
    from_minute = _time_of_day(reader, "from")
    to_minute = _time_of_day(reader, "to") % MINUTES_PER_DAY
    days = reader.word("days", DAYS, default="all")
    return Hours(from_minute, to_minute, cast("Days", days))


def _time_of_day(reader: Reader, key: str) -> int:
    value = reader.take(key, required=True)
    if value is None:
        return 0
    if key == "to" and value == "24:00":  # what people write for the end of the day
        return MINUTES_PER_DAY
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        reader.problem(key, f'{shown(value)} is not a time of day such as "08:00", in quotes')
        return 0
    return int(match[1]) * 60 + int(match[2])


def _price(reader: Reader, *, tolerance: bool) -> Price:
    minutes = reader.whole("minutes", least=1, most=MONTH_MINUTES_MAX)
    fen = reader.whole("fen")
    tolerance_minutes = reader.whole("tolerance_minutes", most=MINUTES_PER_DAY, default=0) if tolerance else 0
    reader.done()
    return Price(minutes, fen, tolerance_minutes)


def _clock(tariff: Reader, readers: list[Reader], bands: tuple[Band, ...]) -> tuple[bytes, bytes, bytes]:
    """Paint the bands on the 24 hours of each kind of day; every minute must get exactly one."""
    clock: list[bytes] = []
    overlaps: dict[tuple[int, int], str] = {}
    gaps: dict[tuple[int, int, int], list[str]] = {}
    for kind in KINDS_OF_DAY:
        minutes = bytearray([_NO_BAND]) * MINUTES_PER_DAY
        for index, band in enumerate(bands):
            if band.hours.days not in {"all", kind}:
                continue
            for start, end in band.hours.pieces:
                for minute in range(start, end):
                    if minutes[minute] != _NO_BAND:
                        overlaps.setdefault((minutes[minute], index), f"at {_hhmm(minute)} on a {kind}")
                    minutes[minute] = index
        for start, end in _gaps(minutes):
            gaps.setdefault((start, end, minutes[start - 1]), []).append(kind)
        clock.append(bytes(minutes))
    for (other, index), when in overlaps.items():
        line = tariff.page.line(readers[other].path)
        readers[index].problem(None, f"overlaps the band of line {line} {when}")
    for (start, end, before), kinds in gaps.items():
        days = "any day" if len(kinds) == len(KINDS_OF_DAY) else " or ".join(f"a {kind}" for kind in kinds)
        what = f"a gap: no band covers {_hhmm(start)} to {_hhmm(end)} on {days}"
        # A person looks for it where the band before it ends.
        (tariff if before == _NO_BAND else readers[before]).problem("band" if before == _NO_BAND else "to", what)
    return clock[0], clock[1], clock[2]


def _gaps(minutes: bytearray) -> list[tuple[int, int]]:
    gaps = []
    start = minutes.find(_NO_BAND)
    while start >= 0:
        end = start
        while end < MINUTES_PER_DAY and minutes[end] == _NO_BAND:
            end += 1
        gaps.append((start, end))
        start = minutes.find(_NO_BAND, end)
    return gaps


def _hhmm(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def read_free_classes(file: Reader) -> tuple[FreeClass, ...]:
    classes: list[FreeClass] = []
    for reader in file.tables("free_class"):
        one = FreeClass(
            reader.identifier(),
            reader.words("plates", required=False),
            reader.flag("register"),
            reader.optional_whole("minutes", least=1, most=MONTH_MINUTES_MAX),
        )
        if not one.plates and not one.register and not reader.has("plates"):
            reader.problem(None, "nobody can be in it; write plates = [ … ] or register = true")
        _refuse_twice(reader, one.id, [other.id for other in classes])
        reader.done()
        classes.append(one)
    return tuple(classes)


def read_relative_allowance(file: Reader) -> RelativeAllowance | None:
    reader = file.table("relative_allowance")
    if reader is None:
        return None
    minutes = reader.whole("minutes_per_month", most=MONTH_MINUTES_MAX)
    per = reader.word("per", ("household", "vehicle"))
    relations = reader.words("relations")
    vehicles_max = reader.optional_whole("vehicles_max", least=1, most=100)
    reader.done()
    return RelativeAllowance(minutes, cast('Literal["household", "vehicle"]', per), relations, vehicles_max)


def read_low_income(file: Reader) -> LowIncome | None:
    reader = file.table("low_income")
    if reader is None:
        return None
    exempts = reader.words("exempts", EXEMPTIONS)
    review_months = reader.optional_whole("review_months", least=1, most=120)
    reader.done()
    return LowIncome(exempts, review_months)


def read_passes(file: Reader) -> tuple[PassOffer, ...]:
    offers: list[PassOffer] = []
    for reader in file.tables("pass"):
        hours_reader = reader.table("hours")
        hours = None
        if hours_reader is not None:
            hours = _hours(hours_reader)
            hours_reader.done()
        one = PassOffer(
            reader.identifier(),
            reader.words("vehicles", VEHICLES),
            reader.whole("fen"),
            reader.whole("spaces_per_household", most=100, default=1),
            reader.whole("grace_days", most=366, default=0),
            hours,
        )
        _refuse_twice(reader, one.id, [other.id for other in offers])
        reader.done()
        offers.append(one)
    return tuple(offers)


def read_discounts(file: Reader) -> tuple[Discount, ...]:
    discounts: list[Discount] = []
    for reader in file.tables("discount"):
        one = Discount(
            reader.identifier(),
            reader.whole("percent", most=100),
            reader.words("vehicles", VEHICLES) if reader.has("vehicles") else None,
            reader.flag("register"),
        )
        _refuse_twice(reader, one.id, [other.id for other in discounts])
        reader.done()
        discounts.append(one)
    return tuple(discounts)


def read_matching(file: Reader) -> Matching | None:
    reader = file.table("matching")
    if reader is None:
        return None
    lead = reader.take("lead", required=True)
    if lead is not None and (isinstance(lead, bool) or not isinstance(lead, int | float) or not 0 <= lead <= 1000):
        reader.problem("lead", f"{shown(lead)} is not a number between 0 and 1000")
        lead = 0
    fen_max = reader.whole("fen_max")
    reader.done()
    return Matching(float(lead) if isinstance(lead, int | float) else 0.0, fen_max)


def _refuse_twice(reader: Reader, own: str, others: list[str]) -> None:
    if own and own in others:
        reader.problem("id", f'"{own}" stands twice')
