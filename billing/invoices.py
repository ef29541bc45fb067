"""Electronic invoices (数电票) for parking: what one says, whether it is complete, and which of them have to be reversed.

Sources: GB 32100-2015 (统一社会信用代码 and its check character); 国家税务总局公告2024年第11号 (推广应用全面数字化电子发票). Parking is
不动产经营租赁服务 (财税〔2016〕36号, notes to the services): such an invoice names the place, the period to the minute where its goods code
is that of 车辆停放服务, and whether it crosses cities; the plate is optional. A blue invoice that its buyer has not entered yet is
reversed as a whole only (全额红冲): after a refund in part the rest gets a new one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from billing.exports.vouchers import contained_vat

TITLE_MAX: Final = 100
CONTACT_MAX: Final = 100
PARKING_CODE: Final = "3040502020200000000"
"""商品和服务税收分类编码 of 车辆停放服务."""

# GB 32100-2015: without I, O, S, V and Z; a character counts for its place in this row.
_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_SHAPE: Final = re.compile(rf"[1-9A-HJ-NPQRTUWXY][{_ALPHABET}]\d{{6}}[{_ALPHABET}]{{10}}")
_WEIGHTS: Final = tuple(pow(3, place, 31) for place in range(17))
_EMAIL: Final = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")
_PHONE: Final = re.compile(r"\+?[0-9-]{5,20}")
_GOODS_CODE: Final = re.compile(r"\d{19}")

State = Literal[
    "requested",
    "submitted",
    "issued",
    "refused",
    "withdrawn",
    "red_requested",
    "red_submitted",
    "red_refused",
    "red_issued",
]
UNDER_WAY: Final = frozenset({"requested", "submitted"})
"""Asked for, and not there yet."""
STANDS: Final = frozenset({"issued", "red_requested", "red_submitted", "red_refused"})
"""It is with the tax authority, and no red one is."""


class Buyer(msgspec.Struct, frozen=True, kw_only=True):
    """受票方. A person (个人) has a name and nothing else; a company (企业) a tax number as well."""

    kind: Literal["person", "company"]
    title: str
    tax_number: str = ""
    email: str = ""
    phone: str = ""


class Seller(msgspec.Struct, frozen=True, kw_only=True):
    """销售方: the merchant (收款主体) as the tax authority knows it."""

    title: str
    tax_number: str
    address: str = ""
    phone: str = ""
    bank: str = ""
    bank_account: str = ""


class Goods(msgspec.Struct, frozen=True, kw_only=True):
    """What is sold: code and short name (简称) of its tax class, the name of the line, and the rate contained in the amount."""

    code: str
    category: str
    name: str
    rate: Decimal


class Premises(msgspec.Struct, frozen=True, kw_only=True):
    """不动产: `region` as 省-市-区, the address below it, and the number of its certificate of title (`无` where there is none)."""

    region: str
    address: str
    certificate: str = "无"


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """All that a blue invoice says. `number` is ours, the same however often it is sent. `amount_fen` contains the tax."""

    number: str
    amount_fen: int
    buyer: Buyer
    seller: Seller
    goods: Goods
    premises: Premises
    place: str
    plate: str
    entry_at: datetime
    exit_at: datetime

    @property
    def tax_fen(self) -> int:
        """Half up to the fen, as the accounting vouchers have it."""
        return contained_vat(self.amount_fen, self.goods.rate)

    @property
    def line(self) -> str:
        """项目名称: `*经营租赁*车辆停放服务`."""
        return f"*{self.goods.category}*{self.goods.name}"

    def remark(self, zone: ZoneInfo) -> str:
        """备注, for people: 停车费, which vehicle, where and when."""
        first, last = (at.astimezone(zone).strftime("%Y-%m-%d %H:%M") for at in (self.entry_at, self.exit_at))
        return f"停车费 {self.plate} {self.place} {first} 至 {last}"


class Held(msgspec.Struct, frozen=True):
    """An invoice of a stay. `amount_fen` is 0 until it is submitted."""

    id: str
    state: str
    amount_fen: int


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with a field, for a form and for people. Never what stands in it."""

    field: str
    words: str


def tax_number_holds(number: str) -> bool:
    """Whether this is a 统一社会信用代码: its shape, and its check character (GB 32100-2015, chapter 5)."""
    if not _SHAPE.fullmatch(number):
        return False
    weighed = sum(_ALPHABET.index(character) * weight for character, weight in zip(number, _WEIGHTS, strict=False))
    return _ALPHABET[-weighed % 31] == number[17]


def tidy(buyer: Buyer) -> Buyer:
    """As people type it, without what does not count: spaces around, small letters of a tax number."""
    return Buyer(
        kind=buyer.kind,
        title=" ".join(buyer.title.split()),
        tax_number="".join(buyer.tax_number.split()).upper(),
        email=buyer.email.strip(),
        phone="".join(buyer.phone.split()),
    )


