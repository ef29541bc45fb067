"""Policies: what a stay costs, read from a TOML file into an immutable version with a start."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, Literal, cast
from zoneinfo import ZoneInfo

from billing.calendar import known_year
from billing.policy_parts import (
    VEHICLES,
    Band,
    Cap,
    Discount,
    FreeClass,
    Hours,
    LowIncome,
    Matching,
    PassOffer,
    PayLater,
    Policy,
    PolicyError,
    Price,
    Problem,
    PropertyFee,
    RelativeAllowance,
    Tariff,
)
from billing.policy_reader import Page, Reader, shown
from billing.policy_schema import (
    read_discounts,
    read_free_classes,
    read_free_day,
    read_low_income,
    read_matching,
    read_passes,
    read_relative_allowance,
    read_tariffs,
)

__all__ = [
    "POLICY_CHARACTERS_MAX",
    "VEHICLES",
    "Band",
    "Cap",
    "Discount",
    "FreeClass",
    "Hours",
    "LowIncome",
    "Matching",
    "PassOffer",
    "PayLater",
    "Policy",
    "PolicyError",
    "Price",
    "Problem",
    "PropertyFee",
    "RelativeAllowance",
    "Tariff",
    "check_succession",
    "in_force",
    "parse",
]

POLICY_CHARACTERS_MAX: Final = 256 * 1024
_AT_LINE = re.compile(r"\s*\(at line (\d+), column (\d+)\)$")


def parse(text: str) -> Policy:
    """Read a policy file. Raises PolicyError with every problem that one reading can find, each with its line."""
    if len(text) > POLICY_CHARACTERS_MAX:
        raise PolicyError([Problem(1, f"the file is longer than {POLICY_CHARACTERS_MAX} characters")])
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")  # editors on Windows leave both
    document = _toml(text)
    page = Page(text)
    policy = _policy(Reader(document, (), page))
    if page.problems or policy is None:
        raise PolicyError(page.problems)
    return policy


def in_force(versions: Sequence[Policy], entry: datetime) -> Policy:
    """The version in force at an entry; before the first start, the first (rule 13). `versions` is not empty."""
    started = [policy for policy in versions if policy.effective_from <= entry]
    return max(started, key=_start_of) if started else min(versions, key=_start_of)


def _start_of(policy: Policy) -> datetime:
    return policy.effective_from


def check_succession(older: Policy, newer: Policy) -> None:
    """Raises PolicyError unless the newer one has a greater version number and a later start than the older."""
    problems = []
    if newer.version <= older.version:
        what = f"policy.version: {newer.version} is not greater than {older.version}, the version before it"
        problems.append(Problem(newer.version_line, what))
    if newer.effective_from <= older.effective_from:
        what = (
            f"policy.effective_from: {newer.effective_from.isoformat()} is not later than "
            f"{older.effective_from.isoformat()}, the start of version {older.version} before it"
        )
        problems.append(Problem(newer.effective_from_line, what))
    if problems:
        raise PolicyError(problems)


def _toml(text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise PolicyError([Problem(1, "not TOML: lists or tables are nested too deep")]) from None
    except ValueError as error:  # TOMLDecodeError, and Python's own refusal of integers of thousands of digits
        words = str(error)
        place = _AT_LINE.search(words)
        line = int(place[1]) if place else 1
        if "(at end of document)" in words:
            line = text.rstrip("\n").count("\n") + 1
        what = _AT_LINE.sub("", words).replace(" (at end of document)", ", at the end of the file")
        column = f", column {place[2]}" if place else ""
        raise PolicyError([Problem(line, f"not TOML: {what}{column}")]) from None


def _policy(file: Reader) -> Policy | None:
    head = file.table("policy", required=True)
    free_day = read_free_day(file)
    if head is None:
        file.done()
        return None
    free_day |= read_free_day(head)
    policy_id = head.identifier()
    version = head.whole("version", least=1)
    timezone, zone = _timezone(head)
    effective_from = _start(head, zone)
    plausible_days_max = head.whole("plausible_days_max", least=1, most=366, default=7)
    payable_step_fen = head.whole("payable_step_fen", least=1, most=100_000, default=1)
    head.done()
    property_fee, pay_later, exit_mode = _small_tables(file)
    tariffs = read_tariffs(file, free_day)
    free_classes = read_free_classes(file)
    relative_allowance = read_relative_allowance(file)
    low_income = read_low_income(file)
    passes = read_passes(file)
    discounts = read_discounts(file)
    matching = read_matching(file)
    file.done()
    if effective_from is None:
        return None
    policy = Policy(
        id=policy_id,
        version=version,
        effective_from=effective_from,
        timezone=timezone,
        tariffs=tariffs,
        plausible_days_max=plausible_days_max,
        payable_step_fen=payable_step_fen,
        free_classes=free_classes,
        relative_allowance=relative_allowance,
        low_income=low_income,
        property_fee=property_fee,
        pay_later=pay_later,
        exit_mode=exit_mode,
        passes=passes,
        discounts=discounts,
        matching=matching,
        free_day=free_day,
        version_line=file.page.line(("policy", "version")),
        effective_from_line=file.page.line(("policy", "effective_from")),
    )
    year = effective_from.astimezone(zone).year
    if policy.needs_calendar and not known_year(year):
        head.problem("effective_from", f"the policy depends on holidays, and those of {year} are not known yet")
    return policy


def _timezone(head: Reader) -> tuple[str, ZoneInfo]:
    name = head.take("timezone", required=True)
    if name is not None:
        with suppress(ValueError, KeyError, OSError):  # an unknown zone, a path, a folder of zones
            if isinstance(name, str) and 0 < len(name) <= 64:
                return name, ZoneInfo(name)
        head.problem("timezone", f'{shown(name)} is not a time zone such as "Asia/Shanghai"')
    return "Asia/Shanghai", ZoneInfo("Asia/Shanghai")


def _start(head: Reader, zone: ZoneInfo) -> datetime | None:
    start = head.moment("effective_from")
    if start is None:
        return None
    if start.second or start.microsecond:
        head.problem("effective_from", "a version starts on a whole minute")
    if not 1971 <= start.year <= 9000:
        head.problem("effective_from", f"the year {start.year} cannot be meant")
        return None
    return start if start.tzinfo is not None else start.replace(tzinfo=zone)


def _small_tables(
    file: Reader,
) -> tuple[PropertyFee | None, PayLater | None, Literal["pay_first", "leave_first"]]:
    fee = pay_later = None
    mode = "pay_first"
    reader = file.table("property_fee")
    if reader is not None:
        fee = PropertyFee(reader.whole("fen_per_square_metre_month"))
        reader.done()
    reader = file.table("pay_later")
    if reader is not None:
        pay_later = PayLater(reader.whole("arrears_limit_fen"))
        reader.done()
    reader = file.table("exit")
    if reader is not None:
        mode = reader.word("mode", ("pay_first", "leave_first"))
        reader.done()
    return fee, pay_later, cast('Literal["pay_first", "leave_first"]', mode)
