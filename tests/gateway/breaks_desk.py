"""The desk where breaks are worked on, for tests: drawers that do not fit, and differences as a run puts them into the books."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select

from billing.breaks import suspense
from billing.ledger import Posting
from gateway.flows import breaks, breaks_reading
from gateway.flows.breaks import Resolution
from gateway.flows.breaks_books import Record, Step
from gateway.flows.breaks_reading import BreakState, WholeBreak
from gateway.flows.charges_books import By, hold
from gateway.flows.reading import Slice
from gateway.flows.reconciliation.standing import break_id
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.till import BOSS, LI, MONEY, Till
from tests.gateway.trade import SHANGHAI

QIAN = By(operator="qian", role="finance")
WHY = "与收款码核对过"
RUN = By(operator="run", role="finance")


class Breaks(Till):
    """Finance zhao and qian, manager zhou."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.made = 0

    # ------------------------------------------------------------------ what there is

    def found(self, kind: str = "book_only", fen: int = -2000, *, site: str = "xinyi", **more: Any) -> str:
        """A break as a run writes it: `fen` is what the other side has beyond the books. Its id."""
        self.made += 1
        about, channel = more.get("about", "payment"), more.get("channel", "wechat")
        if kind == "missing_exit":
            about, more = "stay", {"stay_id": "xinyi.gone", **more}
        order = f"O{self.made}" if about == "payment" else ""
        subject = more.get("stay_id") if about == "stay" else more.get("subject")
        key = f"{kind}:{channel}:hushu/{site}:{about}:{order}:" if order else f"{kind}:{site}:{subject}"
        with self.parts.store.writing() as connection:
            desk = hold(self.parts, connection, site, RUN)
            name = break_id(site, kind, f"{key} {desk.today}")
            lines = [Posting(f"assets:channel:{channel}", fen), Posting(suspense(name), -fen)]
            transaction = desk.post("break_found", ("break", name), f"break:{name}:1", lines)
            facts = {"amount_fen": abs(fen), "difference_fen": fen}
            row = {
                "site_id": site,
                "id": name,
                "key": key,
                "day": desk.today,
                "kind": kind,
                "about": about,
                "channel": channel,
                "account": "hushu" if order else "",
                "order_number": order,
                "refund_number": "",
                "subject": "",
                "suspense_fen": -fen,
                "evidence": _evidence(fen),
                "found_at": desk.now,
                "state": "open",
                "version": 1,
            }
            connection.execute(insert(t.ReconciliationBreak).values(**{**row, **facts, **more}))
            connection.execute(
                insert(t.ReconciliationStep).values(
                    site_id=site, break_id=name, sequence=1, at=desk.now, action="found", state="open", reason="",
                    transaction_id=transaction, **facts,
                )
            )  # fmt: skip
            connection.commit()
        return name

    def short(self, fen: int = 100) -> str:
        """A drawer that is short of so much, as its shift ended."""
        shift = self.opens(LI, 20_000)
        self.counts(shift, 20_000 - fen)
        step = self.closes(shift)
        assert step.break_id is not None
        return step.break_id

    # ------------------------------------------------------------------ what is done with it

    def settles(self, name: str, how: Any = "written_off", by: By = MONEY, **more: Any) -> Step:
        version, key = more.pop("version", None), more.pop("key", None)
        with_ = [one if isinstance(one, Record) else Record("break", one) for one in more.pop("with_", ())]
        wanted = Resolution(how=how, reason=more.pop("reason", WHY), with_=with_, **more)
        return breaks.resolve(self.parts, name, wanted, by, version=version, key=key)

    def approves(self, name: str, by: By = BOSS, version: int | None = None, key: str | None = None) -> Step:
        return breaks.approve(self.parts, name, by, version=version or self.stands(name).version, key=key)

    # ------------------------------------------------------------------ how it stands

    def stands(self, name: str) -> WholeBreak:
        with self.parts.store.reading() as connection:
            return breaks_reading.whole_break(connection, None, name, self.clock.now().astimezone(SHANGHAI))

    def queue(self, sites: Any = None, **wanted: Any) -> list[BreakState]:
        with self.parts.store.reading() as connection:
            now = self.clock.now().astimezone(SHANGHAI)
            found = breaks_reading.breaks(connection, sites, breaks_reading.Wanted(**wanted), Slice(None, 100), now)
        return [one for _, one in found]

    def lies_in_suspense(self, name: str) -> int:
        return self.accounts().get(suspense(name), 0)

    def transactions(self, name: str) -> list[Any]:
        ledger = t.LedgerTransaction.__table__.c
        return list(
            self._all(select(t.LedgerTransaction.__table__).where(ledger.reference == name).order_by(ledger.at))
        )


def _evidence(fen: int) -> dict[str, Any]:
    """The side that has it, alone."""
    side = "book" if fen < 0 else "channel"
    return {f"{side}_fen": abs(fen), f"{side}_status": "done"}
