"""Importing what a channel says it settled: all of a file or nothing, once.

A file is read to its end without a transaction, since only then is it known to be whole: a wrong one costs no lock. The rows of an
ordinary day are kept meanwhile, so that the transaction only writes them; a longer file is read again, some rows at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, BinaryIO

import msgspec
from sqlalchemy import Connection, insert, select

from billing.statements import (
    CHANNELS,
    BadStatement,
    Head,
    Kind,
    Row,
    Statement,
    StatementKind,
    Totals,
    open_statement,
)
from billing.statements.container import UNPACKED_MAX
from gateway.flows import audit
from gateway.flows.refusals import Invalid, NotFound, Refused
from gateway.flows.statements_rows import Seal, write_rows
from gateway.runtime.ids import derive_in_site
from gateway.store import statements as store
from gateway.store.statements import Slot
from gateway.store.tables import ChannelStatement
from gateway.wiring import Parts

_ROWS_AT_A_TIME = 2000
_ROWS_KEPT_MAX = 20_000
_NOTHING = hashlib.sha256(b"").digest()
_KINDS = {
    "wechat": ("trade", "payments", "refunds", "fund_flow"),
    "alipay": ("trade",),
    "unionpay": ("trade",),
    "cash": ("count",),
}


class UnreadableStatement(Refused):
    """The file is no statement of this channel, or it is damaged: nothing was imported."""

    status = 422
    slug = "bad-statement"


class MerchantUnclear(Refused):
    """Whose statement it is cannot be told: say which merchant (收款主体)."""

    status = 422
    slug = "merchant-unclear"


class StatementStands(Refused):
    """There is a statement with rows of that day: a channel does not take them back."""

    status = 409
    slug = "statement-stands"


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """A statement. `orphans`: rows that no order of ours leads to. `known`: it was imported before, and nothing changed.

    `replaces`: which statements of the same account, kind and day it took the place of. Amounts in fen, fees in 1/1000 fen.
    """

    id: str
    site: str
    merchant: str
    channel: str
    kind: str
    day: date
    account: str
    digest: str
    rows: int
    orphans: int
    payments: int
    payments_fen: int
    refunds: int
    refunds_fen: int
    fee_millifen: int
    imported_at: datetime
    imported_by: str
    replaced_by: str | None = None
    known: bool = False
    replaces: tuple[str, ...] = ()


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """Who imports, from where. `only`: the sites that they may see, None for all."""

    operator: str
    origin: str = ""
    only: frozenset[str] | None = None


class _Given(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was read to its end. `rows`: None where they are too many to be kept."""

    head: Head
    totals: Totals
    digest: bytes
    sites: frozenset[str]
    rows: list[Row] | None


def import_file(
    parts: Parts,
    channel: str,
    stream: BinaryIO,
    who: Who,
    *,
    name: str = "",
    merchant: str | None = None,
    day: date | None = None,
    kind: str | None = None,
    unpacked_max: int = UNPACKED_MAX,
    progress: Callable[[int], object] | None = None,
) -> Imported:
    """Import a file that can be sought. `name` is the file's; `merchant` and `day` where it does not say them. One transaction.

    `kind`: what it must be, where that is known.

    Raises `UnreadableStatement`, `MerchantUnclear`, `StatementStands`, `Invalid`, `NotFound`. `progress` is called with rows read.
    """
    if channel not in CHANNELS:
        raise Invalid(f"channel {channel!r:.40} is none of {', '.join(CHANNELS)}")

    def begin(known_day: date | None) -> Statement:
        stream.seek(0)
        return open_statement(channel, stream, name=name, day=known_day, unpacked_max=unpacked_max)

    try:
        given = _read(begin(day), progress)
        if kind is not None and given.head.kind != kind:
            raise UnreadableStatement(f"it is of kind {given.head.kind}, not {kind}: nothing was imported")
        with parts.store.writing() as connection:
            whose = _merchant(parts, connection, given.head, merchant)
            home = _home(connection, whose, who, given.sites)
            slot = _slot(given.head, whose)
            known = _known(connection, slot, given.digest)
            if known is not None:
                return known
            old = store.standing(connection, slot, empty=given.totals.rows == 0)
            _refuse_to_forget(old, given.totals.rows)
            statement_id = _id(home, slot, given.digest)
            if given.rows is not None:
                written = write_rows(connection, statement_id, home, iter(given.rows), None)
            else:
                again = begin(given.head.day)
                written = write_rows(connection, statement_id, home, again.rows(), progress)
                if again.digest != given.digest:
                    raise UnreadableStatement("the file changed while it was read: import it again")
            made = _made(parts, slot, given, statement_id, home, who, written.orphans)
            _put(connection, made, old, who, name, written.content)
            connection.commit()
    except BadStatement as problem:
        raise UnreadableStatement(str(problem)) from None
    return msgspec.structs.replace(made, replaces=tuple(row.id for row in old))


