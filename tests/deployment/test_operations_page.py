"""Who is called at night types what the page says: every command, option, metric, setting and table in it exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest

from gateway.cli.main import cli
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Settings
from gateway.store.tables import Base

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
CODE = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", PAGE, flags=re.DOTALL))


def commands() -> list[str]:
    """What follows `parkgate` or the compose service that stands for it, up to the end of the line or of the quoted words."""
    found = re.findall(r"(?:^|`|\s)parkgate ((?:[a-z]|--)[^`\n#]*)", CODE)
    found += re.findall(r"run --rm [^`\n]*?migrate ([a-z][^`\n#|]*)", CODE)
    return sorted({one.strip() for one in found if one.strip()})


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    command: click.Command = cli
    while words and isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"no command {words[0]} in {command.name}"
        command, words = found, words[1:]
    return command, words


def test_there_are_commands_to_check() -> None:
    assert len(commands()) > 12


@pytest.mark.parametrize("said", commands())
def test_a_command_exists_with_its_options(said: str) -> None:
    command, rest = resolve(said.split())
    known: set[str] = {"--help", *(name for one in command.params for name in one.opts)}
    assert {word for word in rest if word.startswith("--")} <= known


def metric_names() -> set[str]:
    names = set()
    for family in Metrics().registry.collect():
        endings = {"counter": ("_total",), "histogram": ("", "_bucket", "_count", "_sum")}.get(family.type, ("",))
        names |= {family.name + ending for ending in endings}
    return names


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\bparkgate_[a-z_]+", PAGE))))
def test_a_metric_exists(name: str) -> None:
    assert name in metric_names()


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"\bparkgate_[a-z_]+", (ROOT / "deploy/prometheus/alerts.yml").read_text())))
)
def test_a_metric_of_an_alert_exists(name: str) -> None:
    assert name in metric_names()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\bPARKGATE_[A-Z_]+", PAGE))))
def test_a_setting_exists(name: str) -> None:
    assert name.removeprefix("PARKGATE_").lower() in Settings.model_fields


@pytest.mark.parametrize("statement", re.findall(r"SELECT [^`]*? FROM [a-z_]+[^`]*", CODE))
def test_a_statement_names_tables_and_columns_that_exist(statement: str) -> None:
    table = re.search(r" FROM ([a-z_]+)", statement)
    assert table is not None
    if table[1].startswith("pg_"):
        return
    columns: Any = Base.metadata.tables[table[1]].columns
    listed = re.search(r"SELECT (.*?) FROM", statement)
    assert listed is not None
    words = set(re.findall(r"[a-z_]+", re.sub(r"\b(count|sum)\(", "(", listed[1])))
    assert words <= set(columns.keys())


@pytest.mark.parametrize("alert", re.findall(r"alert: (\w+)", (ROOT / "deploy/prometheus/alerts.yml").read_text()))
def test_an_alert_has_a_metric_on_the_page(alert: str) -> None:
    text = (ROOT / "deploy/prometheus/alerts.yml").read_text()
    expression = re.search(rf"alert: {alert}\n\s+expr: (.*)", text)
    assert expression is not None
    names = {re.sub(r"_bucket$", "", name) for name in re.findall(r"parkgate_[a-z_]+", expression[1])}
    assert all(name in PAGE for name in names)
