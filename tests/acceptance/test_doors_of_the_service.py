"""Health, the API's roles and refusals, and a command line that answers mistakes in one line."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.acceptance.estate import LANES, POLICY, ROLES
from tests.acceptance.trade import DUE_FEN, STAY_MINUTES, Street, Vehicle


def is_a_problem(answer: httpx.Response, *statuses: int) -> None:
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    document = answer.json()
    assert document["type"]
    assert document.get("status", answer.status_code) == answer.status_code


class TestHealth:
    @pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/api/openapi.json"])
    def test_it_answers_without_an_account(self, street: Street, path: str) -> None:
        assert httpx.get(street.parkgate.url + path, timeout=90).status_code == 200

    def test_metrics_are_prometheus_and_name_nobody(self, street: Street) -> None:
        street.is_alive()
        text = httpx.get(f"{street.parkgate.url}/metrics", timeout=90).text
        assert "# TYPE" in text
        assert "low_income" not in text
        assert "浙" not in text


class TestRoles:
    def test_without_a_token_nothing(self, street: Street) -> None:
        is_a_problem(httpx.get(f"{street.parkgate.url}/api/v1/stays", timeout=90), 401)
        headers = {"Authorization": "Bearer none.of.ours"}
        is_a_problem(httpx.get(f"{street.parkgate.url}/api/v1/stays", headers=headers, timeout=90), 401)

    def test_a_wrong_password_gets_no_token(self, street: Street) -> None:
        form = {"username": "cashier", "password": "wrong"}
        answer = httpx.post(f"{street.parkgate.url}/api/v1/token", data=form, timeout=90)
        assert answer.status_code == 401

    @pytest.mark.parametrize("role", ["auditor", "registrar", "finance"])
    def test_only_the_till_takes_money(self, street: Street, role: str) -> None:
        visitor = street.a_visitor().entered()
        is_a_problem(street.staff[role].takes(visitor.stay("inside")["id"], 800), 403, 404)
        assert visitor.stay("inside")["paid_fen"] == 0

    def test_what_is_not_there_is_404(self, street: Street) -> None:
        console = street.staff["console"]
        is_a_problem(console.get("/api/v1/stays/no-such-stay"), 404)
        is_a_problem(console.get("/api/v1/no-such-thing"), 404)
        is_a_problem(console.takes("no-such-stay", 800), 404)

    def test_a_cashier_sees_only_the_own_site(self, street: Street) -> None:
        elsewhere = street.a_visitor("archive")
        elsewhere.at("in-1").opens("temporary").passes()
        stay = elsewhere.stay("inside")["id"]
        cashier = street.staff["cashier"]
        is_a_problem(cashier.get(f"/api/v1/stays/{stay}"), 403, 404)
        is_a_problem(cashier.takes(stay, 800), 403, 404)
        answer = cashier.get("/api/v1/stays", site="archive")
        assert answer.status_code in (403, 404) or answer.json()["items"] == []

    def test_a_wrong_body_is_a_problem_and_not_a_crash(self, street: Street) -> None:
        stay = street.a_visitor().entered().stay("inside")["id"]
        for body in ({}, [], {"channel": "cash"}, {"channel": "cash", "amount_fen": "lots", "reference": ""}):
            is_a_problem(street.staff["cashier"].post(f"/api/v1/stays/{stay}/payments", body), 400, 422)


class TestLists:
    def test_the_estate_is_listed(self, street: Street) -> None:
        console = street.staff["console"]
        for kind in ("sites", "gates", "lanes", "devices"):
            answer = console.get(f"/api/v1/{kind}")
            assert answer.status_code == 200, answer.text
            assert set(answer.json()) >= {"items", "next"}
        lanes = {lane["id"] for lane in console.get("/api/v1/lanes").json()["items"]}
        assert set(LANES) <= lanes

    def test_stays_are_paged_by_cursor_without_gap_or_repeat(self, street: Street) -> None:
        visitors: list[Vehicle] = [street.a_visitor("archive").entered(30 + place) for place in range(3)]
        wanted = {visitor.stay("inside")["id"] for visitor in visitors}
        console = street.staff["console"]
        seen: list[str] = []
        query: dict[str, str] = {"site": "archive"}
        for _ in range(200):
            page = console.get("/api/v1/stays", **query).json()
            seen += [stay["id"] for stay in page["items"]]
            if page["next"] is None:
                break
            query = {"site": "archive", "cursor": page["next"]}
        assert len(seen) == len(set(seen))
        assert wanted <= set(seen)

    def test_a_stay_has_its_shape(self, street: Street) -> None:
        stay = street.a_visitor().entered().stay("inside")
        assert set(stay) >= {
            "id",
            "site",
            "plate",
            "vehicle",
            "state",
            "entry_at",
            "exit_at",
            "entry_lane",
            "exit_lane",
            "gross_fen",
            "payable_fen",
            "paid_fen",
        }
        found = street.staff["console"].stays(site="xinyi", plate=stay["plate"][3:])
        assert stay["id"] in [other["id"] for other in found], "?plate= matches any part"

    def test_a_bill_at_another_moment(self, street: Street) -> None:
        stay = street.a_visitor().entered(minutes=45).stay("inside")
        console, path = street.staff["console"], f"/api/v1/stays/{stay['id']}/bill"
        assert console.get(path).json()["gross_fen"] == 400
        at = datetime.fromisoformat(stay["entry_at"]) + timedelta(minutes=STAY_MINUTES)
        assert console.get(path, at=at.isoformat()).json()["gross_fen"] == DUE_FEN
        is_a_problem(console.get(path, at="soon"), 400, 422)


MISTAKES = [
    ["levitate"],
    ["close"],
    ["close", "--day", "yesterdayish"],
    ["close", "--day", "2026-03-02", "--site", "atlantis"],
    ["policy", "check", "missing.toml"],
    ["policy", "apply", "broken.toml"],
    ["site", "apply", "missing.toml"],
    ["site", "apply", "broken.toml"],
    ["registry", "import", "martians", "households.csv"],
    ["registry", "import", "households", "missing.csv"],
    ["export", "--day", "2026-03-02", "--format", "docx", "--out", "."],
    ["bill", "--policy", "missing.toml", "--entry", "2026-11-20T09:00", "--exit", "2026-11-20T10:00"],
    ["bill", "--policy", "policy.toml", "--entry", "soon", "--exit", "2026-11-20T10:00"],
    ["bill", "--policy", "policy.toml", "--entry", "2026-11-20T10:00", "--exit", "2026-11-20T09:00"],
    ["bill", "--policy", "policy.toml", "--batch", "missing.jsonl"],
    ["user", "add", "somebody", "--role", "emperor"],
    ["--config", "missing-settings.toml", "user", "list"],
]


# What a command line refuses or explains before it has asked any database is the same with either.
on_a_laptop = pytest.mark.parametrize("deployment", [pytest.param("laptop", marks=pytest.mark.slow)], indirect=True)


class TestCommandLine:
    @on_a_laptop
    @pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
    def test_a_mistake_is_one_line_and_status_2(self, street: Street, words: list[str]) -> None:
        (street.parkgate.folder / "broken.toml").write_text("[policy\nid = ", encoding="utf-8")
        done = street.parkgate.run(*words, expect=(2,))
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert done.stdout == ""

    @on_a_laptop
    @pytest.mark.parametrize(
        "words", [[], ["bill"], ["policy", "check"], ["registry", "import"], ["serve"], ["user", "add"]]
    )
    def test_every_command_has_help(self, street: Street, words: list[str]) -> None:
        assert street.parkgate.run(*words, "--help").stdout

    @on_a_laptop
    @pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
    def test_settings_may_be_named_before_or_after_the_command(
        self, street: Street, first: bool, tmp_path: Path
    ) -> None:
        settings = ["--config", str(street.parkgate.settings)]
        words = [*settings, "user", "list"] if first else ["user", "list", *settings]
        listed = street.parkgate.run(*words).stdout
        for role in ROLES:
            assert role in listed

    def test_a_wrong_register_is_refused_as_a_whole_with_line_and_reason(self, street: Street) -> None:
        rows = "site,plate,reason,valid_to\nxinyi,浙A77777,damage,2099-01-01\nxinyi,浙A77778,damage,whenever\n"
        (street.parkgate.folder / "half.csv").write_text(rows, encoding="utf-8")
        refused = street.parkgate.run("registry", "import", "blocklist", "half.csv", expect=(1, 2))
        assert "3" in refused.stdout + refused.stderr
        street.a_vehicle("浙A77777").at("in-1").opens("temporary").backs_away()

    def test_applying_the_estate_again_changes_nothing(self, street: Street) -> None:
        assert street.parkgate.run("site", "apply", "sites.toml", "--json").stdout.strip() == ""
        street.is_alive()

    def test_a_policy_that_starts_no_later_is_refused(self, street: Street) -> None:
        (street.parkgate.folder / "earlier.toml").write_text(
            POLICY.replace("version = 1", "version = 2"), encoding="utf-8"
        )
        street.parkgate.run("policy", "check", "earlier.toml", expect=None)
        street.parkgate.run("policy", "apply", "earlier.toml", expect=(1, 2))

    @on_a_laptop
    def test_checking_a_broken_policy_names_file_and_line(self, street: Street) -> None:
        (street.parkgate.folder / "broken.toml").write_text("[policy\nid = ", encoding="utf-8")
        checked = street.parkgate.run("policy", "check", "broken.toml", expect=(1, 2))
        assert "broken.toml" in checked.stderr
        assert "line 1" in checked.stderr

    @on_a_laptop
    def test_a_batch_answers_each_line_in_its_order(self, street: Street) -> None:
        good = {"entry": "2026-11-20T09:00", "exit": "2026-11-20T10:50", "vehicle": "small"}
        lines = [json.dumps(good), "rubbish", json.dumps(good | {"vouchers": ["whole_stay"]}), "{}"]
        (street.parkgate.folder / "stays.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        done = street.parkgate.run("bill", "--policy", "policy.toml", "--batch", "stays.jsonl", expect=(1,))
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert [answer.get("payable_fen") for answer in answers] == [800, None, 0, None]
        assert [list(answer) == ["error"] for answer in answers] == [False, True, False, True]
        assert answers[0]["minutes"] == 110

    @on_a_laptop
    def test_one_bill_and_a_batch_give_the_same_object(self, street: Street) -> None:
        (street.parkgate.folder / "one.jsonl").write_text(
            '{"entry": "2026-11-20T09:00", "exit": "2026-11-20T10:50", "vehicle": "small",'
            ' "allowance": {"2026-11": 60}, "vouchers": ["minutes:10"]}\n',
            encoding="utf-8",
        )
        times = ["--entry", "2026-11-20T09:00", "--exit", "2026-11-20T10:50"]
        given = ["--vehicle", "small", "--allowance", "2026-11=60", "--voucher", "minutes:10"]
        one = street.parkgate.run("bill", "--policy", "policy.toml", *times, *given, "--json").stdout
        batch = street.parkgate.run("bill", "--policy", "policy.toml", "--batch", "one.jsonl").stdout
        assert json.loads(one) == json.loads(batch)
