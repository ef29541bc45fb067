"""The reports by name: who makes each, by what it can be broken down, and what its columns are called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, cast

import msgspec
from sqlalchemy import Connection

from billing.exports import Column, Table
from billing.exports.cells import Cell, Kind
from billing.exports.words import BENEFITS
from gateway.flows.reading import Sites
from gateway.flows.registers_classes import passages_of
from gateway.flows.reports import hands, money, traffic
from gateway.flows.reports.asking import HOURLY, Period, sites_of
from gateway.flows.reports.beside import compared
from gateway.flows.reports.crossed import Crossed, Rows
from gateway.flows.reports.uptime import uptime


class Asked(msgspec.Struct, frozen=True):
    """What a report is asked: its days, by what it is broken down (empty: as it is), for whom, at which instant."""

    period: Period
    by: str
    role: str
    now: datetime
    year_before: bool = False


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """How figures stand in a file. `by`: the first is what it is broken down by where nobody says; `beside`: those that may stand beside the
    year before's.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    by: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    def columns_of(self, asked: Asked, rows: Rows) -> tuple[Column, ...]:
        """Its columns in order: what it is broken down by, its own, those of the year before, and what each benefit waived."""
        first = (BY[asked.by],) if self.by else ()
        found = [*first, *self.columns]
        if asked.year_before:
            named = {_key(column): column for column in self.columns}
            found += [
                Column(f"{named[one].chinese}（上年）", f"{_bare(one)}_before", named[one].kind) for one in self.beside
            ]
        told = () if isinstance(rows, Crossed) else rows
        benefits = dict.fromkeys(name for row in told for name in row.get("waived_by_fen", ()))
        return (*found, *(Column(f"优免：{BENEFITS.get(name, name)}", f"waived_by_{name}", "fen") for name in benefits))

    def table(self, asked: Asked, rows: Rows) -> Table:
        """As it is written to a file."""
        columns = self.columns_of(asked, rows)
        return Table(self.name, self.title, columns, (cells(row, columns) for row in rows))


class Report(Sheet, frozen=True, kw_only=True):
    """`make` is asked with connection, sites, days, and those of `Asked` that it `takes`. `keys`: which columns name a row where it is not
    broken down.
    """

    make: Callable[..., Rows]
    takes: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    def steps(self, by: str) -> str:
        """How fine it is, which bounds its days: occupancy has every hour of every site."""
        return HOURLY if self.name == "occupancy" else by

    def rows(self, connection: Connection, allowed: Sites, asked: Asked) -> Rows:
        """What it says of these days, and of the same a year before where that is asked."""

        def of(days: Period) -> Rows:
            return self.make(connection, allowed, days, *(getattr(asked, name) for name in self.takes))

        if not asked.year_before:
            return of(asked.period)
        return compared(of, asked.period, self.keys or (asked.by,), self.beside)


def cells(row: dict[str, Any], columns: Sequence[Column]) -> list[Cell]:
    """The row's values in the order of the columns; a number with a fraction as it is written."""
    return [_cell(value_of(row, column)) for column in columns]


def value_of(row: dict[str, Any], column: Column) -> Any:
    """The value that stands in a column."""
    name = column.english
    if name.startswith("waived_by_"):
        return row.get("waived_by_fen", {}).get(name.removeprefix("waived_by_"))
    if name.endswith("_before") and column.kind == "fen":
        return row.get(f"{name.removesuffix('_before')}_fen_before")
    return row.get(_key(column))


def _cell(value: Any) -> Cell:
    return str(value) if isinstance(value, float) else cast("Cell", value)


def _key(column: Column) -> str:
    return f"{column.english}_fen" if column.kind == "fen" else column.english


def _bare(key: str) -> str:
    return key.removesuffix("_fen")


