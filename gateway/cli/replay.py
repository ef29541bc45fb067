"""`parkgate replay`: recorded stays through a virtual gate, the broker and the real event path."""

from __future__ import annotations

import csv
import io
import signal
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from billing.money import yuan
from billing.policy import Policy, PolicyError, parse
from controllers.adapters.native import valid_name
from controllers.passages import State
from gateway.cli.common import read_text
from gateway.cli.export import write_whole
from gateway.cli.main import CheckFailed, Refusal
from simulators.replay import LINE_CHARACTERS_MAX, BadRecord, RecordedStay, Replay, read_stays

if TYPE_CHECKING:
    from gateway.cli.replay_run import Came
    from simulators.traffic import Turn

RESULT_COLUMNS = ("stay", "gross_fen", "payable_fen", "state")
STATES = (State.LEFT, State.MISSING_EXIT, State.NO_ENTRY, State.EXCEPTION)
# The heading is found in the first lines, for a file that has nothing else.
_HEADING_LINES_MAX = 20
_LINE_BYTES_MAX = 4 * LINE_CHARACTERS_MAX
_FIRST, _LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2999, 12, 31, tzinfo=UTC)


@click.command()
@click.argument("file")
@click.option("--site", default="replay", show_default=True, metavar="S", help="The site's id.")
@click.option(
    "--policy", "policy_file", metavar="FILE", help="The policy (TOML) for all stays; default Hushu street's."
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Simulated seconds a second; default as fast as it goes.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="RESULT.csv", help="Default standard output.")
def replay(file: str, site: str, policy_file: str | None, speed: float | None, out: Path | None) -> None:
    """Send the recorded stays of FILE (CSV: plate, entry, exit, optional vehicle) through a virtual gate and the real event path.

    Runs on embedded parts of its own, with a simulated clock. Whatever is due is paid at the exit. The result has a line for each
    recorded stay: its columns, and stay, gross_fen, payable_fen, state.
    """
    policy, policy_text = _policy(policy_file)
    if not valid_name(site):
        raise Refusal(f"--site {site[:60]!r}: a site's id has 1 to 40 of a-z, 0-9 and - (street is reserved)")
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise Refusal(f"--out {out}: not a file in a folder that is there; give the path of a file to write")
    heading, stays = read_recorded(file, ZoneInfo(policy.timezone))
    came = _conducted(Replay(stays, site), policy, policy_text, speed)
    _write(_csv(heading, stays, came), out)
    click.echo(summary(came), err=True)


def read_recorded(file: str, zone: ZoneInfo) -> tuple[list[str], list[RecordedStay]]:
    """A file's heading and its stays. Raises `Refusal` naming the file, the line and what is wrong."""
    first: list[str] = []

    def watched(lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            if len(first) < _HEADING_LINES_MAX:
                first.append(line.removeprefix("\ufeff") if not first else line)
            yield line

    try:
        with Path(file).open("rb") as source:
            stays = [_in_range(stay) for stay in read_stays(watched(_lines(source)), zone)]
    except BadRecord as problem:
        raise Refusal(f"{file}: {problem}") from None
    except (OSError, ValueError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise Refusal(f"{file}: {why}; give the path of a CSV file") from None
    heading = list(stays[0].fields) if stays else [cell.strip() for cell in next(csv.reader(first))]
    if taken := [column for column in RESULT_COLUMNS if column in heading]:
        raise Refusal(f"{file}: line 1: the result adds a column {taken[0]}, and the file has one already; rename it")
    return heading, stays


def summary(came: list[Came]) -> str:
    """The one line at the end."""
    count = Counter(one.state for one in came)
    states = ", ".join(f"{count[state]} {state}" for state in STATES)
    gross, payable = (sum(getattr(one, name) for one in came) for name in ("gross_fen", "payable_fen"))
    stays = "1 recorded stay" if len(came) == 1 else f"{len(came)} recorded stays"
    return f"{stays}: {states}; gross {yuan(gross)} yuan, payable {yuan(payable)} yuan"


def _policy(policy_file: str | None) -> tuple[Policy, str]:
    from gateway.cli.demo.house import rule_file

    text = read_text(Path(policy_file)) if policy_file is not None else rule_file("hushu.toml")
    try:
        return parse(text), text
    except PolicyError as problem:
        raise Refusal(f"{policy_file}: {problem}") from None


def _lines(source: io.BufferedIOBase) -> Iterator[str]:
    number = 0
    while raw := source.readline(_LINE_BYTES_MAX + 1):
        number += 1
        try:
            # Of a line that is too long only its beginning is read, which may end within a character.
            yield raw.decode(errors="replace" if len(raw) > _LINE_BYTES_MAX else "strict")
        except UnicodeDecodeError:
            raise BadRecord(f"line {number}: not UTF-8; save the file as UTF-8") from None


def _in_range(stay: RecordedStay) -> RecordedStay:
    for column, at in (("entry", stay.entry), ("exit", stay.exit)):
        if not _FIRST <= at < _LAST:
            raise BadRecord(f"line {stay.line}: {column} {stay.fields[column][:40]!r} is not between 1970 and 2999")
    return stay


def _conducted(replay: Replay, policy: Policy, policy_text: str, speed: float | None) -> list[Came]:
    """The run itself. Nothing of it is kept but what became of each stay."""
    if not replay.stays:
        return []
    from tqdm import tqdm

    from gateway.bridge.embedded import BrokerDidNotStart
    from gateway.cli.replay_run import Run
    from gateway.runtime import logs
    from gateway.runtime.settings import SettingsError
    from simulators.yard import Unanswered

    logs.configure("warning", form="text")
    with (
        _stopping() as stop,
        tempfile.TemporaryDirectory(prefix="parkgate-replay-") as folder,
        # disable=None: a bar on a terminal, none in a pipe.
        tqdm(total=2 * len(replay.stays), unit="read", file=sys.stderr, disable=None, leave=False) as bar,
    ):

        def read(_turn: Turn) -> None:
            bar.update()

        try:
            with Run(replay, Path(folder), policy, policy_text, speed=speed, stop=stop, on_read=read) as run:
                if not run.conduct():
                    raise CheckFailed("stopped before the last recorded stay; nothing was written")
                return [came for _, came in run.results()]
        except SettingsError as problem:  # in the environment
            raise Refusal(str(problem)) from None
        except (BrokerDidNotStart, Unanswered) as problem:
            raise CheckFailed(f"{problem}; nothing was written") from None


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM end the run between two reads, so that the broker does not outlive it."""
    stop = threading.Event()

    def leave(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {one: signal.signal(one, leave) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _csv(heading: list[str], stays: list[RecordedStay], came: list[Came]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*heading, *RESULT_COLUMNS])
    for stay, one in zip(stays, came, strict=True):
        writer.writerow([*stay.fields.values(), one.stay, one.gross_fen, one.payable_fen, one.state.value])
    return text.getvalue().encode()


def _write(content: bytes, out: Path | None) -> None:
    """Whole or not at all."""
    if out is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        if out.exists() and not out.is_file():
            out.write_bytes(content)  # a pipe or a device is written to, never replaced by a file
        else:
            write_whole(out, content)
    except OSError as problem:
        raise Refusal(f"--out {out}: {problem.strerror or problem}; give a file that can be written") from None
