"""库存日报: what of vouchers moved on a day and how they stood at its end, by site and buyer, and book by book."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from gateway.api.context import With
from gateway.console.desk import door, forms, vouchers
from gateway.flows.vouchers import reading as found

router = APIRouter(include_in_schema=False)

WHERE: Final = "/vouchers/stock"
_SEE: Final = ("GET", WHERE)
_BOOKS_SHOWN: Final = 100
_STANDS: Final = ("made", "in_stock", "scrapped", "issued", "used", "void", "expired", "outstanding")
_MOVED: Final = {"issued_today": "issue", "returned_today": "return", "used_today": "use"}
_FIRST, _LAST = date(2000, 1, 2), date(2199, 12, 30)
Day = Annotated[date | None, Query(ge=_FIRST, le=_LAST)]


@router.get(WHERE)
def stock(
    request: Request, context: With, site: Annotated[str, Query(max_length=40)] = "", day: Day = None
) -> Response:
    """By default today, as it stands now."""
    staff = door.staff_at(request, context, _SEE)
    allowed = staff.only(site or None)
    today = context.parts.clock.now().astimezone(context.parts.settings.zone).date()
    wanted = day or today
    with context.reports.reading() as connection:
        rows = found.stock(connection, allowed, wanted)
        shown = sorted(rows, key=lambda one: (not one["moved"], one["site"], one["book"]))[:_BOOKS_SHOWN]
        known = found.books_named(connection, {(one["site"], one["book"]) for one in rows})
        sites = forms.sites(connection, staff)
    books = [_stands(one) | {"of": known[one["site"], one["book"]]} for one in rows]
    here = {(one["site"], one["book"]) for one in shown}
    return door.page(
        request,
        staff,
        "vouchers_stock.html",
        here="vouchers",
        tabs=vouchers.tabs(staff),
        sites=sites,
        asked={"site": site, "day": wanted.isoformat()},
        before=(wanted - timedelta(days=1)).isoformat(),
        after=(wanted + timedelta(days=1)).isoformat() if wanted < today else "",
        sums=_sums(books),
        books=[one for one in books if (one["site"], one["book"]) in here],
        left=len(rows) - len(shown),
        wrong=sum(not one["balances"] for one in rows),
        stands=_STANDS,
        moves=tuple(_MOVED),
    )


def _stands(one: Mapping[str, Any]) -> dict[str, Any]:
    """A book with the sums that the page shows. What lies in the office lies there, whether it was out before or not."""
    sums = one["stands"] | {"in_stock": one["stands"]["stock"] + one["stands"]["returned"]}
    return {
        **one,
        **{name: sums[name] for name in _STANDS},
        **{name: one["moved"].get(of, 0) for name, of in _MOVED.items()},
    }


def _sums(books: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """By site and who bought them; the street's own first."""
    sums: dict[tuple[str, str], dict[str, Any]] = {}
    for one in books:
        key = (one["site"], one["of"]["buyer"] or "")
        row = sums.setdefault(key, dict.fromkeys((*_STANDS, *_MOVED, "books", "waived_fen"), 0))
        row["books"] += 1
        for name in (*_STANDS, *_MOVED, "waived_fen"):
            row[name] += one[name]
    return [{"site": site, "buyer": buyer, **row} for (site, buyer), row in sorted(sums.items())]
