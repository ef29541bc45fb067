"""`parkgate statement` and `parkgate simulate statements`: each channel's file made and imported, and one line for every mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli.main import main
from tests.gateway.house import site_file

Run = Callable[..., tuple[int, str, str]]
DAY = "2026-03-02"


@pytest.fixture
def run(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The program in a folder of its own, with a street: (status, out, err)."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"DATABASE_URL": sqlite_url, "SECRET_KEY": "a secret of the tests only"}.items():
        monkeypatch.setenv(f"PARKGATE_{name}", value)

    def running(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(list(words))
        told = capsys.readouterr()
        return int(left.value.code or 0), told.out, told.err

    Path("sites.toml").write_text(site_file("xinyi"), encoding="utf-8")
    assert running("db", "upgrade")[0] == 0
    assert running("site", "apply", "sites.toml")[0] == 0
    return running


@pytest.mark.parametrize(
    ("channel", "kind", "packed"),
    [
        ("wechat", "trade", ()),
        ("wechat", "trade", ("--gzip",)),
        ("wechat", "payments", ()),
        ("wechat", "refunds", ()),
        ("wechat", "fund_flow", ()),
        ("alipay", "trade", ()),
        ("unionpay", "trade", ()),
        ("cash", "count", ()),
    ],
)
def test_what_a_channel_delivers_is_imported(run: Run, channel: str, kind: str, packed: tuple[str, ...]) -> None:
    words = ("simulate", "statements", "--channel", channel, "--kind", kind, "--day", DAY, "--payments", "30")
    code, out, err = run(*words, *packed, "--out", "bills")
    assert (code, err) == (0, "")
    file = out.strip()
    code, out, err = run("statement", "import", "--channel", channel, file, "--json")
    assert (code, err) == (0, "")
    made = json.loads(out)
    assert (made["channel"], made["kind"], made["day"], made["merchant"]) == (channel, kind, DAY, "hushu")
    assert made["rows"] > 0
    if kind == "trade":
        assert (made["payments"], made["refunds"]) == (30, 2)
    assert json.loads(run("statement", "import", "--channel", channel, file, "--json")[1])["known"]
    assert "nothing changed" in run("statement", "import", "--channel", channel, file)[1]


def test_a_file_of_payments_is_written_as_given(run: Run) -> None:
    line = {"order": "P1", "number": "42", "at": "2026-03-02T10:00:00+08:00", "amount_fen": 500, "fee_fen": 3}
    Path("paid.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    file = run("simulate", "statements", "--channel", "wechat", "--day", DAY, "--from", "paid.jsonl")[1].strip()
    made = json.loads(run("statement", "import", "--channel", "wechat", file, "--json")[1])
    assert (made["payments"], made["payments_fen"], made["fee_millifen"]) == (1, 500, 3000)
    Path("paid.jsonl").write_text('{"order": "P1"}\n', encoding="utf-8")
    code, _, err = run("simulate", "statements", "--channel", "wechat", "--day", DAY, "--from", "paid.jsonl")
    assert code == 2
    assert "line 1" in err


def test_a_mistake_is_one_line_with_what_to_do(run: Run) -> None:
    file = run("simulate", "statements", "--channel", "wechat", "--day", DAY)[1].strip()
    Path("cut.csv").write_bytes(Path(file).read_bytes()[:-40])
    for words, says in (
        (("wechat", "cut.csv"), "cut.csv: line "),
        (("alipay", file), "it is a statement of wechat, not of alipay; import it as one of wechat (--channel wechat)"),
        (("wechat", "nothing.csv"), "nothing.csv: No such file"),
        (("wechat", "."), "is a directory"),
        (("wechat", file, "--merchant", "nobody"), "merchant 'nobody' is none of hushu"),
        (("wechat", file, "--day", "2026-03-03"), "is not of 2026-03-03"),
        (("wechat", file, "--day", "yesterday"), "--day 'yesterday' is no day"),
        (("bitcoin", file), "bitcoin"),
    ):
        code, out, err = run("statement", "import", "--channel", *words)
        assert (code, out) == (2, ""), words
        assert says in err, err
        assert len(err.splitlines()) == 1


def test_a_day_on_which_a_channel_had_nothing(run: Run) -> None:
    code, out, _ = run("statement", "empty", "--channel", "alipay", "--day", DAY)
    assert (code, out) == (0, "alipay trade of 2026-03-02, merchant hushu: 0 rows; 0 payments 0.00; 0 refunds 0.00\n")
    assert run("statement", "empty", "--channel", "alipay", "--day", DAY, "--kind", "count")[0] == 2
