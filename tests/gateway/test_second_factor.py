"""A second factor: enrolled, asked for at every door, taken once, lost and taken away; and tries that two web processes count together."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from sqlalchemy import select

from gateway.api.sessions import SharedThrottle
from gateway.cli.main import main
from gateway.flows import second_factor, users_admin
from gateway.flows.attempts import Attempts
from gateway.flows.charges_books import By
from gateway.flows.refusals import NotFound
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.house import MORNING, PASSWORD, Client, House, a_house
from tests.gateway.test_console import csrf_of, signed_in

pytestmark = pytest.mark.filterwarnings("error")
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
LEE = By(operator="lee", role="guard")


@pytest.fixture
def house(parts: Parts) -> House:
    house = a_house(parts)
    house.hires("lee", "guard", "xinyi")
    house.hires("mao", "manager")
    house.hires("xi", "manager", "archive")
    return house


def phone_of(house: House, name: str = "lee") -> tuple[pyotp.TOTP, list[str]]:
    """Enrolled with the code of the step before this one: the present one is still good."""
    parts, now = house.parts, house.parts.clock.now()
    told = second_factor.proposed(parts, name)
    phone = pyotp.TOTP(told.secret)
    earlier = phone.at(now - timedelta(seconds=30))
    return phone, second_factor.enrol(parts, name, told.sealed, earlier, LEE, now)


def token(house: House, **more: str) -> Any:
    return house.client.post("/api/v1/token", data={"username": "lee", "password": PASSWORD, **more})


def slug(answer: Any) -> str:
    return str(answer.json()["type"]).rsplit("/", 1)[1]


def trail(parts: Parts, action: str) -> list[tuple[str, str]]:
    entry = t.AuditEntry
    with parts.store.reading() as connection:
        rows = connection.execute(select(entry.operator, entry.subject).where(entry.action == action))
        return [(row.operator, row.subject) for row in rows]


class TestCodes:
    def test_a_code_is_taken_once_and_none_before_it_any_more(self, house: House, clock: Any) -> None:
        phone, _ = phone_of(house)
        now = house.parts.clock.now()

        def taken(code: str) -> bool:
            return second_factor.takes(house.parts, "lee", code, LEE, house.parts.clock.now())

        later = phone.at(now + timedelta(seconds=30))
        assert taken(f" {later[:3]} {later[3:]} ")
        assert [taken(code) for code in (later, phone.at(now), "000000", "", "１２３４５６", "x" * 12)] == [False] * 6
        clock.advance(seconds=60)
        assert taken(phone.at(now + timedelta(seconds=60)))
        assert not second_factor.takes(house.parts, "mao", phone.at(now), LEE, now)

    def test_of_many_at_once_one_is_let_in(self, house: House) -> None:
        phone, codes = phone_of(house)
        now = house.parts.clock.now()
        for code in (phone.at(now), codes[0]):
            with ThreadPoolExecutor(4) as four:
                found = list(
                    four.map(lambda _, code=code: second_factor.takes(house.parts, "lee", code, LEE, now), range(4))
                )
            assert found.count(True) == 1

    def test_a_recovery_code_is_used_up_and_its_use_on_record(self, house: House) -> None:
        _, codes = phone_of(house)
        assert len(set(codes)) == 10
        assert [token(house, code=one).status_code for one in (codes[3].lower(), codes[3])] == [200, 401]
        assert trail(house.parts, "user.recovery-code") == [("lee", "lee")]
        with house.parts.store.reading() as connection:
            assert second_factor.codes_left(connection, "lee") == 9
            stored = connection.execute(select(t.UserAccount.second_factor).where(t.UserAccount.name == "lee"))
            assert b"otpauth" not in (stored.scalar_one() or b"")

    def test_what_was_proposed_to_one_is_of_no_use_to_another(self, house: House) -> None:
        told, now = second_factor.proposed(house.parts, "lee"), house.parts.clock.now()
        code = pyotp.TOTP(told.secret).at(now)
        for name, sealed in (("mao", told.sealed), ("lee", "nonsense"), ("lee", "密")):
            with pytest.raises(second_factor.NotThePhonesCode):
                second_factor.enrol(house.parts, name, sealed, code, LEE, now)
        second_factor.enrol(house.parts, "lee", told.sealed, code, LEE, now)
        with pytest.raises(second_factor.AlreadyEnrolled):
            second_factor.enrol(house.parts, "lee", told.sealed, code, LEE, now)


@on_one_database
class TestDoors:
    def test_the_api_is_no_way_around_it(self, house: House) -> None:
        before = house.as_("lee")
        phone, _ = phone_of(house)
        assert before.get("/api/v1/account").status_code == 401
        assert slug(token(house)) == "code-needed"
        assert slug(token(house, code="000000")) == "wrong-code"
        assert slug(token(house, password="no such", code=phone.at(house.parts.clock.now()))) == "wrong-credentials"
        answer = token(house, code=phone.at(house.parts.clock.now()))
        assert set(answer.json()) == {"access_token", "token_type", "expires_in"}

    def test_the_console_asks_for_it_after_the_password(self, house: House) -> None:
        phone, _ = phone_of(house)
        browser = Client(house.app)

        def sends(path: str, page: str, **fields: str) -> Any:
            return browser.post(path, data={"csrf": csrf_of(page), **fields})

        asked = sends("/login", browser.get("/login").text, username="lee", password=PASSWORD)
        assert "动态验证码" in asked.text
        assert browser.get("/").headers["location"] == "/login"
        wrong = sends("/login/code", asked.text, code="000000")
        assert (wrong.status_code, "验证码不正确" in wrong.text) == (401, True)
        assert sends("/login/code", wrong.text, code=phone.at(house.parts.clock.now())).status_code == 303
        assert browser.get("/").status_code == 200
        # Half the way is no way, and over after minutes.
        assert Client(house.app).post("/login/code", data={"csrf": "x", "code": "1"}).status_code == 403

    def test_who_knows_the_password_tries_ten_codes_from_wherever(self, house: House, clock: Any) -> None:
        phone, _ = phone_of(house)
        for number in range(10):
            client = Client(house.app, f"192.0.2.{number}")
            form = {"username": "lee", "password": PASSWORD, "code": "000000"}
            assert slug(client.post("/api/v1/token", data=form)) == "wrong-code"
        right = phone.at(house.parts.clock.now())
        assert slug(token(house, code=right)) == "wrong-credentials"
        clock.advance(minutes=10)
        assert token(house, code=phone.at(house.parts.clock.now())).status_code == 200

    def test_a_role_that_needs_one_sets_it_up_before_anything_else(self, house: House) -> None:
        house.parts.settings.second_factor_roles.append("guard")
        browser, caller = signed_in(house, "lee"), house.as_("lee")
        assert browser.get("/stays").headers["location"] == "/account"
        assert "您的角色须先开启两步验证" in browser.get("/account").text
        assert slug(caller.get("/api/v1/stays")) == "second-factor-first"
        assert caller.get("/api/v1/account").json()["demanded"] is True
        assert house.as_("mao").get("/api/v1/stays").status_code == 200
        phone, _ = phone_of(house)
        answer = token(house, code=phone.at(house.parts.clock.now())).json()["access_token"]
        stays = house.client.get("/api/v1/stays", headers={"Authorization": f"Bearer {answer}"})
        assert stays.status_code == 200


@on_one_database
class TestAccount:
    def test_enrolled_and_taken_away_on_the_page(self, house: House, clock: Any) -> None:
        browser, elsewhere = signed_in(house, "lee"), signed_in(house, "lee")

        def sends(what: str, page: str, **fields: str) -> Any:
            return browser.post(f"/account/{what}", data={"csrf": csrf_of(page), **fields})

        page = browser.get("/account").text
        refused = sends("second-factor", page, password="not mine")
        assert (refused.status_code, "密码不正确" in refused.text) == (403, True)
        shown = sends("second-factor", page, password=PASSWORD).text
        assert "<svg" in shown
        secret = re.search(r'<code class="secret"[^>]*>([A-Z2-7]+)<', shown)
        sealed = re.search(r'name="sealed" value="([^"]+)"', shown)
        assert secret is not None
        assert sealed is not None
        phone = pyotp.TOTP(secret[1])
        again = sends("second-factor/confirmation", shown, sealed=sealed[1], code="000000")
        assert (again.status_code, secret[1] in again.text, "<svg" in again.text) == (422, False, False)
        told = sends("second-factor/confirmation", shown, sealed=sealed[1], code=phone.at(house.parts.clock.now()))
        assert told.headers["cache-control"] == "no-store"
        assert len(re.findall(r"<code>[A-Z2-7-]{14}</code>", told.text)) == 10
        # Who did it stays signed in; a session that never showed a code does not.
        assert browser.get("/account").status_code == 200
        assert elsewhere.get("/account").headers["location"] == "/login"
        page = browser.get("/account").text
        assert csrf_of(told.text) == csrf_of(page)
        clock.advance(seconds=30)
        code = phone.at(house.parts.clock.now())
        assert sends("second-factor/removal", page, password="not mine", code=code).status_code == 403
        assert sends("second-factor/removal", page, password=PASSWORD, code="000000").status_code == 403
        assert sends("second-factor/removal", page, password=PASSWORD, code=code).status_code == 303
        assert token(house).status_code == 200
        assert trail(house.parts, "user.second-factor-off") == [("lee", "lee")]

    def test_a_password_of_ones_own(self, house: House) -> None:
        browser = signed_in(house, "lee")
        page, new = browser.get("/account").text, " a row of nine barriers "

        def sends(**fields: str) -> int:
            form = {"csrf": csrf_of(page), "password": PASSWORD, "new_password": new, "again": new, **fields}
            return int(browser.post("/account/password", data=form).status_code)

        wrong = [
            sends(password="x"),
            sends(again="other than"),
            sends(new_password="short", again="short"),
            sends(csrf="x"),
        ]
        assert wrong == [403, 422, 422, 303]
        assert token(house).status_code == 200
        assert sends() == 303
        assert browser.get("/account").status_code == 200
        assert [token(house).status_code, token(house, password=new).status_code] == [401, 200]
        assert trail(house.parts, "user.password") == [("lee", "lee")]

    def test_the_same_over_http(self, house: House, clock: Any) -> None:
        lee = house.as_("lee")
        told = lee.post("/api/v1/account/second-factor", {"password": PASSWORD}).json()
        phone = pyotp.TOTP(told["secret"])
        code = {"sealed": told["sealed"], "code": phone.at(house.parts.clock.now())}
        codes = lee.post("/api/v1/account/second-factor/confirmation", code).json()["recovery_codes"]
        assert lee.get("/api/v1/account").status_code == 401
        signed = token(house, code=codes[0]).json()["access_token"]
        lee.headers["Authorization"] = f"Bearer {signed}"
        assert lee.get("/api/v1/account").json()["codes_left"] == 9
        clock.advance(seconds=30)
        away = {"password": PASSWORD, "code": phone.at(house.parts.clock.now())}
        assert lee.post("/api/v1/account/second-factor/removal", away).status_code == 204
        changed = house.as_("lee").post(
            "/api/v1/account/password", {"password": PASSWORD, "new_password": "another row"}
        )
        assert changed.status_code == 204
        assert house.signs_in("lee", "another row")


@on_one_database
class TestLockedOut:
    def test_a_manager_takes_it_away_with_a_reason_on_record(self, house: House) -> None:
        phone_of(house)
        page = signed_in(house, "mao")
        seen = page.get("/admin/users/lee").text
        where = "/admin/users/lee/second-factor/removal"
        refused = page.post(where, data={"csrf": csrf_of(seen)})
        form = refused.text.split('id="factor"')[1]
        assert refused.status_code == 422
        assert 'aria-invalid="true"' in form.split('id="f-factor-reason"')[1].split("</div>")[0]
        assert '<details class="confirm" open>' in form
        assert 'aria-invalid="true"' not in refused.text.split('id="factor"')[0], "and not at the page's other form"
        assert page.post(where, data={"csrf": csrf_of(seen), "reason": "手机丢失，已当面核实"}).status_code == 303
        assert token(house).status_code == 200
        again = page.post(where, data={"csrf": csrf_of(seen), "reason": "手机丢失"})
        assert (again.status_code, 'role="alert" id="wrong"' in again.text) == (404, True)
        assert trail(house.parts, "user.second-factor-off") == [("mao", "lee")]
        with house.parts.store.reading() as connection:
            assert second_factor.codes_left(connection, "lee") == 0

    def test_nobody_else_and_never_ones_own(self, house: House) -> None:
        phone_of(house)
        phone_of(house, "mao")
        with pytest.raises(NotFound):
            users_admin.without_code(house.parts, frozenset({"archive"}), "lee", "x", By(operator="xi"))
        with pytest.raises(users_admin.OwnAccount):
            users_admin.without_code(house.parts, None, "mao", "x", By(operator="mao"))
        with pytest.raises(NotFound):
            users_admin.without_code(house.parts, None, "xi", "x", By(operator="mao"))

    def test_from_the_machine_itself(
        self, house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        phone_of(house)
        monkeypatch.setenv("PARKGATE_DATABASE_URL", str(house.parts.store.engine.url))
        for code, said in ((0, "its password alone signs in"), (2, "no user 'lee' with a second factor")):
            with pytest.raises(SystemExit) as left:
                main(["user", "second-factor-off", "lee", "--reason", "lost both"])
            told = capsys.readouterr()
            assert ((left.value.code or 0), said in told.out + told.err) == (code, True)
        assert token(house).status_code == 200


class TestAttempts:
    def test_two_web_processes_count_together(self, parts: Parts) -> None:
        one, other = (Attempts(parts.store, "a key of this house", "password", failures_max=3) for _ in range(2))
        tries = [counts.begin("lee", "192.0.2.1", MORNING) for counts in (one, other, one, other)]
        assert tries == [None, None, None, timedelta(minutes=10)]
        assert one.begin("lee", "192.0.2.2", MORNING) is None
        assert one.begin("lee", "192.0.2.1", MORNING + timedelta(minutes=10)) is None
        other.succeeded("lee", "192.0.2.1")
        assert [one.begin("lee", "192.0.2.1", MORNING) for _ in range(3)] == [None] * 3

    def test_of_many_at_once_no_more_are_let_through(self, parts: Parts) -> None:
        counts = Attempts(parts.store, "a key of this house", "password", failures_max=3)
        with ThreadPoolExecutor(4) as four:
            found = list(four.map(lambda _: counts.begin("lee", "192.0.2.1", MORNING), range(8)))
        assert found.count(None) == 3

    @on_one_database
    def test_what_is_over_goes_and_says_nobodys_name(self, parts: Parts) -> None:
        counts = Attempts(parts.store, "a key of this house", "password")
        for number in range(5):
            counts.begin(f"name{number}", "192.0.2.1", MORNING)
        counts.begin("lee", "192.0.2.1", MORNING + timedelta(minutes=11))
        with parts.store.reading() as connection:
            rows = connection.execute(select(t.LoginAttempt.digest, t.LoginAttempt.count)).all()
        assert [(len(row.digest), row.count) for row in rows] == [(32, 1)]

    @on_one_database
    def test_while_nothing_can_be_written_each_counts_for_itself(self, parts: Parts) -> None:
        throttle = SharedThrottle(Attempts(parts.store, "a key of this house", "password"))
        with parts.store.writing() as connection:
            connection.exec_driver_sql("DROP TABLE login_attempt")
            connection.commit()
        found = [throttle.begin("lee", "192.0.2.1", MORNING) for _ in range(11)]
        assert found == [None] * 10 + [timedelta(minutes=10)]
        throttle.succeeded("lee", "192.0.2.1")
        assert throttle.begin("lee", "192.0.2.1", MORNING) is None
