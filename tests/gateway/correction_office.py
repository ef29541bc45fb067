"""The office that corrects records, on a street of the tests, through the API."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from gateway.flows.verify import verify
from gateway.wiring import Parts
from tests.gateway.house import House
from tests.gateway.trade import Street

RIGHT, WRONG, OTHER = "浙A12345", "浙A12346", "浙B88888"
REASON = "号牌第五位误识别，见图片"


class Office:
    """A street with the staff who may correct its records."""

    def __init__(self, parts: Parts, street: Street | None = None) -> None:
        self.parts, self.street = parts, street or Street(parts)
        self.house = House(parts)
        for name, role in (("mei", "manager"), ("fang", "finance"), ("li", "cashier")):
            self.house.hires(name, role)
        self._staff: dict[Any, Any] = {}

    def as_(self, name: str) -> Any:
        """Signed in once a day."""
        key = name, self.street.clock.now().date()
        if key not in self._staff:
            self._staff[key] = self.house.as_(name)
        return self._staff[key]

    def asks(self, stay: str, *, name: str = "mei", key: str | None = None, reason: str = REASON, **wanted: Any) -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        return self.as_(name).post(f"/api/v1/stays/{stay}/corrections", {"reason": reason, **wanted}, **headers)

    def corrects(self, stay: str, **more: Any) -> dict[str, Any]:
        answer = self.asks(stay, **more)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def approves(self, made: dict[str, Any], name: str = "fang") -> Any:
        return self.as_(name).post(f"/api/v1/stays/{made['stay']}/corrections/{made['id']}/approval")

    def sees(self, stay: str) -> dict[str, Any]:
        answer = self.as_("mei").get(f"/api/v1/stays/{stay}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def rows(self, table: Any) -> list[Any]:
        with self.parts.store.reading() as connection:
            return list(connection.execute(select(table.__table__)).all())

    def check(self) -> None:
        report = verify(self.parts)
        assert report.ok, report.first_failure
