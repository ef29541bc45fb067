"""先离场后付费: what is given up by two, who is reminded, and who may leave first by agreement."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from billing.explain import Language
from controllers.commands import Reason
from controllers.events import Kind, Opening
from gateway.flows import arrears_agreements, arrears_reminders, arrears_write_off, payment
from gateway.flows.arrears_agreements import Wanted
from gateway.flows.charges_books import By
from gateway.flows.charges_refusals import AlreadyDecided, AlreadyProposed, SecondPersonNeeded
from gateway.flows.explain import stay_explanation
from gateway.flows.reading import Slice
from gateway.flows.refusals import AmountNotDue, ChannelClosed, Invalid, NotFound
from gateway.wiring import Parts
from tests.gateway.arrears_office import MANAGER, PLATE, leaves_owing, owed, pays_first, proposed
from tests.gateway.pass_office import FINANCE, REGISTRAR, Office
from tests.gateway.trade import local


@pytest.fixture
def office(parts: Parts) -> Office:
    return Office(parts, mode="leave_first")


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
