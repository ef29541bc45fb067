"""`parkgate`: one program, one line on standard error for whatever a user got wrong.

Exit status: 0 success, 1 what was checked does not hold, 2 bad usage or bad input.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

# Commands are loaded when they are called: `parkgate bill` need not import a web framework.
_COMMANDS: dict[str, str] = {
    "replay": "gateway.cli.replay:replay",
    "demo": "gateway.cli.demo.command:demo",
    "bridge": "gateway.cli.serve:bridge",
    "serve": "gateway.cli.serve:serve",
    "bill": "gateway.cli.bill:bill",
    "policy": "gateway.cli.policy:policy",
    "explain": "gateway.cli.explain:explain",
    "db": "gateway.cli.db:db",
    "site": "gateway.cli.site:site",
    "device": "gateway.cli.device:device",
    "user": "gateway.cli.user:user",
    "registry": "gateway.cli.registry:registry",
    "web": "gateway.cli.web:web",
    "close": "gateway.cli.close:close",
    "reconcile": "gateway.cli.reconcile:reconcile",
    "verify": "gateway.cli.verify:verify",
    "export": "gateway.cli.export:export",
    "jobs": "gateway.cli.jobs:jobs",
    "bench": "gateway.cli.bench.command:bench",
    "simulate": "gateway.cli.simulate.command:simulate",
    "charges": "gateway.cli.charges:charges",
    "arrears": "gateway.cli.arrears:arrears",
    "backup": "gateway.cli.backup:backup",
    "restore": "gateway.cli.backup:restore",
    "statement": "gateway.cli.statement:statement",
    "personal-data": "gateway.cli.personal_data:personal_data",
}


class LazyGroup(click.Group):
    """A group whose commands are imported at first use. `places`: `module:name` by command."""

    def __init__(self, *arguments: Any, places: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        place = self._places.get(cmd_name)
        if place is None:
            return None
        module, name = place.split(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=LazyGroup, places=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="parkgate", prog_name="parkgate")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings file; default ./parkgate.toml where it exists. May stand after the command as well.",
)
def cli(config: Path | None) -> None:
    """Parkgate: barriers, bills and books for residential streets (智慧停车)."""
    del config  # read by gateway.cli.common.config_option, wherever it stands


class Refusal(click.ClickException):
    """Bad usage or bad input: what, where and what to do, on one line. Exit status 2."""

    exit_code = 2


class CheckFailed(click.ClickException):
    """What was checked does not hold. Exit status 1."""

    exit_code = 1


def main(arguments: list[str] | None = None) -> None:
    """Run and exit. No traceback reaches a user for something that a user did."""
    try:
        # Without its standalone mode click returns the code of `ctx.exit(code)` instead of leaving.
        code = cli.main(arguments, prog_name="parkgate", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as problem:
        message = " ".join(problem.format_message().split())
        hint = _help_hint(problem)
        sys.stderr.write(f"parkgate: {message}{hint}\n")
        sys.exit(problem.exit_code)
    except BrokenPipeError:
        # The reader went away (`| head`): nothing to say, and nowhere to say it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)


def _help_hint(problem: click.ClickException) -> str:
    if isinstance(problem, click.UsageError) and problem.ctx is not None:
        return f" (see: {problem.ctx.command_path} --help)"
    return ""
