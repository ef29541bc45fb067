"""What of a report is drawn: which figures, over which labels."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

from gateway.console.chart import Chart, Number, Series, chart
from gateway.console.rendering import yuan
from gateway.console.words import Language, word
from gateway.flows.reports.catalogue import BY, Asked, Report
from gateway.flows.reports.crossed import Crossed, Rows

# Where nothing stands, somebody or something is meant.
NOBODY = {"operator": "report.nobody", "up_to_minutes": "report.longer"}
_PLACES = frozenset({"site", "gate", "lane", "device"})
# Which columns are drawn, for each report that is drawn by its rows.
_SERIES = {
    "flow": ("entries", "exits"),
    "income": ("earned_fen", "waived_fen", "received_fen", "owed_fen"),
    "uptime": ("uptime_percent",),
}
# Those drawn by sums over one of their columns: which, and what.
_SUMS = {
    "occupancy": ("hour", ("inside", "capacity")),
    "turnover": ("site", ("turnover",)),
    "stay-lengths": ("up_to_minutes", ("stays",)),
    "free-passages": ("class", ("passages",)),
    "openings": ("operator", ("asked", "done")),
    "unpaid": ("reason", ("payable_fen", "paid_fen")),
}
_BESIDE_MAX = 2


class Named(NamedTuple):
    """Names in place of ids, in one language."""

    sites: dict[str, str]
    lang: Language

    def of(self, column: str, value: Any) -> str:
        """What a value of this column is called."""
        if value is None:
            return word(self.lang, "report", NOBODY.get(column, "").removeprefix("report."))
        text = str(value)
        if column in _PLACES:
            site, _, rest = text.partition(".")
            name = self.sites.get(site, site)
            return f"{name} · {rest}" if rest else name
        if column == "hour":
            return f"{text[:10]} {text[11:16]}"
        if column == "hour_of_day":
            return f"{text}:00"
        if column == "up_to_minutes":
            return f"< {value:,}"
        if column in {"action", "reason", "class"}:
            return word(self.lang, f"report.{column}", text)
        return text


def drawn(report: Report, asked: Asked, rows: Rows, named: Named) -> Chart | None:
    """The report's chart; None where there is nothing to draw."""
    key, columns = _SUMS[report.name] if report.name in _SUMS else (asked.by, _SERIES[report.name])
    if asked.year_before:
        # Two beside two are still told apart; more are in the table.
        columns = columns[:1] if len(columns) > _BESIDE_MAX else columns
        columns = (*columns, *(f"{one}_before" for one in columns if one in report.beside))
    if report.name in _SUMS:
        rows = _summed(rows, key, columns)
    labels = [_short(key, named.of(key, row[key])) for row in rows]
    series = [Series(_called(report, one, named.lang), [row.get(one) for row in rows]) for one in columns]
    return chart(labels, series, yuan_of if columns[0].endswith(("_fen", "_fen_before")) else str_of)


def yuan_of(value: Number) -> str:
    """Whole yuan on an axis and on a bar."""
    return yuan(round(value)).removesuffix(".00")


def str_of(value: Number) -> str:
    return f"{value:,}"


def _summed(rows: Rows, key: str, columns: tuple[str, ...]) -> Rows:
    """Over all sites, in the order in which the keys come."""
    if isinstance(rows, Crossed) and key == "hour":
        return rows.summed(columns)
    sums: defaultdict[Any, dict[str, Number]] = defaultdict(lambda: dict.fromkeys(columns, 0))
    for row in rows:
        found = sums[row[key]]
        for column in columns:
            found[column] += row.get(column) or 0
    return [{key: name, **found} for name, found in sums.items()]


def _called(report: Report, key: str, lang: Language) -> str:
    """The name of a series, as its column is called."""
    before = key.endswith("_before")
    bare = key.removesuffix("_before").removesuffix("_fen")
    column = next((one for one in (*report.columns, *BY.values()) if one.english == bare), None)
    if lang == "en":
        return bare.replace("_", " ") + (", the year before" if before else "")
    return (column.chinese if column else bare) + ("（上年）" if before else "")


def _short(key: str, label: str) -> str:
    """A label under an axis: of a day its month and day, of an hour its day and hour."""
    return label[5:] if key in {"day", "hour"} else label
