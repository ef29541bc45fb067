"""What happened at a gate, in sentences: a read, what was decided, what the lane was told by whom, and what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Row

from billing.explain import RESIDENT, Language
from gateway.flows import corrections_words
from gateway.flows import explain_rows as rows
from gateway.flows.explain_rows import Gate, Which
from gateway.flows.explain_words import ACTIONS, COMMANDS, DECISIONS, MOVED, REASONS, TROUBLE, said
from gateway.flows.refusals import NotFound
from gateway.wiring import Parts


class AtGate(msgspec.Struct, frozen=True, kw_only=True):
    """One read of a stay, told. `lane` is `{site}.{lane}`, None where it is not known any more."""

    which: Which
    device: str
    event: str
    at: datetime | None
    lane: str | None
    sentences: list[str]


def of_stay(parts: Parts, stay_id: str, *, language: Language, truly: bool = False) -> list[AtGate]:
    """Its entry, its exit, and where it was read in between. Raises `NotFound`."""
    with parts.store.reading() as connection:
        stay = rows.stay(connection, stay_id)
        if stay is None:
            raise NotFound("there is no such stay, or not for you")
        found = rows.gates(connection, stay, parts.clock.now())
    return [
        AtGate(
            which=which,
            device=gate.device,
            event=gate.event,
            at=gate.at,
            lane=None if gate.lane is None else f"{stay.site_id}.{gate.lane.id}",
            sentences=at_gate(gate, stay, language, parts.settings.zone, truly=truly),
        )
        for which, gate in found
    ]


def at_gate(gate: Gate, stay: Row[Any] | None, language: Language, zone: ZoneInfo, *, truly: bool) -> list[str]:
    """From the read to what the vehicle did. `stay`: the one that it began or ended. `truly` tells a reason's own name."""
    told = [_seen(gate.read, gate.lane, gate.at, language, zone)]
    if gate.corrected:
        told.append(corrections_words.READ_CORRECTED[language])
    told += _decided(gate, stay, language, truly=truly)
    told += [_commanded(one, language, zone, truly=truly) for one in gate.commands]
    return told + _became(gate.read, gate.marks, language, zone)


def reason_of(read: Row[Any] | None, commands: list[Row[Any]], *, truly: bool) -> str | None:
    """The last word on it: the command's true reason for who may see it, else what the event says."""
    if truly and commands:
        true_reason: str = commands[-1].true_reason
        return true_reason
    reason = read.reason if read is not None else commands[-1].reason if commands else None
    return open_name(reason, truly=truly)


def open_name(reason: str | None, *, truly: bool) -> str | None:
    return "resident" if reason in RESIDENT and not truly else reason


def clock(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _seen(read: Row[Any] | None, lane: Row[Any] | None, at: datetime | None, language: Language, zone: ZoneInfo) -> str:
    chinese = language == "zh"
    when = clock(at, zone) if at is not None else ""
    where = "" if lane is None else lane.id
    which = (
        "" if lane is None else {"in": ("入口", "entry"), "out": ("出口", "exit")}[lane.direction][0 if chinese else 1]
    )
    if read is None:
        if chinese:
            return f"{when} {which}车道 {where}：识别记录已按保存期限删除，以下来自停车记录。".strip()
        return f"{when}, {which} lane {where}: the read itself was deleted when its time came; this is from its stay."
    what = ("识别到车牌", "a plate was read")
    if read.kind != "plate":
        what = (f"设备报告 {read.kind}", f"the device reported {read.kind}")
    elif read.reason == "unreadable":
        what = ("未能识别车牌", "no plate could be read")
    late = ("（离线补传）" if chinese else " (sent later, from the device's memory)") if read.buffered else ""
    return (
        f"{when} {which}车道 {where}：{what[0]}{late}。"
        if chinese
        else f"{when}, {which} lane {where}: {what[1]}{late}."
    )


def _decided(gate: Gate, stay: Row[Any] | None, language: Language, *, truly: bool) -> list[str]:
    chinese, read = language == "zh", gate.read
    reason = said(REASONS, reason_of(read, gate.commands, truly=truly), language)
    if read is not None and read.decision is not None:
        decision = said(DECISIONS, read.decision, language)
        if read.opening is not None:
            by = {"list": ("离线名单", "its offline list"), "hand": ("人工", "hand")}.get(
                read.opening, (read.opening, read.opening)
            )
            opened = f"道闸由{by[0]}自行打开。" if chinese else f"The barrier had opened by {by[1]}."
            return [
                f"决定：{decision}；原因：{reason}。{opened}"
                if chinese
                else f"Decision: {decision}, for: {reason}. {opened}"
            ]
        return [f"决定：{decision}；原因：{reason}。" if chinese else f"Decision: {decision}, for: {reason}."]
    if stay is not None and not rows.is_entry(stay, gate.device, gate.event) and stay.exit_reason is not None:
        ended = said(REASONS, open_name(stay.exit_reason, truly=truly), language)
        return [f"离场原因：{ended}。" if chinese else f"It left because: {ended}."]
    return []


def _commanded(one: Row[Any], language: Language, zone: ZoneInfo, *, truly: bool) -> str:
    chinese = language == "zh"
    action, state = said(ACTIONS, one.action, language), said(COMMANDS, one.state, language)
    if one.state == "done" and one.action in MOVED:
        state = said(MOVED, one.action, language)
    reason = said(REASONS, one.true_reason if truly else open_name(one.reason, truly=False), language)
    at = clock(one.planned_at, zone)
    # A command that was sent and not answered has no outcome yet.
    done = clock(one.outcome_at, zone) if one.outcome_at is not None else ""
    outcome = (f"（{done}）" if chinese else f" ({done})") if done else ""
    # What the device says of it counts where it did not do it.
    detail = one.detail if one.state in TROUBLE else None
    if chinese:
        why = f"（{one.staff_reason}）" if one.staff_reason else ""
        who = f"，操作员 {one.operator}{why}" if one.operator else ""
        return f"{at} 指令：{action}，原因：{reason}{who}；{state}{outcome}{f'：{detail}' if detail else ''}。"
    why = f" ({one.staff_reason})" if one.staff_reason else ""
    who = f", by {one.operator}{why}" if one.operator else ""
    return f"Command at {at}: {action}, for: {reason}{who}; {state}{outcome}{f': {detail}' if detail else ''}."


def _became(read: Row[Any] | None, marks: list[Row[Any]], language: Language, zone: ZoneInfo) -> list[str]:
    chinese = language == "zh"
    told = []
    for one in marks:
        if one.kind == "passed":
            told.append(
                f"{clock(one.at, zone)} 车辆通过。" if chinese else f"It went through at {clock(one.at, zone)}."
            )
        elif one.kind == "reversed":
            told.append(f"{clock(one.at, zone)} 车辆倒退。" if chinese else f"It backed away at {clock(one.at, zone)}.")
    if not told and read is not None and read.went:
        told.append(
            "道闸执行后视为已通过。" if chinese else "The barrier opened, which here stands for having gone through."
        )
    return told
