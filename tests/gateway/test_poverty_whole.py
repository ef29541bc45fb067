"""Invariant 10 on a street that runs: a low-income household's day, with real flows, searched for in all that leaves the process.

The words are searched for in every answer of the API, page, log line, topic, metric and export. Registrar and finance may read them
in answers; nobody may in what goes over a wire, into a log or onto a display.
"""

from __future__ import annotations

import io
import logging
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import structlog
from prometheus_client import generate_latest
from sqlalchemy import select

from controllers.adapters import native
from gateway.api import access
from gateway.api.app import create_app
from gateway.api.ports import Flows
from gateway.flows import export, offline_list, pay_token, registers_edit, users
from gateway.flows.close import close_day
from gateway.flows.refusals import Refused
from gateway.flows.users import ROLES
from gateway.runtime import logs
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway import routes
from tests.gateway.house import PASSWORD, Client
from tests.gateway.trade import Street, local

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

NUMBER, ISSUER = "DB-770077", "民政局低保科"
TELLING = ("low_income", "low-income", "low income", "lowincome", "低保", "低收入", "困难", NUMBER, ISSUER, "DB-7")
TELLING += ("low-uincome",)  # as an account's name has it in beancount
POOR, PASSED = "浙A00002", "浙A00001"
ASKS = registers_edit.Request(operator="rita", source="api", origin="", reason="low-income papers seen", sites=None)


def told(text: str) -> set[str]:
    return {word for word in TELLING if word in text or word in text.lower()}


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """All that is logged from here on, at the finest level, in the form that says most."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    logs.configure("debug", form="text")

    def so_far() -> str:
        streams = capfd.readouterr()
        return streams.out + streams.err

    yield so_far
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


@pytest.fixture
def street(parts: Parts, said: Callable[[], str]) -> Street:
    """Two households, one with a certificate and one with a pass, come and go; the day is closed; both have changed since."""
    assert said is not None
    street = Street(parts)
    for home, plate in (("101", PASSED), ("102", POOR)):
        street.register("households", {"household": home, "name": f"住户{home}", "area_m2": "60"})
        street.register("vehicles", {"household": home, "plate": plate, "vehicle": "small"})
    street.register(
        "passes",
        {"plate": PASSED, "pass": "resident-monthly", "valid_from": "2026-03-01", "valid_to": "2026-03-31"},
    )
    street.register("certificates", {"household": "102", "number": NUMBER, "issuer": ISSUER})
    for minute, plate in enumerate((PASSED, POOR)):
        street.passes("in-1", plate, f"09:0{minute}")
    for minute, plate in enumerate((PASSED, POOR)):
        street.passes("out-1", plate, f"12:0{minute}")
    street.passes("in-2", POOR, "13:00", id="read-in")
    street.arrives("out-1", POOR, "15:00", id="read-out")  # and it waits there
    with parts.store.reading() as connection:
        certificate = connection.execute(select(t.Certificate.id)).scalar_one()
    registers_edit.review(parts, routes.entry_id("certificates", {"id": certificate}), "2026-12-31", ASKS)
    street.clock.set(local("2026-03-03 02:00"))
    for day in ("2026-03-01 09:00", "09:00"):
        close_day(parts, local(day).date())
    return street


class Doors:
    """The application with the real flows, and a member of staff of each role."""

    def __init__(self, street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
        self.app = create_app(street.parts, wall=street.clock)
        self.client = Client(self.app)
        poor = [stay for stay in street.stays() if stay.plate == POOR]
        self.stays = [stay.id for stay in poor]
        values = {"stay_id": self.stays[0], "event": poor[0].exit_event, "device": poor[0].exit_device}
        monkeypatch.setattr(routes, "PATHS", {**routes.PATHS, **values})
        self.headers: dict[str, dict[str, str]] = {}
        for role in ROLES:
            users.add(street.parts, role, role, [], PASSWORD, operator="test")
            form = {"username": role, "password": PASSWORD}
            token = self.client.post("/api/v1/token", data=form).json()["access_token"]
            self.headers[role] = {"Authorization": f"Bearer {token}"}

    def asks(self, role: str, path: str) -> Any:
        return self.client.get(path, headers=self.headers[role])


@pytest.fixture
def doors(street: Street, monkeypatch: pytest.MonkeyPatch) -> Doors:
    return Doors(street, monkeypatch)


def test_no_answer_to_those_who_do_not_administer_it(doors: Doors) -> None:
    reads = [path for method, path in access.MATRIX if method == "GET" and path not in routes.STREAMS]
    for path in reads:
        rules = path.removeprefix(routes.PREFIX) in routes.RULES
        for role in ROLES:
            answer = doors.asks(role, routes.filled(path))
            assert answer.status_code != 500, (role, path)
            if role not in access.SEES_LOW_INCOME:
                # A rule and a refusal may name the benefit, never whose it is.
                words = {NUMBER, ISSUER} if rules or answer.status_code != 200 else set(TELLING)
                assert not told(answer.text) & words, (role, path)
    for stay in doors.stays:
        for end in ("", "/bill", "/explanation"):
            for role in ROLES:
                answer = doors.asks(role, f"/api/v1/stays/{stay}{end}")
                if role not in access.SEES_LOW_INCOME:
                    assert not told(answer.text), (role, stay, end)
    # Else nothing was there to be found.
    assert "low_income" in doors.asks("finance", f"/api/v1/stays/{doors.stays[0]}/bill").text


def test_a_pass_and_a_certificate_give_the_same_answers(street: Street, doors: Doors) -> None:
    """Whoever lays the two households' answers side by side learns nothing."""
    by_plate = {stay.plate: stay for stay in reversed(street.stays())}
    for role in set(ROLES) - access.SEES_LOW_INCOME - {"committee"}:
        seen = []
        for plate in (PASSED, POOR):
            stay = by_plate[plate].id
            bill = doors.asks(role, f"/api/v1/stays/{stay}/bill").json()
            vehicle = doors.asks(role, f"/api/v1/vehicles?plate={plate}").json()["items"][0]
            seen.append(
                (
                    [(line["kind"], line["fen"], line["rule"]) for line in bill["lines"]],
                    sorted(bill),
                    sorted(vehicle),
                    vehicle["valid"],
                )
            )
        assert seen[0] == seen[1], role


