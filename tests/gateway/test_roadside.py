"""A second, quite different policy runs without code changes: Hangzhou's roadside zones, through gate, broker and event path."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from billing.batch import answer
from billing.policy import parse

ROOT = Path(__file__).parents[2]
ZONES = {"hangzhou-roadside-core": 2200, "hangzhou-roadside": 1400, "hangzhou-roadside-second": 1000}

RECORDED = """\
plate,entry,exit,vehicle
浙A10001,2026-11-20 09:00:00,2026-11-20 11:00:00,
浙A10002,2026-11-20 09:00:00,2026-11-20 11:00:00,large
浙A10003,2026-11-20 07:10:00,2026-11-20 09:00:00,
浙A10004,2026-11-20 19:40:00,2026-11-20 22:00:00,
浙A10005,2026-11-20 20:00:00,2026-11-21 08:00:00,
浙A10006,2026-02-17 09:00:00,2026-02-17 12:00:00,
浙A10007,2026-11-20 09:00:00,2026-11-20 09:05:00,motorcycle
浙A1234警,2026-11-20 09:00:00,2026-11-20 12:00:00,
浙A10008,2026-12-31 19:40:00,2027-01-01 08:10:00,
"""


@pytest.mark.slow
@pytest.mark.parametrize("zone", ZONES)
def test_a_zones_day_at_the_roadside(zone: str, tmp_path: Path) -> None:
    file, rules = tmp_path / "recorded.csv", ROOT / "rules" / f"{zone}.toml"
    file.write_text(RECORDED, encoding="utf-8")
    command = [sys.executable, "-c", "from gateway.cli.main import main; main()", "replay", str(file)]
    ran = subprocess.run([*command, "--policy", str(rules)], capture_output=True, cwd=ROOT, timeout=900, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    found = {line["plate"]: line for line in csv.DictReader(io.StringIO(ran.stdout.decode()))}
    policy = parse(rules.read_text(encoding="utf-8"))
    for plate, line in found.items():
        if plate == "浙A10008":
            # The holidays of 2027 are not published: nobody is charged before a person has looked.
            assert (line["state"], line["payable_fen"]) == ("exception", "0")
            continue
        stay = {"entry": line["entry"], "exit": line["exit"], "vehicle": line["vehicle"] or "small"}
        bill = answer(policy, json.dumps(stay))
        due = 0 if plate == "浙A1234警" else bill["payable_fen"]
        assert (line["state"], int(line["gross_fen"]), int(line["payable_fen"])) == ("left", bill["gross_fen"], due)
    assert int(found["浙A10001"]["payable_fen"]) == ZONES[zone]
    assert int(found["浙A10002"]["payable_fen"]) == 2 * ZONES[zone]
    assert found["浙A10005"]["payable_fen"] == found["浙A10006"]["payable_fen"] == "0"
