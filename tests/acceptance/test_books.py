"""Close, exports and the chain of hashes, checked by recomputation from what was exported."""

import csv
import hashlib
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.device import now
from tests.acceptance.trade import Street, Vehicle


def day(ago: int) -> str:
    return (now() - timedelta(days=ago)).date().isoformat()


def minutes_to_noon(ago: int) -> float:
    """How long ago noon of that day was."""
    noon = (now() - timedelta(days=ago)).replace(hour=12, minute=0, second=30, microsecond=0)
    return (now() - noon).total_seconds() / 60


def close(street: Street, of: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        street.parkgate.run("close", "--day", of, "--site", "archive", "--json").stdout
    )
    return document


def exported(street: Street, of: str, out: Path) -> list[dict[str, Any]]:
    street.parkgate.run("export", "--day", of, "--format", "json", "--site", "archive", "--out", str(out))
    return list(json.loads((out / f"archive-{of}.json").read_text(encoding="utf-8")))


def a_stay_around_noon(street: Street, ago: int, site: str = "archive") -> Vehicle:
    """110 minutes around that day's noon, let out while the network was down: 800 are owed."""
    visitor = street.a_visitor(site)
    visitor.entered(minutes_to_noon(ago) + 55).left(minutes_to_noon(ago) - 55, opening="offline_exit")
    assert visitor.stay("left")["gross_fen"] == 800
    return visitor


@pytest.fixture(scope="module")
def closed(running_street: Street) -> dict[str, dict[str, Any]]:
    """Two days of the archive site, each with one stay, both closed: day → what `close --json` printed."""
    a_stay_around_noon(running_street, ago=4)
    a_stay_around_noon(running_street, ago=3)
    return {day(ago): close(running_street, day(ago)) for ago in (4, 3)}


def test_a_day_is_not_closed_before_the_open_day_before_it(street: Street) -> None:
    a_stay_around_noon(street, ago=4, site="annex")
    a_stay_around_noon(street, ago=3, site="annex")
    refused = street.parkgate.run("close", "--day", day(3), "--site", "annex", expect=(1,))
    assert day(4) in refused.stderr, "names the day that is still open"
    street.parkgate.run("close", "--day", day(4), "--site", "annex")
    street.parkgate.run("close", "--day", day(3), "--site", "annex")


def test_closing_again_prints_the_same(street: Street, closed: dict[str, dict[str, Any]]) -> None:
    for of, document in closed.items():
        assert document["day"] == of
        assert [site["site"] for site in document["sites"]] == ["archive"]
        assert close(street, of) == document


def test_the_exported_chain_is_recomputed_from_its_canonical_bytes(
    street: Street, closed: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    closes = [record for of in closed for record in exported(street, of, tmp_path / of) if record["kind"] == "close"]
    assert [record["day"] for record in closes] == list(closed)
    for record in closes:
        assert set(record) == {"site", "day", "kind", "sequence", "previous_hash", "hash", "canonical"}
        content = bytes.fromhex(record["previous_hash"]) + record["canonical"].encode()
        assert hashlib.sha256(content).hexdigest() == record["hash"]
        canonical = json.loads(record["canonical"])
        compact = json.dumps(canonical, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        assert compact == record["canonical"], "RFC 8785"
        assert [site["hash"] for site in closed[record["day"]]["sites"]] == [record["hash"]]
        assert "浙" not in record["canonical"], "no personal data"
    first, second = closes
    assert second["previous_hash"] == first["hash"]
    assert second["sequence"] == first["sequence"] + 1


def test_a_late_event_of_a_closed_day_does_not_change_it(
    street: Street, closed: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    a_stay_around_noon(street, ago=3)
    assert close(street, day(3)) == closed[day(3)]
    assert json.loads(street.parkgate.run("verify", "--json").stdout)["first_failure"] is None


def test_csv_opens_in_any_spreadsheet(street: Street, closed: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    street.parkgate.run("export", "--day", day(4), "--format", "csv", "--site", "archive", "--out", str(tmp_path))
    tables = sorted(tmp_path.glob(f"archive-{day(4)}-*.csv"))
    assert tables
    for table in tables:
        content = table.read_bytes()
        assert content.startswith(b"\xef\xbb\xbf"), "UTF-8 with BOM"
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
        assert rows
        assert len({len(row) for row in rows if row}) <= 2, f"{table.name} is a table"
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@"))]


def test_verify_finds_nothing_wrong(street: Street, closed: dict[str, dict[str, Any]]) -> None:
    verified = json.loads(street.parkgate.run("verify", "--json").stdout)
    assert verified["ok"] is True
    assert verified["first_failure"] is None
    assert verified["checked"]
    street.parkgate.run("verify", "--from", day(5), "--to", day(0))
