"""What channels say they settled (渠道账单): bytes in, rows out. Reads the stream it is handed, opens nothing, keeps nothing.

A file is right as a whole or refused as a whole: rows come one by one, so that a million of them need no memory, but they count only
once the last has been read without a `BadStatement`.
"""

from billing.statements.head import Head
from billing.statements.reading import CHANNELS, Statement, open_statement, read_all
from billing.statements.rows import (
    BadStatement,
    Kind,
    Row,
    StatementKind,
    Status,
    Totals,
)

__all__ = [
    "CHANNELS",
    "BadStatement",
    "Head",
    "Kind",
    "Row",
    "Statement",
    "StatementKind",
    "Status",
    "Totals",
    "open_statement",
    "read_all",
]
