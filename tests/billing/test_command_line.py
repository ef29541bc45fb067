"""`parkgate bill` and `parkgate policy check`: their output, and their exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.main import main

HUSHU = str(Path(__file__).parents[2] / "rules" / "hushu.toml")
TIMES = ["--entry", "2026-11-20T09:00", "--exit", "2026-11-20T11:10"]


@pytest.fixture
def parkgate(capfdbinary):
    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main(list(arguments))
        out, err = capfdbinary.readouterr()
        return left.value.code, out.decode(), err.decode()

    return run


def test_a_bill_is_explained(parkgate):
    code, out, err = parkgate("bill", "--policy", HUSHU, *TIMES)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "应收 10.00 元，优免 0.00 元，应付 10.00 元。"


def test_a_bill_as_json(parkgate):
    code, out, _ = parkgate(
        "bill", "--policy", HUSHU, *TIMES, "--allowance", "2026-11=60", "--voucher", "minutes:30", "--json"
    )
    document = json.loads(out)
    assert (code, document["payable_fen"]) == (0, 400)
    assert (document["drawn"], document["vouchers_used"]) == ({"2026-11": 60}, [True])


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--entry", "2026-11-20T09:00"],
        ["--entry", "soon", "--exit", "later"],
        [*TIMES, "--vehicle", "bus"],
        [*TIMES, "--allowance", "2026-11"],
        [*TIMES, "--allowance", "2026-11=1", "--allowance", "2026-11=2"],
        [*TIMES, "--allowance", "2026-14=1"],
        [*TIMES, "--voucher", "gold:1"],
        [*TIMES, "--batch", "stays.jsonl"],
        ["--batch", "no-such-file.jsonl"],
        ["--batch", "."],
    ],
)
def test_bad_usage_is_one_line_and_exit_status_2(parkgate, arguments):
    code, out, err = parkgate("bill", "--policy", HUSHU, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_a_refused_or_missing_policy_is_bad_input(parkgate, tmp_path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[policy]\nid = 3\n")
    code, _, err = parkgate("bill", "--policy", str(wrong), *TIMES)
    assert (code, err.count("\n")) == (2, 1)
    assert "line 2: policy.id" in err
    assert parkgate("bill", "--policy", str(tmp_path / "none.toml"), *TIMES)[0] == 2


def test_a_batch_keeps_its_order_and_goes_on_after_a_bad_line(parkgate, tmp_path):
    stays = tmp_path / "stays.jsonl"
    good = b'{"entry":"2026-11-20T09:00","exit":"2026-11-20T11:10"}'
    stays.write_bytes(b"\n".join([b"\xef\xbb\xbf" + good, b"oops", b"\xff\xfe", b"x" * 600_000, good]))
    code, out, err = parkgate("bill", "--policy", HUSHU, "--batch", str(stays))
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer.get("payable_fen") for answer in answers] == [1000, None, None, None, 1000]
    assert (code, err) == (
        1,
        "parkgate: 3 of 5 lines could not be priced; each says why on its own line of the output\n",
    )
    stays.write_bytes(good + b"\n" + good + b"\n")
    code, out, err = parkgate("bill", "--policy", HUSHU, "--batch", str(stays), "--json")
    assert (code, len(out.splitlines()), err) == (0, 2, "")


def test_a_batch_from_a_pipe_is_answered_line_by_line():
    program = "from gateway.cli.main import main; main()"
    command = [sys.executable, "-c", program, "bill", "--policy", HUSHU, "--batch", "-"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        for _ in range(2):  # the answer comes before the next line is written
            run.stdin.write(b'{"entry":"2026-11-20T09:00","exit":"2026-11-20T09:31"}\n')
            run.stdin.flush()
            assert json.loads(run.stdout.readline())["payable_fen"] == 400
        run.stdin.close()
        assert (run.wait(30), run.stderr.read()) == (0, b"")


def test_checking_a_policy(parkgate, tmp_path):
    code, out, err = parkgate("policy", "check", HUSHU)
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert "hushu-residential version 3" in out

    wrong = tmp_path / "wrong.toml"
    wrong.write_text(
        Path(HUSHU).read_text(encoding="utf-8").replace("fen = 400", "fen = -1").replace("[exit]", "[exits]"),
        encoding="utf-8",
    )
    code, out, err = parkgate("policy", "check", str(wrong))
    assert (code, out, err.count("\n")) == (1, "", 2)
    assert all(": line " in line for line in err.splitlines())

    wrong.write_bytes('# 湖墅\nid = "湖墅"'.encode("gbk"))
    code, _, err = parkgate("policy", "check", str(wrong))
    assert (code, "line 1: not UTF-8" in err) == (1, True)
    assert parkgate("policy", "check", str(tmp_path / "none.toml"))[0] == 2
    assert parkgate("policy", "check", str(tmp_path))[0] == 2
