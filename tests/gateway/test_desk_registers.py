"""The registers' pages without script: who sees what, what a form changes, what comes back where it is wrong, files with a preview."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.api import access
from gateway.api.app import create_app
from gateway.flows import users
from gateway.flows.users import ROLES
from gateway.flows.verify import verify
from gateway.wiring import Parts
from tests.gateway.house import PASSWORD, Client
from tests.gateway.people import CERTIFICATE, OWN, RELATIVE, a_household
from tests.gateway.test_console import csrf_of, signed_in
from tests.gateway.trade import Street

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
KINDS = ("households", "vehicles", "relatives", "certificates", "passes", "free-vehicles", "blocklist")


class Registry(Street):
    """A household with everything, and staff of every role."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.app = create_app(parts, wall=parts.clock)
        for role in ROLES:
            users.add(parts, role, role, [], PASSWORD, operator="test")
        a_household(self)

    def person(self, name: str) -> Client:
        return signed_in(self, name)  # type: ignore[arg-type]


@pytest.fixture
def street(parts: Parts) -> Registry:
    return Registry(parts)


def adds(person: Client, kind: str, **typed: str) -> Any:
    page = person.get(f"/registers/{kind}/new").text
    form = {"csrf": csrf_of(page), "once": page.split('name="once" value="')[1].split('"')[0], "site": "xinyi"}
    return person.post(f"/registers/{kind}/new", data={**form, "reason": "申请表 12 号", **typed})


def entry_of(person: Client, kind: str, words: str) -> str:
    """The address of the entry with these words in its row."""
    page = person.get(f"/registers/{kind}").text
    row = next(row for row in page.split("<tr>") if words in row)
    return re.findall(r'href="(/registers/[^"]+)"', row)[0]


def acts(person: Client, where: str, what: str, **typed: str) -> Any:
    page = person.get(where).text
    return person.post(where, data={"csrf": csrf_of(page), "what": what, "reason": "来电申请", **typed})


class TestWho:
    def test_each_role_sees_the_registers_that_the_api_lets_it_read(self, street: Registry) -> None:
        for role in ROLES:
            person = street.person(role)
            seen = {kind: person.get(f"/registers/{kind}").status_code for kind in KINDS}
            assert seen == {kind: 200 if access.allowed(role, "GET", f"/{kind}") else 403 for kind in KINDS}, role

    def test_a_certificate_shows_to_registrar_and_finance_alone(self, street: Registry) -> None:
        for role in ROLES:
            person = street.person(role)
            pages = [f"/registers/{kind}" for kind in KINDS] + ["/registers/soon", "/registers/certificates/new"]
            home = next(iter(re.findall(r'href="(/registers/households/[^"]+)"', person.get(pages[0]).text)), None)
            text = "".join(person.get(where).text for where in [*pages, *([home] if home else [])])
            if role in access.SEES_LOW_INCOME:
                assert "优免凭证" in text
            else:
                assert "凭证" not in text, role
                assert "湖墅街道民政科" not in text, role
            assert CERTIFICATE not in text, role

    def test_a_gate_reads_plates_and_no_households(self, street: Registry) -> None:
        page = street.person("guard").get("/registers/vehicles").text
        assert OWN in page
        assert "3-502" not in page
        assert street.person("guard").get("/registers/vehicles?household=3-502").status_code == 422

    def test_who_only_reads_has_no_forms_and_no_way(self, street: Registry) -> None:
        for role in set(ROLES) - {"registrar"}:
            person = street.person(role)
            for where in ("/registers/blocklist/new", "/registers/blocklist/import"):
                assert person.get(where).status_code == 403, role
        manager = street.person("manager")
        where = entry_of(manager, "vehicles", OWN)
        page = manager.get(where).text
        assert 'name="what"' not in page
        assert manager.post(where, data={"csrf": csrf_of(page), "what": "end", "reason": "x"}).status_code == 403


