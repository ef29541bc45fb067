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
from gateway.flows.reports.uptime import uptime

Rows = list[dict[str, Any]]


class Asked(msgspec.Struct, frozen=True):
    """What a report is asked: its days, by what it is broken down (empty: as it is), for whom, at which instant."""

    period: Period
    by: str
    role: str
    now: datetime
    year_before: bool = False


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`by`: the first is what it is broken down by where nobody says; `beside`: columns that may stand beside the year before's."""

    name: str
    title: str
    make: Callable[[Connection, Sites, Asked], Rows]
    columns: tuple[Column, ...]
    by: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    def steps(self, by: str) -> str:
        """How fine it is, which bounds its days: occupancy has every hour of every site."""
        return HOURLY if self.name == "occupancy" else by

    def rows(self, connection: Connection, allowed: Sites, asked: Asked) -> Rows:
        """What it says of these days, and of the same a year before where that is asked and it can be."""
        if not asked.year_before or not self.beside or not self.by:
            return self.make(connection, allowed, asked)

        def of(days: Period) -> Rows:
            return self.make(connection, allowed, msgspec.structs.replace(asked, period=days))

        return compared(of, asked.period, asked.by, self.beside)

    def columns_of(self, asked: Asked, rows: Rows) -> tuple[Column, ...]:
        """Its columns in order: what it is broken down by, its own, those of the year before, and what each benefit waived."""
        first = (BY[asked.by],) if self.by else ()
        found = [*first, *self.columns]
        if asked.year_before and self.by:
            named = {_key(column): column for column in self.columns}
            found += [
                Column(f"{named[one].chinese}（上年）", f"{_bare(one)}_before", named[one].kind) for one in self.beside
            ]
        benefits = dict.fromkeys(name for row in rows for name in row.get("waived_by_fen", ()))
        return (*found, *(Column(f"优免：{BENEFITS.get(name, name)}", f"waived_by_{name}", "fen") for name in benefits))

    def table(self, asked: Asked, rows: Rows) -> Table:
        """As it is written to a file."""
        columns = self.columns_of(asked, rows)
        return Table(self.name, self.title, columns, (cells(row, columns) for row in rows))


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


def _counted(*named: tuple[str, str], kind: Kind = "count") -> tuple[Column, ...]:
    return tuple(Column(chinese, english, kind) for english, chinese in named)


_SITE = Column("小区", "site")
BY: Final = {
    "site": _SITE,
    "gate": Column("道闸", "gate"),
    "lane": Column("车道", "lane"),
    "device": Column("设备", "device"),
    "hour": Column("时段", "hour"),
    "hour_of_day": Column("钟点", "hour_of_day"),
    "day": Column("日期", "day"),
    "month": Column("月份", "month"),
}
_SUMS = (("earned", "应收"), ("waived", "优免"), ("received", "实收"), ("owed", "未收与预收"), ("disputed", "待处理"))

REPORTS: Final[dict[str, Report]] = {
    one.name: one
    for one in (
        Report(
            name="flow",
            title="车流量",
            make=lambda c, sites, asked: traffic.flow(c, sites, asked.period, asked.by),  # type: ignore[arg-type]
            by=("day", "hour_of_day", "hour", "month", "site", "gate", "lane"),
            beside=("entries", "exits"),
            columns=_counted(("entries", "入场"), ("exits", "离场")),
        ),
        Report(
            name="occupancy",
            title="在场车辆",
            make=lambda c, sites, asked: traffic.occupancy(c, sites, asked.period),
            columns=(
                _SITE,
                BY["hour"],
                *_counted(("inside", "整点在场"), ("most", "时段最多"), ("capacity", "车位")),
            ),
        ),
        Report(
            name="turnover",
            title="车位周转率",
            make=lambda c, sites, asked: traffic.turnover(c, sites, asked.period),
            columns=(
                _SITE,
                *_counted(("entries", "入场"), ("capacity", "车位"), ("days", "天数"), ("turnover", "周转率")),
            ),
        ),
        Report(
            name="stay-lengths",
            title="停放时长",
            make=lambda c, sites, asked: traffic.lengths(c, sites, asked.period),
            columns=(
                _SITE,
                *_counted(("up_to_minutes", "少于（分钟）"), ("stays", "停车次数"), ("minutes", "合计分钟")),
            ),
        ),
        Report(
            name="income",
            title="收入",
            make=lambda c, sites, asked: money.income(c, sites, asked.period, asked.by, asked.role),  # type: ignore[arg-type]
            by=("day", "month", "site"),
            beside=("earned_fen", "waived_fen", "received_fen", "owed_fen"),
            columns=_counted(*_SUMS, kind="fen"),
        ),
        Report(
            name="free-passages",
            title="免费车种放行",
            make=lambda c, sites, asked: _free(c, sites, asked.period),
            columns=(
                _SITE,
                Column("车种", "class"),
                Column("依据", "rule"),
                *_counted(("passages", "放行次数")),
                Column("免收", "waived", "fen"),
            ),
        ),
        Report(
            name="openings",
            title="人工放行",
            make=lambda c, sites, asked: hands.openings(c, sites, asked.period),
            columns=(
                BY["lane"],
                Column("操作人", "operator"),
                Column("操作", "action"),
                *_counted(("asked", "下达次数"), ("done", "执行次数")),
            ),
        ),
        Report(
            name="unpaid",
            title="未付离场",
            make=lambda c, sites, asked: money.unpaid(c, sites, asked.period),
            columns=(
                _SITE,
                Column("方式", "reason"),
                *_counted(("stays", "停车次数")),
                *_counted(("payable", "离场时应付"), ("paid", "已付"), kind="fen"),
            ),
        ),
        Report(
            name="uptime",
            title="设备在线率",
            make=lambda c, sites, asked: uptime(c, sites, asked.period, asked.now, asked.by),  # type: ignore[arg-type]
            by=("device", "site", "day", "month"),
            columns=_counted(
                ("online_minutes", "在线分钟"),
                ("away_minutes", "离线分钟"),
                ("absences", "离线次数"),
                ("longest_minutes", "最长离线分钟"),
                ("uptime_percent", "在线率%"),
            ),
        ),
    )
}


def _free(connection: Connection, allowed: Sites, asked: Period) -> Rows:
    """By site and class; the rule in Chinese, as it is published."""
    sites = sites_of(connection, allowed)
    return [{**one, "rule": one["rule"]["zh"]} for one in passages_of(connection, sites, asked.start, asked.end)]
