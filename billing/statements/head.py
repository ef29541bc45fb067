"""What a statement says of itself, as far as it is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from billing.statements.rows import BadStatement, StatementKind


@dataclass
class Head:
    """`day`: its business day; of UnionPay the settlement day. `account`: the channel's number of it, empty where the file has none."""

    channel: str
    kind: StatementKind = StatementKind.TRADE
    day: date | None = None
    account: str = ""
    member: str = ""

    def own(self, account: str, line: int) -> None:
        """Every row is of one account. Raises `BadStatement`."""
        if not self.account:
            self.account = account
        elif account != self.account:
            raise BadStatement(
                line,
                f"account {account} in a file of account {self.account}",
                "import each account's own file by itself",
            )
