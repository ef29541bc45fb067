"""Importing registers: whole or not at all, twice is once, and what every bad row is told."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from openpyxl import Workbook
from sqlalchemy import select

from gateway.flows import estate, policies, registers
from gateway.flows.refusals import Invalid
from gateway.flows.registers import ImportReport, UnreadableFile
from gateway.flows.registers_file import read
from gateway.flows.registers_kinds import REGISTERS
from gateway.flows.registers_rows import KINDS, parse_instant
from gateway.flows.secrecy import CertificateNumbers
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import site_file

# What a file says does not depend on the database.
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

POLICY = """
[policy]
id = "hushu-residential"
version = 1
effective_from = 2025-01-01T00:00:00+08:00
timezone = "Asia/Shanghai"
[[tariff]]
vehicles = ["small"]
  [[tariff.band]]
  from = "00:00"
  to = "00:00"
  unit = { minutes = 60, fen = 100 }
[[free_class]]
id = "ambulance"
register = true
[[pass]]
id = "resident-monthly"
vehicles = ["small"]
fen = 20000
"""


@pytest.fixture
def street(parts: Parts) -> Parts:
    """A site with two households."""
    estate.apply(parts, site_file("xinyi", "archive"))
    assert importing(parts, "households", "site,household,name,area_m2", "xinyi,101,张三,88.5", "xinyi,102,李四,").ok
    return parts


def importing(parts: Parts, kind: str, *lines: str, encoding: str = "utf-8") -> ImportReport:
    return registers.import_file(parts, kind, ("\n".join(lines) + "\n").encode(encoding), operator="kim")


def rows(parts: Parts, model: Any) -> list[Any]:
    with parts.store.reading() as connection:
        return list(connection.execute(select(model).order_by(*model.__table__.primary_key.columns)))


def everything(parts: Parts, kind: str) -> list[Any]:
    """The register and its history."""
    with parts.store.reading() as connection:
        return [connection.execute(select(table)).fetchall() for table in (REGISTERS[kind].table, t.RegisterChange)]


def counts(report: ImportReport) -> tuple[int, int, int]:
    assert report.ok, report.problems
    return report.added, report.changed, report.unchanged


FILES: dict[str, tuple[str, Sequence[str]]] = {
    "households": ("site,household,name,area_m2", ["xinyi,101,张三,88.5", "xinyi,201,王五,"]),
    "vehicles": ("site,household,plate,vehicle", ["xinyi,101,浙A·12345,small", "xinyi,102,浙ad12345,"]),
    "relatives": (
        "site,household,plate,relation,valid_from,valid_to",
        ["xinyi,101,浙A22222,parent,2026-01-01,2026-12-31", "xinyi,102,浙A22222,女儿,,"],
    ),
    "certificates": (
        "site,household,number,issuer,valid_from,valid_to",
        ["xinyi,101,HZ-0001,民政局,2026-01-01,2026-12-31"],
    ),
    "passes": ("site,plate,pass,valid_from,valid_to", ["xinyi,浙A12345,resident-monthly,2026-03-01,2026-03-31"]),
    "free-vehicles": (
        "site,plate,class,valid_to",
        ["xinyi,浙A99999,ambulance,2026-12-31", "xinyi,浙A99998,ambulance,2027-01-31"],
    ),
    "blocklist": ("site,plate,reason,valid_to", ["xinyi,浙A66666,unpaid damage,2026-12-31"]),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_same_file_again_changes_nothing(street: Parts, kind: str) -> None:
    heading, lines = FILES[kind]
    first = importing(street, kind, heading, *lines)
    assert first.ok, first.problems
    audited = len(rows(street, t.AuditEntry))
    assert counts(importing(street, kind, heading, *lines)) == (0, 0, len(lines))
    assert len(rows(street, t.AuditEntry)) == audited


@on_one_database
@pytest.mark.parametrize("kind", list(KINDS))
def test_one_bad_row_and_nothing_is_imported(street: Parts, kind: str) -> None:
    heading, lines = FILES[kind]
    before = everything(street, kind)
    report = importing(
        street, kind, heading, *lines, "atlantis,101,浙A00001,small,2026-01-01,2026-12-31"[: 8 + 2 * heading.count(",")]
    )
    assert [problem.line for problem in report.problems] == [len(lines) + 2]
    assert everything(street, kind) == before


@on_one_database
def test_chinese_headings_in_gbk_mean_the_same(street: Parts) -> None:
    lines = ("小区,户号,车牌,车型", "xinyi,101,浙A·12345,小型车", "archive 小区,101,浙A1,")
    report = importing(street, "vehicles", *lines[:2], encoding="gbk")
    assert counts(report) == (1, 0, 0)
    (vehicle,) = rows(street, t.ResidentVehicle)
    assert (vehicle.plate, vehicle.household_id, vehicle.vehicle) == ("浙A12345", "101", "small")
    assert counts(importing(street, "vehicles", *lines[:2], encoding="utf-8-sig")) == (0, 0, 1)


@on_one_database
def test_a_site_may_be_called_by_its_name(street: Parts) -> None:
    assert counts(importing(street, "households", "小区,户号", "archive 小区,1")) == (1, 0, 0)
    assert [row.site_id for row in rows(street, t.Household)] == ["archive", "xinyi", "xinyi"]


@on_one_database
def test_a_workbook_with_dates_and_numbers_as_cells(street: Parts) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["小区", "户号", "车牌", "关系", "有效期起", "有效期止"])
    sheet.append(["xinyi", 101, "浙A22222", "祖父母", datetime(2026, 1, 1), datetime(2026, 12, 31)])
    sheet.append([None] * 6)
    packed = io.BytesIO()
    book.save(packed)
    report = registers.import_file(street, "relatives", packed.getvalue())
    assert counts(report) == (1, 0, 0)
    (relative,) = rows(street, t.Relative)
    assert relative.relation == "grandparent"
    assert relative.valid_from == datetime(2025, 12, 31, 16, tzinfo=UTC)
    assert relative.valid_to == datetime(2026, 12, 31, 16, tzinfo=UTC), "valid to the end of that day"


@on_one_database
def test_a_day_is_local_and_an_instant_is_exact(street: Parts) -> None:
    heading = FILES["passes"][0]
    importing(street, "passes", heading, "xinyi,浙A12345,p,2026-03-01T08:00:00+08:00,2026-03-31 18:30")
    (held,) = rows(street, t.PassHeld)
    assert held.valid_from == datetime(2026, 3, 1, 0, tzinfo=UTC)
    assert held.valid_to == datetime(2026, 3, 31, 10, 30, tzinfo=UTC)


def test_a_changed_row_is_changed_and_keeps_its_registration(street: Parts, clock: Any) -> None:
    heading = FILES["vehicles"][0]
    importing(street, "vehicles", heading, "xinyi,101,浙A12345,small")
    (before,) = rows(street, t.ResidentVehicle)
    clock.advance(days=1)
    report = importing(street, "vehicles", heading, "xinyi,102,浙A12345,large", "xinyi,102,浙A54321,")
    assert counts(report) == (1, 1, 0)
    after = rows(street, t.ResidentVehicle)[0]
    assert (after.household_id, after.vehicle, after.registered_at) == ("102", "large", before.registered_at)


def test_a_lifted_block_is_set_again(street: Parts) -> None:
    heading, lines = FILES["blocklist"]
    importing(street, "blocklist", heading, *lines)
    with street.store.writing() as connection:
        connection.execute(t.BlockedVehicle.__table__.update().values(lifted=True))
        connection.commit()
    assert counts(importing(street, "blocklist", heading, *lines)) == (0, 1, 0)


@on_one_database
def test_a_row_that_stands_twice_is_one_and_a_contradiction_is_told(street: Parts) -> None:
    heading = FILES["vehicles"][0]
    assert counts(importing(street, "vehicles", heading, "xinyi,101,浙A12345,", "xinyi,101,浙A 12345,")) == (1, 0, 1)
    report = importing(street, "vehicles", heading, "xinyi,101,浙A12345,", "xinyi,102,浙A12345,")
    assert [str(problem) for problem in report.problems] == ["line 3: says other than line 2, which is the same entry"]


BAD = {
    "households": [
        ("xinyi,,x,1", "household is missing"),
        ("xinyi,1,x,big", "area_m2"),
        ("xinyi,1,x,-1", "area_m2"),
        ("xinyi,1,x,NaN", "area_m2"),
    ],
    "vehicles": [
        ("xinyi,999,浙A12345,", "household '999' is not one of"),
        ("archive,101,浙A12345,", "household '101' is not one of"),
        ("xinyi,101,,", "plate is missing"),
        ("xinyi,101,无牌车,", "no number plate"),
        ("xinyi,101,浙A12345,tank", "vehicle 'tank'"),
        ("xinyi,101,浙A12345,small,more", "more cells than headings"),
        (",101,浙A12345,", "site is missing"),
    ],
    "relatives": [
        ("xinyi,101,浙A12345,cousin,,", "relation 'cousin'"),
        ("xinyi,101,浙A12345,parent,2026-02-30,", "valid_from '2026-02-30'"),
        ("xinyi,101,浙A12345,parent,2026-03-02,2026-03-01", "before valid_from"),
        ("xinyi,101,浙A12345,parent,soon,", "valid_from 'soon'"),
    ],
    "certificates": [("xinyi,101,,民政局,,", "number is missing"), ("xinyi,101,1,,,", "issuer is missing")],
    "passes": [
        ("xinyi,浙A12345,p,2026-01-01,", "valid_to is missing"),
        ("xinyi,浙A12345,,2026-01-01,2026-01-31", "pass is missing"),
    ],
    "free-vehicles": [
        ("xinyi,浙A12345,,2026-01-01", "class is missing"),
        ("xinyi,浙A12345,ambulance,", "valid_to is missing"),
    ],
    "blocklist": [
        ("xinyi,浙A12345,,2026-01-01", "reason is missing"),
        ("xinyi,浙A12345,x,whenever", "valid_to 'whenever'"),
    ],
}


@on_one_database
@pytest.mark.parametrize("kind", list(BAD))
def test_every_bad_row_is_told_with_line_and_reason(street: Parts, kind: str) -> None:
    report = importing(street, kind, FILES[kind][0], *(line for line, _ in BAD[kind]))
    assert [problem.line for problem in report.problems] == [line + 2 for line in range(len(BAD[kind]))]
    for problem, (_, said) in zip(report.problems, BAD[kind], strict=True):
        assert said in problem.reason
    assert (report.added, report.changed) == (0, 0)


@on_one_database
def test_where_the_site_has_a_policy_what_it_does_not_offer_is_told(street: Parts) -> None:
    policies.apply(street, POLICY)
    heading = FILES["passes"][0]
    report = importing(street, "passes", heading, "xinyi,浙A12345,atlantis-monthly,2026-03-01,2026-03-31")
    assert "atlantis-monthly" in report.problems[0].reason
    for told in ("spaceship", "emergency"):  # no class of this policy; one that nothing but plates shows
        report = importing(street, "free-vehicles", FILES["free-vehicles"][0], f"xinyi,浙A12345,{told},2026-12-31")
        assert told in report.problems[0].reason
    assert importing(street, "free-vehicles", FILES["free-vehicles"][0], "xinyi,浙A12345,ambulance,2026-12-31").ok


def test_a_certificate_number_is_kept_sealed_and_told_to_nobody(
    street: Parts, capsys: pytest.CaptureFixture[str]
) -> None:
    heading, lines = FILES["certificates"]
    importing(street, "certificates", heading, *lines)
    (kept,) = rows(street, t.Certificate)
    numbers = CertificateNumbers(street.settings.secret())
    assert numbers.decrypt(bytes(kept.number_encrypted)) == "HZ-0001"
    assert bytes(kept.number_digest) == numbers.digest("hz-0001 ")
    assert b"HZ-0001" not in bytes(kept.number_encrypted) + bytes(kept.number_digest)
    bad = importing(street, "certificates", heading, "xinyi,101,HZ-0001\x01,x,,", "xinyi,999,HZ-0002,x,,")
    assert len(bad.problems) == 2
    audit = str(rows(street, t.AuditEntry))
    assert "HZ-000" not in audit + str(bad) + capsys.readouterr().err


UNREADABLE = {
    b"": "empty",
    b"\n\n": "empty",
    b"site,household,planet\nxinyi,1,mars\n": "heading 'planet' is not known",
    b"site,name\nxinyi,x\n": "no column 'household'",
    b"site,household,plate\nxinyi,1,x\n": "column 'plate' is none of households",
    b"site,site,household\n": "two columns mean 'site'",
    b'site,household\nxinyi,"1\n': "not CSV",
    b"\xff\xff\xff": "neither UTF-8 nor GBK",
    b"site,house\x00hold\n": "NUL",
    b"PK\x03\x04 not really": "not an XLSX workbook",
}


@on_one_database
@pytest.mark.parametrize("data", list(UNREADABLE))
def test_a_file_that_is_no_register_is_refused(street: Parts, data: bytes) -> None:
    with pytest.raises(UnreadableFile, match=UNREADABLE[data]):
        registers.import_file(street, "households", data)


@on_one_database
def test_a_column_of_remarks_is_left_alone(street: Parts) -> None:
    report = importing(street, "households", "序号,site,household,备注", "1,xinyi,301,corner house")
    assert counts(report) == (1, 0, 0)


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_preview_says_what_would_change_and_changes_nothing(street: Parts, kind: str) -> None:
    heading, lines = FILES[kind]
    data = "\n".join((heading, *lines)).encode()
    before = everything(street, kind)
    audited = len(rows(street, t.AuditEntry))
    report = registers.import_file(street, kind, data, preview=True)
    new = len(lines) - (kind == "households")
    assert (report.preview, *counts(report)) == (True, new, 0, len(lines) - new)
    assert [one.action for one in report.changes] == ["add"] * new
    assert everything(street, kind) == before
    assert len(rows(street, t.AuditEntry)) == audited
    done = registers.import_file(street, kind, data)
    assert (counts(done), done.changes) == (counts(report), ())


@on_one_database
def test_a_column_that_is_not_there_leaves_what_stands(street: Parts) -> None:
    full = "site,household,plate,relation,name,resident,evidence,approver,valid_from,valid_to"
    importing(street, "relatives", full, "xinyi,101,浙A22222,parent,张老,张三,户口簿 12,王五,2026-01-01,2026-12-31")
    contract = "site,household,plate,relation"
    assert counts(importing(street, "relatives", contract, "xinyi,101,浙A22222,父亲")) == (0, 0, 1)
    assert counts(importing(street, "relatives", contract, "xinyi,101,浙A22222,child")) == (0, 1, 0)
    (kept,) = rows(street, t.Relative)
    assert (kept.relation, kept.name, kept.resident, kept.evidence) == ("child", "张老", "张三", "户口簿 12")
    assert kept.valid_to == datetime(2026, 12, 31, 16, tzinfo=UTC)
    emptied = importing(street, "relatives", "小区,户号,车牌,关系,证明", "xinyi,101,浙A22222,child,")
    assert counts(emptied) == (0, 1, 0)
    assert rows(street, t.Relative)[0].evidence == ""


@on_one_database
@pytest.mark.parametrize("words", ["低保户", "Low-Income family", "困难家庭", "ｌｏｗ_ｉｎｃｏｍｅ"])
def test_free_text_is_no_place_for_poverty(street: Parts, words: str) -> None:
    report = importing(street, "blocklist", "site,plate,reason", f"xinyi,浙A66666,{words} 占用消防通道")
    assert "certificate" in report.problems[0].reason
    assert words not in report.problems[0].reason
    # Only those who may read certificates are shown names: a street's own list is not refused for one.
    assert importing(street, "households", "site,household,name", f"xinyi,302,{words}").ok
    with pytest.raises(Invalid, match="certificate"):
        registers.import_file(street, "households", b"site,household\nxinyi,301\n", reason=words)
    registers.import_file(street, "households", b"site,household\nxinyi,301\n", source=f"{words}.csv")
    assert rows(street, t.RegisterChange)[-1].file == ""
    assert words not in str(rows(street, t.AuditEntry))


@on_one_database
def test_parking_that_is_difficult_is_no_poverty(street: Parts) -> None:
    assert importing(street, "blocklist", "site,plate,reason", "xinyi,浙A66666,停车困难 占用消防通道").ok


@on_one_database
def test_an_end_before_a_beginning_that_stands_is_told(street: Parts) -> None:
    importing(street, "relatives", FILES["relatives"][0], "xinyi,101,浙A22222,parent,2026-03-01,")
    report = importing(
        street, "relatives", "site,household,plate,relation,valid_to", "xinyi,101,浙A22222,parent,2026-02-01"
    )
    assert "before it begins" in report.problems[0].reason


@on_one_database
def test_an_unknown_register_is_refused(parts: Parts) -> None:
    with pytest.raises(Invalid, match="martians"):
        registers.import_rows(parts, "martians", [])


def test_a_whole_street_at_once(street: Parts) -> None:
    households = ({"site": "xinyi", "household": f"h{number}", "name": "", "area_m2": "90"} for number in range(3000))
    assert counts(registers.import_rows(street, "households", households)) == (3000, 0, 0)
    vehicles = [{"site": "xinyi", "household": f"h{number}", "plate": f"浙B{number:05d}"} for number in range(1, 3000)]
    assert counts(registers.import_rows(street, "vehicles", vehicles)) == (2999, 0, 0)
    assert counts(registers.import_rows(street, "vehicles", vehicles)) == (0, 0, 2999)


@given(st.binary(max_size=400))
@example(b"#")
def test_any_bytes_are_a_table_or_refused(data: bytes) -> None:
    with suppress(UnreadableFile):
        headings, lines = read(data)
        assert headings
        assert all(line > 1 for line, _ in lines)


@given(st.text(max_size=30))
def test_any_text_is_an_instant_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert parse_instant(text, ZoneInfo("Asia/Shanghai"), end=True).tzinfo is not None


@on_one_database
@pytest.mark.parametrize("end", ["9999-12-31", "9999-12-30", "9999-12-31T23:59:59Z", "2199-12-31"])
def test_for_ever_is_a_date_that_every_zone_can_tell(street: Parts, end: str) -> None:
    """As lists write it; days of grace are added to it, and it is shown in local time."""
    assert importing(street, "free-vehicles", "site,plate,class,valid_to", f"xinyi,浙A77777,ambulance,{end}").ok
    (kept,) = rows(street, t.FreeVehicle)
    assert kept.valid_to is not None
    assert kept.valid_to.year in {2199, 2200}


@on_one_database
@pytest.mark.parametrize("start", ["0001-01-01", "1899-12-31", "2200-01-02", "9999-12-31"])
def test_a_start_that_cannot_be_meant_is_refused(street: Parts, start: str) -> None:
    lines = "site,plate,class,valid_from,valid_to", f"xinyi,浙A77777,ambulance,{start},9999-12-31"
    assert "valid_from" in importing(street, "free-vehicles", *lines).problems[0].reason
