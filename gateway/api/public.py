"""公开数据: what everybody may read of a site. Never a plate or a name."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from billing.exports.words import BENEFITS
from gateway.api.answers import json
from gateway.api.context import With
from gateway.console.rendering import language_of, render
from gateway.console.words import word
from gateway.console.words_open import BENEFITS as ENGLISH
from gateway.flows.refusals import NotFound

router = APIRouter(prefix="/open", tags=["public"], include_in_schema=False)

SiteId = Annotated[str, Path(min_length=1, max_length=40)]


@router.get("/{site}")
def figures(
    request: Request,
    context: With,
    site: SiteId,
    form: Annotated[Literal["html", "json"] | None, Query(alias="format")] = None,
) -> Response:
    """公开数据: prices in force, income and waivers month by month, and the hash of each close. A page, or JSON for programs."""
    if form == "json" or (form is None and "text/html" not in request.headers.get("accept", "")):
        return json(context.parts, context.figures.site(site))
    try:
        found = context.figures.site(site)
    except NotFound:
        return render(request, "notice.html", 404, staff=None, message="open.gone")
    lang = language_of(request)

    def benefit(name: str) -> str:
        if name == "other":
            return word(lang, "open", "other")
        return BENEFITS.get(name, name) if lang == "zh" else ENGLISH.get(name, name)

    return render(request, "open.html", site=found, benefit=benefit)


@router.get("/{site}/free-passages")
def free_passages(
    context: With,
    site: SiteId,
    month: Annotated[str, Query(pattern=r"^\d{4}-\d{2}$", description="a local month that is over, such as 2026-03")],
) -> Response:
    """免费车种月报: who left free in a month, by class, with the rule of each class."""
    return json(context.parts, context.figures.free_passages(site, month))
