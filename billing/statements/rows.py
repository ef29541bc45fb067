"""The one shape that every channel's statement is brought into."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import msgspec


class BadStatement(Exception):
    """A file that is not taken: in which line, what is wrong, what to do. `line` 0: the file as a whole."""

    def __init__(self, line: int, what: str, todo: str) -> None:
        where = f"line {line}: " if line else ""
        super().__init__(f"{where}{what}; {todo}")
        self.line, self.what, self.todo = line, what, todo


AGAIN = "download it again from the channel and import it unchanged"
"""What to do with a file that was damaged on its way, or saved by a spreadsheet program."""


class StatementKind(StrEnum):
    """Which of a channel's files it is. One account has one of each kind a day."""

    TRADE = "trade"
    """Payments and refunds: WeChat ALL, Alipay 业务明细, UnionPay ZM."""
    PAYMENTS = "payments"
    """WeChat SUCCESS: the payments of `trade` alone."""
    REFUNDS = "refunds"
    """WeChat REFUND: the refunds of `trade` alone."""
    FUND_FLOW = "fund_flow"
    """WeChat 资金账单: what the payments and refunds did to the account."""
    COUNT = "count"
    """Cash: what was counted at the end of shifts."""


class Kind(StrEnum):
    """What a row is about."""

    PAYMENT = "payment"
    REFUND = "refund"
    FEE = "fee"
    SETTLEMENT = "settlement"
    OTHER = "other"
    """A movement of the account that no order caused (fund flow only): for a person to look at."""


class Status(StrEnum):
    """How it stood when the channel wrote the file; a refund's is never updated later."""

    DONE = "done"
    PROCESSING = "processing"
    FAILED = "failed"
    REVOKED = "revoked"


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row of any statement.

    | field | WeChat trade | WeChat fund flow | Alipay 业务明细 | UnionPay ZM, by field | cash count |
    |---|---|---|---|---|---|
    | `kind` | 交易状态 | 业务类型 | 业务类型 | 20 交易类型 | settlement |
    | `order_number` | 商户订单号 | 业务凭证号, not of refunds | 商户订单号 | 12 商户订单号; of refunds 41 原始交易订单号 | 班次 |
    | `channel_number` | 微信订单号 | 微信支付业务单号 | 支付宝交易号 | 10 查询流水号 | – |
    | `refund_number` | 商户退款单号 | 业务凭证号 of refunds | 退款批次号/请求号 | 12 商户订单号 of refunds | – |
    | `at` | 交易时间; in a REFUND bill 退款申请时间 | 记账时间 | 完成时间 | 5 交易传输时间, the year by the settlement day | 清点时间 |
    | `amount_fen` | 订单金额; of refunds 申请退款金额 | 收支金额 | 订单金额 | 7 交易金额 | the shift's 金额, summed |
    | `settled_fen` | 应结订单金额; of refunds 退款金额 | – | 商家实收 | – | – |
    | `fee_millifen` | 手续费 | 手续费 in 备注 of refunds | 服务费, turned round | 16 商户手续费 | – |
    | `status` | 交易状态, 退款状态 | done | done | by 20 交易类型 | done |
    | `account` | 特约商户号, or 商户号 where that is 0 | – | 账号 above the table | 28 商户代码 | – |
    | `site` | – | – | – | – | 小区 |

    `order_number` and `refund_number` are ours, `channel_number` is theirs; empty where the file tells none. `amount_fen` is positive in
    its kind's own direction: paid, given back, taken as a fee, paid out; negative where that was turned round. `fee_millifen` is in
    1/1000 fen, positive where the channel keeps it, negative where it gives it back; None where the file tells none. `settled_fen` is
    what of the amount the channel settles with the merchant, coupons of the merchant's own taken off; None where the file tells none.
    It has the sign of `amount_fen`. `at` is UTC.
    `line` counts from 1 in the file, or in the member of an archive; of a cash count it is the shift's first.
    """

    channel: str
    kind: Kind
    order_number: str
    channel_number: str
    refund_number: str
    at: datetime
    amount_fen: int
    fee_millifen: int | None
    status: Status
    account: str
    line: int
    site: str = ""
    settled_fen: int | None = None

    @property
    def effect_fen(self) -> int:
        """What it did to the account with the channel."""
        return self.amount_fen if self.kind in _COMES_IN else -self.amount_fen


_COMES_IN = frozenset({Kind.PAYMENT, Kind.OTHER})


@dataclass
class Totals:
    """What the rows come to, by kind."""

    count: Counter[Kind] = field(default_factory=Counter)
    fen: Counter[Kind] = field(default_factory=Counter)
    fee_millifen: int = 0

    def add(self, row: Row) -> None:
        self.count[row.kind] += 1
        self.fen[row.kind] += row.amount_fen
        self.fee_millifen += row.fee_millifen or 0

    @property
    def rows(self) -> int:
        return self.count.total()
