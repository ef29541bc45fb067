"""What was read at a stay's entry and exit, without script: its picture for who works on it, and why the barrier did what it did."""

from __future__ import annotations

import re
from io import BytesIO

import pytest
from PIL import Image

from gateway.api import images
from gateway.flows import estate
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import House, site_file
from tests.gateway.people import JPEG, VISITOR, put, visit
from tests.gateway.test_console import signed_in
from tests.gateway.trade import Street

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.fixture
def house(parts: Parts) -> House:
    """A visitor that came and went; of its entry a picture is kept."""
    street = Street(parts)
    visit(street, VISITOR, "2026-03-02")
    stay = street.stays()[-1]
    put(
        street,
        t.Image,
        site_id="xinyi",
        device_id=stay.entry_device,
        event_id=stay.entry_event,
        jpeg=JPEG,
        received_at=street.clock.now(),
    )
    found = House(parts)
    for role in ("console", "auditor", "committee"):
        found.hires(role, role)
    return found


def the_stay(house: House, role: str = "console") -> str:
    person = signed_in(house, role)
    where = re.findall(r'href="(/stays/xinyi[^"]+)"', person.get(f"/stays?plate={VISITOR}").text)[0]
    return person.get(where).text


def test_a_stay_shows_the_pictures_there_are_and_leads_to_why(house: House) -> None:
    page, person = the_stay(house), signed_in(house, "console")
    pictures = re.findall(r'<img src="([^"]+)" alt="入场时的照片"', page)
    assert [person.get(one).content for one in pictures] == [JPEG]
    assert "没有照片" in page, "of the exit none was taken"
    entry, away = dict.fromkeys(re.findall(r'href="(/events/[^"]+)"', page))
    at_gates = page.split('id="reads"')[1].split("</section>")[0]
    assert at_gates.count("指令：开闸") == 2, "what was told to them is told in place"
    assert "车辆通过" in at_gates
    assert "放行" in person.get(entry).text
    assert pictures[0] in person.get(entry).text
    told = person.get(away).text
    assert "为什么这样处理" in told
    assert "收费" in told
    assert "opened" in person.get(f"{entry}?lang=en").text


def test_who_does_not_work_on_it_has_no_picture_and_who_has_no_stays_nothing(house: House) -> None:
    page = the_stay(house, "auditor")
    assert "<img" not in page
    assert "照片" not in page.split('id="reads"')[1].split("</h2>", 1)[1]
    where = re.findall(r'href="(/events/[^"]+)"', page)[0]
    auditor = signed_in(house, "auditor").get(where)
    assert auditor.status_code == 200
    assert "<img" not in auditor.text
    assert signed_in(house, "committee").get(where).status_code == 403
    estate.apply(house.parts, site_file("archive"))
    house.hires("elsewhere", "console", "archive")
    elsewhere = signed_in(house, "elsewhere")
    assert elsewhere.get(where).status_code == 404
    assert signed_in(house, "console").get("/events/xinyi/d1/nothing").status_code == 404


def test_a_list_has_small_pictures(house: House) -> None:
    whole = BytesIO()
    Image.new("RGB", (1366, 768), "#2f4a6b").save(whole, "JPEG")
    found = Image.open(BytesIO(images.small(whole.getvalue())))
    assert (found.size, found.format) == ((176, 99), "JPEG")
    grey = BytesIO()
    Image.new("L", (40, 30)).save(grey, "JPEG")
    assert Image.open(BytesIO(images.small(grey.getvalue()))).size == (40, 30), "none is blown up"
    cut_off = whole.getvalue()[:700]
    assert images.small(cut_off) == cut_off, "what cannot be read is shown as it is"
    person = signed_in(house, "console")
    picture = re.findall(r'<img src="([^"]+)" alt="入场时的照片"', the_stay(house))[0]
    assert person.get(f"{picture}?size=small").content == JPEG
    assert person.get(f"{picture}?size=huge").status_code == 422
