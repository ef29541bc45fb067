"""What a command does not need at its start is not imported at its start: a killed service answers its gates again in a second."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.ports import free_port

ROOT = Path(__file__).parents[2]
# What writes and reads papers, and what only tests need.
PAPERS = {"reportlab", "segno", "openpyxl", "xlsxwriter", "PIL", "hypothesis", "pytest", "httpx", "zxingcpp"}
DATABASE = {"sqlalchemy", "alembic", "psycopg", "prometheus_client", "pydantic"}
WEB = {"fastapi", "starlette", "uvicorn", "jinja2"}
JOBS = {"apscheduler"}
# What speaks to payment channels: loaded with the first order, or the first callback.
CHANNELS = {"alipay", "wechatpayv3", "requests", "Cryptodome", "OpenSSL"}
# What matches the rows of a whole day, in the morning.
SETS = {"polars"}
ALL = PAPERS | CHANNELS | SETS | DATABASE | WEB | JOBS | {"paho", "amqtt", "simulators"}

SERVING = re.compile(r"^parkgate: serving", re.MULTILINE)
IMPORTED = re.compile(r"^import time:[^|]*\|[^|]*\|\s*([\w.]+)", re.MULTILINE)


def run(code: str) -> set[str]:
    """The packages that this code has imported when it ends."""
    told = f"import sys\ntry:\n    {code}\nexcept SystemExit as end:\n    assert not end.code, end.code\nprint('|', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    return {name.split(".")[0] for name in done.stdout.rsplit("|", 1)[1].split()}


def command(*words: str) -> set[str]:
    return run(f"from gateway.cli.main import main; main({list(words)!r})")


def test_it_is_seen_when_something_is_imported() -> None:
    assert {"reportlab", "segno", "sqlalchemy"} <= run("import gateway.flows.vouchers.printing")
    assert "openpyxl" in run("import gateway.flows.compare_sheets")
    assert "xlsxwriter" in run("import gateway.flows.export_workbook")
    assert run("import gateway.flows.export, billing.exports, gateway.cli.export") & PAPERS == set()
    assert "polars" in run("import billing.reconciliation")
    assert {"wechatpayv3", "alipay", "requests"} <= run("import gateway.channels.wechat, gateway.channels.alipay")


def test_the_program_itself_needs_nothing() -> None:
    assert command("--version") & ALL == set()


@pytest.mark.parametrize(
    "words",
    [
        ("bill", "--policy", "rules/hushu.toml", "--entry", "2026-03-02T09:00", "--exit", "2026-03-02T11:10"),
        ("policy", "check", "rules/hushu.toml"),
    ],
    ids=["bill", "policy check"],
)
def test_prices_need_no_database(words: tuple[str, ...]) -> None:
    assert command(*words) & ALL == set()


def test_a_bridge_needs_neither_papers_nor_a_console_nor_jobs() -> None:
    assert run("import gateway.cli.serve") & (PAPERS | CHANNELS | SETS | WEB | JOBS | {"amqtt", "simulators"}) == set()


def test_the_whole_service_starts_without_papers(sqlite_url: str, tmp_path: Path) -> None:
    """As it is started; whatever it imports until it serves, and until it has ended."""
    settings = {
        "DATABASE_URL": sqlite_url,
        "BROKER_URL": f"embedded://127.0.0.1:{free_port()}",
        "SECRET_KEY": "of a test, and long enough",
        "HTTP_PORT": str(free_port()),
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PARKGATE_")}
    environment |= {f"PARKGATE_{name}": value for name, value in settings.items()}
    said = tmp_path / "said"
    with said.open("wb") as out:
        service = subprocess.Popen(
            [sys.executable, "-X", "importtime", "-c", "from gateway.cli.main import main; main(['serve'])"],
            cwd=ROOT,
            env=environment,
            stderr=out,
            stdout=subprocess.DEVNULL,
        )
        try:
            while SERVING.search(said.read_text("utf-8", "replace")) is None:
                with pytest.raises(subprocess.TimeoutExpired):
                    service.wait(0.2)
            service.send_signal(signal.SIGTERM)
            assert service.wait(60) == 0
        finally:
            service.kill()
    imported = {name.split(".")[0] for name in IMPORTED.findall(said.read_text("utf-8", "replace"))}
    assert imported >= {"sqlalchemy", "fastapi", "apscheduler"}, "they are seen"
    assert imported & (PAPERS | CHANNELS | SETS) == set()
