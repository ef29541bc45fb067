"""Fetching statements from the channels that hand them out by API (微信支付, 支付宝): asked for, downloaded whole, imported as every file is.

No transaction is open while a channel is asked. What was downloaded lies in a file without a name, which ends with the process, and counts
only once all of it has come: then it goes through the flow of imports, which knows a file that it has had. So a fetch that is
interrupted, repeated or done by two at once leaves one statement, or none.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from time import sleep as pause
from typing import BinaryIO, NamedTuple

import msgspec
from sqlalchemy import Connection
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from gateway.channels.port import Channel, Damaged, Declined, NotReady, Unavailable
from gateway.flows import statements as flow
from gateway.flows.posting import day_bounds
from gateway.flows.refusals import Invalid, NotFound, Refused
from gateway.runtime.channel_settings import SecretMissing
from gateway.store import statements as store
from gateway.wiring import Parts

DAYS_BACK = 89
"""WeChat Pay hands a day out for three months; Alipay for longer."""
TRIES = 3


class Outcome(StrEnum):
    """What became of a fetch. The first three: the statement is here."""

    IMPORTED = "imported"
    KNOWN = "known"
    EMPTY = "empty"
    """The channel had nothing that day, and that is on record."""
    NOT_READY = "not_ready"
    AWAY = "away"
    """The channel did not answer, or is broken."""
    DAMAGED = "damaged"
    """What came was not whole, or not what the channel had told of: nothing of it was imported."""
    DECLINED = "declined"
    """The channel will not hand it out, or the account cannot be used: for a person."""
    REFUSED = "refused"
    """It came, and does not fit what is here: for a person."""


HERE = frozenset({Outcome.IMPORTED, Outcome.KNOWN, Outcome.EMPTY})


class Wanted(NamedTuple):
    """A statement that a channel hands out: one of its kind a day and account."""

    day: date
    merchant: str
    channel: str
    kind: str

    def __str__(self) -> str:
        return f"{self.channel} {self.kind} of {self.day}, merchant {self.merchant}"


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one. `why`: the reason, where it did not come. Safe to show: no key, no address, no payer."""

    day: date
    merchant: str
    channel: str
    kind: str
    outcome: Outcome
    why: str = ""
    statement: flow.Imported | None = None

    @property
    def here(self) -> bool:
        return self.outcome in HERE


def fetch(
    parts: Parts,
    day: date,
    who: flow.Who,
    *,
    channel: str | None = None,
    merchant: str | None = None,
    site: str | None = None,
    tries: int = TRIES,
    sleep: Callable[[float], None] = pause,
) -> list[Fetched]:
    """Fetch a day's statements of all accounts, or of a channel, a merchant, the merchant of a site; again also what is here.

    A channel that does not answer is asked up to `tries` times. Raises `Invalid` where nothing can be fetched, `NotFound` for a merchant
    or a site that is not theirs.
    """
    wanted = _chosen(parts, day, who, channel, merchant, site)
    return [fetch_one(parts, one, who, tries=tries, sleep=sleep) for one in wanted]


def fetch_one(
    parts: Parts, wanted: Wanted, who: flow.Who, *, tries: int = TRIES, sleep: Callable[[float], None] = pause
) -> Fetched:
    """Fetch one statement; what the channel will not do is an outcome, not an exception."""
    try:
        outcome, made, why = _fetched(parts, wanted, who, tries, sleep)
    except NotReady as problem:
        outcome, made, why = Outcome.NOT_READY, None, str(problem)
    except Damaged as problem:
        outcome, made, why = Outcome.DAMAGED, None, str(problem)
    except Unavailable as problem:
        outcome, made, why = Outcome.AWAY, None, str(problem)
    except (Declined, SecretMissing) as problem:
        outcome, made, why = Outcome.DECLINED, None, str(problem)
    except flow.UnreadableStatement as problem:
        outcome, made, why = Outcome.DAMAGED, None, problem.detail
    except Refused as problem:
        outcome, made, why = Outcome.REFUSED, None, problem.detail
    parts.metrics.statements_fetched.labels(channel=wanted.channel, outcome=outcome.value).inc()
    return Fetched(**wanted._asdict(), outcome=outcome, why=why, statement=made)


def ready_at(parts: Parts, day: date) -> datetime:
    """From when on a day's statement is asked for. Before, a channel may say that it had nothing and mean that it has not looked."""
    return next_day_at(parts, day, parts.settings.statements_at)


def next_day_at(parts: Parts, day: date, clock: str) -> datetime:
    """A local time such as `10:00` on the day after."""
    return datetime.combine(day + timedelta(days=1), time.fromisoformat(clock), parts.settings.zone)


def _fetched(
    parts: Parts, wanted: Wanted, who: flow.Who, tries: int, sleep: Callable[[float], None]
) -> tuple[Outcome, flow.Imported | None, str]:
    from_ = ready_at(parts, wanted.day)
    if parts.clock.now() < from_:
        raise NotReady(f"it is there from {from_:%F %R} on")
    account = _account(parts, wanted)
    with tempfile.TemporaryFile(prefix="parkgate-statement-") as file:
        if not _asked(account, wanted, file, tries, sleep):
            return _nothing(parts, wanted, who)
        made = flow.import_file(
            parts,
            wanted.channel,
            file,
            who,
            name=f"{wanted.channel} {wanted.kind} {wanted.day}",
            merchant=wanted.merchant,
            day=wanted.day,
            kind=wanted.kind,
        )
    return Outcome.KNOWN if made.known else Outcome.IMPORTED, made, ""


