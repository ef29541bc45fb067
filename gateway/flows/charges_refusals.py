"""What is refused about passes, charges and arrears."""

from __future__ import annotations

from gateway.flows.refusals import Refused


class SecondPersonNeeded(Refused):
    """Who proposed it cannot decide it: it takes a second person."""

    status = 409
    slug = "second-person-needed"


class AlreadyDecided(Refused):
    """It was decided before."""

    status = 409
    slug = "already-decided"


class AlreadyProposed(Refused):
    """Something is proposed for it already: decide that first."""

    status = 409
    slug = "already-proposed"


class NotAtThisDesk(Refused):
    """The pass is issued at the registrar's desk."""

    # One refusal for several reasons, so that a till cannot tell which: a household's certificate is nobody's business.
    status = 409
    slug = "not-at-this-desk"


class SpacesTaken(Refused):
    """The household has as many passes as its spaces allow."""

    status = 409
    slug = "spaces-taken"


class PassOverlaps(Refused):
    """The vehicle has a pass in that time already: renew it instead."""

    status = 409
    slug = "pass-overlaps"


class VehicleNotServed(Refused):
    """The pass is not for this type of vehicle."""

    status = 409
    slug = "vehicle-not-served"


class PassNotValid(Refused):
    """The pass is not valid now."""

    status = 409
    slug = "pass-not-valid"


class OtherHousehold(Refused):
    """A pass moves between vehicles of one household, or of none."""

    status = 409
    slug = "other-household"


class NotReversible(Refused):
    """The charge cannot be reversed."""

    status = 409
    slug = "not-reversible"