def record_empty(
    parts: Parts, channel: str, day: date, who: Who, *, kind: str = "trade", merchant: str | None = None
) -> Imported:
    """The channel had nothing that day (NO_STATEMENT_EXIST, BILL_NOT_EXIST): that it was asked is on record. One transaction.

    Recorded again it changes nothing; a statement that comes after all replaces it. Raises as `import_file` does.
    """
    if kind not in _KINDS.get(channel, ()):
        raise Invalid(f"{channel!r:.20} has no statement of kind {kind!r:.20}")
    head = Head(channel, StatementKind(kind), day)
    given = _Given(head=head, totals=Totals(), digest=_NOTHING, sites=frozenset(), rows=[])
    with parts.store.writing() as connection:
        whose = _merchant(parts, connection, given.head, merchant)
        home = _home(connection, whose, who, given.sites)
        slot = _slot(given.head, whose)
        known = _known(connection, slot, given.digest)
        if known is not None and known.replaced_by is None:
            return known
        old = store.standing(connection, slot, empty=True)
        _refuse_to_forget(old, 0)
        made = _made(parts, slot, given, _id(home, slot, _NOTHING), home, who, 0)
        _put(connection, made, old, who, "", Seal().hex())
        connection.commit()
    return msgspec.structs.replace(made, replaces=tuple(row.id for row in old))


def _read(statement: Statement, progress: Callable[[int], object] | None) -> _Given:
    """To the end, keeping the rows of an ordinary day. Raises `BadStatement`."""
    sites: set[str] = set()
    kept: list[Row] = []
    for count, row in enumerate(statement.rows(), 1):
        if count <= _ROWS_KEPT_MAX:
            kept.append(row)
        elif kept:
            kept.clear()
        if row.site:
            sites.add(row.site)
        if progress is not None and count % _ROWS_AT_A_TIME == 0:
            progress(_ROWS_AT_A_TIME)
    return _Given(
        head=statement.head,
        totals=statement.totals,
        digest=statement.digest,
        sites=frozenset(sites),
        rows=kept if statement.totals.rows == len(kept) else None,
    )


def _merchant(parts: Parts, connection: Connection, head: Head, asked: str | None) -> str:
    """Whose it is: the settings' account, else whose statements had it before, else as asked, else the only one there is."""
    there = store.merchants(connection)
    if asked is not None and asked not in there:
        raise Invalid(f"merchant {asked!r:.60} is none of {', '.join(there)}")
    before: list[str] = []
    if head.account:
        before = _configured(parts, head) or store.merchants_of_account(connection, head.channel, head.account)
    if asked is not None and before and asked not in before:
        raise Invalid(
            f"account {head.account} is {before[0]}'s, not {asked}'s: the settings or earlier statements say so"
        )
    if asked is not None:
        return asked
    found = before or there
    if len(found) != 1:
        raise MerchantUnclear(
            f"whose statement it is cannot be told: say which merchant, {' or '.join(found) or 'none'}"
        )
    return found[0]


def _configured(parts: Parts, head: Head) -> list[str]:
    """Whose the settings say an account is, and only among merchants that are paid through it."""
    # Alipay's bills name the seller with 0156 behind it.
    more = "0156" if head.channel == "alipay" else ""
    numbers = {merchant: one.numbers().get(head.channel) for merchant, one in parts.settings.channels.items()}
    return [
        merchant
        for merchant, number in numbers.items()
        if number is not None and head.account in {number, f"{number}{more}"}
    ]


