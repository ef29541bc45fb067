"""`db`, `site`, `policy apply`, `registry` and `user`: what they print, and one line and a status for every mistake."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from gateway.cli.main import LazyGroup, cli, main
from tests.gateway.house import PASSWORD, site_file
from tests.gateway.trade import POLICY

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The program in a folder of its own, with a database at the newest schema: (status, out, err)."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"DATABASE_URL": sqlite_url, "SECRET_KEY": "a secret of the tests only"}.items():
        monkeypatch.setenv(f"PARKGATE_{name}", value)

    def running(*words: str, given: str | None = None) -> tuple[int, str, str]:
        if given is not None:
            monkeypatch.setattr("sys.stdin", io.StringIO(given))
        with pytest.raises(SystemExit) as left:
            main(list(words))
        told = capsys.readouterr()
        return int(left.value.code or 0), told.out, told.err

    return running


def refused(answer: tuple[int, str, str], *said: str, status: int = 2) -> None:
    code, out, err = answer
    assert (code, out) == (status, ""), answer
    assert len(err.splitlines()) == 1, err
    for words in said:
        assert words in err


def write(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def test_a_street_is_set_up(run: Run) -> None:
    assert run("db", "check")[0] == 0
    assert "already" in run("db", "upgrade")[1]
    code, out, err = run("site", "apply", write("sites.toml", site_file("xinyi", password=None)), "--json")
    assert (code, err) == (0, "")
    made = json.loads(out)
    assert set(made) == {"site", "device", "username", "password"}
    assert made["username"] == "xinyi.d1"
    assert run("site", "apply", "sites.toml", "--json") == (0, "", "")
    assert made["password"] not in run("site", "apply", "sites.toml")[1]
    write("asked.toml", site_file("xinyi").replace('"native"', '"dahua"\n  address = "http://10.0.3.21"'))
    made = json.loads(run("site", "apply", "asked.toml", "--json")[1])
    assert set(made) == {"site", "device", "login", "login_password"}
    assert made["login_password"] not in run("site", "apply", "asked.toml")[1]
    write("policy.toml", POLICY.format(mode="pay_first"))
    assert "version 1" in run("policy", "apply", "policy.toml")[1]
    assert "nothing changed" in run("policy", "apply", "policy.toml")[1]
    write("h.csv", "site,household,name,area_m2\nxinyi,101,x,50\n")
    assert run("registry", "import", "households", "h.csv")[:2] == (0, "households: 1 added, 0 changed, 0 unchanged\n")
    assert run("registry", "import", "households", "h.csv")[:2] == (0, "households: 0 added, 0 changed, 1 unchanged\n")


def test_what_a_device_lacks_to_be_of_use_is_said_each_time_and_applied(run: Run) -> None:
    """Standard output stays what it was: whoever reads `--json` reads credentials."""
    camera = site_file("xinyi").replace('"native"', '"vzenith"')
    for _ in range(2):
        code, _, err = run("site", "apply", write("sites.toml", camera), "--json")
        (line,) = err.splitlines()
        assert code == 0
        assert line.startswith("sites.toml: [[site]] xinyi, [[site.device]] d1: serial: missing: ")
        assert 'Write serial = "…"' in line
        assert 'features = ["http"]' in line
    for said in ('serial = "5e1f-7c3d"', 'features = ["http"]'):
        write("sites.toml", camera.replace('"vzenith"', f'"vzenith"\n  {said}'))
        assert run("site", "apply", "sites.toml", "--json")[2] == ""
    write("sites.toml", camera.replace('"vzenith"', '"dahua"'))
    assert "d1: address: missing: " in run("site", "apply", "sites.toml")[2]


def test_two_of_one_name_at_the_broker_are_said_to_be(run: Run) -> None:
    named = site_file("xinyi", "archive").replace('"native"', '"qianyi"\n  serial = "SN1"')
    code, _, err = run("site", "apply", write("sites.toml", named))
    assert code == 0
    assert [line.count("serial: 'SN1': 2 devices of qianyi are called so") for line in err.splitlines()] == [1, 1]
    assert run("site", "apply", write("sites.toml", site_file("xinyi", "archive")))[2] == ""


def test_accounts(run: Run) -> None:
    code, out, _ = run("user", "add", "kim", "--role", "console")
    assert code == 0
    first = out.split()[-1]
    assert run("user", "add", "lee", "--role", "finance", "--password-stdin", given=f"{PASSWORD}\n")[0] == 0
    assert [json.loads(line)["name"] for line in run("user", "list", "--json")[1].splitlines()] == ["kim", "lee"]
    assert first not in run("user", "list")[1]
    assert run("user", "reset", "kim")[1].split()[-1] != first
    refused(run("user", "add", "kim", "--role", "console"), "already", "user reset")
    refused(run("user", "add", "Kim!", "--role", "console"), "user name")
    refused(run("user", "add", "max", "--role", "guard", "--site", "atlantis"), "atlantis")
    refused(run("user", "add", "max", "--role", "emperor"), "emperor")
    refused(run("user", "add", "max", "--role", "guard", "--password-stdin", given="\n"), "no password")
    refused(run("user", "reset", "nobody"), "nobody")


def test_settings_stand_before_or_after_the_command(run: Run, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PARKGATE_DATABASE_URL")
    write("mine.toml", f'database_url = "{sqlite_url}"\n')
    assert run("--config", "mine.toml", "db", "check")[0] == 0
    assert run("db", "check", "--config", "mine.toml")[0] == 0
    refused(run("--config", "missing.toml", "user", "list"), "missing.toml")


def test_mistakes_are_one_line(run: Run) -> None:
    refused(run("site", "apply", "missing.toml"), "missing.toml")
    refused(run("site", "apply", write("broken.toml", "[[site\n")), "broken.toml", "not TOML")
    refused(run("site", "apply", write("wrong.toml", site_file("street"))), "[[site]] street", "id")
    refused(run("policy", "apply", "broken.toml"), "broken.toml", "line 1")
    refused(run("registry", "import", "martians", "h.csv"), "martians")
    refused(run("registry", "import", "households", "missing.csv"), "missing.csv")
    refused(run("registry", "import", "households", write("x.csv", "planet\nmars\n")), "planet")


def test_bad_rows_are_listed_and_a_long_list_is_cut(run: Run) -> None:
    run("site", "apply", write("sites.toml", site_file("xinyi")))
    rows = "".join(f"xinyi,{number},浙A12345,small\n" for number in range(205))
    code, out, err = run("registry", "import", "vehicles", write("v.csv", "site,household,plate,vehicle\n" + rows))
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert len(lines) == 202
    assert lines[0] == "v.csv: line 2: household '0' is not one of site 'xinyi'; import households first"
    assert lines[200] == "… and 5 more"
    assert "205 bad rows, nothing was imported" in lines[201]


def test_an_import_is_tried_before_it_is_done(run: Run) -> None:
    run("site", "apply", write("sites.toml", site_file("xinyi")))
    run("registry", "import", "households", write("h.csv", "site,household,name\nxinyi,101,x\n"))
    write("more.csv", "site,household,name\nxinyi,101,y\nxinyi,102,z\n")
    code, out, err = run("registry", "import", "households", "more.csv", "--dry-run")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "line 2: change 101: name x → y",
        "line 3: add 102",
        "households: 1 would be added, 1 would be changed, 0 unchanged",
    ]
    code, out, _ = run("registry", "import", "households", "more.csv", "--json", "--reason", "yearly list")
    done = json.loads(out)
    assert (code, done["added"], done["changed"], done["preview"], done["problems"]) == (0, 1, 1, False, [])
    refused(run("registry", "import", "households", "more.csv", "--reason", "低保"), "reason")
    write("c.csv", "site,household,number,issuer\nxinyi,101,HZ-1,office\n")
    code, out, _ = run("registry", "import", "certificates", "c.csv", "--dry-run")
    assert out.splitlines() == ["line 2: add", "certificates: 1 would be added, 0 would be changed, 0 unchanged"]
    bad = run("registry", "import", "households", write("bad.csv", "site,household\nxinyi,\n"), "--json")
    assert (bad[0], json.loads(bad[1])["problems"]) == (2, [{"line": 2, "reason": "household is missing"}])


def test_a_database_that_is_not_there_or_behind_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARKGATE_DATABASE_URL", "sqlite:///no/such/folder/p.db")
    refused(run("user", "list"), "cannot reach the database")
    monkeypatch.setenv("PARKGATE_DATABASE_URL", "sqlite:///new.db")
    refused(run("user", "list"), "parkgate db upgrade")
    refused(run("db", "check"), "parkgate db upgrade", status=1)
    assert run("db", "upgrade")[0] == 0
    assert run("db", "check")[0] == 0
    monkeypatch.setenv("PARKGATE_DATABASE_URL", "nonsense")
    refused(run("user", "list"), "PARKGATE_DATABASE_URL")


def test_the_list_of_commands_has_their_own_words() -> None:
    """It is kept beside them, so that `--help` imports none."""
    assert isinstance(cli, LazyGroup)
    context = click.Context(cli)
    said = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    assert cli.words == {name: command.get_short_help_str(400) for name, command in said.items() if command is not None}
