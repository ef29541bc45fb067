"""The durable guard: a column that nobody has said anything of, or that holds something of a person and never ends, fails here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from gateway.flows.personal_data_holdings import HOLDINGS
from gateway.flows.personal_data_words import _texts
from gateway.flows.retention import KINDS
from gateway.runtime.settings import Settings
from gateway.store.engine import Store
from gateway.store.personal import NOTHING, PERSONAL, Kind, columns_of, kind_of
from gateway.store.tables import Base

TABLES = Base.metadata.tables
PAGE = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text(encoding="utf-8")

# What moved, the books and the requests have code of their own (gateway/flows/personal_data_erase.py and _door.py).
BY_HAND = {
    "allowance_balance",
    "allowance_draw",
    "bill",
    "command",
    "door_credential",
    "door_member",
    "door_passage",
    "image",
    "invoice_file",
    "offline_list",
    "personal_data_request",
    "plate_event",
    "presence",
    "quarantine",
    "register_change",
    "stay",
    "stay_correction_read",
}
OF_A_PERSON = set(Kind) - {Kind.STAFF, Kind.WORDS, Kind.ORIGIN, Kind.REQUEST, Kind.PAYLOAD}


@pytest.mark.parametrize("name", sorted(TABLES))
def test_of_every_column_it_is_said_what_it_holds(name: str) -> None:
    """A new column: say in gateway/store/personal.py what it holds of a person, and then how it is exported and erased."""
    personal, nothing = set(PERSONAL.get(name, {})), set(NOTHING.get(name, "").split())
    assert personal & nothing == set()
    assert personal | nothing == set(TABLES[name].columns.keys())


def test_nothing_is_said_of_what_is_not_there() -> None:
    assert (PERSONAL.keys() | NOTHING.keys()) <= TABLES.keys()


def test_what_nobody_has_thought_of_is_an_error() -> None:
    with pytest.raises(KeyError):
        kind_of("stay", "drivers_telephone")


def test_every_table_with_something_of_a_person_is_exported_and_erased() -> None:
    held = {holding.table.__tablename__ for holding in HOLDINGS}
    of_a_person = {name for name in PERSONAL if columns_of(name, *OF_A_PERSON)}
    assert of_a_person - held - BY_HAND == set()


@pytest.mark.parametrize("holding", HOLDINGS, ids=lambda one: one.table.__tablename__)
def test_a_holding_shows_and_empties_every_column_of_a_person(holding: object) -> None:
    name = holding.table.__tablename__  # type: ignore[attr-defined]
    shown = set(holding.columns)  # type: ignore[attr-defined]
    secret = {"number_digest", "content_hash"}
    assert set(columns_of(name, *OF_A_PERSON)) - shown - secret == set()
    if holding.erase is not None:  # type: ignore[attr-defined]
        replaced = {holding.plate, holding.household, *holding.erase}  # type: ignore[attr-defined]
        assert set(columns_of(name, *OF_A_PERSON)) - replaced == set()


def test_whatever_is_written_in_words_is_read_through() -> None:
    read = {(table.name, column.name) for table, columns in _texts() for column in columns}
    said = {(name, column) for name in PERSONAL for column in columns_of(name, Kind.WORDS)}
    assert said <= read


@pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
def test_words_in_what_only_grows_can_be_taken_out_and_nothing_else(store: Store) -> None:
    """Every table that refuses changes lets a person be taken out while the door is open, and keeps its other columns shut."""
    from gateway.store.migrations.versions import __path__ as places

    files = (
        "0008_personal_data.py",
        "0009_corrections.py",
        "0012_shifts.py",
        "0013_reconciliation.py",
        "0023_watching.py",
    )
    source = "".join((Path(next(iter(places))) / name).read_text(encoding="utf-8") for name in files)
    opened = {
        name: set(re.findall(r'"(\w+)"', columns)) for name, columns in re.findall(r'"(\w+)": \(([^)]*)\)', source)
    }
    frozen = frozen_tables(store)
    wanted = set(Kind) - {Kind.STAFF}
    for name in sorted(frozen & PERSONAL.keys()):
        assert set(columns_of(name, *wanted)) <= opened.get(name, set()), name
    assert opened.keys() <= frozen


def frozen_tables(store: Store) -> set[str]:
    with store.reading() as connection:
        if store.postgres:
            query = "SELECT DISTINCT event_object_table FROM information_schema.triggers"
        else:
            query = "SELECT DISTINCT tbl_name FROM sqlite_master WHERE type = 'trigger'"
        found = set(connection.execute(text(query)).scalars())
    assert found <= set(inspect(store.engine).get_table_names())
    return found


# --- the page and the settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_page_has_a_line_for_every_kind_that_ends(kind: str) -> None:
    line = next((line for line in PAGE.splitlines() if line.startswith("|") and f"`{kind}`" in line), "")
    assert f"`{KINDS[kind].setting}`" in line
    default = Settings.model_fields[KINDS[kind].setting].default
    assert f" {default} " in line, f"{kind}: the page does not say {default} days"


def test_every_setting_of_retention_is_used() -> None:
    known = {name for name in Settings.model_fields if name.startswith("retention_")} - {"retention_at"}
    assert {kind.setting for kind in KINDS.values()} == known
