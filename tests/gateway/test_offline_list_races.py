"""Two bridges look at the registers at the same moment: one version of a list comes of it, on PostgreSQL and on SQLite."""

from __future__ import annotations

from sqlalchemy import select

from gateway.flows import registers
from gateway.flows.offline_list import current_lists
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.test_vouchers_races import all_at_once
from tests.gateway.trade import Street

AT_ONCE = 6


def listed(parts: Parts, number: int) -> None:
    row = {"site": "xinyi", "plate": f"浙A{number:05d}", "class": "ambulance", "valid_to": "2027-01-01"}
    assert registers.import_rows(parts, "free-vehicles", [row]).ok


def test_many_store_a_new_version_at_once(street: Street) -> None:
    """The first as well, of which there is no row yet whose lock could make them take turns."""
    table = t.OfflineList
    for version in (1, 2):
        listed(street.parts, version)
        found = all_at_once(*[lambda: current_lists(street.parts)] * AT_ONCE)
        assert {one["xinyi"].whole.version for one in found} == {version}
        deltas = [one["xinyi"].delta for one in found if one["xinyi"].delta is not None]
        assert len(deltas) == version - 1, "whoever wrote it says what changed; of the first nobody can"
        with street.parts.store.reading() as connection:
            assert connection.execute(select(table.version, table.previous_version)).all() == [(version, version - 1)]
