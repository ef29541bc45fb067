"""The web application: the API below `/api/v1`, the console, the driver's page, health and metrics."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from gateway.api import (
    account,
    administration,
    allowances,
    arrears,
    breaks,
    breaks_months,
    cash_refunds,
    charges,
    commands,
    corrections,
    days,
    doors,
    estate,
    exceptions,
    explain,
    exports,
    fittings,
    images,
    invoices,
    jobs,
    lanes,
    monitor,
    notify,
    orders,
    passes,
    personal_data,
    policies,
    problems,
    public,
    registers,
    reporting,
    shifts,
    statements,
    stays,
    stream,
    token,
    trial_balance,
    vouchers,
    zombies,
)
from gateway.api.access import PREFIX
from gateway.api.context import Context, Health
from gateway.api.figures import Figures
from gateway.api.hardening import Hardening
from gateway.api.live import Hub, LiveSource
from gateway.api.ports import Flows
from gateway.api.reports import Reports
from gateway.api.sessions import SharedThrottle, Tokens
from gateway.console import driver, invoice, lane, own_stay, pages, receipt, trouble
from gateway.console.assets import Assets
from gateway.console.desk import door
from gateway.console.desk.routers import ROUTERS as DESK_ROUTERS
from gateway.flows.attempts import Attempts
from gateway.flows.credentials import DeviceCredentials
from gateway.runtime.clock import Clock, SystemClock
from gateway.wiring import Parts

_ROUTERS = (
    token,
    estate,
    fittings,
    stays,
    orders,
    cash_refunds,
    invoices,
    corrections,
    explain,
    policies,
    registers,
    passes,
    charges,
    arrears,
    vouchers,
    shifts,
    allowances,
    exceptions,
    reporting,
    commands,
    lanes,
    doors,
    days,
    trial_balance,
    exports,
    breaks,
    breaks_months,
    statements,
    stream,
    images,
    jobs,
    zombies,
    account,
    administration,
    personal_data,
)
_REFUSALS = {
    "401": "no valid credentials",
    "403": "not for this role or site",
    "404": "no such thing, or not for you",
    "422": "something in the request cannot be used",
    "503": "the database does not answer, takes nothing more, or too many reports run at once; ask again later",
}


def create_app(
    parts: Parts,
    *,
    health: Health | None = None,
    live: LiveSource | None = None,
    flows: Flows | None = None,
    wall: Clock | None = None,
) -> FastAPI:
    """Build it. Raises `SettingsError` if there is no secret key.

    `health` adds to readiness: any value False means not ready. `live` tells when the board may have changed. `flows` are the
    flows that it calls. `wall` is the clock of sessions, which is the real one also where gates run in simulated time.
    """
    hub = Hub(parts, live)

    app = FastAPI(
        title="Parkgate",
        version="1",
        openapi_url="/api/openapi.json",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.context = Context(
        parts=parts,
        flows=flows or Flows(),
        tokens=Tokens(parts.settings.secret()),
        wall=wall or SystemClock(),
        credentials=DeviceCredentials(parts.store),
        hub=hub,
        reports=Reports(parts.store, parts.settings.reports_max),
        figures=Figures(parts, wall or SystemClock()),
        throttle=SharedThrottle(Attempts(parts.store, parts.settings.secret(), "password")),
        codes=SharedThrottle(Attempts(parts.store, parts.settings.secret(), "code")),
        health=health,
    )
    app.router.routes.extend(_served().routes)
    problems.install(app, trouble.page)
    app.add_exception_handler(door.Turned, door.answer_turned)
    app.add_middleware(Assets)
    app.add_middleware(Hardening, as_page=trouble.page)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


@cache
def _served() -> APIRouter:
    """What is served where: once in a process, whatever number of applications it makes.

    FastAPI works out what a route takes when it is first looked for, which is a third of a second for all of them, and forgets it with
    the router that included it: at each level of routers within routers, and for each application anew.
    """
    served = APIRouter()
    for module in _ROUTERS:
        served.include_router(module.router, prefix=PREFIX)
    for router in (
        monitor.router,
        pages.router,
        *DESK_ROUTERS,
        notify.router,
        driver.router,
        receipt.router,
        invoice.router,
        lane.router,
        own_stay.router,
        public.router,
    ):
        served.include_router(router)
    return served


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The schema, with the errors as they really are: problems."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
        components = schema.setdefault("components", {}).setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            components.pop(unused, None)
        components["Problem"] = problems.SCHEMA
        schema["components"]["securitySchemes"] = {
            "staff": {"type": "oauth2", "flows": {"password": {"tokenUrl": "/api/v1/token", "scopes": {}}}},
            "device": {"type": "http", "scheme": "basic"},
        }
        content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        for path, operations in schema["paths"].items():
            for operation in operations.values():
                operation["responses"].update(
                    {status: {"description": words, "content": content} for status, words in _REFUSALS.items()}
                )
                if path != "/api/v1/token":
                    operation["security"] = [{"device": []}] if "/images/" in path else [{"staff": []}]
        app.openapi_schema = schema
    return app.openapi_schema
