"""Why a stay costs what it costs, and why a gate opened: from stored facts alone, months later, also without the plate.

Nothing is judged again. What was decided, under which reason, is in the event and in its command; what the registers gave the
vehicle then is in the facts of its bill. No plate, no name and no household is in an explanation; what staff gave as their reason is
told as they wrote it.
"""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Row

from billing.benefits import Benefits
from billing.bill import StayToPrice
from billing.explain import Language, duration, sentences
from billing.money import yuan
from billing.policy import Policy
from gateway.flows import corrections_words
from gateway.flows import explain_rows as rows
from gateway.flows.corrections_records import of_stay, read_at
from gateway.flows.explain_gate import at_gate, clock, open_name, reason_of
from gateway.flows.explain_rows import Gate
from gateway.flows.explain_words import BILLS, CHANNELS, REASONS, STATES, said
from gateway.flows.refusals import NotFound
from gateway.store.records import BillRecord
from gateway.wiring import Parts

Document = dict[str, Any]


def stay_explanation(parts: Parts, stay_id: str, *, language: Language, truly: bool = False) -> Document:
    """Every bill of a stay in sentences, what was paid, and how it ended. `truly` names a certificate and a pass.

    Raises `NotFound`.
    """
    with parts.store.reading() as connection:
        stay = rows.stay(connection, stay_id)
        if stay is None:
            raise NotFound("there is no such stay, or not for you")
        bills = rows.bills(connection, stay)
        policies = rows.policies(connection, bills)
        paid = rows.payments(connection, stay)
        made = of_stay(connection, stay.site_id, stay.id) if stay.corrections else []
    zone = parts.settings.zone
    standing = bills[-1] if bills and bills[-1].kind != "void" else None
    told = [_came(stay, language, zone), *corrections_words.sentences(made, language, zone)]
    if standing is not None:
        told += _of_bill(standing, policies, language, truly=truly)
    told += _paid(paid, language, zone)
    told += _ended(stay, standing, language, truly=truly)
    return {
        "stay": stay.id,
        "site": stay.site_id,
        "language": language,
        "policy": standing.bill.policy if standing else None,
        "version": standing.bill.version if standing else None,
        "sentences": told,
        "bills": [
            {
                "sequence": one.sequence,
                "kind": one.kind,
                "fixed_at": one.fixed_at,
                "stands": one is standing,
                "sentences": [
                    _fixed(one, language, zone),
                    *(_of_bill(one, policies, language, truly=truly) if one.kind != "void" else []),
                ],
            }
            for one in bills
        ],
    }


def event_explanation(
    parts: Parts, site: str, device: str, event: str, *, language: Language, truly: bool = False
) -> Document:
    """Why a gate opened for a read, or why not. Also where the event itself has been deleted and only its stay is left.

    Raises `NotFound`.
    """
    zone = parts.settings.zone
    with parts.store.reading() as connection:
        read = rows.read(connection, site, device, event)
        name = read.event_id if read is not None else event
        commands = rows.commands(connection, site, {(device, name)})[device, name]
        stay = rows.stay_of_event(connection, site, device, name, commands)
        if read is None and stay is None and not commands:
            raise NotFound("there is no such event, or it was deleted with everything that followed from it")
        bills = rows.bills(connection, stay) if stay is not None else []
        policies = rows.policies(connection, bills)
        marks = rows.marks(connection, site, {(device, name)})[device, name]
        lane = rows.lane(connection, site, read, stay, commands, device, name)
        as_read = read_at(connection, site, device, name)
    at_exit = stay is not None and (lane is None or lane.direction == "out") and not rows.is_entry(stay, device, name)
    at = read.at if read is not None else rows.instant(stay, commands, device, name)
    bill = rows.bill_then(bills, at) if at_exit else None
    gate = Gate(device, name, read, lane, as_read or at, as_read is not None, commands, marks)
    told = at_gate(gate, stay, language, zone, truly=truly)
    if stay is not None and at_exit:
        told.append(_came(stay, language, zone))
        told += _had(bill, language, truly=truly) if bill is not None else []
        told += _of_bill(bill, policies, language, truly=truly) if bill is not None else []
    elif stay is not None:
        first = next((one for one in bills if one.kind != "void"), None)
        told += _had(first, language, truly=truly) if first is not None else []
    return {
        "site": site,
        "device": device,
        "event": name,
        "language": language,
        "at": as_read or at,
        "lane": None if lane is None else f"{site}.{lane.id}",
        "decision": read.decision if read is not None else None,
        "reason": reason_of(read, commands, truly=truly),
        "stay": stay.id if stay is not None else None,
        "policy": bill.bill.policy if bill is not None else None,
        "version": bill.bill.version if bill is not None else None,
        "sentences": told,
    }


