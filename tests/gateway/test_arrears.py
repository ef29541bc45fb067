"""先离场后付费: what is owed, collected anywhere on the street, given up by two; agreements; reminders."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from sqlalchemy import select

from billing.explain import Language
from controllers.commands import Action, Reason
from controllers.events import Kind, Opening
from gateway.api.app import create_app
from gateway.flows import arrears, arrears_agreements, arrears_reminders, arrears_write_off, payment, users
from gateway.flows.arrears_agreements import Wanted
from gateway.flows.charges_books import By
from gateway.flows.charges_refusals import AlreadyDecided, AlreadyProposed, SecondPersonNeeded
from gateway.flows.explain import stay_explanation
from gateway.flows.pay_token import token
from gateway.flows.reading import Slice
from gateway.flows.refusals import AmountNotDue, ChannelClosed, Invalid, KeyReused, NotFound
from gateway.flows.verify import verify
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.books import past_the_program
from tests.gateway.house import PASSWORD, Client, Staff
from tests.gateway.pass_office import FINANCE, REGISTRAR, Office
from tests.gateway.trade import local

PLATE = "浙B12345"
MANAGER = By(operator="sun", role="manager")


@pytest.fixture
def office(parts: Parts) -> Office:
    return Office(parts, mode="leave_first")


def leaves_owing(office: Office, plate: str = PLATE, *, day: str = "02", hour: int = 9) -> str:
    """An hour at 4 yuan, left without paying. Returns the stay."""
    office.passes("in-1", plate, f"2026-03-{day} {hour:02d}:00")
    assert office.passes("out-1", plate, f"2026-03-{day} {hour + 1:02d}:00").reason is Reason.PAY_LATER
    return str(next(stay.id for stay in reversed(office.stays()) if stay.plate == plate))


def owed(office: Office, **wanted: Any) -> list[int]:
    with office.parts.store.reading() as connection:
        return [one.due_fen for _, one in arrears.owed(connection, None, Slice(None, 100), **wanted)]


def by_site(office: Office) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for row in office._all(select(t.Posting.__table__)):
        head = ":".join(row.account.split(":")[:2]) if row.account.startswith("assets:cash") else row.account
        sums[row.site_id, head] = sums.get((row.site_id, head), 0) + row.amount_fen
    return {key: fen for key, fen in sums.items() if fen}


# ---------------------------------------------------------------------- collection


def test_what_is_owed_is_listed_and_paid_at_the_site_itself(office: Office) -> None:
    stay = leaves_owing(office)
    assert owed(office) == owed(office, plate=PLATE) == [400]
    assert owed(office, plate="浙B00000") == []
    assert office.collects(stay, 400).at_site == "xinyi"
    assert owed(office) == []
    office.books_hold()


def test_collected_at_another_site_it_goes_through_clearing_on_both(office: Office) -> None:
    stay = leaves_owing(office)
    for wrong in (399, 401, 1):
        with pytest.raises(AmountNotDue):
            office.collects(stay, wrong, "moganshan")
    first = office.collects(stay, 400, "moganshan", key="k")
    assert office.collects(stay, 400, "moganshan", key="k") == first
    with pytest.raises(KeyReused):
        office.collects(stay, 500, "moganshan", key="k")
    with pytest.raises(AmountNotDue):
        office.collects(stay, 400, "moganshan")
    with pytest.raises(AmountNotDue):
        office.collects(stay, 400)
    assert by_site(office) == {
        ("xinyi", "income:parking"): -400,
        ("xinyi", "clearing:moganshan"): 400,
        ("moganshan", "assets:cash"): 400,
        ("moganshan", "clearing:xinyi"): -400,
    }
    assert office.stay(PLATE).paid_fen == 400
    assert owed(office) == []
    office.books_hold()


@pytest.mark.parametrize("where", [None, "xinyi", "moganshan"])
def test_a_stay_that_goes_on_owes_nothing_that_could_be_collected(office: Office, where: str | None) -> None:
    office.passes("in-1", PLATE, "09:00")
    office.at("2026-03-02 10:00")
    with pytest.raises(NotFound, match="has ended"):
        office.collects(office.stay(PLATE).id, 400, where)
    with pytest.raises(NotFound):
        office.collects("xinyi.nothing", 400, where)
    assert office.accounts() == {}
    office.passes("out-1", PLATE, "10:00")
    assert office.collects(office.stay(PLATE).id, 400, where).amount_fen == 400
    office.books_hold()


def test_one_that_waits_at_its_exit_pays_its_stay_and_no_arrears(parts: Parts) -> None:
    office = pays_first(parts)
    office.passes("in-1", PLATE, "09:00")
    office.arrives("out-1", PLATE, "10:00")
    stay = office.stay(PLATE).id
    with pytest.raises(NotFound, match="has ended"):
        office.collects(stay, 400)
    payment.take(parts, stay_id=stay, channel="cash", amount_fen=400, operator="li")
    office.books_hold()


def test_a_site_that_is_not_there_collects_nothing(office: Office) -> None:
    stay = leaves_owing(office, "浙B54321")
    with pytest.raises(NotFound):
        office.collects(stay, 400, "atlantis")


def test_old_arrears_are_offered_at_an_exit_and_never_demanded(parts: Parts) -> None:
    """A site where everybody pays first: only this stay is due, whatever is owed from before."""
    office = Office(parts, mode="leave_first")
    old = leaves_owing(office)
    office.passes("in-1", PLATE, "2026-03-03 09:00")
    office.arrives("out-1", PLATE, "2026-03-03 09:20")
    stay = office.stays()[-1].id
    with parts.store.reading() as connection:
        assert [one.stay for one in arrears.earlier(connection, stay)] == [old]
        assert arrears.earlier(connection, old) == []
    out = office.arrives("out-1", PLATE, "2026-03-03 09:21")
    assert out is None or out.reason is not Reason.PAYMENT_DUE


def test_beyond_the_limit_this_stay_is_asked_for_and_no_more(office: Office) -> None:
    for hour in (8, 10, 12):
        leaves_owing(office, hour=hour)
    assert sum(owed(office)) == 1200
    office.passes("in-1", PLATE, "2026-03-02 14:00")
    asked = office.arrives("out-1", PLATE, "2026-03-02 15:00")
    assert (asked.action, asked.reason, asked.pay.fen) == (Action.SHOW, Reason.PAYMENT_DUE, 400)
    office.collects(office.stays()[0].id, 400, "moganshan")
    again = office.arrives("out-1", PLATE, "2026-03-02 15:02")
    assert again.reason is Reason.PAY_LATER


# ---------------------------------------------------------------------- write-offs


def proposed(office: Office, stay: str, fen: int | None = None) -> arrears_write_off.WriteOff:
    return arrears_write_off.propose(office.parts, stay, "moved away, no address", REGISTRAR, fen)


def test_given_up_only_by_a_second_person(office: Office) -> None:
    stay = leaves_owing(office)
    one = proposed(office, stay)
    assert (one.kind, one.amount_fen, one.state) == ("owed", 400, "proposed")
    with pytest.raises(AlreadyProposed):
        proposed(office, stay)
    for same in (REGISTRAR, By(operator="Wang", role="manager")):
        with pytest.raises(SecondPersonNeeded):
            arrears_write_off.approve(office.parts, one.id, same)
        with pytest.raises(SecondPersonNeeded):
            arrears_write_off.refuse(office.parts, one.id, "no", same)
    done = arrears_write_off.approve(office.parts, one.id, MANAGER)
    assert (done.state, done.proposed_by, done.decided_by) == ("approved", "wang", "sun")
    with pytest.raises(AlreadyDecided):
        arrears_write_off.approve(office.parts, one.id, FINANCE)
    assert office.accounts() == {"income:parking": -400, "waived:written_off": 400}
    assert owed(office) == []
    with pytest.raises(AmountNotDue):
        office.collects(stay, 400)
    with pytest.raises(AmountNotDue):
        office.collects(stay, 400, "moganshan")
    with pytest.raises(AmountNotDue):
        proposed(office, stay)
    office.books_hold()


def test_a_part_may_be_given_up_and_the_rest_is_due(office: Office) -> None:
    stay = leaves_owing(office)
    for wrong in (0, 401, -1):
        with pytest.raises(AmountNotDue):
            proposed(office, stay, wrong)
    with pytest.raises(Invalid):
        arrears_write_off.propose(office.parts, stay, "  ", REGISTRAR)
    one = proposed(office, stay, 150)
    arrears_write_off.approve(office.parts, one.id, MANAGER)
    assert owed(office) == [250]
    office.collects(stay, 250)
    assert office.accounts()["waived:written_off"] == 150
    office.books_hold()


def test_what_was_given_up_or_collected_elsewhere_is_explained(office: Office) -> None:
    stay = leaves_owing(office)
    arrears_write_off.approve(office.parts, proposed(office, stay, 150).id, MANAGER)

    def said(language: Language) -> list[str]:
        found: list[str] = stay_explanation(office.parts, stay, language=language)["sentences"]
        return found

    assert "已付 0.00 元，核销 1.50 元，尚欠 2.50 元。" in said("zh")
    office.collects(stay, 250, "moganshan")
    assert "2026-03-02 10:00:05 已付 2.50 元（由莫干山代收）。" in said("zh")
    assert "已付 2.50 元，核销 1.50 元，尚欠 0.00 元。" in said("zh")
    assert "Paid 2.50 yuan at 2026-03-02 10:00:05 (collected at 莫干山)." in said("en")
    assert "Paid 2.50 yuan, 1.50 yuan written off, 0.00 yuan still due." in said("en")


def test_paid_meanwhile_it_must_be_proposed_again(office: Office) -> None:
    stay = leaves_owing(office)
    one = proposed(office, stay)
    office.collects(stay, 400)
    with pytest.raises(AmountNotDue, match="again"):
        arrears_write_off.approve(office.parts, one.id, MANAGER)
    assert arrears_write_off.refuse(office.parts, one.id, "was paid", MANAGER).state == "refused"
    office.books_hold()


def test_what_was_paid_beyond_the_bill_is_given_up_the_same_way(parts: Parts) -> None:
    """Paid at the exit; then an offline gate tells that the vehicle had left before."""
    office = pays_first(parts)
    office.passes("in-1", PLATE, "2026-03-02 09:00")
    office.arrives("out-1", PLATE, "2026-03-02 11:10")
    stay = office.stay(PLATE).id
    payment.take(parts, stay_id=stay, channel="wechat", amount_fen=1000)
    office.at("2026-03-02 11:12")
    early = office.read("out-2", PLATE, local("2026-03-02 10:00"), buffered=True, opening=Opening.OFFLINE_EXIT)
    office.deliver(early, office.mark("out-2", Kind.PASSED, local("2026-03-02 10:01"), early.event.id, buffered=True))
    assert office.accounts()["liability:prepaid"] == -600
    one = proposed(office, stay)
    assert (one.kind, one.amount_fen) == ("overpaid", 600)
    with pytest.raises(SecondPersonNeeded):
        arrears_write_off.approve(parts, one.id, REGISTRAR)
    arrears_write_off.approve(parts, one.id, MANAGER)
    assert office.accounts()["waived:written_off"] == -600
    assert "liability:prepaid" not in office.accounts()
    with pytest.raises(AmountNotDue):
        proposed(office, stay)
    office.books_hold()


def test_a_bill_that_changes_later_keeps_it_given_up_as_far_as_it_is_still_open(office: Office) -> None:
    stay = leaves_owing(office, hour=10)
    arrears_write_off.approve(office.parts, proposed(office, stay).id, MANAGER)
    office.at("2026-03-02 12:00")
    shorter = office.read("out-2", PLATE, local("2026-03-02 10:20"), buffered=True, opening=Opening.OFFLINE_EXIT)
    office.deliver(
        shorter, office.mark("out-2", Kind.PASSED, local("2026-03-02 10:21"), shorter.event.id, buffered=True)
    )
    assert office.accounts() == {}, "it was free all along: nothing is earned, nothing given up"
    office.books_hold()


# ---------------------------------------------------------------------- reminders


def remind(office: Office, sender: arrears_reminders.Sender | None = None) -> arrears_reminders.Batch:
    return arrears_reminders.remind(office.parts, sender or arrears_reminders.SimulatedSender(), None, FINANCE)


def test_reminded_a_day_later_then_every_week_and_never_of_what_is_paid(office: Office) -> None:
    first, second = leaves_owing(office), leaves_owing(office, hour=11)
    other = leaves_owing(office, "浙B54321", hour=14)
    assert remind(office).messages == []
    office.at("2026-03-03 16:00")
    sender = arrears_reminders.SimulatedSender()
    batch = remind(office, sender)
    assert [(one.plate, one.stays, one.amount_fen) for one in sender.sent] == [
        (PLATE, [first, second], 800),
        ("浙B54321", [other], 400),
    ]
    assert sender.sent == batch.messages
    assert PLATE not in sender.sent[0].words
    assert "8.00 元" in sender.sent[0].words
    office.goes_on(3)
    assert remind(office).messages == []
    office.collects(first, 400)
    arrears_write_off.approve(office.parts, proposed(office, other).id, MANAGER)
    office.goes_on(5)
    (message,) = remind(office).messages
    assert (message.plate, message.stays) == (PLATE, [second])
    with office.parts.store.reading() as connection:
        sent = [one for _, one in arrears_reminders.sent(connection, None, Slice(None, 100))]
        assert sorted((one["stay"], one["number"]) for one in sent) == sorted(
            [(first, 1), (second, 1), (other, 1), (second, 2)]
        )
        kept = arrears_reminders.batch_of_reminders(office.parts, connection, None, batch.id)
    assert [(one.plate, one.amount_fen) for one in kept] == [(PLATE, 800), ("浙B54321", 400)]
    office.books_hold()


def test_reminders_as_a_file_and_the_simulated_sender_only_in_test_mode(office: Office) -> None:
    leaves_owing(office)
    office.at("2026-03-04 09:00")
    real = Parts(
        settings=office.parts.settings.model_copy(update={"test": False}),
        clock=office.clock,
        store=office.parts.store,
        metrics=office.parts.metrics,
    )
    with pytest.raises(ChannelClosed):
        arrears_reminders.remind(real, arrears_reminders.SimulatedSender(), None, FINANCE)
    with pytest.raises(Invalid):
        arrears_reminders.sender_named("sms")
    sender = arrears_reminders.CsvSender()
    arrears_reminders.remind(real, sender, None, FINANCE)
    rows = list(csv.reader(io.StringIO(sender.file.decode("utf-8-sig"))))
    assert rows[1][:4] == [PLATE, "信义坊", "1", "4.00"]


# ---------------------------------------------------------------------- agreements


def agreed(office: Office, site: str = "xinyi", limit: int = 400, **more: Any) -> arrears_agreements.Agreement:
    wanted = Wanted(site=site, plate=PLATE, limit_fen=limit, evidence="contract 7", **more)
    made = arrears_agreements.propose(office.parts, wanted, REGISTRAR)
    with pytest.raises(SecondPersonNeeded):
        arrears_agreements.approve(office.parts, made.id, REGISTRAR)
    done = arrears_agreements.approve(office.parts, made.id, MANAGER)
    office.parts.estates.__init__()  # type: ignore[misc] - known within five seconds; the tests' clock stands still
    return done


def test_an_agreement_needs_evidence_and_a_second_person(office: Office) -> None:
    done = agreed(office)
    assert (done.state, done.proposed_by, done.decided_by) == ("approved", "wang", "sun")
    with pytest.raises(AlreadyDecided):
        arrears_agreements.approve(office.parts, done.id, FINANCE)
    for wrong, refusal in (
        ({"evidence": " "}, Invalid),
        ({"limit_fen": -1}, Invalid),
        ({"plate": "?"}, Invalid),
        ({"site": "atlantis"}, NotFound),
        ({"valid_from": local("2026-03-05 00:00"), "valid_to": local("2026-03-05 00:00")}, Invalid),
    ):
        wanted = {"site": "xinyi", "plate": PLATE, "limit_fen": 1, "evidence": "x", **wrong}
        with pytest.raises(refusal):
            arrears_agreements.propose(office.parts, Wanted(**wanted), REGISTRAR)
    ended = arrears_agreements.end(office.parts, done.id, "sold the car", REGISTRAR)
    assert (ended.state, ended.ended_by) == ("ended", "wang")
    assert arrears_agreements.end(office.parts, done.id, "again", REGISTRAR) == ended
    with office.parts.store.reading() as connection:
        rows = arrears_agreements.agreements(connection, frozenset({"xinyi"}), Slice(None, 10), plate=PLATE)
    assert [one.state for _, one in rows] == ["ended"]


def pays_first(parts: Parts) -> Office:
    return Office(parts, mode="pay_first")


def leaves(office: Office, at: int) -> Any:
    office.passes("in-1", PLATE, f"2026-03-02 {at:02d}:00")
    return office.passes("out-1", PLATE, f"2026-03-02 {at + 1:02d}:00")


@pytest.mark.parametrize("site", ["xinyi", "street"])
def test_by_agreement_a_vehicle_leaves_first_up_to_its_limit(parts: Parts, site: str) -> None:
    office = pays_first(parts)
    agreed(office, site)
    assert leaves(office, 8).reason is Reason.PAY_LATER
    assert leaves(office, 10).reason is Reason.PAY_LATER
    assert leaves(office, 12).reason is Reason.PAYMENT_DUE
    assert office.accounts()["assets:receivable:pay_later"] == 800
    office.passes("in-1", "浙B54321", "2026-03-02 15:00")
    assert office.arrives("out-1", "浙B54321", "2026-03-02 16:00").reason is Reason.PAYMENT_DUE


def test_an_agreement_of_another_site_or_time_changes_nothing(parts: Parts) -> None:
    office = pays_first(parts)
    agreed(office, "moganshan", 9999)
    agreed(office, "xinyi", 9999, valid_from=local("2026-04-01 00:00"))
    agreed(office, "street", 9999, valid_from=local("2026-01-01 00:00"), valid_to=local("2026-03-02 08:00"))
    done = agreed(office, "xinyi", 9999)
    arrears_agreements.end(parts, done.id, "over", REGISTRAR)
    parts.estates.__init__()  # type: ignore[misc]
    assert leaves(office, 9).reason is Reason.PAYMENT_DUE


# ---------------------------------------------------------------------- what was changed past the program


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE arrears_credit SET amount_fen = amount_fen + 1", "stay"),
        ("UPDATE arrears_credit SET collected_at_site = 'xinyi'", "stay"),
        ("DELETE FROM arrears_credit", "transaction"),
        ("UPDATE charge_payment SET subject = 'xinyi.other'", "arrears_credit"),
        ("DELETE FROM charge_payment", "transaction"),
    ],
)
def test_verify_names_what_was_changed(office: Office, change: str, named: str) -> None:
    stay = leaves_owing(office)
    office.collects(stay, 400, "moganshan")
    past_the_program(office.parts, change)
    failure = verify(office.parts).first_failure
    assert failure is not None
    assert failure.what == named, failure


# ---------------------------------------------------------------------- what the driver and the till see


def test_the_drivers_page_offers_what_is_open_from_earlier_visits(office: Office) -> None:
    old = leaves_owing(office, day="02")
    office.passes("in-1", PLATE, "2026-03-03 09:00")
    newest = office.stays()[-1].id
    client = Client(create_app(office.parts))
    secret = office.parts.settings.secret()
    page = client.get(f"/pay/{token(secret, newest)}").text
    assert f"/pay/{token(secret, old)}" in page
    assert "以前未缴" in page
    assert PLATE not in page
    assert "以前未缴" not in client.get(f"/pay/{token(secret, old)}").text
    office.collects(old, 400, "moganshan")
    assert "以前未缴" not in client.get(f"/pay/{token(secret, newest)}").text


def test_a_till_of_another_site_sees_and_takes_what_a_plate_owes(office: Office) -> None:
    stay = leaves_owing(office)
    users.add(office.parts, "chen", "cashier", ["moganshan"], PASSWORD, operator="test")
    client = Client(create_app(office.parts))
    answer = client.post("/api/v1/token", data={"username": "chen", "password": PASSWORD})
    till = Staff(client, answer.json()["access_token"])
    assert till.get("/api/v1/arrears").json()["items"] == []
    (one,) = till.get("/api/v1/arrears", plate="浙B·12345").json()["items"]
    assert (one["stay"], one["due_fen"], one["site"]) == (stay, 400, "xinyi")
    where = f"/api/v1/arrears/{stay}/payments"
    body = {"channel": "cash", "amount_fen": 400}
    assert till.post(where, body).status_code == 404, "the stay's own site is not one of theirs"
    assert till.post(where, {**body, "site": "moganshan", "amount_fen": 1}).status_code == 409
    taken = [till.post(where, {**body, "site": "moganshan"}, **{"Idempotency-Key": "t1"}) for _ in range(2)]
    assert [one.status_code for one in taken] == [201, 201]
    assert taken[0].json() == taken[1].json()
    assert taken[0].json()["at_site"] == "moganshan"
    assert till.get("/api/v1/arrears", plate=PLATE).json()["items"] == []
    office.books_hold()
