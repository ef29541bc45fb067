"""What every refusal of the API looks like."""

from __future__ import annotations

from typing import Any


def is_a_problem(answer: Any, status: int, kind: str | None = None) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["detail"]
    assert document["type"].startswith("/problems/")
    if kind is not None:
        assert document["type"] == f"/problems/{kind}"
    return document
