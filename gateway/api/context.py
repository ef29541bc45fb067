"""What every request is answered with, and who asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Request

from gateway.api import access
from gateway.api.figures import Figures
from gateway.api.live import Hub
from gateway.api.ports import Flows
from gateway.api.prepared import Prepared
from gateway.api.problems import NotAllowed, NotSignedIn, SecondFactorFirst
from gateway.api.reports import Reports
from gateway.api.sessions import COOKIE, Claims, SharedThrottle, Throttle, Tokens, same
from gateway.flows import users
from gateway.flows.credentials import DeviceCredentials
from gateway.flows.refusals import NotFound
from gateway.flows.users import User
from gateway.runtime.clock import Clock
from gateway.wiring import Parts

OF_ONESELF = "/account"
SAFE_METHODS = frozenset({"GET", "HEAD"})
Health = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Context:
    """One a process. `wall` is the clock of sessions: gates may run in simulated time, people do not."""

    parts: Parts
    flows: Flows
    tokens: Tokens
    wall: Clock
    credentials: DeviceCredentials
    hub: Hub
    reports: Reports
    figures: Figures
    throttle: SharedThrottle
    # Of codes after a right password, by name alone: whoever has the password may have many addresses.
    codes: SharedThrottle
    health: Health | None = None
    prepared: Prepared = field(default_factory=Prepared)
    # A page is one driver's; behind one address of a mobile network are many.
    voucher_guesses: Throttle = field(default_factory=Throttle)
    voucher_guesses_of_address: Throttle = field(default_factory=lambda: Throttle(failures_max=60))
    # Whoever photographed a lane's code can ask from anywhere, and in vain.
    lane_refusals: Throttle = field(default_factory=lambda: Throttle(failures_max=60))
    help_calls: Throttle = field(default_factory=lambda: Throttle(failures_max=120))
    disputes: Throttle = field(default_factory=lambda: Throttle(failures_max=60))
    # A time of entry is guessed by trying: five tries a day and plate are an hour of its day, and tell what follows from that hour.
    stay_guesses: Throttle = field(default_factory=lambda: Throttle(failures_max=5, window=timedelta(hours=24)))
    stay_guesses_of_address: Throttle = field(default_factory=lambda: Throttle(failures_max=60))


@dataclass(frozen=True)
class Staff:
    """Who asks. `sites` None means all; `csrf` is set where a cookie session asks.

    `unready`: the role needs a second factor that the account has not: all that it may do is to set that up. `rest`: where a terminal
    is shared, after how long without use it is locked.
    """

    name: str
    role: str
    sites: frozenset[str] | None
    origin: str
    csrf: str | None = None
    unready: bool = False
    rest: timedelta | None = None

    def sees(self, site: str) -> bool:
        return self.sites is None or site in self.sites

    def only(self, site: str | None) -> frozenset[str] | None:
        """The sites of a list that may be narrowed to one. Raises `NotAllowed` for another's site."""
        if site is None:
            return self.sites
        if not self.sees(site):
            raise NotAllowed(f"site {site:.60} is not one of yours")
        return frozenset({site})

    def own(self, site: str) -> None:
        """Raises `NotFound` for a thing of another's site: that it is there is already too much."""
        if not self.sees(site):
            raise NotFound("there is no such thing, or not for you")


def context_of(request: Request) -> Context:
    found: Context = request.app.state.context
    return found


def address_of(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def staff_of(request: Request, context: Context) -> Staff | None:
    """Who asks, by bearer token or by the console's cookie; None if nobody that we know."""
    now = context.wall.now()
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    cookie = False
    claims: Claims | None = None
    if scheme.lower() == "bearer":
        claims = context.tokens.read(token.strip(), "api", now)
    elif not scheme and (carried := request.cookies.get(COOKIE)):
        cookie, claims = True, context.tokens.read(carried, "console", now)
    user = None if claims is None else holder(context, claims)
    if claims is None or user is None:
        return None
    return Staff(
        name=user.name,
        role=user.role,
        sites=frozenset(user.sites) or None,
        origin=address_of(request),
        csrf=claims.csrf if cookie else None,
        unready=user.second_factor_at is None and user.role in context.parts.settings.second_factor_roles,
        rest=claims.rest,
    )


def holder(context: Context, claims: Claims) -> User | None:
    """Whose token this is, if it still counts."""
    with context.parts.store.reading() as connection:
        user = users.find(connection, claims.name)
    return user if user is not None and user.enabled and user.generation == claims.generation else None


def allowed_staff(request: Request, context: Annotated[Context, Depends(context_of)]) -> Staff:
    """Who asks, if their role may call this route. Raises `NotSignedIn`, `NotAllowed`."""
    staff = staff_of(request, context)
    if staff is None:
        raise NotSignedIn
    if not access.allowed(staff.role, request.method, request.scope["route"].path):
        raise NotAllowed
    if staff.unready and not request.scope["route"].path.removeprefix(access.PREFIX).startswith(OF_ONESELF):
        raise SecondFactorFirst
    # A browser sends the cookie with whatever page asks; only our own pages know the token.
    by_cookie = staff.csrf is not None and request.method not in SAFE_METHODS
    if by_cookie and not same(request.headers.get("x-csrf-token", ""), staff.csrf or ""):
        raise NotAllowed("the X-CSRF-Token header is missing or wrong; load the page again")
    return staff


Asking = Annotated[Staff, Depends(allowed_staff)]
With = Annotated[Context, Depends(context_of)]
