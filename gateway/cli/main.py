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
# What each says of itself, whole: to list them needs none of them (a test holds the two together).
_WORDS: dict[str, str] = {
    "arrears": "What stays that have ended still owe.",
    "backup": "A consistent copy of the database while everything runs.",
    "bench": "Benchmarks, each next to its floor measured in the same run.",
    "bill": "Price a stay and explain it, without any database.",
    "bridge": "The bridge alone: any number of them with PARKGATE_SHARE_GROUP and a PARKGATE_BRIDGE_ID each.",
    "charges": "Monthly charges: property fees, and passes that are billed monthly.",
    "close": "Seal a day: its passages, ledger and cash, chained to the day before.",
    "db": "The database's schema.",
    "demo": "The whole of Hushu street on embedded parts: broker, SQLite, 26 virtual gates, traffic, payments, a live page.",
    "device": "Devices' accounts: at the broker, a new password, none at all.",
    "explain": "Explain the bills of STAY, or with --event a decision, from what was stored then.",
    "export": "Write closed days' figures to files, for finance.",
    "jobs": "Close the days when they are due, fetch statements, reconcile, hand exports on; catch up on what was missed, and look after what no event will tell.",
    "personal-data": "What is held of a person: exported on request, or erased by two members of staff (docs/privacy.md).",
    "policy": "Policies: what a stay costs.",
    "reconcile": "Match a day: passages, the ledger, the channels' statements, drawers and their counts.",
    "registry": "Households, vehicles, relatives, certificates, passes, free vehicles, the blocklist.",
    "replay": "Send the recorded stays of FILE (CSV: plate, entry, exit, optional vehicle) through a virtual gate and the real event path.",
    "restore": "A database from a copy, all of it or nothing.",
    "serve": "Everything in one process: broker (where embedded), bridge, jobs, API and console.",
    "simulate": "Simulators: virtual gates for any deployment, faults at every boundary in one process, kills of real processes.",
    "site": "Sites, gates, lanes and devices.",
    "statement": "Statements of payment channels (渠道账单): fetch them, import a file, record a day without one.",
    "user": "Staff accounts.",
    "verify": "Check that the books hold, and name the first thing that does not.",
    "web": "The API and the console, and nothing else: the bridge and the jobs are other processes.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported at first use. `places`: `module:name` by command.

    `words`: what its help says of each; without them every command is imported to be asked.
    """

    def __init__(
        self, *arguments: Any, places: Mapping[str, str], words: Mapping[str, str] | None = None, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._places = places
        self.words = words

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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.words is None:
            super().format_commands(ctx, formatter)
            return
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.words[name]) for name in self.list_commands(ctx)])


@click.group(
    cls=LazyGroup,
    places=_COMMANDS,
    words=_WORDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
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
