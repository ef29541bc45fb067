"""Whose days are exported: one site's, those of a merchant's sites (收款主体), or the street's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from gateway.flows.refusals import Invalid, NotFound
from gateway.store import books
from gateway.store.tables import Merchant, Site, SiteBooks

STREET: Final = "street"
# Numbers of accounting vouchers: a day of the month is below 32, so a hundred has room for a site's days and for a merchant's.
_A_SITE: Final = 100
_OF_A_MERCHANT: Final = 50


class Scope(msgspec.Struct, frozen=True):
    """`name` begins every file's name; `sites` are names by id, in the order of ids. `before`: where its vouchers' numbers begin.

    The street's begin at 0, so that they are the days of the month. A site has a hundred of its own and a merchant fifty in that of
    its first site: what is exported apart can be read into one set of accounts.
    """

    name: str
    sites: Mapping[str, str]
    before: int


def scope_of(connection: Connection, site: str | None, merchant: str | None) -> Scope:
    """Raises `NotFound` where there is none in service, `Invalid` where both are named."""
    if site is not None and merchant is not None:
        raise Invalid("name a site or a merchant, not both")
    known = books.enabled_sites(connection)
    if site is not None:
        if site not in known:
            raise NotFound(f"there is no site {site:.60} in service")
        return Scope(site, {site: known[site]}, _place(connection, site) * _A_SITE)
    if merchant is None:
        return Scope(STREET, known, 0)
    own = sites_of(connection, merchant)
    sites = {one: name for one, name in known.items() if one in own}
    if not sites:
        raise NotFound(f"there is no merchant {merchant:.60} with a site in service")
    # Of all its sites, also those that are out of service: the number must not move.
    first = min(_place(connection, one) for one in own)
    return Scope(merchant, sites, first * _A_SITE + _OF_A_MERCHANT)


def sites_of(connection: Connection, merchant: str) -> frozenset[str]:
    """All sites that a merchant is paid for. Raises `NotFound` for no merchant."""
    if connection.execute(select(Merchant.id).where(Merchant.id == merchant)).first() is None:
        raise NotFound(f"there is no merchant {merchant:.60}")
    return frozenset(connection.execute(select(Site.id).where(Site.merchant_id == merchant)).scalars())


def _place(connection: Connection, site: str) -> int:
    """Which site of the street it is, from 1, by when its books were opened: one that is added later comes later."""
    rows = (
        connection.execute(select(SiteBooks.site_id).order_by(SiteBooks.opened_on, SiteBooks.site_id)).scalars().all()
    )
    return list(rows).index(site) + 1
