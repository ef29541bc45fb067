"""明码标价: the price board of a policy, in the words that hang at a gate. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from billing.free_classes import rule_of
from billing.money import yuan
from billing.policy import Policy
from billing.policy_parts import PassOffer, Tariff
from billing.rule_words import rule_words

Language = Literal["zh", "en"]

_VEHICLES: Final = {
    "small": ("小型车", "small vehicles"),
    "large": ("大型车", "large vehicles"),
    "motorcycle": ("摩托车", "motorcycles"),
}
_ENERGY: Final = {"new": ("新能源", "new energy")}
_WHO: Final = {"registered_visitor": ("登记访客", "registered visitors"), "tenant": ("租户", "tenants")}
_SPLIT: Final = {"zh": "、", "en": ", "}


class Section(msgspec.Struct, frozen=True):
    """For whom, and what holds for them."""

    heading: str
    lines: tuple[str, ...]


def price_board(policy: Policy, language: Language) -> list[Section]:
    """Everything that the policy charges and lets off, tariffs in their order first."""
    sections = [_tariff(policy, tariff, language) for tariff in policy.tariffs]
    rules = [f"free_day.{name}" for name in sorted(policy.free_day)]
    rules += ["relative_allowance"] if policy.relative_allowance else []
    rules += [f"discount.{one.id}" for one in policy.discounts]
    lines = [_in(language, rule.zh, rule.en) for rule in map(rule_of, policy.free_classes)]
    lines += [words for rule in rules if (words := _named(policy, rule, language))]
    if policy.low_income is not None:
        lines.append(
            _in(
                language,
                "持有效低收入家庭证明：按政策免收",
                "with a valid certificate of low income: waived as the policy says",
            )
        )
    if lines:
        sections.append(Section(_in(language, "免费与优惠", "Free, and reduced"), tuple(lines)))
    if policy.passes:
        offers = tuple(_pass(one, language) for one in policy.passes)
        sections.append(Section(_in(language, "包月", "Monthly passes"), offers))
    return sections


def _in(language: Language, chinese: str, english: str) -> str:
    return chinese if language == "zh" else english


def _tariff(policy: Policy, tariff: Tariff, language: Language) -> Section:
    who = [_word(_WHO, tariff.who, language), _word(_ENERGY, tariff.energy, language)]
    vehicles = _SPLIT[language].join(_word(_VEHICLES, one, language) for one in tariff.vehicles)
    return Section(" ".join([*filter(None, who), vehicles]), tuple(_of_tariff(policy, tariff, language)))


def _of_tariff(policy: Policy, tariff: Tariff, language: Language) -> Iterator[str]:
    if tariff.free_minutes:
        kept = tariff.free_minutes_deducted
        yield _in(
            language,
            f"{tariff.free_minutes} 分钟内免费" + ("，超过的从总时长中扣除" if kept else "，超过则从入场起计费"),
            f"free up to {tariff.free_minutes} minutes"
            + (", taken off a longer stay" if kept else ", beyond that from the entry"),
        )
    prefix = f"tariff.{tariff.number}"
    rules = [f"{prefix}.visit_fen"]
    for number, band in enumerate(tariff.bands, 1):
        rules += [f"{prefix}.band.{number}.first.{place}" for place in range(1, len(band.first) + 1)]
        rules += [f"{prefix}.band.{number}.unit"]
        rules += [f"{prefix}.band.{number}.unit.tolerance_minutes"] if band.unit.tolerance_minutes else []
        rules += [f"{prefix}.band.{number}.cap_fen"]
    rules += [f"{prefix}.cap", f"{prefix}.month_cap_fen"]
    for rule in rules:
        if words := rule_words(policy, rule, language):
            yield words
    if tariff.leave_within_minutes:
        minutes = tariff.leave_within_minutes
        yield _in(language, f"缴费后请在 {minutes} 分钟内离场", f"leave within {minutes} minutes of paying")


def _named(policy: Policy, rule: str, language: Language) -> str:
    words = rule_words(policy, rule, language)
    if rule == "relative_allowance":
        return _in(language, f"三代直系亲属车辆：{words}免费", f"vehicles of close relatives: {words} free")
    return words


def _pass(offer: PassOffer, language: Language) -> str:
    vehicles = _SPLIT[language].join(_word(_VEHICLES, one, language) for one in offer.vehicles)
    return _in(language, f"{vehicles}：每月 {yuan(offer.fen)} 元", f"{vehicles}: {yuan(offer.fen)} yuan a month")


def _word(words: dict[str, tuple[str, str]], key: str | None, language: Language) -> str:
    if key is None:
        return ""
    found = words.get(key, (key, key))
    return found[0] if language == "zh" else found[1]
