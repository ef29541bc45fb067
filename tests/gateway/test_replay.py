"""`parkgate replay` as a user runs it: recorded stays through broker, gate and event path, at their times."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from gateway.cli.main import main
from gateway.cli.replay import RESULT_COLUMNS, read_recorded
from simulators.gate import Gate
from simulators.replay import replay_site

ROOT = Path(__file__).parents[2]
SHANGHAI = ZoneInfo("Asia/Shanghai")

# What a recorded stay is, what becomes of it, and what `parkgate bill` is asked about it (None: nobody is charged).
RECORDED = """\
what,plate,entry,exit,vehicle,remark,state,asked
two hours,浙A10001,2026-03-02 09:00:00,2026-03-02 11:10:59,,"a, b",left,
half an hour is free,浙A10002,2026-03-02 09:00:00,2026-03-02 09:30:59,small,,left,
not a minute,浙A10003,2026-03-02 09:00:00,2026-03-02 09:00:00,,,left,
enters twice: the first,浙A20001,2026-03-02 09:00:00,2026-03-02 11:00:00,,,missing_exit,none
enters twice: the second,浙a·20001,2026-03-02 10:00:00,2026-03-02 12:00:00,,,left,2026-03-02 11:00:00
one inside another,浙A20002,2026-03-02 09:00:00,2026-03-02 12:00:00,,,missing_exit,none
inside it,浙A20002,2026-03-02 10:00:00,2026-03-02 11:00:00,,,left,
the same twice,浙A20003,2026-03-02 16:00:00,2026-03-02 17:00:00,,,missing_exit,none
the same again,浙A20003,2026-03-02 16:00:00,2026-03-02 17:00:00,,,left,
comes back at once,浙A10005,2026-03-02 14:00:00,2026-03-02 15:00:00,,,left,
before it left,浙A10005,2026-03-02 13:00:00,2026-03-02 14:00:00,,,left,
nine days,浙A10004,2026-02-01 08:00:00,2026-02-10 08:00:00,,,exception,none
police,浙A1234警,2026-03-02 09:00:00,2026-03-02 12:00:00,,,left,
in another zone,浙A10006,2026-03-02T01:00:00Z,2026-03-02T05:00:00+01:00,large,,left,
before the policy began,浙A10001,2014-11-18 15:01:17,2014-11-18 20:30:00,,,left,
overnight,浙A10007,2026-03-01 21:00:00,2026-03-02 21:00:00,,,left,
"""


class Ran(NamedTuple):
    """A finished command. `out` and `err` are what it printed."""

    code: int
    out: str
    err: str


def replays(*arguments: str | Path) -> Ran:
    """In a process of its own: a run sets up logging and signals for its process."""
    command = [sys.executable, "-c", "from gateway.cli.main import main; main()", "replay", *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, cwd=ROOT, timeout=900, check=False)
    assert b"Traceback" not in ran.stderr, ran.stderr.decode()
    return Ran(ran.returncode, ran.stdout.decode(), ran.stderr.decode())


def expected() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(RECORDED)))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file as a spreadsheet saves it: a byte order mark, CRLF, and columns that mean nothing to us."""
    path = tmp_path_factory.mktemp("replay") / "recorded.csv"
    text = io.StringIO(newline="")
    columns = ["what", "plate", "entry", "exit", "vehicle", "remark"]
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(expected())
    path.write_bytes(b"\xef\xbb\xbf" + text.getvalue().encode())
    return path


@pytest.fixture(scope="module")
def ran(recorded: Path) -> Ran:
    return replays(recorded, "--out", recorded.with_name("result.csv"))


