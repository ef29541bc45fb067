"""The monthly run: property fees and passes billed monthly; waived with a line, charged once, paid, reversed."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from gateway.cli.main import main
from gateway.flows import charges, charges_money, passes_refund, registers
from gateway.flows.charges_money import ChargeFilter
from gateway.flows.charges_refusals import NotReversible, SecondPersonNeeded
from gateway.flows.reading import Slice
from gateway.flows.refusals import AmountNotDue, Invalid, KeyReused, NotFound
from gateway.flows.verify import verify
from gateway.store import tables as t
from tests.gateway.books import past_the_program
from tests.gateway.pass_office import FINANCE, MONTH_FEN, REGISTRAR, TILL, Office

FEE_101, FEE_102 = 3294, 2200


def listed(office: Office, **wanted: Any) -> list[dict[str, Any]]:
    with office.parts.store.reading() as connection:
        found = charges_money.charges(connection, None, ChargeFilter(**wanted), Slice(None, 100))
    return [document for _, document in found]


def charge_of(office: Office, household: str, kind: str = "property_fee") -> str:
    (found,) = [one["id"] for one in listed(office, household=household, kind=kind) if one["state"] != "reversed"]
    return str(found)


def test_every_household_is_charged_by_its_size_and_a_certificate_waives_with_a_line(office: Office) -> None:
    run = office.charges()
    assert [(one.household, one.gross_fen, one.payable_fen) for one in run.charged] == [
        ("101", FEE_101, FEE_101),
        ("102", FEE_102, 0),
    ]
    assert [(line.kind, line.fen) for line in run.charged[1].lines] == [
        ("property_fee", FEE_102),
        ("low_income", -FEE_102),
    ]
    assert run.without_area == ["103"]
    assert office.accounts() == {
        "assets:receivable:property_fee": FEE_101,
        "income:property_fee": -FEE_101 - FEE_102,
        "waived:low_income": FEE_102,
    }
    office.books_hold()


def test_a_month_is_charged_once_and_who_came_since_is_added(office: Office) -> None:
    office.charges()
    before = office.accounts()
    again = office.charges()
    assert (again.charged, again.standing) == ([], 2)
    assert office.accounts() == before
    office.register("households", {"household": "103", "name": "", "area_m2": "100"})
    assert [one.household for one in office.charges().charged] == ["103"]
    assert office.accounts()["assets:receivable:property_fee"] == FEE_101 + 5500
    office.books_hold()


def test_a_preview_says_the_same_and_writes_nothing(office: Office) -> None:
    preview = office.charges(preview=True)
    assert office.accounts() == {}
    assert listed(office) == []
    assert office.charges() == preview


@pytest.mark.parametrize("month", ["2026-3", "2026-13", "March", "", "2026-05", "9999-01"])
def test_what_is_no_month_or_too_far_ahead(office: Office, month: str) -> None:
    with pytest.raises(Invalid):
        office.charges(month)
    with pytest.raises(NotFound):
        charges.run(office.parts, "2026-03", FINANCE, "atlantis")


def test_the_whole_street_is_charged_site_by_site(office: Office) -> None:
    found = charges.run(office.parts, "2026-03", FINANCE)
    assert [(one.site, len(one.charged)) for one in found] == [("moganshan", 0), ("xinyi", 2)]


def test_paid_in_parts_never_more_than_is_due_and_once_a_key(office: Office) -> None:
    office.charges()
    charge = charge_of(office, "101")
    assert office.pays(charge, 1000, key="k").due_fen == FEE_101 - 1000
    assert office.pays(charge, 1000, key="k").due_fen == FEE_101 - 1000
    with pytest.raises(KeyReused):
        office.pays(charge, 1001, key="k")
    for wrong in (FEE_101, 0, -5):
        with pytest.raises(AmountNotDue):
            office.pays(charge, wrong)
    assert office.pays(charge, FEE_101 - 1000).due_fen == 0
    with pytest.raises(AmountNotDue):
        office.pays(charge, 1)
    with pytest.raises(AmountNotDue):
        office.pays(charge_of(office, "102"), 1)
    with pytest.raises(NotFound):
        office.pays("xinyi.nothing", 1)
    assert office.drawer() == FEE_101
    assert "assets:receivable:property_fee" not in office.accounts()
    office.books_hold()


def test_a_wrong_charge_is_reversed_by_name_and_may_be_charged_again(office: Office) -> None:
    office.charges()
    charge = charge_of(office, "101")
    office.pays(charge, 1000)
    charges_money.reverse(office.parts, charge, "the area was wrong", FINANCE)
    charges_money.reverse(office.parts, charge, "again", FINANCE)
    accounts = office.accounts()
    assert accounts["liability:refund"] == -1000
    assert "assets:receivable:property_fee" not in accounts
    assert accounts["income:property_fee"] == -FEE_102
    office.books_hold()
    with pytest.raises(SecondPersonNeeded):  # money leaves a drawer: not by who took the charge back
        charges_money.pay_back(office.parts, charge, "cash", FINANCE)
    assert charges_money.pay_back(office.parts, charge, "cash", TILL) == 1000
    assert charges_money.pay_back(office.parts, charge, "cash", TILL) == 1000
    assert office.drawer() == 0
    with pytest.raises(AmountNotDue):
        office.pays(charge, 1)
    office.register("households", {"household": "101", "name": "", "area_m2": "50"})
    assert [(one.household, one.gross_fen) for one in office.charges().charged] == [("101", 2750)]
    assert [one["state"] for one in listed(office, household="101")] == ["due", "reversed"]
    office.books_hold()


def test_a_pass_that_is_billed_monthly_goes_on_with_every_run(office: Office) -> None:
    with pytest.raises(Invalid):
        office.sells("浙B55555", fen=None, billed="monthly", by=REGISTRAR)
    office.at("2026-03-17 09:00")
    sold = office.sells(fen=None, billed="monthly", by=REGISTRAR)
    assert (sold.first_day, sold.last_day) == (date(2026, 3, 17), date(2026, 3, 31))
    part = MONTH_FEN * 15 // 31
    assert office.accounts() == {"assets:receivable:pass": part, "liability:prepaid": -part}
    office.pays(charge_of(office, "101", "pass"), part)
    assert [one.kind for one in office.charges().charged] == ["property_fee", "property_fee"]
    april = office.charges("2026-04")
    assert [(one.kind, one.gross_fen) for one in april.charged if one.household == "101"] == [
        ("property_fee", FEE_101),
        ("pass", MONTH_FEN),
    ]
    assert office.charges("2026-04").charged == []
    assert office.held() == [("浙A10101", "03-17 00:00", "05-01 00:00", False)]
    office.at("2026-05-02 03:00")
    office.earns()
    assert office.accounts()["income:pass"] == -part - MONTH_FEN
    office.books_hold()


def test_a_monthly_pass_that_is_given_back_is_taken_off_what_is_still_owed(office: Office) -> None:
    sold = office.sells(fen=None, billed="monthly", first_day=date(2026, 4, 1), by=REGISTRAR)
    office.at("2026-04-10 09:00")
    office.earns()
    approved = office.gives_back(sold.id)
    assert approved.amount_fen == 0, "nothing was paid, so nothing is paid back"
    ten = MONTH_FEN * 10 // 30
    (charge,) = listed(office, kind="pass")
    assert (charge["due_fen"], charge["state"]) == (ten, "due")
    assert charge["lines"][-1] == {"kind": "pass_ended", "fen": ten - MONTH_FEN, "rule": "pass.refund"}
    office.pays(charge["id"], ten)
    office.at("2026-05-10 09:00")
    office.earns()
    accounts = office.accounts()
    assert accounts.pop("income:pass") == -ten
    assert list(accounts.values()) == [ten]
    assert office.charges("2026-05").charged[-1].kind == "property_fee"
    office.books_hold()


def test_a_month_of_a_pass_is_undone_only_while_none_of_it_is_used(office: Office) -> None:
    office.sells(fen=None, billed="monthly", by=REGISTRAR)
    office.charges("2026-04")
    april, march = (one["id"] for one in listed(office, kind="pass"))
    if "2026-04" not in [one["month"] for one in listed(office, kind="pass") if one["id"] == april]:
        april, march = march, april
    charges_money.reverse(office.parts, april, "a mistake", FINANCE)
    assert office.held() == [("浙A10101", "03-02 00:00", "04-01 00:00", False)]
    office.at("2026-03-05 09:00")
    office.earns()
    with pytest.raises(NotReversible):
        charges_money.reverse(office.parts, march, "a mistake", FINANCE)
    assert [one.kind for one in office.charges("2026-04").charged] == ["pass"]
    office.books_hold()


def test_a_waived_monthly_pass_has_its_line_and_nothing_is_owed(office: Office) -> None:
    office.sells("浙A10201", fen=None, billed="monthly", first_day=date(2026, 4, 1), by=REGISTRAR)
    (charge,) = listed(office, kind="pass")
    assert (charge["gross_fen"], charge["payable_fen"], charge["state"]) == (MONTH_FEN, 0, "settled")
    assert office.accounts() == {}
    office.at("2026-05-03 03:00")
    office.earns()
    assert office.accounts() == {"income:pass": -MONTH_FEN, "waived:low_income": MONTH_FEN}
    office.books_hold()


def test_what_a_till_sees_tells_of_no_certificate(office: Office) -> None:
    office.charges()
    shown = listed(office, seen=False)
    assert [one["household"] for one in shown] == ["101"]
    assert "waived" not in json.dumps(shown, default=str)
    assert [one["household"] for one in listed(office, due=True)] == ["101"]


def test_the_ledger_and_the_audit_trail_name_no_household(office: Office) -> None:
    office.charges()
    ledger = office._all(select(t.LedgerTransaction.__table__))
    postings = office._all(select(t.Posting.__table__))
    trail = [row for row in office._all(select(t.AuditEntry.__table__)) if row.action.startswith("charge")]
    assert trail
    for row in (*ledger, *postings, *trail):
        said = [str(value) for name, value in row._asdict().items() if name not in {"id", "at", "content_hash"}]
        assert not {"101", "102"} & set(said)
        assert "low_income" not in "".join(said) or "waived:low_income" in said


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE charge SET paid_fen = paid_fen - 1 WHERE household_id = '101'", "charge"),
        ("UPDATE charge SET gross_fen = gross_fen + 1 WHERE household_id = '101'", "charge"),
        ("UPDATE charge SET waived_fen = waived_fen - 1 WHERE household_id = '102'", "charge"),
        (
            "UPDATE charge SET reversal = 'x', reversed_by = 'x', reversed_at = charged_at, paid_fen = paid_fen",
            "charge",
        ),
        ("UPDATE charge_payment SET amount_fen = amount_fen + 1", "charge_payment"),
        ("UPDATE charge_payment SET subject = 'xinyi.other'", "charge_payment"),
        ("DELETE FROM charge WHERE household_id = '102'", "transaction"),
    ],
)
def test_verify_names_what_was_changed(office: Office, change: str, named: str) -> None:
    office.charges()
    office.pays(charge_of(office, "101"), 1000)
    past_the_program(office.parts, change)
    failure = verify(office.parts).first_failure
    assert failure is not None
    assert failure.what == named, failure


def test_charges_on_the_command_line(
    office: Office, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARKGATE_DATABASE_URL", database_url)
    monkeypatch.setenv("PARKGATE_SECRET_KEY", "a secret of the tests only")

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["charges", "run", *arguments])
        out = capsys.readouterr()
        return int(left.value.code or 0), out.out, out.err

    assert run("--month", "2026-3")[0] == 2
    assert "no month" in run("--month", "2026-3")[2]
    code, out, _ = run("--month", "2026-03", "--preview", "--json")
    assert code == 0
    assert [len(site["charged"]) for site in json.loads(out)["sites"]] == [0, 2]
    assert office.accounts() == {}
    code, out, _ = run("--month", "2026-03", "--site", "xinyi")
    assert code == 0
    assert "2 charged" in out
    assert office.accounts() != {}
    assert "0 charged, 2 stood" in run("--month", "2026-03", "--site", "xinyi")[1]


def test_a_refund_of_an_unknown_pass_or_charge_is_not_found(office: Office) -> None:
    with pytest.raises(NotFound):
        passes_refund.propose(office.parts, "xinyi.nothing", "why", REGISTRAR)
    with pytest.raises(NotFound):
        charges_money.reverse(office.parts, "atlantis.nothing", "why", FINANCE)


def test_a_pass_that_overlaps_another_stops_nobody_elses_month(office: Office) -> None:
    office.sells(fen=None, billed="monthly")
    rows = [
        {
            "site": "xinyi",
            "plate": "浙A10101",
            "pass": "resident-monthly",
            "valid_from": "2026-04-10",
            "valid_to": "2026-04-20",
        }
    ]
    assert registers.import_rows(office.parts, "passes", rows).ok
    office.charges("2026-03")
    run = office.charges("2026-04")
    assert len(run.overlapping) == 1
    assert {(one.household, one.kind) for one in run.charged} >= {("101", "property_fee"), ("102", "property_fee")}
    office.books_hold()


@pytest.mark.parametrize("nothing", ["nope", "nowhere.abc", "xinyi.abc", ""])
def test_what_is_not_there_is_said_in_words_of_a_charge(office: Office, nothing: str) -> None:
    """An id that leads to no site says no more than one that leads to no charge."""
    with pytest.raises(NotFound, match="no such charge"):
        charges_money.pay_back(office.parts, nothing, "cash", TILL)
    with pytest.raises(NotFound, match="no such charge"):
        charges_money.reverse(office.parts, nothing, "why", FINANCE)
    with pytest.raises(NotFound, match="no such refund"):
        passes_refund.pay_out(office.parts, nothing, "cash", TILL)
