"""`parkgate registry import`: registers from CSV or XLSX."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.common import config_option, open_parts, operator_name, read_input
from gateway.cli.main import Refusal
from gateway.flows.registers_rows import KINDS

_PROBLEMS_SHOWN_MAX = 200

_HELP = """Import a register: all of the file, or nothing of it.

FILE is CSV (UTF-8 or GBK) or XLSX with a line of headings; importing it again changes nothing. KIND and its columns,
in English or Chinese (columns in brackets may be missing or empty):

\b
households     site 小区, household 户号, [name 户名], [area_m2 面积]
vehicles       site 小区, household 户号, plate 车牌, [vehicle 车型]
relatives      site 小区, household 户号, plate 车牌, relation 关系,
               [valid_from 有效期起], [valid_to 有效期止]
certificates   site 小区, household 户号, number 证号, issuer 发证机关,
               [valid_from 有效期起], [valid_to 有效期止]
passes         site 小区, plate 车牌, pass 月租, valid_from 有效期起, valid_to 有效期止
free-vehicles  site 小区, plate 车牌, class 类别, [valid_to 有效期止]
blocklist      site 小区, plate 车牌, reason 原因, [valid_to 有效期止]

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
@config_option
def registry_import(kind: str, file: Path, config: Path | None) -> None:
    from gateway.flows import registers

    data = read_input(file)
    with open_parts(config) as parts:
        try:
            report = registers.import_file(
                parts, kind, data, operator=operator_name(), origin="command line", source=file.name
            )
        except registers.UnreadableFile as error:
            raise Refusal(f"{file}: {error}") from None
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
    click.echo(f"{kind}: {report.added} added, {report.changed} changed, {report.unchanged} unchanged")
