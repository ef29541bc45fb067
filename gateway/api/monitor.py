"""Liveness, readiness and metrics."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from gateway.api.context import With
from gateway.flows.reading import database_answers

router = APIRouter(tags=["monitoring"], include_in_schema=False)


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(context: With) -> Response:
    """200 if the database answers and everything in the process's own health is well (the broker), else 503."""
    state: dict[str, Any] = {"database": database_answers(context.parts.store)}
    if context.health is not None:
        state |= context.health()
    ready = all(value is not False for value in state.values())
    return Response(
        msgspec.json.encode({"ready": ready, **state}), 200 if ready else 503, media_type="application/json"
    )


@router.get("/metrics")
def metrics(context: With) -> Response:
    """Prometheus text."""
    return Response(generate_latest(context.parts.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
