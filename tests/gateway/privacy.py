"""A person's data asked for, handed over and taken out, on a street where everybody was for two days."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from gateway.flows import personal_data
from gateway.flows.personal_data import Asking
from gateway.flows.personal_data_subject import Subject
from tests.gateway.people import (
    HOUSEHOLD,
    OWN,
    RELATIVE,
    VISITOR,
    a_household,
    days_later,
    tables,
    traces,
    visit,
)
from tests.gateway.trade import Street

BOOKS = {"ledger_transaction", "posting", "day_close", "payment", "site_books", "shift", "shift_step"}


def asking(operator: str = "li", *, sites: frozenset[str] | None = None, sees_low_income: bool = True) -> Asking:
    return Asking(
        operator=operator,
        origin="192.0.2.1",
        sites=sites,
        identity="核验单 2026-031",
        reason="本人申请",
        sees_low_income=sees_low_income,
    )


def handed_over(street: Street, subject: Subject, tmp_path: Path, **more: Any) -> dict[str, Any]:
    """The JSON of an export, with the names of its files under `files`."""
    out = tmp_path / f"{len(list(tmp_path.iterdir()))}.zip"
    personal_data.export(street.parts, subject, asking(**more), out)
    assert out.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(out) as archive:
        document: dict[str, Any] = json.loads(archive.read("data.json"))
        document["files"] = {name: archive.read(name) for name in archive.namelist()}
    return document


def erased(street: Street, subject: Subject) -> dict[str, Any]:
    proposed = personal_data.propose(street.parts, subject, asking("li"))
    return personal_data.approve(street.parts, proposed["id"], operator="wu", origin="192.0.2.2")


def books(street: Street) -> dict[str, list[str]]:
    return tables(street, BOOKS)


def two_days_of_everybody(street: Street) -> dict[str, str]:
    """Two closed days: the household comes and goes, a relative draws on its minutes, a visitor pays. Stays by plate."""
    a_household(street)
    stays = {plate: visit(street, plate, "2026-03-02", came=came) for plate, came in PEOPLE.items()}
    days_later(street, 1)
    visit(street, VISITOR, "2026-03-03")
    days_later(street, 1)
    traces(street)
    return stays


PEOPLE = {OWN: "07:00", RELATIVE: "08:00", VISITOR: "09:00"}
PLATE = Subject("plate", VISITOR)
HOME = Subject("household", HOUSEHOLD, "xinyi")