def test_no_page(street: Street, doors: Doors) -> None:
    secret = street.parts.settings.secret()
    for stay in doors.stays:
        for language in ("zh", "en"):
            page = doors.client.get(f"/pay/{pay_token.token(secret, stay)}?lang={language}")
            assert page.status_code == 200
            assert not told(page.text), stay
    for role in ROLES:
        browser = Client(doors.app)
        csrf = browser.get("/login").text.split('name="csrf" value="')[1].split('"')[0]
        form = {"username": role, "password": PASSWORD, "csrf": csrf}
        assert browser.post("/login", data=form).status_code == 303
        assert not told(browser.get("/").text), role
    assert not told(str(doors.app.state.context.hub.snapshot(None)))
    for path in ("/healthz", "/readyz", "/open/xinyi/free-passages?month=2026-02"):
        assert not told(doors.client.get(path).text), path


def test_no_topic_no_display_and_no_list(street: Street) -> None:
    sent = [native.encode(command).decode() for command in street.commands]
    assert any(POOR in text or "resident" in text for text in sent)
    with street.parts.store.reading() as connection:
        sent += [bytes(row.payload).decode() for row in connection.execute(select(t.CommandRow))]
    for published in offline_list.current_lists(street.parts).values():
        sent.append(native.encode(published.whole).decode())
        if published.delta is not None:
            sent.append(native.encode(published.delta).decode())
    assert POOR in "".join(sent), "it is on the offline list, as everybody is who may pass"
    for text in sent:
        assert not told(text)


def test_no_log_line_and_no_metric(street: Street, doors: Doors, said: Callable[[], str]) -> None:
    for stay in doors.stays:
        doors.asks("finance", f"/api/v1/stays/{stay}/bill")
    real = doors.app.state.context.flows

    class Failing(Flows):
        """With the bill in its hands."""

        def bill(self, parts: Parts, stay_id: str, at: Any) -> Any:
            document = real.bill(parts, stay_id, at)
            assert "low" in str(document), "else nothing could be told"
            return document["no such thing"]

    failing = Client(create_app(street.parts, flows=Failing(), wall=street.clock))
    path = f"/api/v1/stays/{doors.stays[0]}/bill"
    assert failing.get(path, headers=doors.headers["finance"]).status_code == 500
    logged = said()
    assert "KeyError" in logged
    assert not told(logged)
    assert not told(generate_latest(street.parts.metrics.registry).decode())


def test_no_export_but_to_those_who_administer_it(street: Street, doors: Doors) -> None:
    day = local("09:00").date()
    for form in export.FORMATS:
        for role in ROLES:
            files: list[tuple[str, bytes]] = []
            with suppress(Refused):  # a form that is not for this role
                files = export.export_day(street.parts, day, form, None, role)
            text = "".join(_text(content) for _, content in files)
            if role in access.SEES_LOW_INCOME:
                # So the search does find it. What is pinned up, and what an accounting program takes, say it to nobody.
                assert told(text) or form in {"pdf", "accounting"}, form
            else:
                assert not told(text), (form, role)
    for role in access.MATRIX["GET", "/api/v1/days/{day}/export"] - access.SEES_LOW_INCOME:
        answer = doors.asks(role, f"/api/v1/days/{day}/export?format=csv")
        assert not told(_text(answer.content)), role


def test_the_audit_trail_and_the_registers_tell_no_number_and_no_household(street: Street) -> None:
    with street.parts.store.reading() as connection:
        lines = [dict(row) for row in connection.execute(select(t.AuditEntry.__table__)).mappings()]
        changes = [dict(row) for row in connection.execute(select(t.RegisterChange.__table__)).mappings()]
    about = [line for line in lines if "certificates" in line["action"]]
    assert about
    for line in about:
        assert (line["subject"], line["reason"], line["site_id"]) == ("", "", "")
        assert "102" not in str(line["detail"].get("household", ""))
    assert not told(str([line for line in lines if line not in about]))
    assert NUMBER not in str(changes) + str(lines)
    assert not told(str([change for change in changes if change["kind"] != "certificates"]))


def _text(content: bytes) -> str:
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            return "".join(_text(packed.read(name)) for name in packed.namelist())
    if content.startswith(b"%PDF") and shutil.which("pdftotext"):
        done = subprocess.run(["pdftotext", "-layout", "-", "-"], input=content, check=True, capture_output=True)
        return done.stdout.decode()
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")