class TestForms:
    def test_a_vehicle_is_registered_changed_and_ended_with_its_history(self, street: Registry) -> None:
        person = street.person("registrar")
        done = adds(person, "vehicles", household="3-502", plate="浙a·77777", vehicle="large", valid_to="2026-12-31")
        assert done.status_code == 303
        where = done.headers["location"].split("?")[0]
        assert "已登记" in person.get(done.headers["location"]).text
        assert (
            acts(
                person, where, "change", household="3-502", vehicle="small", valid_from="", valid_to="2026-12-31"
            ).status_code
            == 303
        )
        page = person.get(where).text
        assert "小型车" in page
        assert page.count("2026-12-31") >= 2, "its last day stays what it was"
        assert acts(person, where, "end", at="2026-03-31").status_code == 303
        page = person.get(where).text
        for words in ("2026-03-31", "新登记", "终止", "来电申请", "registrar"):
            assert words in page, words
        assert verify(street.parts).ok

    def test_what_nobody_touched_is_not_changed(self, street: Registry) -> None:
        person = street.person("registrar")
        where = entry_of(person, "households", "3-502")
        assert (
            acts(person, where, "change", name="王小明", area_m2="88.5", valid_from="", valid_to="").status_code == 303
        )
        assert "变更内容" in person.get(where).text
        assert "来电申请" not in person.get(where).text

    def test_what_is_wrong_stands_at_its_field_with_what_was_typed(self, street: Registry) -> None:
        person = street.person("registrar")
        for field, typed, said in (
            ("plate", {"household": "3-502", "plate": "??"}, "不是有效的车牌号"),
            ("household", {"household": "9-999", "plate": "浙A77777"}, "没有这一户"),
            ("valid_to", {"household": "3-502", "plate": "浙A77777", "valid_to": "someday"}, "到期日不对"),
        ):
            answer = adds(person, "vehicles", **typed)
            assert answer.status_code == 422
            box = answer.text.split(f'id="f-{field}"')[1].split("</div>")[0]
            assert 'aria-invalid="true"' in box
            assert said in box
            assert f'value="{typed["household"]}"' in answer.text
        assert "浙A77777" not in person.get("/registers/vehicles").text

    def test_the_same_form_sent_twice_registers_once(self, street: Registry) -> None:
        person = street.person("registrar")
        page = person.get("/registers/blocklist/new").text
        form = {"csrf": csrf_of(page), "once": "k1", "site": "xinyi", "plate": "浙C66666", "reason": "多次尾随"}
        assert {person.post("/registers/blocklist/new", data=form).status_code for _ in range(2)} == {303}
        assert person.get("/registers/blocklist").text.count("浙C66666") == 1

    def test_a_block_is_lifted(self, street: Registry) -> None:
        person = street.person("registrar")
        adds(person, "blocklist", plate="浙C66666", reason="多次尾随")
        where = entry_of(person, "blocklist", "浙C66666")
        assert acts(person, where, "lift").status_code == 303
        assert "已结束" in person.get(where).text

    def test_a_certificate_is_reviewed(self, street: Registry) -> None:
        person = street.person("registrar")
        where = entry_of(person, "certificates", "3-502")
        assert acts(person, where, "review", at="2027-06-30").status_code == 303
        assert "2027-06-30" in person.get(where).text

    def test_a_reason_that_speaks_of_an_income_is_refused_at_its_field(self, street: Registry) -> None:
        answer = adds(street.person("registrar"), "households", household="4-1", reason="低保户")
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in answer.text.split('id="f-reason"')[1].split("</div>")[0]

    def test_a_form_from_elsewhere_changes_nothing(self, street: Registry) -> None:
        person = street.person("registrar")
        where = entry_of(person, "vehicles", OWN)
        for path, typed in ((where, {"what": "end"}), ("/registers/blocklist/new", {"site": "xinyi", "plate": OWN})):
            person.post(path, data={"csrf": "made up", "reason": "x", **typed})
        assert "有效" in person.get(where).text
        assert OWN not in person.get("/registers/blocklist").text
        assert person.post(where, data={"csrf": csrf_of(person.get(where).text), "what": "vanish"}).status_code == 403


