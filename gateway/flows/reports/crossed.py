"""A report of every site at every hour: kept as columns, and made into rows only where somebody reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, overload

Row = dict[str, Any]
Rows = Sequence[Row]


class Crossed(Sequence[Row]):
    """Rows by site and, within it, by hour. A month of thirty sites is 22 thousand, of which a page shows the first few, and sums over sites.

    `columns`: by name, of each site one value an hour.
    """

    def __init__(
        self, sites: Sequence[str], hours: Sequence[str], columns: Mapping[str, Sequence[Sequence[Any]]]
    ) -> None:
        self.sites, self.hours, self.columns = list(sites), list(hours), dict(columns)

    def __len__(self) -> int:
        return len(self.sites) * len(self.hours)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        if isinstance(place, slice):
            return [self._row(*divmod(one, len(self.hours))) for one in range(*place.indices(len(self)))]
        return self._row(*divmod(range(len(self))[place], len(self.hours)))

    def __iter__(self) -> Iterator[Row]:
        return (self._row(site, hour) for site in range(len(self.sites)) for hour in range(len(self.hours)))

    def __eq__(self, other: object) -> bool:
        return list(self) == (list(other) if isinstance(other, Crossed) else other)

    __hash__ = None  # type: ignore[assignment]

    def _row(self, site: int, hour: int) -> Row:
        row = {"site": self.sites[site], "hour": self.hours[hour]}
        for name, values in self.columns.items():
            row[name] = values[site][hour]
        return row

    def summed(self, columns: Sequence[str]) -> list[Row]:
        """By hour over all sites; a column that there is not, or has nothing, is 0."""
        if not self.sites:
            return []
        sums = [map(sum, zip(*self.columns[name], strict=True)) if name in self.columns else None for name in columns]
        found = [one or [0] * len(self.hours) for one in sums]
        return [
            {"hour": hour, **dict(zip(columns, values, strict=True))}
            for hour, *values in zip(self.hours, *found, strict=True)
        ]

    def beside(self, before: Crossed, later: Callable[[str], str], columns: Sequence[str]) -> Crossed | None:
        """With these of its columns as they were then, as `…_before`; None where the two are not of the same sites and hours in order of name:
        after a 29th, or where the clocks were changed.
        """
        hours = [later(one) for one in before.hours]
        in_order = all(one == sorted(one) for one in (self.sites, self.hours))
        if not in_order or (before.sites, hours) != (self.sites, self.hours):
            return None
        then = {f"{name}_before": before.columns[name] for name in columns}
        return Crossed(self.sites, self.hours, {**self.columns, **then})
