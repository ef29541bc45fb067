"""What the contracts promise besides the gate's daily work: other exports, commands by staff, registers, public figures."""

import json
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.acceptance.deployment import eventually
from tests.acceptance.device import now
from tests.acceptance.trade import Street


@pytest.fixture
def idle_day(street: Street) -> str:
    """A closed day on which nothing happened, older than all others of its site."""
    day = (now() - timedelta(days=9)).date().isoformat()
    street.parkgate.run("close", "--day", day, "--site", "tiny")
    return day


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("xlsx", "tiny-{day}.xlsx"),
        ("beancount", "tiny-{day}.beancount"),
        ("pdf", "tiny-{day}.pdf"),
        ("accounting", "tiny-{day}-yonyou.txt"),
        ("accounting", "tiny-{day}-kingdee.csv"),
    ],
)
def test_every_export_is_made(street: Street, idle_day: str, tmp_path: Path, form: str, name: str) -> None:
    street.parkgate.run("export", "--day", idle_day, "--format", form, "--site", "tiny", "--out", str(tmp_path))
    content = (tmp_path / name.format(day=idle_day)).read_bytes()
    starts = {"xlsx": b"PK", "pdf": b"%PDF"}
    assert content.startswith(starts.get(form, b""))
    assert len(content) > 20


def test_reconciling_prints_its_breaks(street: Street, idle_day: str) -> None:
    document = json.loads(street.parkgate.run("reconcile", "--day", idle_day, "--site", "tiny", "--json").stdout)
    assert document["day"] == idle_day
    assert isinstance(document["sealed"], bool)
    for found in document["breaks"]:
        assert set(found) == {"id", "site", "kind", "channel", "order", "stay", "amount_fen", "state"}


@pytest.mark.parametrize("channel", ["barter", "wechat"])
def test_a_file_that_is_no_statement_is_refused_in_one_line(street: Street, channel: str) -> None:
    done = street.parkgate.run("statement", "import", "--channel", channel, "households.csv", expect=(2,))
    assert len(done.stderr.strip().splitlines()) == 1


def test_only_registrar_and_finance_see_certificates(street: Street) -> None:
    for role in ("registrar", "finance"):
        assert "HZ-0000" in street.staff[role].get("/api/v1/certificates").text
    for role in ("cashier", "console", "manager", "auditor"):
        answer = street.staff[role].get("/api/v1/certificates")
        assert answer.status_code in (403, 404) or "HZ-" not in answer.text, role


def test_public_figures_name_nobody(street: Street) -> None:
    answer = httpx.get(f"{street.parkgate.url}/open/xinyi", timeout=20)
    assert answer.status_code == 200
    assert "low_income" not in answer.text
    assert "浙" not in answer.text


def test_staff_open_a_lane_by_name_and_reason(street: Street) -> None:
    visitor = street.a_visitor()
    barrier = visitor.at("in-2").is_shown("not_registered")
    document = {"action": "open", "reason": "staff", "note": "delivery for number 3"}
    before = {sent["id"] for sent in barrier.device.commands()}
    answer = street.staff["console"].post("/api/v1/lanes/xinyi.in-2/commands", document)
    assert answer.status_code < 300, answer.text
    opening = eventually(
        lambda: next((sent for sent in barrier.device.commands() if sent["id"] not in before), None),
        "a command by staff",
    )
    assert (opening["action"], opening["reason"], opening["lane"]) == ("open", "staff", "in-2")
    assert street.staff["auditor"].post("/api/v1/lanes/xinyi.in-2/commands", document).status_code in (403, 404)