BY: Final = {
    name: Column(chinese, name)
    for name, chinese in (
        ("site", "小区"),
        ("gate", "道闸"),
        ("lane", "车道"),
        ("device", "设备"),
        ("hour", "时段"),
        ("hour_of_day", "钟点"),
        ("day", "日期"),
        ("month", "月份"),
    )
}
_MEASURES: Final[dict[Kind, dict[str, str]]] = {
    "count": {
        "entries": "入场",
        "exits": "离场",
        "inside": "整点在场",
        "most": "时段最多",
        "capacity": "车位",
        "days": "天数",
        "turnover": "周转率",
        "up_to_minutes": "少于（分钟）",
        "stays": "停车次数",
        "minutes": "合计分钟",
        "passages": "放行次数",
        "asked": "下达次数",
        "done": "执行次数",
        "online_minutes": "在线分钟",
        "away_minutes": "离线分钟",
        "absences": "离线次数",
        "longest_minutes": "最长离线分钟",
        "uptime_percent": "在线率%",
    },
    "fen": {
        "earned": "应收",
        "waived": "优免",
        "received": "实收",
        "owed": "未收与预收",
        "disputed": "待处理",
        "payable": "离场时应付",
        "paid": "已付",
    },
    "text": {"class": "车种", "rule": "依据", "operator": "操作人", "action": "操作", "reason": "方式"},
}
_COLUMNS: Final = {
    **BY,
    **{name: Column(chinese, name, kind) for kind, named in _MEASURES.items() for name, chinese in named.items()},
}


def _columns(names: str) -> tuple[Column, ...]:
    return tuple(_COLUMNS[name] for name in names.split())


def _free(connection: Connection, allowed: Sites, asked: Period) -> Rows:
    """By site and class; the rule in Chinese, as it is published."""
    sites = sites_of(connection, allowed)
    return [{**one, "rule": one["rule"]["zh"]} for one in passages_of(connection, sites, asked.start, asked.end)]


REPORTS: Final[dict[str, Report]] = {
    one.name: one
    for one in (
        Report(
            name="flow",
            title="车流量",
            make=traffic.flow,
            takes=("by",),
            by=("day", "hour_of_day", "hour", "month", "site", "gate", "lane"),
            columns=_columns("entries exits"),
            beside=("entries", "exits"),
        ),
        Report(
            name="occupancy",
            title="在场车辆",
            make=traffic.occupancy,
            keys=("site", "hour"),
            columns=_columns("site hour inside most capacity"),
            beside=("inside", "most"),
        ),
        Report(
            name="turnover",
            title="车位周转率",
            make=traffic.turnover,
            keys=("site",),
            columns=_columns("site entries capacity days turnover"),
            beside=("entries", "turnover"),
        ),
        Report(
            name="stay-lengths",
            title="停放时长",
            make=traffic.lengths,
            keys=("site", "up_to_minutes"),
            columns=_columns("site up_to_minutes stays minutes"),
            beside=("stays", "minutes"),
        ),
        Report(
            name="income",
            title="收入",
            make=money.income,
            takes=("by", "role"),
            by=("day", "month", "site", "gate"),
            columns=_columns("earned waived received owed disputed"),
            beside=("earned_fen", "waived_fen", "received_fen", "owed_fen"),
        ),
        Report(
            name="free-passages",
            title="免费车种放行",
            make=_free,
            keys=("site", "class"),
            columns=_columns("site class rule passages waived"),
            beside=("passages", "waived_fen"),
        ),
        Report(
            name="openings",
            title="人工放行",
            make=hands.openings,
            keys=("lane", "operator", "action"),
            columns=_columns("lane operator action asked done"),
            beside=("asked", "done"),
        ),
        Report(
            name="unpaid",
            title="未付离场",
            make=money.unpaid,
            keys=("site", "reason"),
            columns=_columns("site reason stays payable paid"),
            beside=("stays", "payable_fen", "paid_fen"),
        ),
        Report(
            name="uptime",
            title="设备在线率",
            make=uptime,
            takes=("now", "by"),
            by=("device", "site", "day", "month"),
            columns=_columns("online_minutes away_minutes absences longest_minutes uptime_percent"),
            beside=("away_minutes", "absences", "uptime_percent"),
        ),
    )
}
