"""A stay's bill and what the ledger holds for it, brought to what the stay is now."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from billing.bill import Bill, CannotPrice
from billing.ledger import Posted, settle
from controllers.events import Opening
from controllers.passages import Decision, DerivedStay, Passage, State
from gateway.flows import spaces, stay_posting, voucher_use
from gateway.flows.batch import Batch
from gateway.flows.outcome import Draw, Situation
from gateway.flows.pricing import Priced, Standing, bill_stay, implausible, settled_by
from gateway.flows.surroundings import surroundings
from gateway.store.facts import VehicleKey
from gateway.store.records import BillRecord, StayRecord

_PARTY_OF_OPENING = {Opening.LIST: "offline", Opening.OFFLINE_EXIT: "offline", Opening.HAND: "hand"}
_PARTY_OF_REASON = {word: word for word in ("pay_later", "offline", "staff", "emergency")}
_EMPTY = Bill(policy="", version=0, minutes=0, gross_fen=0, payable_fen=0, drawn={}, vouchers_used=(), lines=())


class Settling:
    """Only differences are billed, drawn and posted: whatever the order of events, the sums come out the same."""

    NOTHING: ClassVar[Posted] = Posted()

    def __init__(self, batch: Batch, key: VehicleKey, stay: StayRecord) -> None:
        self.batch = batch
        self.key = key
        self.stay = stay

    @property
    def what(self) -> Standing:
        """What the vehicle was at its entry."""
        return self.batch.standing(self.key, self.stay.plate_colour, self.stay.entry_at or self.stay.started_at)

    def standing_bill(self) -> BillRecord | None:
        """The bill that stands; None where none does (never fixed, or taken back)."""
        bills = self.batch.facts.bills.get(self.stay.id, [])
        return bills[-1] if bills and bills[-1].kind != "void" else None

    def quote(self, until: datetime) -> Priced:
        """What the stay costs up to an instant. Writes nothing. Raises `CannotPrice`."""
        stay = self.stay
        assert stay.entry_at is not None
        policy = self.batch.policy(stay.site, stay.entry_at)
        if policy is None:
            raise CannotPrice("the site's policy has not been applied")
        what = self.what
        around = surroundings(self.batch, self.key, stay, until, policy, what, self.standing_bill())
        early = self._early()
        return bill_stay(policy, stay, until, what, around, early=early if early and self._affords(early) else None)

    def fix(self, one: DerivedStay, at: datetime, *, same: bool = False) -> None:
        """The exit's plate event stands: the bill is fixed to it. Booked once the vehicle has been let out or has gone.

        `same`: only what became of the vehicle is new. A bill of this batch is then not worked out again.
        """
        stay = self.stay
        assert one.exit is not None
        until, standing = one.exit.first.at, self.standing_bill()
        told = standing is not None and standing.new and (standing.kind, standing.until) == ("exit", until)
        bill = standing.bill if standing is not None and same and told else self._fix_to(until, at)
        if bill is None:
            return
        if stay.state == State.LEFT:
            party = self._party(one.exit)
            self.book(at, "charge" if not stay.settlements else "repricing", owed_party=party)
            stay.exit_reason = party if stay.due_fen else settled_by(bill, self.what, stay.paid_fen)[1]
            if stay.due_fen and party in {"hand", "unpaid"}:
                self._situation("unpaid_exit", f"{stay.due_fen} fen", at)
        elif stay.paid_fen == 0 and not one.between:
            self.book(at, "reversal", nothing=True)

    def _fix_to(self, until: datetime, at: datetime) -> Bill | None:
        """Fix the bill to an exit; None where a person must look at the stay first."""
        stay = self.stay
        assert stay.entry_at is not None
        policy = self.batch.policy(stay.site, stay.entry_at)
        if policy is not None and implausible(policy, stay.entry_at, until):
            self._to_a_person("longer than the policy holds possible", at)
            return None
        try:
            priced = self.quote(until)
        except CannotPrice as problem:
            self._to_a_person(str(problem), at)
            return None
        self._keep(priced, "exit", until, at)
        return priced.bill

    def refix(self, at: datetime) -> None:
        """What was presented since changes the bill of a vehicle that waits at its exit, or has gone. Raises `CannotPrice`."""
        stay = self.stay
        if stay.exit_at is None or stay.entry_at is None or self.standing_bill() is None:
            return
        priced = self.quote(stay.exit_at)
        self._keep(priced, "exit", stay.exit_at, at)
        if stay.state == State.LEFT:
            self.book(at, "repricing")
            if not stay.due_fen:
                stay.exit_reason = settled_by(priced.bill, self.what, stay.paid_fen)[1]
        voucher_use.release(self.batch, stay, at)

    def unfix(self, at: datetime) -> None:
        """The vehicle backed away from the exit: its stay goes on, and what its bill drew is returned, unless it was paid early."""
        standing = self.standing_bill()
        if standing is not None and standing.kind == "exit" and not self._keep_early(at):
            self._keep(None, "void", at, at)
        self.stay.exit_reason = None
        if not self.stay.paid_fen and self.standing_bill() is None:
            self.book(at, "reversal", nothing=True)

    def goes_on(self, one: DerivedStay, at: datetime) -> None:
        """The vehicle came back soon after it left: the bill of that exit stands, and what it left owing, until it leaves again."""
        left = one.left_before
        assert left is not None
        early = self._early()
        if early is None or early.until < left.first.at:
            if self._fix_to(left.first.at, at) is not None:
                self.book(at, "charge" if not self.stay.settlements else "repricing", owed_party=self._party(left))
        else:
            # It has been paid for since it came back.
            self.unfix(at)
        self.stay.exit_reason = None

    def is_of_exit(self, exit_at: datetime) -> bool:
        """Whether the bill that stands is that of an exit; one that was paid early since then has its place."""
        standing = self.standing_bill()
        if standing is None or standing.kind == "exit":
            return standing is not None and standing.until == exit_at
        return standing.until >= exit_at

    def uncharge(self, at: datetime) -> None:
        """A stay that nobody is charged for. What was paid for it stands until a person decides."""
        if self.standing_bill() is not None and not self.stay.paid_fen:
            self._keep(None, "void", at, at)
        if not self.stay.paid_fen:
            self.stay.gross_fen = self.stay.payable_fen = 0
            self.book(at, "reversal", nothing=True)

    def book(
        self,
        at: datetime,
        kind: str,
        *,
        paid: dict[str, int] | None = None,
        owed_party: str | None = None,
        nothing: bool = False,
        operator: str | None = None,
        cause: tuple[str, str] | None = None,
    ) -> None:
        """Post the differences between what the ledger holds for this stay and what it should hold now."""
        stay = self.stay
        standing = self.standing_bill()
        bill = _EMPTY if nothing or standing is None else standing.bill
        postings, target = settle(
            stay.posted,
            gross_fen=bill.gross_fen,
            waived=bill.waived_by_kind(),
            paid=stay.posted.received if paid is None else paid,
            owed_party=owed_party,
        )
        if not postings:
            return
        stay_posting.post(
            self.batch, stay, target, postings, at=at, kind=kind, cause=cause or ("stay", stay.id), operator=operator
        )

    def fix_early(self, priced: Priced, until: datetime, at: datetime) -> None:
        """Paid before leaving: the bill is fixed up to the moment of payment and consumes its benefits."""
        self._keep(priced, "early", until, at)

    def _keep_early(self, at: datetime) -> bool:
        """Let what was paid before leaving stand again, if there is such a bill and its benefits are still to be had."""
        early = self._early()
        if early is None or not self._affords(early):
            return False
        self._keep(Priced(early.bill, early.facts, early.holder), early.kind, at, at)
        return True

    def _affords(self, bill: BillRecord) -> bool:
        """Whether a bill of this stay can stand again: what it drew, and the vouchers it used, may be another's by now."""
        standing = self.standing_bill()
        mine = standing.draws if standing else {}
        balances = self.batch.facts.balances
        return voucher_use.has_all(self.batch, self.stay, bill) and all(
            mine.get(key, 0) + balances[self.stay.site, *key].left >= minutes for key, minutes in bill.draws.items()
        )

    def _early(self) -> BillRecord | None:
        """The latest bill that was paid before leaving, if any money came for it."""
        if not self.stay.paid_fen:
            return None
        bills = self.batch.facts.bills.get(self.stay.id, [])
        return next((bill for bill in reversed(bills) if bill.kind == "early"), None)

    def _keep(self, priced: Priced | None, kind: str, until: datetime, at: datetime) -> None:
        """Make a bill the one that stands: its draws replace those of the bill before it."""
        stay, standing = self.stay, self.standing_bill()
        bill = priced.bill if priced else _EMPTY
        if standing is not None and standing.kind == kind and standing.until == until and standing.bill == bill:
            return
        stay.bills += 1
        record = BillRecord(
            stay.site,
            stay.id,
            stay.bills,
            kind,
            at,
            until,
            bill,
            priced.holder if priced else None,
            priced.facts if priced else {},
            new=True,
        )
        self._draw(standing, record, at)
        voucher_use.follow(self.batch, stay, standing, record, at)
        self.batch.facts.bills[stay.id].append(record)
        self.batch.outcome.bills.append(record)
        self.batch.outcome.touched(stay)
        stay.holds_space = stay.holds_space or "space" in record.facts
        spaces.note(self.batch.facts, stay, self.standing_bill())
        stay.gross_fen, stay.payable_fen = (bill.gross_fen, bill.payable_fen) if kind != "void" else (None, None)
        if bill.policy:
            stay.policy_id, stay.policy_version = bill.policy, bill.version

    def _draw(self, before: BillRecord | None, after: BillRecord, at: datetime) -> None:
        """Return what the bill before drew, to those who gave it, and draw what this one does."""
        changes = {key: -minutes for key, minutes in before.draws.items()} if before else {}
        for key, minutes in after.draws.items():
            changes[key] = changes.get(key, 0) + minutes
        for (holder, month), minutes in sorted(changes.items()):
            if not minutes:
                continue
            balance = self.batch.facts.balances[self.stay.site, holder, month]
            balance.drawn += minutes
            balance.dirty = True
            self.batch.outcome.draws.append(
                Draw(
                    site=self.stay.site,
                    stay=self.stay.id,
                    sequence=self.stay.bills,
                    holder=holder,
                    month=month,
                    minutes=minutes,
                    at=at,
                )
            )

    def _party(self, passage: Passage) -> str:
        """Who owes what remains, by how the vehicle got out."""
        raised = passage.raised_by
        if raised is not None:
            return _PARTY_OF_OPENING[Opening(raised)]
        return self._party_of_decision(passage)

    def _party_of_decision(self, passage: Passage) -> str:
        events = self.batch.facts.history.get(self.key, {})
        reads = [events[self.stay.site, read.device, read.event] for read in passage.reads]
        for read in reversed(reads):
            if read.decision == Decision.OPEN:
                return _PARTY_OF_REASON.get(read.reason or "", "late_event")
        if all(read.buffered for read in reads):
            return "offline"
        # It drove through an exit that stayed shut for it; one that was told "no entry" could not have paid.
        return "late_event" if any(read.reason == "no_entry" for read in reads) else "unpaid"

    def _to_a_person(self, why: str, at: datetime) -> None:
        stay = self.stay
        if stay.state == State.LEFT:
            stay.state = State.EXCEPTION
        self.uncharge(at)
        if not stay.paid_fen:
            stay.gross_fen = stay.payable_fen = 0
        self._situation("implausible_stay", why, at)

    def _situation(self, kind: str, detail: str, at: datetime) -> None:
        stay = self.stay
        self.batch.outcome.situations.append(
            Situation(
                site=stay.site,
                kind=kind,
                subject=stay.id,
                at=at,
                lane=stay.exit_lane,
                stay=stay.id,
                event=stay.exit_event,
                detail=detail,
            )
        )