@pytest.fixture(scope="module")
def result(ran: Ran, recorded: Path) -> list[dict[str, str]]:
    assert ran.code == 0, ran.err
    with recorded.with_name("result.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_every_line_comes_back_as_it_was_with_what_became_of_it(result: list[dict[str, str]]) -> None:
    columns = ["what", "plate", "entry", "exit", "vehicle", "remark"]
    assert list(result[0]) == [*columns, *RESULT_COLUMNS]
    assert [[line[name] for name in columns] for line in result] == [
        [line[name] for name in columns] for line in expected()
    ]
    assert {line["what"]: line["state"] for line in result} == {line["what"]: line["state"] for line in expected()}
    assert all(line["stay"].startswith("replay.") for line in result)
    assert len({line["stay"] for line in result}) == len(result)


@pytest.mark.slow
def test_who_is_charged_is_charged_what_parkgate_bill_says(
    result: list[dict[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    charged = [(got, want) for got, want in zip(result, expected(), strict=True) if want["asked"] != "none"]
    batch = tmp_path / "stays.jsonl"
    questions = [
        {"entry": want["entry"], "exit": want["asked"] or want["exit"], "vehicle": want["vehicle"] or "small"}
        for _, want in charged
    ]
    batch.write_text("".join(json.dumps(question) + "\n" for question in questions), encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        main(["bill", "--policy", str(ROOT / "rules" / "hushu.toml"), "--batch", str(batch)])
    assert left.value.code in {None, 0}
    bills = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for (got, _), bill in zip(charged, bills, strict=True):
        assert int(got["gross_fen"]) == bill["gross_fen"], got
        assert int(got["payable_fen"]) == (0 if got["what"] == "police" else bill["payable_fen"]), got
    of = {got["what"]: int(got["gross_fen"]) for got in result}
    assert of["two hours"] == 1000
    assert of["overnight"] == 2000
    assert of["police"] > 0
    assert of["half an hour is free"] == of["not a minute"] == 0


@pytest.mark.slow
def test_who_was_never_seen_leaving_or_stayed_too_long_is_not_charged(result: list[dict[str, str]]) -> None:
    uncharged = [line for line in result if line["state"] != "left"]
    assert len(uncharged) == 4
    assert {(line["gross_fen"], line["payable_fen"]) for line in uncharged} == {("0", "0")}


@pytest.mark.slow
def test_it_ends_with_one_line_on_standard_error(ran: Ran, result: list[dict[str, str]]) -> None:
    gross, payable = (sum(int(line[column]) for line in result) for column in ("gross_fen", "payable_fen"))
    assert ran.out == ""
    assert ran.err == (
        "16 recorded stays: 12 left, 3 missing_exit, 0 no_entry, 1 exception; "
        f"gross {gross / 100:.2f} yuan, payable {payable / 100:.2f} yuan\n"
    )


@pytest.mark.slow
def test_without_out_the_same_result_goes_to_standard_output_at_any_speed(ran: Ran, recorded: Path) -> None:
    again = replays(recorded, "--speed", "1e9")
    assert again.code == 0, again.err
    assert again.out == recorded.with_name("result.csv").read_text(encoding="utf-8")
    assert again.err == ran.err


@pytest.mark.slow
def test_another_policy_and_its_time_zone_hold_for_every_stay(tmp_path: Path) -> None:
    """The first 240 minutes are free, then every hour costs 1 yuan from the entry; times are those of the policy's zone."""
    policy = tmp_path / "workplace.toml"
    policy.write_text(
        '[policy]\nid = "workplace"\nversion = 1\neffective_from = 2030-01-01T00:00:00Z\ntimezone = "America/New_York"\n'
        '[[tariff]]\nvehicles = ["small"]\nfree_minutes = 240\nleave_within_minutes = 15\n'
        '[[tariff.band]]\nfrom = "00:00"\nto = "12:00"\nunit = { minutes = 60, fen = 100 }\n'
        '[[tariff.band]]\nfrom = "12:00"\nto = "00:00"\nunit = { minutes = 60, fen = 200 }\n',
        encoding="utf-8",
    )
    file = tmp_path / "recorded.csv"
    file.write_text(
        "plate,entry,exit\n"
        "A1,2014-11-18 08:00:00,2014-11-18 12:00:59\n"
        "A2,2014-11-18 08:00:00,2014-11-18 12:01:00\n"
        "A3,2014-11-18 22:00:00+08:00,2014-11-19 03:00:00+08:00\n",
        encoding="utf-8",
    )
    ran = replays(file, "--policy", policy, "--site", "workplace")
    assert ran.code == 0, ran.err
    lines = list(csv.DictReader(io.StringIO(ran.out)))
    assert [line["gross_fen"] for line in lines] == ["0", "600", "700"]
    assert [line["payable_fen"] for line in lines] == ["0", "600", "700"]
    assert all(line["stay"].startswith("workplace.") for line in lines)


def test_a_file_with_a_heading_only_has_a_result_with_a_heading_only(tmp_path: Path) -> None:
    file = tmp_path / "recorded.csv"
    file.write_text("\ufeffplate, entry ,exit,note\n\n", encoding="utf-8")
    ran = replays(file)
    assert (ran.code, ran.out) == (0, "plate,entry,exit,note,stay,gross_fen,payable_fen,state\n")
    assert ran.err.startswith("0 recorded stays: 0 left,")


# ---------------------------------------------------------------------------------------------------- what is refused

GOOD = "plate,entry,exit\nA1,2026-03-02T09:00,2026-03-02T10:00\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "line 1: the file is empty"),
        (b"plate,entry\nA1,2026-03-02T09:00\n", "line 1: the heading lacks exit"),
        (GOOD.encode() + b"A2,2026-03-02T09:00\n", "line 3: 2 cells, but the heading has 3"),
        (GOOD.encode() + b"A2,soon,2026-03-02T09:00\n", "line 3: entry 'soon' is not a time"),
        (GOOD.encode() + b"A2,2026-03-02T09:00,2026-03-02T08:00\n", "line 3: the exit 2026-03-02T08:00 lies before"),
        (GOOD.encode() + "浙A2,2026-03-02T09:00,2026-03-02T10:00\n".encode("gb18030"), "line 3: not UTF-8"),
        (GOOD.encode() + b"A2,2026-03-02T09:00,9999-12-31T23:59\n", "line 3: exit '9999-12-31T23:59' is not between"),
        (GOOD.encode() + b"A2,2026-03-02T09:00,0001-01-02T23:59\n", "line 3: the exit"),
        (GOOD.encode() + "浙".encode() * 3_000 + b"\n", "line 3: longer than 1000 characters"),
        (b"state," + GOOD.encode().replace(b"\n", b"\nx,", 1), "line 1: the result adds a column state"),
    ],
)
def test_a_bad_file_is_one_line_with_its_place_and_nothing_is_written(
    content: bytes, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "recorded.csv", tmp_path / "result.csv"
    file.write_bytes(content)
    out.write_text("an earlier result")
    with pytest.raises(SystemExit) as left:
        main(["replay", str(file), "--out", str(out)])
    said = capsys.readouterr()
    assert (left.value.code, said.out) == (2, "")
    assert said.err.startswith(f"parkgate: {file}: {says}")
    assert said.err.count("\n") == 1
    assert out.read_text() == "an earlier result"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recorded.csv", "result.csv"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["recorded.csv", "--site", "Xinyi"], "--site 'Xinyi': a site's id has"),
        (["recorded.csv", "--site", "street"], "street is reserved"),
        (["recorded.csv", "--policy", "nowhere.toml"], "nowhere.toml: No such file"),
        (["recorded.csv", "--policy", "recorded.csv"], "recorded.csv: line 1:"),
        (["recorded.csv", "--speed", "0"], "--speed"),
        (["recorded.csv", "--out", "."], "--out .: not a file in a folder that is there"),
        (["recorded.csv", "--out", "nowhere/result.csv"], "not a file in a folder that is there"),
        (["nowhere.csv"], "nowhere.csv: No such file"),
        (["."], ".: Is a directory"),
        ([], "Missing argument"),
    ],
)
def test_bad_usage_is_one_line(
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "recorded.csv").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["replay", *arguments])
    said = capsys.readouterr()
    assert (left.value.code, said.out) == (2, "")
    assert says in said.err
    assert said.err.count("\n") == 1


# -------------------------------------------------------------------------------------------------------- its own parts


def test_a_heading_may_stand_on_several_lines(tmp_path: Path) -> None:
    file = tmp_path / "recorded.csv"
    file.write_text('plate,entry,exit,"two\nlines"\nA1,2026-03-02T09:00,2026-03-02T10:00,"x\ny"\n')
    heading, (stay,) = read_recorded(str(file), SHANGHAI)
    assert heading == ["plate", "entry", "exit", "two\nlines"]
    assert stay.fields["two\nlines"] == "x\ny"
    assert stay.entry == datetime(2026, 3, 2, 1, tzinfo=UTC)


def test_reads_of_one_instant_keep_their_order() -> None:
    """The event path orders a vehicle's reads by instant, then by id."""
    gate = Gate("replay", "d1", replay_site("replay").lanes_of("d1"), boot="replay")
    at = datetime(2026, 3, 2, 1, tzinfo=UTC)
    ids = []
    for _ in range(12):
        ids.append(gate.vehicle_arrives("in-1", at, plate="A1").id)
        gate.vehicle_passes("in-1", at)
    assert all(earlier < later for earlier, later in pairwise(ids))
