"""What the gates hear, searched for what must not be there."""

from __future__ import annotations

SECRET_WORDS = (b"low_income", "低保".encode())


class Wire:
    """Every payload that any gate received: commands, receipts and lists."""

    def __init__(self) -> None:
        self.messages = 0
        self.disclosed = 0

    def heard(self, payload: bytes) -> None:
        self.messages += 1
        self.disclosed += any(word in payload for word in SECRET_WORDS)
