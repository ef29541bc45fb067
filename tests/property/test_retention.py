"""Whatever came and whenever the old was deleted: stays and money are those of a street that deletes nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from controllers.events import Kind
from gateway.flows.close import close_missed
from gateway.flows.retention import retire
from gateway.flows.verify import verify
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Settings
from gateway.wiring import Parts
from tests.cheap import open_store
from tests.conftest import FakeClock
from tests.gateway.trade import SHANGHAI, Street, local

PLATES = ("浙A00001", "浙A00002", "浙A00003")
# What happens next: after so many days, this vehicle is read at this lane, passes or not, is told so many days late.
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 3, 40, 100]),
        st.sampled_from(PLATES),
        st.sampled_from(["in-1", "out-1", "in-1", "out-1", "out-2"]),
        st.booleans(),
        st.sampled_from([0, 0, 0, 2]),
    ),
    min_size=3,
    max_size=9,
)


# An entry that is told of after the day of the exit was closed: the stay that was sealed is another one now.
LATE_ENTRY = [
    (3, "浙A00003", "in-1", True, 2),
    (0, "浙A00001", "in-1", True, 2),
    (1, "浙A00002", "in-1", True, 0),
    (3, "浙A00003", "out-1", True, 0),
    (0, "浙A00001", "out-1", True, 0),
    (0, "浙A00002", "out-2", False, 0),
    (1, "浙A00001", "in-1", False, 2),
    (0, "浙A00001", "in-1", True, 0),
]


@contextmanager
def a_street(template: Path) -> Iterator[Street]:
    folder = Path(tempfile.mkdtemp(prefix="parkgate-retention-"))
    (folder / "parkgate.db").write_bytes(template.read_bytes())
    url = f"sqlite:///{folder}/parkgate.db"
    store = open_store(url)
    chosen = Settings(
        database_url=url,
        secret_key="a secret of the tests only",
        test=True,
        retention_plates_days=90,
        retention_records_days=30,
        retention_pictures_days=7,
    )
    try:
        yield Street(Parts(settings=chosen, clock=FakeClock(local("06:00")), store=store, metrics=Metrics()))
    finally:
        store.close()
        shutil.rmtree(folder)


def happens(street: Street, step: tuple[int, str, str, bool, int], *, deletes: bool) -> None:
    days, plate, lane, goes, late = step
    street.clock.advance(days=days, minutes=47)
    today: date = street.clock.now().astimezone(SHANGHAI).date()
    list(close_missed(street.parts, today - timedelta(days=1)))
    if deletes:
        retire(street.parts)
    at = street.clock.now() - timedelta(days=late)
    read = street.read(lane, plate, at, buffered=bool(late))
    street.deliver(read)
    street.deliver(*([street.mark(lane, Kind.PASSED, at + timedelta(seconds=5), read.event.id)] if goes else []))


def held(street: Street) -> tuple[dict[str, Any], dict[str, int]]:
    """Stays without their plates, and the accounts.

    Who was refused at an exit without a known entry, and is read there again a hundred days later, is one vehicle that still waits
    to a street that remembers it, and two strangers to one that does not. Nobody is charged for either.
    """
    uncharged = {"no_entry", "void"}
    stays = {
        stay.id: {**stay._mapping, "plate": ""}
        for stay in street.stays()
        if stay.state not in uncharged or stay.settlements
    }
    return stays, street.accounts()


@pytest.mark.slow
# Each day is closed: shrinking would take longer than reading the steps.
@settings(max_examples=12, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(steps=STEPS)
@example(steps=LATE_ENTRY)
def test_deleting_what_is_old_changes_no_stay_and_no_fen(sqlite_template: Path, steps: list[Any]) -> None:
    with a_street(sqlite_template) as keeps, a_street(sqlite_template) as deletes:
        for step in steps:
            happens(keeps, step, deletes=False)
            happens(deletes, step, deletes=True)
        assert held(deletes) == held(keeps)
        for street in (keeps, deletes):
            report = verify(street.parts)
            assert report.ok, report.first_failure
