"""更正 in the console, without script: what would come of it is shown first, made as it was seen, and decided by another person where it must."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.flows import corrections
from gateway.flows.verify import verify
from gateway.wiring import Parts
from tests.gateway.correction_office import REASON, RIGHT, WRONG
from tests.gateway.house import Client
from tests.gateway.money_desk import content_of
from tests.gateway.test_console import csrf_of
from tests.gateway.test_desk_vouchers import Counter

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
LONGER = "2026-03-02T07:00:00"


@pytest.fixture
def street(parts: Parts) -> Counter:
    return Counter(parts)


def gone(street: Counter) -> Any:
    """A vehicle that stood for half an hour, free, and has left."""
    street.passes("in-1", WRONG, "09:00")
    street.passes("out-1", WRONG, "09:20")
    return street.stay(WRONG)


def previewed(person: Client, stay: str, **typed: str) -> Any:
    where = f"/stays/{stay}/correction"
    return person.post(where, data={"csrf": csrf_of(person.get(where).text), "reason": REASON, **typed})


def seen(page: str) -> dict[str, str]:
    """What the question below a preview sends."""
    before, _, after = page.partition('name="seen"')
    box = before.rpartition("<form")[2] + 'name="seen"' + after.partition("</form")[0]
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', box))


def test_what_would_come_of_it_is_seen_before_it_is_made(street: Counter) -> None:
    person = street.person("manager")
    street.passes("in-1", WRONG, "09:00")
    street.arrives("out-1", RIGHT, "11:10", id="away")
    stay = street.stay(WRONG).id
    assert f"/stays/{stay}/correction" in person.get(f"/stays/{stay}").text
    page = content_of(answer := previewed(person, stay, plate="浙a·12345"))
    assert answer.status_code == 200
    for words in (RIGHT, WRONG, "无入场记录", "账面没有变化"):
        assert words in page, words
    assert street.stay(WRONG).id == stay, "nothing is stored yet"
    assert street.situations()["no_entry"] == 1
    form = seen(answer.text)
    for _ in range(2):
        made = person.post(f"/stays/{stay}/correction", data=form)
        assert made.headers["location"] == f"/stays/{stay}?said=correction_made"
    assert street.stay(RIGHT).id == stay
    page = content_of(person.get(f"/stays/{stay}"))
    assert (REASON in page, WRONG in page) == (True, True)
    assert verify(street.parts).ok


def test_a_dearer_bill_waits_for_another_who_sees_what_it_comes_to(street: Counter) -> None:
    manager, finance = street.person("manager"), street.person("finance")
    stay = gone(street).id
    answer = previewed(manager, stay, entry_at=LONGER)
    assert "须由第二人复核" in answer.text
    form = seen(answer.text)
    assert manager.post(f"/stays/{stay}/correction", data=form).headers["location"].endswith("correction_proposed")
    listed = content_of(manager.get("/corrections"))
    [where] = set(re.findall(rf'href="(/stays/{stay}/corrections/[^"]+)"', listed))
    assert where in manager.get("/queue").text
    mine = content_of(manager.get(where))
    assert ("等待第二人" in mine, "/approval" in mine) == (True, False)
    refused = manager.post(f"{where}/approval", data={"csrf": csrf_of(manager.get(where).text), "seen": "x"})
    assert (refused.status_code, 'id="wrong"' in refused.text) == (409, True)
    page = finance.get(where).text
    assert '+<span class="fen">¥7.00' in page.split('id="effect"')[1]
    done = finance.post(f"{where}/approval", data=seen(page))
    assert done.headers["location"] == f"{where}?said=correction_approval"
    assert street.stay(WRONG).payable_fen == 700
    assert "没有这样的更正" in finance.get("/corrections").text
    assert where in finance.get("/corrections?state=made").text
    assert verify(street.parts).ok


def test_what_has_changed_since_it_was_seen_is_looked_at_again(street: Counter) -> None:
    person, stay = street.person("manager"), gone(street).id
    form = seen(previewed(person, stay, entry_at=LONGER).text)
    refused = person.post(f"/stays/{stay}/correction", data=form | {"entry_at": "2026-03-02T06:00:00"})
    assert (refused.status_code, "请重新预览" in refused.text) == (409, True)
    with street.parts.store.reading() as connection:
        assert corrections.of_stay(connection, "xinyi", stay) == []
    wrong = previewed(person, stay, entry_at="2027-01-01T00:00:00")
    assert (wrong.status_code, 'id="entry_at-error"' in wrong.text) == (422, True)
    wrong = previewed(person, stay, plate="?")
    assert 'id="plate-error"' in wrong.text


def test_an_exit_that_was_matched_by_a_proposal_leaves_the_queue_once_it_is_approved(street: Counter) -> None:
    """It has left, and would owe: a second person decides, and both items are over."""
    street.passes("in-1", WRONG, "09:00")
    street.passes("out-1", RIGHT, "11:10")
    manager, finance = street.person("manager"), street.person("finance")
    [exit_] = [one for one in street.stays() if one.state == "no_entry"]
    form = seen(previewed(manager, exit_.id, plate=WRONG).text)
    assert manager.post(f"/stays/{exit_.id}/correction", data=form).headers["location"].endswith("correction_proposed")
    assert {"no_entry", "correction_proposed"} <= set(street.situations())
    [where] = set(re.findall(r'href="(/stays/[^/"]+/corrections/[^"]+)"', finance.get("/corrections").text))
    finance.post(f"{where}/approval", data=seen(finance.get(where).text))
    assert not {"no_entry", "correction_proposed"} & set(street.situations())
    assert verify(street.parts).ok


def test_a_refusal_changes_nothing(street: Counter) -> None:
    manager, finance = street.person("manager"), street.person("finance")
    stay = gone(street).id
    manager.post(f"/stays/{stay}/correction", data=seen(previewed(manager, stay, entry_at=LONGER).text))
    [where] = set(re.findall(rf'href="(/stays/{stay}/corrections/[^"]+)"', finance.get("/corrections").text))
    csrf = csrf_of(finance.get(where).text)
    assert 'id="reason-error"' in finance.post(f"{where}/refusal", data={"csrf": csrf, "reason": ""}).text
    done = finance.post(f"{where}/refusal", data={"csrf": csrf, "reason": "图片看不清"})
    assert done.headers["location"] == f"{where}?said=correction_refusal"
    assert "图片看不清" in finance.get(f"/stays/{stay}").text
    assert street.stay(WRONG).payable_fen == 0


def test_who_takes_money_neither_corrects_nor_sees_who_does(street: Counter) -> None:
    stay = gone(street).id
    for role in ("cashier", "guard"):
        person = street.person(role)
        assert person.get(f"/stays/{stay}/correction").status_code == 403
        assert person.get("/corrections").status_code == 403
        assert "correction" not in content_of(person.get(f"/stays/{stay}"))
