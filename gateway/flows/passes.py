"""包月: selling and renewing a pass. What is paid stands as `liability:prepaid` and becomes income day by day (`pass_income`)."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
from sqlalchemy import insert, select, update

from billing.ledger import Posting
from billing.policy import Policy
from gateway.flows.charges_books import PREPAID, Asked, By, Desk, Money, asked_as, check_money, hold, hold_of, take
from gateway.flows.charges_posting import charge_pass
from gateway.flows.charges_refusals import PassNotValid, PassOverlaps
from gateway.flows.passes_held import bring, held_of, refuse_overlaps
from gateway.flows.passes_records import SoldPass, SoldPeriod, SoldVehicle, household_of, load
from gateway.flows.passes_terms import Terms, Wanted, pass_of_vehicle, plate_of, renewal_terms, terms_of
from gateway.flows.refusals import AmountNotDue, KeyReused
from gateway.runtime.ids import derive_in_site
from gateway.store import tables as t
from gateway.wiring import Parts


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """What it would be: the days, the price and what is to be paid. `renews`: the pass that the vehicle has already."""

    site: str
    plate: str
    offer: str
    first_day: date
    last_day: date
    gross_fen: int
    waived_fen: int
    renews: str | None

    @property
    def amount_fen(self) -> int:
        return self.gross_fen - self.waived_fen


class SoldNow(msgspec.Struct, frozen=True, kw_only=True):
    """A sale or renewal as it stands."""

    id: str
    period: str
    site: str
    offer: str
    first_day: date
    last_day: date
    amount_fen: int
    payment: str | None


def quote(parts: Parts, wanted: Wanted, by: By) -> Offered:
    """What a sale would cost now, or a renewal where the vehicle has the pass already. Writes nothing; refuses as a sale does."""
    plate = plate_of(wanted.plate)
    with parts.store.reading() as connection:
        desk = Desk(parts, connection, wanted.site, by, parts.clock.now())
        found = pass_of_vehicle(connection, wanted.site, plate, wanted.offer)
        if found is not None:
            terms = renewal_terms(desk, load(connection, wanted.site, found), wanted.months)
        else:
            terms = terms_of(desk, wanted, *household_of(connection, wanted.site, plate, desk.now))
    return Offered(
        site=wanted.site,
        plate=plate,
        offer=terms.offer.id,
        first_day=terms.first,
        last_day=terms.end - timedelta(days=1),
        gross_fen=terms.gross_fen,
        waived_fen=terms.waived_fen,
        renews=found,
    )


def sell(parts: Parts, wanted: Wanted, money: Money | None, by: By, idempotency_key: str | None = None) -> SoldNow:
    """Sell a pass. `money` None where nothing is to be paid now: all is waived, or it is billed monthly. One transaction.

    Raises `NotAtThisDesk`, `SpacesTaken`, `PassOverlaps`, `VehicleNotServed`, `AmountNotDue`, `Invalid` and what a payment refuses.
    """
    plate = plate_of(wanted.plate)
    asked = asked_as(idempotency_key, "sell", msgspec.to_builtins(wanted), msgspec.to_builtins(money))
    if money is not None:
        check_money(parts, money)
    with parts.store.writing() as connection:
        desk = hold(parts, connection, wanted.site, by)
        first = _standing(desk, asked)
        if first is not None:
            return first
        if pass_of_vehicle(connection, wanted.site, plate, wanted.offer) is not None:
            raise PassOverlaps("the vehicle has this pass already: renew it instead")
        household, registered = household_of(connection, wanted.site, plate, desk.now)
        terms = terms_of(desk, wanted, household, registered)
        sold = SoldPass(
            site=wanted.site,
            id=derive_in_site(wanted.site, "pass", asked.key),
            offer_id=terms.offer.id,
            household=household,
            anchor_day=terms.anchor_day,
            billed=wanted.billed,
            state="active",
            periods=[],
            vehicles=[SoldVehicle(1, plate, None, None)],
        )
        _put_pass(desk, sold)
        done = _add_period(desk, sold, terms, money, asked)
        _audit(desk, "pass.sell", sold, terms)
        connection.commit()
    return done


def renew(
    parts: Parts, pass_id: str, months: int, money: Money | None, by: By, idempotency_key: str | None = None
) -> SoldNow:
    """Renew a pass: where it ends while it holds or within its days of grace, else from today. One transaction.

    Raises what `sell` raises, and `PassNotValid` for a pass that was given back or is billed monthly.
    """
    asked = asked_as(idempotency_key, "renew", pass_id, months, msgspec.to_builtins(money))
    if money is not None:
        check_money(parts, money)
    with parts.store.writing() as connection:
        desk = hold_of(parts, connection, "pass", pass_id, by)
        first = _standing(desk, asked)
        if first is not None:
            return first
        sold = load(connection, desk.site, pass_id)
        if sold.billed == "monthly":
            raise PassNotValid("this pass is billed monthly: it goes on by itself")
        terms = renewal_terms(desk, sold, months)
        done = _add_period(desk, sold, terms, money, asked)
        _audit(desk, "pass.renew", sold, terms)
        connection.commit()
    return done


def _put_pass(desk: Desk, sold: SoldPass) -> None:
    desk.connection.execute(
        insert(t.ParkingPass).values(
            site_id=sold.site,
            id=sold.id,
            offer_id=sold.offer_id,
            household_id=sold.household,
            anchor_day=sold.anchor_day,
            billed=sold.billed,
            state=sold.state,
            created_at=desk.now,
            created_by=desk.by.operator,
        )
    )
    put_vehicle(desk, sold, sold.vehicles[0], reason="")


def put_vehicle(desk: Desk, sold: SoldPass, vehicle: SoldVehicle, *, reason: str) -> None:
    """Store a vehicle of a pass."""
    desk.connection.execute(
        insert(t.PassVehicle).values(
            site_id=sold.site,
            pass_id=sold.id,
            sequence=vehicle.sequence,
            plate=vehicle.plate,
            since=vehicle.since,
            until=vehicle.until,
            operator=desk.by.operator,
            reason=reason,
        )
    )


def _add_period(desk: Desk, sold: SoldPass, terms: Terms, money: Money | None, asked: Asked) -> SoldNow:
    """Put the period, let the gates know, and take the money."""
    due = 0 if sold.billed == "monthly" else terms.amount_fen
    handed = money.amount_fen if money is not None else 0
    if handed != due:
        raise AmountNotDue(f"due for this pass: {due} fen, not {handed}")
    before = held_of(sold, desk.zone)
    period = SoldPeriod(
        derive_in_site(sold.site, "period", asked.key),
        terms.first,
        terms.end,
        None,
        terms.gross_fen,
        terms.waived_fen,
        terms.first,
    )
    put_period(desk, sold, period, terms.policy, asked)
    if sold.anchor_day != terms.anchor_day:
        desk.connection.execute(
            update(t.ParkingPass)
            .where(t.ParkingPass.site_id == sold.site, t.ParkingPass.id == sold.id)
            .values(anchor_day=terms.anchor_day)
        )
    refuse_overlaps(desk, sold, before)
    bring(desk, sold, before, what="renew" if before else "add")
    payment = None
    if sold.billed == "monthly":
        charge_pass(desk, sold, period, terms.policy)
    elif money is not None:
        payment = take(desk, "pass", period.id, money, asked, [Posting(PREPAID, -money.amount_fen)])
    return _sold_now(sold, period, due, payment)


def put_period(desk: Desk, sold: SoldPass, period: SoldPeriod, policy: Policy, asked: Asked) -> None:
    """Store a period and add it to the pass."""
    desk.connection.execute(
        insert(t.PassPeriod).values(
            site_id=sold.site,
            id=period.id,
            pass_id=sold.id,
            first_day=period.first_day,
            end_day=period.end_day,
            ended_day=None,
            gross_fen=period.gross_fen,
            waived_fen=period.waived_fen,
            policy_id=policy.id,
            policy_version=policy.version,
            next_day=period.next_day,
            created_at=desk.now,
            created_by=desk.by.operator,
            idempotency_key=asked.key,
            content_hash=asked.content,
        )
    )
    sold.periods.append(period)


def _standing(desk: Desk, asked: Asked) -> SoldNow | None:
    """The sale that stands under an idempotency key. Raises `KeyReused`."""
    period, payment = t.PassPeriod, t.ChargePayment
    row = desk.connection.execute(
        select(*period.__table__.c).where(period.site_id == desk.site, period.idempotency_key == asked.key)
    ).one_or_none()
    if row is None:
        return None
    if bytes(row.content_hash) != asked.content:
        raise KeyReused
    paid = desk.connection.execute(
        select(payment.id, payment.amount_fen).where(
            payment.site_id == desk.site, payment.purpose == "pass", payment.subject == row.id
        )
    ).one_or_none()
    sold = load(desk.connection, desk.site, row.pass_id)
    kept = next(one for one in sold.periods if one.id == row.id)
    return _sold_now(sold, kept, paid.amount_fen if paid else 0, paid.id if paid else None)


def _sold_now(sold: SoldPass, period: SoldPeriod, amount_fen: int, payment: str | None) -> SoldNow:
    return SoldNow(
        id=sold.id,
        period=period.id,
        site=sold.site,
        offer=sold.offer_id,
        first_day=period.first_day,
        last_day=period.end_day - timedelta(days=1),
        amount_fen=amount_fen,
        payment=payment,
    )


def _audit(desk: Desk, action: str, sold: SoldPass, terms: Terms) -> None:
    """Without amounts: that nothing was paid would tell of a certificate."""
    days = {"first_day": terms.first.isoformat(), "end_day": terms.end.isoformat()}
    desk.audit(action, sold.id, offer=terms.offer.id, **days)
