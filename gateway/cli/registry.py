"""`parkgate registry import`: registers from CSV or XLSX."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from gateway.cli.common import config_option, open_parts, operator_name, read_input
from gateway.cli.main import Refusal
from gateway.flows.registers_rows import KINDS

_PROBLEMS_SHOWN_MAX = 200

_HELP = """Import a register: all of the file, or nothing of it.

FILE is CSV (UTF-8 or GBK) or XLSX with a line of headings; importing it again changes nothing. KIND and its columns,
in English or Chinese (columns in brackets may be missing or empty; a column that is missing leaves what is
registered as it is, an empty cell empties it):

\b
households     site 小区, household 户号, [name 户名], [area_m2 面积]
vehicles       site 小区, household 户号, plate 车牌, [vehicle 车型]
relatives      site 小区, household 户号, plate 车牌, relation 关系,
               [name 亲属姓名], [resident 住户姓名], [evidence 证明], [approver 审批人]
certificates   site 小区, household 户号, number 证号, issuer 发证机关
passes         site 小区, plate 车牌, pass 月租, valid_from 有效期起, valid_to 有效期止
free-vehicles  site 小区, plate 车牌, class 类别, valid_to 有效期止
blocklist      site 小区, plate 车牌, reason 原因
all            [valid_from 有效期起], [valid_to 有效期止]

\b
vehicle   small 小型, large 大型, motorcycle 摩托车
relation  parent 父母, child 子女, grandparent 祖父母, grandchild 孙子女,
          child_in_law 儿媳女婿, and what the policies name

A day (YYYY-MM-DD) is local, and a valid_to that is a day is valid to its end; an instant (RFC 3339) is exact.
"""


@click.group()
def registry() -> None:
    """Households, vehicles, relatives, certificates, passes, free vehicles, the blocklist."""


@registry.command("import", help=_HELP)
@click.argument("kind", type=click.Choice(tuple(KINDS)))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--reason", default="", help="Why, for the history of what changes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, bad rows included.")
@config_option
def registry_import(kind: str, file: Path, *, dry_run: bool, reason: str, as_json: bool, config: Path | None) -> None:
    from gateway.flows import registers
    from gateway.flows.refusals import Invalid

    data = read_input(file)
    with open_parts(config) as parts:
        try:
            report = registers.import_file(
                parts,
                kind,
                data,
                operator=operator_name(),
                origin="command line",
                source=file.name,
                reason=reason,
                preview=dry_run,
            )
        except registers.UnreadableFile as error:
            raise Refusal(f"{file}: {error}") from None
        except Invalid as error:
            raise Refusal(str(error)) from None
    if as_json:
        # Of certificates only counts: a terminal has bystanders.
        told = msgspec.structs.replace(report, changes=()) if kind == "certificates" else report
        click.echo(msgspec.json.encode(told).decode())
    if not report.ok:
        for problem in report.problems[:_PROBLEMS_SHOWN_MAX]:
            click.echo(f"{file}: {problem}", err=True)
        more = len(report.problems) - _PROBLEMS_SHOWN_MAX
        if more > 0:
            click.echo(f"… and {more} more", err=True)
        count = len(report.problems)
        raise Refusal(
            f"{file}: {count} bad row{'s' if count > 1 else ''}, nothing was imported; correct them and import again"
        )
    if as_json:
        return
    for one in report.changes:
        click.echo(f"line {one.line}: {one.action}{_what(kind, one.before, one.after)}")
    would = "would be " if dry_run else ""
    click.echo(f"{kind}: {report.added} {would}added, {report.changed} {would}changed, {report.unchanged} unchanged")


def _what(kind: str, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> str:
    """What a change changes. Of certificates only that it does."""
    if kind == "certificates":
        return ""
    names = [name for name in after if before is not None and before[name] != after[name]]
    told = [f"{name} {_word((before or {})[name])} → {_word(after[name])}" for name in names]
    key = " ".join(str(after[name]) for name in ("household", "plate") if name in after)
    return f" {key}" + (f": {', '.join(told)}" if told else "")


def _word(value: Any) -> str:
    if value is None or value == "":
        return "–"
    return value.isoformat() if isinstance(value, datetime) else str(value)
