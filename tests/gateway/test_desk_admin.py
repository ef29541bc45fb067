"""Administration: accounts within a manager's own sites, devices' passwords, the audit trail, jobs, settings without a secret."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import insert, select

from gateway.console.words_admin import ADMIN
from gateway.console.words_settings import SETTINGS
from gateway.flows import audit_trail, users, users_admin
from gateway.flows.charges_books import By
from gateway.flows.credentials import DeviceCredentials
from gateway.flows.device_refusals import Refusals
from gateway.flows.reading import Slice
from gateway.flows.refusals import Invalid, NotForRole, NotFound
from gateway.flows.settings_shown import shown
from gateway.runtime.settings import Settings
from gateway.service import periodic
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway import routes
from tests.gateway.house import DEVICE_PASSWORD, MORNING, PASSWORD, Client, House, a_house
from tests.gateway.test_console import csrf_of, signed_in

pytestmark = pytest.mark.filterwarnings("error")
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
MAO, XI = By(operator="mao", role="manager"), By(operator="xi", role="manager")
ONLY = frozenset({"xinyi"})
PAGES = ("users", "users/lee", "sites", "sites/xinyi", "devices", "devices/xinyi.d1", "jobs", "audit", "settings")


@pytest.fixture
def house(parts: Parts) -> House:
    house = a_house(parts)
    for name, role, *sites in (
        ("mao", "manager"),
        ("xi", "manager", "xinyi"),
        ("ann", "auditor"),
        ("lee", "guard", "xinyi"),
        ("kim", "console"),
    ):
        house.hires(name, role, *sites)
    return house


def post(browser: Client, path: str, page: str, **fields: Any) -> Any:
    return browser.post(path, data={"csrf": csrf_of(page), **fields})


def made_in(page: str) -> str:
    found = re.search(r'<code class="secret"[^>]*>([^<]+)</code>', page)
    assert found is not None
    return found[1]


@on_one_database
class TestAccounts:
    def test_a_new_one_is_made_with_a_password_that_is_shown_once(self, house: House) -> None:
        mao = signed_in(house, "mao")
        page = mao.get("/admin/users").text
        answer = post(mao, "/admin/users", page, name="wang", role="cashier", sites=["xinyi"])
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert house.signs_in("wang", made_in(answer.text))
        assert made_in(answer.text) not in mao.get("/admin/users").text
        (wang,) = [one for one in users.listed(house.parts) if one.name == "wang"]
        assert (wang.role, wang.sites) == ("cashier", ("xinyi",))

    def test_forgetting_a_tick_gives_nobody_all_sites(self, house: House) -> None:
        mao = signed_in(house, "mao")
        page = mao.get("/admin/users").text
        answer = post(mao, "/admin/users", page, name="wang", role="cashier")
        assert answer.status_code == 422
        assert "请至少选择一个小区" in answer.text
        assert 'value="wang"' in answer.text
        assert post(mao, "/admin/users", page, name="W an g", role="cashier", sites="xinyi").status_code == 422
        assert post(mao, "/admin/users", page, name="mao", role="cashier", sites="xinyi").status_code == 422

    def test_whoever_is_disabled_is_out_at_once(self, house: House) -> None:
        mao, lee = signed_in(house, "mao"), signed_in(house, "lee")
        page = mao.get("/admin/users/lee").text
        fields = {"role": "guard", "sites": ["xinyi"], "reason": "离职"}
        assert post(mao, "/admin/users/lee", page, **fields).headers["location"] == "/admin/users/lee?said=saved"
        assert lee.get("/").status_code == 303
        assert house.client.post("/api/v1/token", data={"username": "lee", "password": PASSWORD}).status_code == 401
        post(mao, "/admin/users/lee", page, **fields, enabled="yes")
        assert house.signs_in("lee")

    def test_a_password_is_reset_and_the_old_one_ends(self, house: House) -> None:
        mao = signed_in(house, "mao")
        answer = post(mao, "/admin/users/lee/reset", mao.get("/admin/users/lee").text)
        assert house.signs_in("lee", made_in(answer.text))
        assert house.client.post("/api/v1/token", data={"username": "lee", "password": PASSWORD}).status_code == 401

    def test_a_password_that_is_not_reset_says_so_where_it_was_asked(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuses(*_: object) -> None:
            raise Invalid("reason: say why")

        monkeypatch.setattr(users_admin, "reset", refuses)
        mao = signed_in(house, "mao")
        answer = post(mao, "/admin/users/lee/reset", mao.get("/admin/users/lee").text)
        before, _, after = answer.text.partition('id="password"')
        assert (answer.status_code, 'id="wrong"' in before, 'id="wrong"' in after) == (422, False, True)

    def test_nobody_changes_their_own_account(self, house: House) -> None:
        with pytest.raises(users_admin.OwnAccount):
            users_admin.change(house.parts, None, "mao", users_admin.Change(role="finance"), "x", MAO)
        with pytest.raises(users_admin.OwnAccount):
            users_admin.reset(house.parts, None, "mao", MAO)
        assert "<form class=" not in signed_in(house, "mao").get("/admin/users/mao").text.split("<main")[1]

    def test_a_manager_of_one_site_gives_no_more_than_that(self, house: House) -> None:
        parts = house.parts
        for sites in ([], ["archive"], ["archive", "xinyi"]):
            with pytest.raises(NotForRole):
                users_admin.hire(parts, ONLY, "wang", "guard", sites, XI)
            with pytest.raises(NotForRole):
                users_admin.change(parts, ONLY, "lee", users_admin.Change(sites=tuple(sites)), "x", XI)
        for name in ("mao", "kim", "nobody"):
            with pytest.raises(NotFound):
                users_admin.change(parts, ONLY, name, users_admin.Change(enabled=False), "x", XI)
            with pytest.raises(NotFound):
                users_admin.reset(parts, ONLY, name, XI)
        assert {one.name for one in users_admin.accounts(parts, ONLY)} == {"lee", "xi"}
        with pytest.raises(Invalid):
            users_admin.change(parts, None, "lee", users_admin.Change(sites=("nowhere",)), "x", MAO)

    def test_a_change_is_on_record_and_none_is_not(self, house: House) -> None:
        for _ in range(2):
            users_admin.change(house.parts, None, "lee", users_admin.Change(role="cashier"), "换岗", MAO)
        with house.parts.store.reading() as connection:
            lines = connection.execute(
                select(t.AuditEntry.operator, t.AuditEntry.subject, t.AuditEntry.reason, t.AuditEntry.detail).where(
                    t.AuditEntry.action == "user.change"
                )
            ).all()
        wanted = {"role": "cashier", "sites": ["xinyi"], "enabled": True}
        assert [tuple(line) for line in lines] == [("mao", "lee", "换岗", wanted)]


@on_one_database
class TestDevices:
    def test_a_new_password_ends_the_old_one(self, house: House) -> None:
        mao = signed_in(house, "mao")
        page = mao.get("/admin/devices/xinyi.d1").text
        assert post(mao, "/admin/devices/xinyi.d1/credentials", page).status_code == 422
        answer = post(mao, "/admin/devices/xinyi.d1/credentials", page, reason="装机工离职")
        known = DeviceCredentials(house.parts.store)
        assert known.verify("xinyi.d1", made_in(answer.text))
        assert not known.verify("xinyi.d1", DEVICE_PASSWORD)
        assert post(mao, "/admin/devices/xinyi.d1/revocation", page, reason="被盗").status_code == 303
        assert not known.verify("xinyi.d1", made_in(answer.text))

    def test_what_it_was_refused_stands_on_its_page(self, house: House) -> None:
        mao, where = signed_in(house, "mao"), "/admin/devices/xinyi.d1"
        assert "越权发布" not in mao.get(where).text
        refusals = Refusals(house.parts)
        for what, times in (("publish", 3), ("too_large", 1), ("rockets", 2)):
            refusals.count("xinyi.d1", what, times)
        refusals.count("xinyi.d2", "login")
        refusals.tell()
        page = mao.get(where).text
        assert "越权发布 3 次 · rockets 2 次 · 报文过大 1 次" in page
        assert "登录失败" not in page
        assert "published elsewhere 3 times" in mao.get(f"{where}?lang=en").text

    def test_over_http_only_a_manager_and_only_of_their_sites(self, house: House) -> None:
        where = "/api/v1/devices/archive.d1/credentials"
        assert house.as_("ann").post(where, {"reason": "x"}).status_code == 403
        assert house.as_("xi").post(where, {"reason": "x"}).status_code == 404
        assert house.as_("mao").post(where, {"reason": "x"}).json()["name"] == "archive.d1"


@on_one_database
class TestTrail:
    def line(self, parts: Parts, **more: Any) -> None:
        values = {"at": MORNING, "operator": "kim", "action": "user.add", "subject": "s", "reason": "r", "detail": {}}
        with parts.store.writing() as connection:
            connection.execute(insert(t.AuditEntry).values(**{**values, "site_id": "xinyi", "origin": "", **more}))
            connection.commit()

    def test_found_by_who_what_and_where_page_by_page(self, house: House) -> None:
        for number in range(5):
            self.line(house.parts, operator="zhou", action="lane.open", subject=f"n{number}")
        ann = house.as_("ann")
        query = {"operator": "zhou", "action": "lane.*", "site": "xinyi", "limit": 2}
        seen, cursor = [], None
        for _ in range(3):
            answer = ann.get("/api/v1/audit", **query, **({"cursor": cursor} if cursor else {})).json()
            seen += [one["subject"] for one in answer["items"]]
            cursor = answer["next"]
        assert (seen, cursor) == (["n4", "n3", "n2", "n1", "n0"], None)
        assert ann.get("/api/v1/audit", operator="zhou", action="lane").json()["items"] == []
        assert "n4" in signed_in(house, "ann").get("/admin/audit?operator=zhou").text
        for subject, found in (("n3", ["n3"]), ("n*", ["n4", "n3", "n2", "n1", "n0"]), ("n", [])):
            lines = ann.get("/api/v1/audit", subject=subject, action="lane.*").json()["items"]
            assert [one["subject"] for one in lines] == found
        assert "n4" not in signed_in(house, "ann").get("/admin/audit?subject=n3").text
        assert ann.get("/api/v1/audit", cursor="WzEsInoiXQ").status_code == 422

    def test_what_is_for_registrar_and_finance_is_neither_shown_nor_found(self, house: House) -> None:
        for action in ("registry.import certificates", "registry.end passes", "pass.sell"):
            self.line(house.parts, operator="reg", action=action, subject="101", reason="低保", detail={"a": 1})
        with house.parts.store.reading() as connection:
            for truly in (False, True):
                page = Slice(None, 10)
                wanted = audit_trail.TrailFilter(operator="reg")
                found = [one for _, one in audit_trail.search(connection, None, wanted, page, truly=truly)]
                told = {(one["action"], one["subject"], one["reason"]) for one in found}
                assert (told == {("registry", "", ""), ("pass", "", "")}) is not truly
                for action in ("registry.*", "registry.import certificates", "pass.sell"):
                    narrow = audit_trail.TrailFilter(operator="reg", action=action)
                    assert bool(audit_trail.search(connection, None, narrow, page, truly=truly)) is truly
                about = audit_trail.TrailFilter(subject="101")
                assert bool(audit_trail.search(connection, None, about, page, truly=truly)) is truly

    def test_who_has_one_site_sees_no_other_and_nothing_of_the_street(self, house: House) -> None:
        self.line(house.parts, site_id="archive", subject="elsewhere")
        self.line(house.parts, site_id="", subject="street")
        self.line(house.parts, subject="here")
        found = [one["subject"] for one in house.as_("xi").get("/api/v1/audit").json()["items"]]
        assert "here" in found
        assert not {"elsewhere", "street"} & set(found)
        assert house.as_("xi").get("/api/v1/audit", site="archive").status_code == 403


@on_one_database
class TestPages:
    def test_only_who_looks_after_accounts_sees_them(self, house: House) -> None:
        for name, sees in (("mao", True), ("ann", True), ("kim", False), ("lee", False)):
            browser = signed_in(house, name)
            for page in PAGES:
                assert browser.get(f"/admin/{page}").status_code == (200 if sees else 403), (name, page)
        for page in ("jobs", "settings"):
            assert signed_in(house, "xi").get(f"/admin/{page}").status_code == 403
        assert "csrf" not in signed_in(house, "ann").get("/admin/users").text.split("<main")[1]

    def test_every_page_says_everything_in_both_languages(self, house: House) -> None:
        mao = signed_in(house, "mao")
        for page in PAGES:
            for lang in ("zh", "en"):
                body = mao.get(f"/admin/{page}?lang={lang}").text.split('<main id="content"')[1].split("</main>")[0]
                assert not re.findall(r"\b(?:admin|desk)\.[a-z]+\b|undefined", body.replace("user.*", "")), (page, lang)
        assert ADMIN["zh"].keys() == ADMIN["en"].keys()

    def test_a_site_has_its_gates_lanes_and_free_classes(self, house: House) -> None:
        assert "没有免费车种" in signed_in(house, "mao").get("/admin/sites/xinyi").text
        routes.apply_policy(house.parts)
        gates, free = signed_in(house, "mao").get("/admin/sites/xinyi").text.split('id="gates"')[1].split('id="free"')
        for words in ('href="/lanes/xinyi.in-1"', 'href="/admin/devices/xinyi.d1"', "大门"):
            assert words in gates, words
        assert 'scope="row"' in free
        assert signed_in(house, "xi").get("/admin/sites/archive").status_code == 404
        assert signed_in(house, "mao").get("/admin/sites/nowhere").status_code == 404

    def test_every_job_has_its_words(self, house: House) -> None:
        assert {f"job.{name}" for name, _, _ in periodic(house.parts)} | {"job.close"} <= ADMIN["zh"].keys()

    def test_a_form_from_elsewhere_changes_nothing(self, house: House) -> None:
        mao = signed_in(house, "mao")
        for path in ("/admin/users/lee", "/admin/users/lee/reset", "/admin/devices/xinyi.d1/credentials"):
            assert mao.post(path, data={"csrf": "made up", "reason": "x", "role": "guard"}).status_code == 303
        assert house.signs_in("lee")
        assert DeviceCredentials(house.parts.store).verify("xinyi.d1", DEVICE_PASSWORD)


def test_every_setting_says_what_it_is_for_in_both_languages() -> None:
    assert SETTINGS.keys() == Settings.model_fields.keys()
    assert all(one["about"] for one in shown(Settings()))


def test_settings_tell_no_secret() -> None:
    settings = Settings(
        database_url="postgresql://park:gate@db.local:5432/parkgate?password=gate",
        broker_url="mqtts://bridge:hunter2@mq.local",
        secret_key="sixteen letters at least",
    )
    said = {one["name"]: one["value"] for one in shown(settings)}
    assert said.keys() == Settings.model_fields.keys()
    assert said["database_url"] == "postgresql://db.local:5432/parkgate"
    assert said["secret_key"] == "***"
    whole = " ".join(said.values())
    assert not [word for word in ("hunter2", "gate@", "sixteen", "=gate") if word in whole]