def _account(parts: Parts, wanted: Wanted) -> Channel:
    """Raises `Declined` for an account that cannot be used, whatever its library says of its keys."""
    try:
        account = parts.channels.get(wanted.merchant, wanted.channel)
    except SecretMissing:
        raise
    except Exception as problem:
        raise Declined(f"the keys of {wanted.channel} cannot be used: {type(problem).__name__}") from None
    if account is None:
        raise Declined(f"merchant {wanted.merchant} has no account at {wanted.channel} in the settings")
    return account


def _asked(account: Channel, wanted: Wanted, into: BinaryIO, tries: int, sleep: Callable[[float], None]) -> bool:
    """Whether the channel had anything that day; then it is in the file."""
    again = Retrying(
        retry=retry_if_exception_type(Unavailable),
        stop=stop_after_attempt(tries),
        wait=wait_exponential(multiplier=1, max=10),
        sleep=sleep,
        reraise=True,
    )

    def ask() -> bool:
        into.seek(0)
        into.truncate()
        return account.bill(wanted.kind, wanted.day, into)

    return bool(again(ask))


def _nothing(parts: Parts, wanted: Wanted, who: flow.Who) -> tuple[Outcome, flow.Imported, str]:
    """An empty day, unless we know better: Alipay has the same words for a day that it has not written yet."""
    with parts.store.reading() as connection:
        paid = store.paid_orders(
            connection, wanted.merchant, wanted.channel, day_bounds(wanted.day, parts.settings.zone)
        )
    if paid:
        raise NotReady(f"the channel says that it had nothing, and {paid} orders here were paid that day")
    made = flow.record_empty(parts, wanted.channel, wanted.day, who, kind=wanted.kind, merchant=wanted.merchant)
    return Outcome.EMPTY, made, ""


def _chosen(
    parts: Parts, day: date, who: flow.Who, channel: str | None, merchant: str | None, site: str | None
) -> list[Wanted]:
    with parts.store.reading() as connection:
        if site is not None:
            found = store.merchant_of_site(connection, site)
            if found is None or (who.only is not None and site not in who.only):
                raise NotFound(f"there is no site {site:.40}, or not for you")
            if merchant is not None and merchant != found:
                raise Invalid(f"site {site:.40} is {found}'s, not {merchant:.40}'s")
            merchant = found
        open_to = _theirs(connection, who)
    if merchant is not None and merchant not in open_to:
        raise NotFound(f"there is no merchant {merchant:.40} in use, or not for you")
    wanted = [
        Wanted(day, *one)
        for one in parts.channels.statements()
        if one[0] in open_to and merchant in {None, one[0]} and channel in {None, one[1]}
    ]
    if not wanted:
        raise Invalid(
            f"no account at {channel or 'a channel'} in the settings hands statements out: import its file, or see `channels`"
        )
    return wanted


def _theirs(connection: Connection, who: flow.Who) -> set[str]:
    """Merchants in use all of whose sites somebody sees."""
    found = {merchant: store.sites_of_merchant(connection, merchant) for merchant in store.merchants(connection)}
    return {one for one, sites in found.items() if sites and (who.only is None or who.only.issuperset(sites))}


def missing(parts: Parts) -> Iterator[Wanted]:
    """What should be here by now, is not, and can be fetched, the oldest day first: of days that are not sealed as reconciled at all of an
    account's sites.

    They wait for it. What was sealed before an account was used waits for nothing; where nothing is closed yet, only yesterday does.
    """
    return _not_here(parts, list(parts.channels.statements()), first=_handed_out_since(parts))


def for_a_person(parts: Parts) -> Iterator[Wanted]:
    """What should be here as well, and nobody fetches: what comes as a file; and of an account that waits for longer than its channel hands
    days out, the oldest day, which holds up those after it.
    """
    files, since = list(parts.channels.files()), _handed_out_since(parts)
    yield from _not_here(parts, files, first=since)
    told: set[tuple[str, str, str]] = set()
    for one in _not_here(parts, [*parts.channels.statements(), *files], before=since):
        account = one.merchant, one.channel, one.kind
        if account not in told:
            told.add(account)
            yield one


def _yesterday(parts: Parts) -> date:
    return parts.clock.now().astimezone(parts.settings.zone).date() - timedelta(days=1)


def _handed_out_since(parts: Parts) -> date:
    """The first day that every channel still hands out."""
    return _yesterday(parts) - timedelta(days=DAYS_BACK - 1)


def _not_here(
    parts: Parts, accounts: list[tuple[str, str, str]], *, first: date = date.min, before: date = date.max
) -> Iterator[Wanted]:
    """What is waited for and has not come, from a day on and before another."""
    if not accounts:
        return
    yesterday = _yesterday(parts)
    last = yesterday if parts.clock.now() >= ready_at(parts, yesterday) else yesterday - timedelta(days=1)
    with parts.store.reading() as connection:
        since = store.not_reconciled_since(connection)
        begins = {}
        for merchant in _theirs(connection, flow.Who(operator="")):
            days = [since[site] for site in store.sites_of_merchant(connection, merchant) if site in since]
            begins[merchant] = min(days, default=last)
        first = max(first, min(begins.values(), default=last))
        there = store.standing_since(connection, first)
    for back in range((min(last, before - timedelta(days=1)) - first).days + 1):
        day = first + timedelta(days=back)
        for merchant, channel, kind in accounts:
            if merchant in begins and day >= begins[merchant] and (merchant, channel, kind, day) not in there:
                yield Wanted(day, merchant, channel, kind)