class TestLists:
    def test_found_by_a_part_of_the_plate_by_household_and_by_what_ends_soon(self, street: Registry) -> None:
        street.register("vehicles", {"household": "3-502", "plate": "浙A88888", "valid_to": "2026-03-20"})
        person = street.person("registrar")
        for query, seen in (
            ("plate=234", {OWN}),
            ("household=3-502", {OWN, "浙A88888"}),
            ("household=3-503", set()),
            ("valid=soon", {"浙A88888"}),
            ("valid=now&plate=A", {OWN, "浙A88888"}),
        ):
            page = person.get(f"/registers/vehicles?{query}").text
            assert {plate for plate in (OWN, "浙A88888") if f">{plate}<" in page} == seen, query
        soon = person.get("/registers/soon").text
        assert "浙A88888" in soon
        assert OWN not in soon

    def test_a_long_list_comes_page_by_page(self, street: Registry) -> None:
        street.register("households", *({"household": f"9-{number:03d}"} for number in range(120)))
        person = street.person("registrar")
        first = person.get("/registers/households?site=xinyi").text
        onward = re.search(r'rel="next" href="([^"]+)"', first)
        assert onward is not None
        second = person.get(onward[1].replace("&amp;", "&")).text
        assert (first.count("<tr><th"), second.count("<tr><th")) == (101, 22)
        assert 'rel="first"' in second
        assert person.get("/registers/vehicles?cursor=nonsense").status_code == 422


class TestImport:
    FILE = "site,household,plate,vehicle\nxinyi,3-502,浙A77777,小型\nxinyi,3-502,浙A12345,大型\n"

    def sends(self, person: Client, what: str, content: str, kind: str = "vehicles", **typed: str) -> Any:
        where = f"/registers/{kind}/import"
        form = {"csrf": csrf_of(person.get(where).text), "what": what, "reason": "物业名册", **typed}
        return person.post(where, data=form, files={"file": ("车辆.csv", content.encode(), "text/csv")})

    def test_a_preview_says_what_would_change_and_changes_nothing(self, street: Registry) -> None:
        person = street.person("registrar")
        page = self.sends(person, "preview", self.FILE).text
        for words in ("车辆.csv", "新增 1", "变更 1", "浙A77777", "尚未导入", "large"):
            assert words in page, words
        assert "浙A77777" not in person.get("/registers/vehicles").text
        done = self.sends(person, "apply", self.FILE)
        assert done.headers["location"] == "/registers/vehicles?said=imported"
        assert "浙A77777" in person.get("/registers/vehicles").text
        assert "无需导入" in self.sends(person, "preview", self.FILE).text

    def test_one_bad_row_and_nothing_is_imported(self, street: Registry) -> None:
        person = street.person("registrar")
        for what in ("preview", "apply"):
            answer = self.sends(person, what, self.FILE + "xinyi,9-999,浙A66666,\n")
            assert answer.status_code == 422
            assert "没有登记房号 &#39;9-999&#39;" in answer.text
        assert "浙A77777" not in person.get("/registers/vehicles").text

    @pytest.mark.parametrize(
        ("what", "content", "reason"),
        [("preview", "nonsense", "x"), ("preview", "", "x"), ("apply", "site,household,plate\n", " ")],
    )
    def test_what_cannot_be_used_is_said_at_its_field(
        self, street: Registry, what: str, content: str, reason: str
    ) -> None:
        answer = self.sends(street.person("registrar"), what, content, reason=reason)
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in answer.text

    def test_a_form_from_elsewhere_imports_nothing(self, street: Registry) -> None:
        person = street.person("registrar")
        assert self.sends(person, "apply", self.FILE, csrf="made up").status_code == 303
        assert "浙A77777" not in person.get("/registers/vehicles").text
        assert self.sends(street.person("registrar"), "preview", "x" * 20_000_000).status_code == 413


def test_every_page_says_everything_in_both_languages(street: Registry) -> None:
    person = street.person("registrar")
    assert RELATIVE in person.get("/registers/relatives").text
    entries = [entry_of(person, kind, "3-502") for kind in ("households", "vehicles", "relatives", "certificates")]
    for where in [*entries, *(f"/registers/{kind}{end}" for kind in KINDS[:4] for end in ("", "/new", "/import"))]:
        english = person.get(f"{where}?lang=en").text.split('<main id="content"')[1].split("</main>")[0]
        assert not re.findall(r"\b(desk|field|registers|relation|import)\.[a-z_]+|undefined", english), where
