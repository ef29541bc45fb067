"""Style, executed: what a reviewer would otherwise have to say again and again."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("billing", "controllers", "gateway", "simulators", "wire", "rules")
FILE_LINES_MAX = 420
FUNCTION_LINES_MAX = 65
TEXT = {
    ".py",
    ".js",
    ".html",
    ".css",
    ".toml",
    ".yml",
    ".yaml",
    ".md",
    ".sh",
    ".conf",
    ".lock",
    ".svg",
    ".csv",
    ".json",
    "",
}
# A migration is written once by a tool and never edited.
GENERATED = ROOT / "gateway" / "store" / "migrations" / "versions"
LEFT_OUT = {"__pycache__", ".venv", ".git", ".hypothesis", "out", "build", "node_modules"}
# Spelt in two halves, so that this file does not find itself.
LEFTOVER = re.compile(r"\b(TO" + "DO|FIX" + "ME|XX" + r"X)\b")
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(work|farm|root|ho" + r"me/\w+|Us" + r"ers/\w+)/")
ADDRESS = re.compile(r"https?://")


def files() -> Iterator[Path]:
    """Every text file of the repository; those of the tools' caches left out."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = parts[0].startswith(".") and parts[0] not in {".ci", ".dockerignore", ".gitignore"}
        if path.is_file() and path.suffix in TEXT and not hidden and not LEFT_OUT & set(parts):
            yield path


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def by_hand() -> list[Path]:
    return [path for path in sources() if GENERATED not in path.parents]


def test_a_file_is_one_idea() -> None:
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in by_hand()}
    assert {path: lines for path, lines in lengths.items() if lines > FILE_LINES_MAX} == {}


def test_a_function_is_one_idea() -> None:
    long = {}
    for path in by_hand():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long[f"{name(path)}:{node.lineno} {node.name}"] = lines
    assert long == {}


def test_every_module_says_what_it_is() -> None:
    silent = [name(path) for path in sources() if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert [path for path in silent if (ROOT / path).read_text(encoding="utf-8").strip()] == []


def test_nothing_is_left_over_and_no_path_is_of_one_machine() -> None:
    found = [
        f"{name(path)}:{number}: {line.strip()[:80]}"
        for path in files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if LEFTOVER.search(line) or MACHINE_PATH.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("pattern", ["*.lock", "requirements*", "constraints*", "pip.conf", ".npmrc", "pyproject.toml"])
def test_locks_and_settings_name_no_address(pattern: str) -> None:
    assert [name(path) for path in ROOT.glob(pattern) if ADDRESS.search(path.read_text(encoding="utf-8"))] == []


def test_what_is_not_python_is_packaged() -> None:
    """A file that the wheel leaves out works in a checkout and is missing everywhere else."""
    globs = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"][
        "*"
    ]
    rest = [
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"} and not LEFT_OUT & set(path.parts)
    ]
    assert rest
    assert [name(path) for path in rest if not any(fnmatch(path.name, glob) for glob in globs)] == []


# --- documents --------------------------------------------------------------------------------------------------


def documents() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("document", documents(), ids=name)
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if path.startswith(("http://", "https://", "mailto:")):
            continue
        there = (document.parent / path) if path else document
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as its readers make them."""
    headings = re.findall(r"^#+ +(.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("record", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda path: path.stem)
def test_a_decision_has_its_three_parts(record: Path) -> None:
    lines = record.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(f"# {record.name[:4]} ")
    parts = [line for line in lines if line.startswith("## ")]
    assert [part for part in parts if part in {"## Context", "## Decision", "## Consequences"}] == [
        "## Context",
        "## Decision",
        "## Consequences",
    ]


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs" / "decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


# --- the direction of imports -----------------------------------------------------------------------------------

BAD_IMPORTS = {
    "controllers and billing never meet, and know nobody": ("billing/money.py", "import controllers.plate"),
    "the pure packages know neither the gateway nor the simulators": ("controllers/plate.py", "import gateway.wiring"),
    "the pure packages do no I/O and read no clock": ("billing/money.py", "import socket"),
    "simulators speak only the wire": ("simulators/clock.py", "import billing.money"),
    "the wire knows neither end": ("wire/client.py", "import controllers.plate"),
    "of the gateway only its command line knows the simulators": ("gateway/flows/batch.py", "import simulators.clock"),
    "only flows and the relay touch the tables": ("gateway/api/shapes.py", "import gateway.store.tables"),
    "what serves gates and prices stays loads nothing that reads workbooks or prints": (
        "gateway/flows/batch.py",
        "import segno",
    ),
    "what serves gates and prices stays starts without the engine that matches a million rows": (
        "gateway/flows/batch.py",
        "import billing.reconciliation",
    ),
    "an adapter of a payment channel knows its channel and nothing of ours": (
        "gateway/channels/wechat.py",
        "import gateway.flows.batch",
    ),
    "a provider of invoices knows what an invoice is, and nothing else of ours": (
        "gateway/invoicing/port.py",
        "import gateway.channels.port",
    ),
    "the store knows no flow, the runtime no store": ("gateway/store/keyed.py", "import gateway.flows.batch"),
}


def contracts() -> list[dict[str, object]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return list(settings["tool"]["importlinter"]["contracts"])


def test_every_contract_is_seen_to_break() -> None:
    """A contract that nobody has seen to break may hold nothing: whoever adds one adds the import that it refuses."""
    assert {str(contract["name"]) for contract in contracts()} == set(BAD_IMPORTS)


@pytest.mark.parametrize("contract", BAD_IMPORTS)
def test_a_bad_import_breaks_its_contract(contract: str, tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    seeded, line = BAD_IMPORTS[contract]
    with (tmp_path / seeded).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    program = Path(sys.executable).with_name("lint-imports")
    # Of the copy, wherever the package is installed from: PYTHONPATH comes first.
    done = subprocess.run(
        [str(program), "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "", "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    verdicts = dict(re.findall(r"^(.+?) (KEPT|BROKEN)$", done.stdout, re.MULTILINE))
    assert verdicts[contract] == "BROKEN"
