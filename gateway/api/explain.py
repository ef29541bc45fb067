"""Why: a stay's bills in sentences, and why a gate opened or did not."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel

from gateway.api.access import SEES_LOW_INCOME
from gateway.api.answers import json
from gateway.api.context import Asking, With
from gateway.flows import explain, reading

router = APIRouter(tags=["explanations"])

Name = Annotated[str, Path(max_length=64)]
Language = Annotated[Literal["zh", "en"], Query(alias="lang", description="zh (the default) or en")]


class BillExplained(BaseModel):
    sequence: int
    kind: Literal["early", "exit", "void"]
    fixed_at: datetime
    stands: bool
    sentences: list[str]


class StayExplanation(BaseModel):
    """`sentences`: the bill that stands, what was paid, how it ended. `bills`: every one that was fixed, in order."""

    stay: str
    site: str
    language: Literal["zh", "en"]
    policy: str | None
    version: int | None
    sentences: list[str]
    bills: list[BillExplained]


class EventExplanation(BaseModel):
    """`policy` and `version` are those of the bill, where there was one. No plate is in it."""

    site: str
    device: str
    event: str
    language: Literal["zh", "en"]
    at: datetime | None
    lane: str | None
    decision: str | None
    reason: str | None
    stay: str | None
    policy: str | None
    version: int | None
    sentences: list[str]


@router.get("/stays/{stay_id}/explanation", responses={200: {"model": StayExplanation}})
def of_stay(staff: Asking, context: With, stay_id: Name, language: Language = "zh") -> Response:
    """Every bill of a stay in sentences, each line with its rule and policy version. To most roles a resident is a resident."""
    staff.own(reading.site_of(stay_id))
    found = explain.stay_explanation(context.parts, stay_id, language=language, truly=staff.role in SEES_LOW_INCOME)
    return json(context.parts, found)


@router.get("/events/{site}/{device}/{event}/explanation", responses={200: {"model": EventExplanation}})
def of_event(
    staff: Asking, context: With, site: Name, device: Name, event: Name, language: Language = "zh"
) -> Response:
    """Why a gate opened for this read, or why not, from what was stored then; also after the plate was deleted."""
    staff.own(site)
    found = explain.event_explanation(
        context.parts, site, device, event, language=language, truly=staff.role in SEES_LOW_INCOME
    )
    return json(context.parts, found)