def _home(connection: Connection, merchant: str, who: Who, named: frozenset[str]) -> str:
    """The account's home site, its row held. Raises `NotFound` where somebody may not see all of the account's sites."""
    store.hold_merchant(connection, merchant)
    sites = store.sites_of_merchant(connection, merchant)
    if not sites:
        raise Invalid(f"merchant {merchant} has no site: add one to the site file")
    if who.only is not None and not who.only.issuperset(sites):
        raise NotFound(f"merchant {merchant} is paid for sites that are not yours")
    if strange := sorted(named.difference(sites)):
        raise UnreadableStatement(f"site {strange[0]:.60} is none that {merchant} is paid for: correct it")
    return sites[0]


def _slot(head: Head, merchant: str) -> Slot:
    assert head.day is not None
    return Slot(merchant, head.channel, head.kind.value, head.day, head.account)


def _id(home: str, slot: Slot, digest: bytes) -> str:
    """The same file has the same id."""
    parts = (slot.merchant, slot.channel, slot.kind, slot.day.isoformat(), slot.account)
    return derive_in_site(home, "statement", *parts, digest.hex())


def _known(connection: Connection, slot: Slot, digest: bytes) -> Imported | None:
    found = connection.execute(
        select(ChannelStatement)
        .where(ChannelStatement.merchant_id == slot.merchant, ChannelStatement.channel == slot.channel)
        .where(ChannelStatement.kind == slot.kind, ChannelStatement.day == slot.day)
        .where(ChannelStatement.account == slot.account, ChannelStatement.digest == digest)
    ).first()
    return None if found is None else msgspec.structs.replace(document_of(found), known=True)


def _refuse_to_forget(old: list[Any], rows: int) -> None:
    most = max((row.rows for row in old), default=0)
    if rows == 0 and most:
        raise StatementStands(f"a statement with {most} rows of that day stands: a channel does not take them back")


def _made(parts: Parts, slot: Slot, given: _Given, id_: str, home: str, who: Who, orphans: int) -> Imported:
    totals = given.totals
    return Imported(
        id=id_,
        site=home,
        merchant=slot.merchant,
        channel=slot.channel,
        kind=slot.kind,
        day=slot.day,
        account=slot.account,
        digest=given.digest.hex(),
        rows=totals.rows,
        orphans=orphans,
        payments=totals.count[Kind.PAYMENT],
        payments_fen=totals.fen[Kind.PAYMENT],
        refunds=totals.count[Kind.REFUND],
        refunds_fen=totals.fen[Kind.REFUND],
        fee_millifen=totals.fee_millifen,
        imported_at=parts.clock.now(),
        imported_by=who.operator[:64],
    )


def _put(connection: Connection, made: Imported, old: list[Any], who: Who, name: str, content: str) -> None:
    store.replace(connection, old, made.id)
    values = {field: getattr(made, field) for field in _COLUMNS}
    connection.execute(
        insert(ChannelStatement).values(
            site_id=made.site, merchant_id=made.merchant, digest=bytes.fromhex(made.digest), replaced_by=None, **values
        )
    )
    audit.record(
        connection,
        at=made.imported_at,
        operator=who.operator,
        action=f"statement.import {made.channel}" if made.rows else f"statement.empty {made.channel}",
        site=made.site,
        subject=name,
        origin=who.origin,
        detail={
            "statement": made.id,
            "merchant": made.merchant,
            "kind": made.kind,
            "day": made.day.isoformat(),
            "rows": made.rows,
            "digest": made.digest,
            "replaces": [row.id for row in old],
            "account": made.account,
            "orphans": made.orphans,
            "content": content,
        },
    )


_COLUMNS = (
    *("id", "channel", "kind", "day", "account", "rows", "orphans", "payments", "payments_fen"),
    *("refunds", "refunds_fen", "fee_millifen", "imported_at", "imported_by"),
)


def document_of(row: Any) -> Imported:
    """A statement as it stands in the database."""
    values = {field: getattr(row, field) for field in _COLUMNS}
    return Imported(
        site=row.site_id,
        merchant=row.merchant_id,
        digest=bytes(row.digest).hex(),
        replaced_by=row.replaced_by,
        **values,
    )