def _of_bill(one: BillRecord, policies: dict[tuple[str, int], Policy], language: Language, *, truly: bool) -> list[str]:
    policy = policies.get((one.bill.policy, one.bill.version))
    stay, allowance = stay_priced(one.facts), _allowance(one.facts)
    return sentences(one.bill, language, policy, stay=stay, allowance=allowance, truly=truly)


def stay_priced(facts: dict[str, Any]) -> StayToPrice | None:
    """The stay as a bill's facts keep it; None where they do not, as those of early versions."""
    try:
        return msgspec.convert(facts["stay"], StayToPrice)
    except (KeyError, msgspec.ValidationError):
        return None


def _allowance(facts: dict[str, Any]) -> dict[str, int] | None:
    try:
        found: dict[str, int] | None = facts["benefits"].get("allowance")
    except (KeyError, AttributeError):
        return None
    return found


def _had(one: BillRecord, language: Language, *, truly: bool) -> list[str]:
    """What the registers gave the vehicle then, as its bill kept it."""
    try:
        had = msgspec.convert(one.facts["benefits"], Benefits)
    except (KeyError, msgspec.ValidationError):
        return []
    chinese = language == "zh"
    found: list[str] = []
    if had.free_class is not None:
        found.append(f"免费车种 {had.free_class}" if chinese else f"free class {had.free_class}")
    if had.low_income or had.passes:
        if not truly:
            found.append(said(REASONS, "resident", language))
        else:
            found += [said(REASONS, "low_income", language)] if had.low_income else []
            found += [f"{'包月' if chinese else 'pass'} {period.id}" for period in had.passes]
    for month, minutes in sorted((had.allowance or {}).items()):
        left = duration(minutes, language)
        found.append(f"亲属免费时长 {month} 余 {left}" if chinese else f"relatives' allowance of {month}: {left} left")
    if had.vouchers:
        found.append(f"停车券 {len(had.vouchers)} 张" if chinese else f"{len(had.vouchers)} vouchers")
    if not found:
        return ["当时没有登记任何优免。" if chinese else "No benefit was registered for it then."]
    return [f"当时登记的优免：{'；'.join(found)}。" if chinese else f"Registered for it then: {'; '.join(found)}."]


def _came(stay: Row[Any], language: Language, zone: ZoneInfo) -> str:
    chinese = language == "zh"
    if stay.entry_at is None:
        return "没有入场记录。" if chinese else "No entry is known."
    entry = clock(stay.entry_at, zone)
    if stay.exit_at is None:
        return f"{entry} 入场，尚在场内。" if chinese else f"Entered {entry}, still inside."
    leaves = clock(stay.exit_at, zone)
    return f"{entry} 入场，{leaves} 到出口。" if chinese else f"Entered {entry}, at the exit {leaves}."


def _fixed(one: BillRecord, language: Language, zone: ZoneInfo) -> str:
    at = clock(one.fixed_at, zone)
    what = said(BILLS, one.kind, language)
    return f"第 {one.sequence} 份：{what}（{at}）。" if language == "zh" else f"No. {one.sequence}: {what} ({at})."


def _paid(payments: list[Row[Any]], language: Language, zone: ZoneInfo) -> list[str]:
    told = []
    for one in payments:
        at, fen = clock(one.at, zone), yuan(one.amount_fen)
        how = said(CHANNELS, one.channel, language)
        if language == "zh":
            told.append(f"{at} 已付 {fen} 元（{f'由{one.place}代收' if one.place else how}）。")
        else:
            told.append(f"Paid {fen} yuan at {at} ({f'collected at {one.place}' if one.place else how}).")
    return told


def _ended(stay: Row[Any], standing: BillRecord | None, language: Language, *, truly: bool) -> list[str]:
    chinese = language == "zh"
    told = []
    if standing is not None:
        # Below zero: what was paid beyond the bill and kept.
        given_up = max(0, (stay.posted or {}).get("written_off_fen", 0))
        due = max(0, standing.bill.payable_fen - stay.paid_fen - given_up)
        if stay.paid_fen or due or given_up:
            off = f"核销 {yuan(given_up)} 元，" if chinese else f"{yuan(given_up)} yuan written off, "
            told.append(
                f"已付 {yuan(stay.paid_fen)} 元，{off if given_up else ''}尚欠 {yuan(due)} 元。"
                if chinese
                else f"Paid {yuan(stay.paid_fen)} yuan, {off if given_up else ''}{yuan(due)} yuan still due."
            )
    state = said(STATES, stay.state, language)
    why = said(REASONS, open_name(stay.exit_reason, truly=truly), language)
    if chinese:
        told.append(f"状态：{state}{f'，{why}' if why else ''}。")
    else:
        told.append(f"State: {state}{f'; {why}' if why else ''}.")
    return told
