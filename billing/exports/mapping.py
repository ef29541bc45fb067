"""Which account of an accounting program each account of the ledger is, and the VAT that is in it.

Source: a TOML file such as `rules/accounting.toml`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

REQUIRED: Final = (
    *("assets:cash", "assets:bank", "assets:channel", "assets:receivable"),
    *("income:parking", "income:pass", "income:property_fee", "waived:written_off", "expense:channel_fee"),
    *("liability:prepaid", "liability:refund", "suspense", "clearing", "tax"),
)
# What may be split further, by what follows in the ledger's name.
_SPLIT: Final = ("assets:cash:", "assets:channel:", "assets:receivable:", "suspense:", "clearing:")
_CODE: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,29}")
_TAX_CODE: Final = re.compile(r"\d{19}")
_TEXT_MAX: Final = 60
_ENTRIES_MAX: Final = 2_000


class Account(msgspec.Struct, frozen=True):
    """An account of the accounting program. `vat` is the rate contained in its amounts, as a fraction."""

    code: str
    name: str
    vat: Decimal = Decimal(0)


class Service(msgspec.Struct, frozen=True):
    """What electronic invoices say is sold; its rate is that of the income from parking. `code`: 商品和服务税收分类编码."""

    code: str = "3040502020200000000"
    category: str = "经营租赁"
    name: str = "车辆停放服务"


class AccountMapping(msgspec.Struct, frozen=True):
    """`word` and `summary` head every voucher; `sites` are the auxiliary codes (核算项目); `service` is what invoices say is sold."""

    word: str
    summary: str
    accounts: Mapping[str, Account]
    sites: Mapping[str, str]
    service: Service

    def of(self, account: str) -> Account:
        """By the longest beginning that is in the mapping; all beginnings that are needed are there."""
        parts = account.split(":")
        for length in range(len(parts), 0, -1):
            found = self.accounts.get(":".join(parts[:length]))
            if found is not None:
                return found
        raise KeyError(account)


class MappingNotUsable(ValueError):
    """What is wrong with a mapping file: each problem says where it is and what to do."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(problems[0] + more)


def read_mapping(text: str) -> AccountMapping:
    """Raises `MappingNotUsable` with everything that is wrong."""
    try:
        # A rate that is written as a number is that number, not the nearest binary one.
        raw = tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, InvalidOperation, RecursionError) as error:
        raise MappingNotUsable([f"not TOML: {error}; correct the file there"]) from None
    strange = raw.keys() - {"voucher", "accounts", "sites", "invoice"}
    problems = [f"{key}: not known; the parts are [voucher], [accounts], [sites] and [invoice]" for key in strange]
    voucher = _part(raw, "voucher", problems)
    word = _text(voucher.get("word", "记"), "voucher.word", problems)
    summary = _text(voucher.get("summary", "停车费日结"), "voucher.summary", problems)
    strange = voucher.keys() - {"word", "summary"}
    problems += [f"voucher.{key}: not known; give word and summary" for key in strange]
    accounts = _accounts(_part(raw, "accounts", problems), problems)
    sites = {site: _code(code, f"sites.{site}", problems) for site, code in _part(raw, "sites", problems).items()}
    service = _service(_part(raw, "invoice", problems), problems)
    if problems:
        raise MappingNotUsable(sorted(problems))
    return AccountMapping(word, summary, accounts, sites, service)


def _service(raw: Mapping[str, Any], problems: list[str]) -> Service:
    usual = Service()
    strange = raw.keys() - set(Service.__struct_fields__)
    problems += [f"invoice.{key}: not known; give {', '.join(Service.__struct_fields__)}" for key in strange]
    code = raw.get("code", usual.code)
    if not isinstance(code, str) or not _TAX_CODE.fullmatch(code):
        problems.append(f"invoice.code: {str(code)[:30]!r} is no tax code of a service; write its 19 digits in quotes")
        code = usual.code
    return Service(
        code,
        _text(raw.get("category", usual.category), "invoice.category", problems),
        _text(raw.get("name", usual.name), "invoice.name", problems),
    )


def _part(raw: Mapping[str, Any], key: str, problems: list[str]) -> Mapping[str, Any]:
    found = raw.get(key, {})
    if not isinstance(found, dict):
        problems.append(f"{key}: not a table; begin it with [{key}]")
        return {}
    if len(found) > _ENTRIES_MAX:
        problems.append(f"{key}: {len(found)} entries, at most {_ENTRIES_MAX}; leave some out")
        return {}
    return found


def _accounts(raw: Mapping[str, Any], problems: list[str]) -> dict[str, Account]:
    accounts: dict[str, Account] = {}
    for key, entry in raw.items():
        where = f'accounts."{key}"'
        if key not in REQUIRED and not key.startswith(_SPLIT):
            problems.append(f"{where}: no account of the ledger; the accounts are {', '.join(REQUIRED)}")
        elif not isinstance(entry, dict):
            problems.append(f'{where}: write {{ code = "…", name = "…" }}')
        else:
            accounts[key] = _account(key, entry, where, problems)
    missing = [key for key in REQUIRED if key not in raw]
    problems += [f'accounts."{key}": missing; add {{ code = "…", name = "…" }}' for key in missing]
    return accounts


def _account(key: str, entry: Mapping[str, Any], where: str, problems: list[str]) -> Account:
    strange = entry.keys() - {"code", "name", "vat"}
    problems += [f"{where}.{field}: not known; give code and name, and vat for income" for field in strange]
    code = _code(entry.get("code"), f"{where}.code", problems)
    name = _text(entry.get("name"), f"{where}.name", problems)
    income = key.startswith("income:")
    if income and "vat" not in entry:
        problems.append(f'{where}.vat: missing; give the rate that is in the amount, "0" for none')
    elif not income and "vat" in entry:
        problems.append(f"{where}.vat: only income has one; leave it out")
    return Account(code, name, _rate(entry.get("vat", 0), f"{where}.vat", problems))


def _rate(said: object, where: str, problems: list[str]) -> Decimal:
    rate = None
    if isinstance(said, str | int | Decimal) and not isinstance(said, bool):
        try:
            rate = Decimal(said)
        except InvalidOperation:
            rate = None
    if rate is None or not rate.is_finite() or not 0 <= rate < 1 or rate != round(rate, 6):
        problems.append(f'{where}: {str(said)[:20]!r} is no rate; write a fraction below 1, such as "0.09" for 9 %')
        return Decimal(0)
    return rate


def _code(said: object, where: str, problems: list[str]) -> str:
    if isinstance(said, str) and _CODE.fullmatch(said):
        return said
    shown = "missing" if said is None else f"{str(said)[:30]!r} is no code"
    problems.append(f'{where}: {shown}; write up to 30 digits and letters in quotes, such as "605101"')
    return ""


def _text(said: object, where: str, problems: list[str]) -> str:
    if isinstance(said, str) and 1 <= len(said) <= _TEXT_MAX and said.isprintable() and not set(said) & set(',"'):
        try:
            said.encode("gbk")
        except UnicodeEncodeError:
            problems.append(f"{where}: {said!r} cannot be written in GBK; use other characters")
        return said
    shown = "missing" if said is None else f"{str(said)[:30]!r} cannot be used"
    problems.append(f"{where}: {shown}; write 1 to {_TEXT_MAX} characters without a comma or a quotation mark")
    return ""