def problems_of_buyer(buyer: Buyer) -> list[Problem]:
    """What a buyer's form has wrong; empty where it holds."""
    found = []
    if not _said(buyer.title, TITLE_MAX):
        found.append(Problem("title", f"抬头须为 1 至 {TITLE_MAX} 个可打印字符 (the title is missing or too long)"))
    if buyer.kind == "company" and not tax_number_holds(buyer.tax_number):
        found.append(Problem("tax_number", "不是有效的统一社会信用代码 (no valid unified social credit code)"))
    if buyer.kind == "person" and buyer.tax_number:
        found.append(Problem("tax_number", "个人抬头不填税号 (a person needs no tax number)"))
    if buyer.email and (len(buyer.email) > CONTACT_MAX or not _EMAIL.fullmatch(buyer.email)):
        found.append(Problem("email", "邮箱格式不正确 (no e-mail address)"))
    if buyer.phone and not _PHONE.fullmatch(buyer.phone):
        found.append(Problem("phone", "电话格式不正确 (no telephone number)"))
    return found


def problems_of_seller(seller: Seller) -> list[Problem]:
    """What keeps a merchant from issuing; empty where nothing does."""
    found = []
    if not _said(seller.title, TITLE_MAX):
        found.append(Problem("seller.title", "销售方名称缺失 (the seller's name is missing)"))
    if not tax_number_holds(seller.tax_number):
        found.append(Problem("seller.tax_number", "销售方税号无效 (the seller's tax number is not valid)"))
    return found


def problems_of(content: Content) -> list[Problem]:
    """Everything that keeps an invoice from going out; empty where it is complete."""
    found = [*problems_of_buyer(content.buyer), *problems_of_seller(content.seller)]
    if content.amount_fen <= 0:
        found.append(Problem("amount", "没有可开票金额 (nothing was paid)"))
    if not _GOODS_CODE.fullmatch(content.goods.code) or not content.goods.name or not content.goods.category:
        found.append(Problem("goods", "商品和服务编码不完整 (code or name of the service is missing)"))
    if not 0 <= content.goods.rate < 1:
        found.append(Problem("rate", "税率无效 (no tax rate)"))
    if content.premises.region.count("-") < 1 or not content.premises.address or not content.premises.certificate:
        found.append(
            Problem("premises", "停车场地址不完整，须为 省-市-区 及详细地址 (where the car park is, is missing)")
        )
    if not content.plate or content.plate.startswith("#"):
        found.append(Problem("plate", "车牌缺失 (the plate is missing)"))
    if content.exit_at < content.entry_at:
        found.append(Problem("period", "离场早于入场 (the exit is before the entry)"))
    return found


def open_fen(received_fen: int, invoices: Sequence[Held]) -> int:
    """What of the money that a stay brought no invoice covers yet; negative where more is covered than was received.

    One that was asked for and not sent yet will cover what is open when it is sent.
    """
    covered = sum(one.amount_fen for one in invoices if one.state in STANDS or one.state == "submitted")
    return received_fen - covered


def to_reverse(received_fen: int, invoices: Sequence[Held]) -> list[str]:
    """Which of a stay's invoices, oldest first, need a red one: the newest, whole, until the others are covered by what was received.

    One that is with the provider is not known to be there: it is looked at again when it is.
    """
    too_much = sum(one.amount_fen for one in invoices if one.state == "issued") - received_fen
    found = []
    for one in reversed(invoices):
        if too_much > 0 and one.state == "issued":
            found.append(one.id)
            too_much -= one.amount_fen
    return found


def in_words(fen: int) -> str:
    """价税合计（大写）: 1050 is 壹拾元伍角整. Up to 99,999,999.99 yuan."""
    yuan, rest = divmod(fen, 100)
    if not 0 <= yuan < 10**8:
        raise ValueError(f"{fen} fen cannot be written in words")
    high, low = divmod(yuan, 10_000)
    whole = f"{_section(high)}万" if high else ""
    whole += ("零" if whole and 0 < low < 1_000 else "") + _section(low)
    jiao, cent = divmod(rest, 10)
    small = (f"{_DIGITS[jiao]}角" if jiao else "零" if cent and whole else "") + (
        f"{_DIGITS[cent]}分" if cent else "整"
    )
    return (f"{whole}元" if whole else "" if rest else "零元") + small


_DIGITS: Final = "零壹贰叁肆伍陆柒捌玖"


def _section(number: int) -> str:
    """Up to 9999, without zeros in front."""
    spelt = "".join(
        _DIGITS[int(digit)] + (unit if digit != "0" else "")
        for digit, unit in zip(f"{number:04d}", ("仟", "佰", "拾", ""), strict=True)
    )
    return re.sub("零+", "零", spelt).strip("零")


def _said(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text.isprintable()
