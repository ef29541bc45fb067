"""Which vehicles a pass is for: a transfer to another vehicle, a further vehicle of the household on the same space (一位多车)."""

from __future__ import annotations

from sqlalchemy import update

from gateway.flows.charges_books import By, Desk, hold_of, reason_of
from gateway.flows.charges_refusals import OtherHousehold, PassNotValid, VehicleNotServed
from gateway.flows.passes import put_vehicle
from gateway.flows.passes_held import bring, held_of, refuse_overlaps
from gateway.flows.passes_records import Rules, SoldPass, SoldVehicle, household_of, load
from gateway.flows.passes_terms import plate_of
from gateway.flows.refusals import Invalid
from gateway.store.tables import PassVehicle
from gateway.wiring import Parts

VEHICLES_MAX = 10


def transfer(
    parts: Parts,
    pass_id: str,
    to_plate: str,
    reason: str,
    by: By,
    from_plate: str | None = None,
    vehicle: str | None = None,
) -> SoldPass:
    """Move a pass to another vehicle, from this instant on: the one ends as the other begins.

    A household's pass stays in the household, that of no household goes to another vehicle of none. `from_plate` may be left out
    where the pass has one vehicle; `vehicle` is the type of the new one, used where the register does not know it. Moving it to where
    it is changes nothing. Raises `OtherHousehold`, `PassNotValid`, `PassOverlaps`, `VehicleNotServed`, `Invalid`.
    """
    words, new = reason_of(reason), plate_of(to_plate)
    with parts.store.writing() as connection:
        desk = hold_of(parts, connection, "pass", pass_id, by)
        sold = load(connection, desk.site, pass_id)
        if new in sold.plates():
            return sold
        leaving = _leaving(sold, plate_of(from_plate) if from_plate is not None else None)
        _may_have(desk, sold, new, vehicle)
        before = held_of(sold, desk.zone)
        leaving.until = desk.now
        connection.execute(
            update(PassVehicle)
            .where(
                PassVehicle.site_id == desk.site,
                PassVehicle.pass_id == sold.id,
                PassVehicle.sequence == leaving.sequence,
            )
            .values(until=desk.now)
        )
        _add(desk, sold, new, words)
        refuse_overlaps(desk, sold, before)
        bring(desk, sold, before, what="transfer", reason=words)
        desk.audit("pass.transfer", sold.id, reason=words)
        connection.commit()
    return sold


def share(parts: Parts, pass_id: str, plate: str, reason: str, by: By) -> SoldPass:
    """Put a further vehicle of the household on the same pass: one space, whoever is inside first has it (一位多车).

    Raises what `transfer` raises.
    """
    words, new = reason_of(reason), plate_of(plate)
    with parts.store.writing() as connection:
        desk = hold_of(parts, connection, "pass", pass_id, by)
        sold = load(connection, desk.site, pass_id)
        if new in sold.plates():
            return sold
        if len(sold.plates()) >= VEHICLES_MAX:
            raise Invalid(f"a pass is for at most {VEHICLES_MAX} vehicles")
        if sold.household is None:
            raise OtherHousehold("a pass of no household is for one vehicle at a time; move it instead")
        _may_have(desk, sold, new, None)
        before = held_of(sold, desk.zone)
        _add(desk, sold, new, words)
        refuse_overlaps(desk, sold, before)
        bring(desk, sold, before, what="add", reason=words)
        desk.audit("pass.share", sold.id, reason=words)
        connection.commit()
    return sold


def _leaving(sold: SoldPass, plate: str | None) -> SoldVehicle:
    """The vehicle that gives its pass to another."""
    now = [vehicle for vehicle in sold.vehicles if vehicle.until is None]
    if plate is None and len(now) > 1:
        raise Invalid("from_plate: the pass is for several vehicles; say which one it is taken from")
    found = next((vehicle for vehicle in now if plate in {None, vehicle.plate}), None)
    if found is None:
        raise Invalid("from_plate: the pass is not for this vehicle")
    return found


def _may_have(desk: Desk, sold: SoldPass, plate: str, said: str | None) -> None:
    """A pass that holds or is still to begin, of the same household or of none, for a vehicle that its offer serves."""
    if sold.state != "active" or desk.today >= sold.end:
        raise PassNotValid("the pass has ended; renew it first")
    household, registered = household_of(desk.connection, desk.site, plate, desk.now)
    if household != sold.household:
        raise OtherHousehold
    offer = Rules(desk.parts, desk.connection, desk.site).at(desk.now).pass_offer(sold.offer_id)
    vehicle = registered or said or "small"
    if offer is not None and vehicle not in offer.vehicles:
        raise VehicleNotServed(f"{offer.id} is for {', '.join(offer.vehicles)} vehicles, not for {vehicle}")


def _add(desk: Desk, sold: SoldPass, plate: str, reason: str) -> None:
    vehicle = SoldVehicle(max(one.sequence for one in sold.vehicles) + 1, plate, desk.now, None)
    put_vehicle(desk, sold, vehicle, reason=reason)
    sold.vehicles.append(vehicle)
