"""`parkgate bench plates`: how many misread exits find their stay, and how many wrongly. No server, no database."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Final

import click

from controllers.plate import PROVINCES, UNREAD, normalise, well_formed
from controllers.plate_match import LEAD_MIN, Inside, Read, alone, propose
from gateway.cli.bench.options import plain
from gateway.cli.bench.report import progress, table
from gateway.cli.main import CheckFailed, Refusal
from simulators.vehicles import Plates, misread

LEADS: Final = (LEAD_MIN, 2.5, 3.0)
_INSIDE, _QUICK_INSIDE = (120, 500, 3000), (120,)
_EXITS, _QUICK_EXITS = 1000, 100
_NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
# Of a plate whose first letter is its series and whose last two digits are its region: what one of GA 36 has room for.
_LIKE_OURS = 6


@dataclass(slots=True)
class Tally:
    """Of the vehicles that went out under a misread plate, and of strangers, who are none of those inside. `right` and `wrong`: decided
    alone, at each lead. `strangers_decided`: of those, which is wrong too.
    """

    source: str
    inside: int
    misread: int = 0
    first: int = 0
    listed: int = 0
    right: list[int] | None = None
    wrong: list[int] | None = None
    strangers: int = 0
    strangers_decided: list[int] | None = None
    ms_each: float = 0.0

    def __post_init__(self) -> None:
        self.right, self.wrong, self.strangers_decided = ([0] * len(LEADS) for _ in range(3))


@click.command()
@click.option(
    "--pairs",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default=None,
    help="CSV with truth and read: what a camera made of real plates. Without: misreads as the simulators make them.",
)
@click.option(
    "--plates",
    "crowd",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default=None,
    help="CSV or CSV.gz with a column plate: who is inside. Without: invented ones.",
)
@click.option("--seed", type=click.IntRange(0, 1_000_000), default=1, show_default=True)
@plain
def plates(*, pairs: Path | None, crowd: Path | None, seed: int, quick: bool, as_json: bool) -> None:
    """Misread exits against those inside: how many find their stay, how many without a person, and how many wrongly.

    Strangers are vehicles whose entry was missed: whatever is decided for them is wrong. Exit status 1 if anything is.
    """
    known = _pairs(pairs) if pairs else []
    everybody = _crowd(crowd) if crowd else _invented(max(_INSIDE) * 2, seed)
    sizes, exits = (_QUICK_INSIDE, _QUICK_EXITS) if quick else (_INSIDE, _EXITS)
    found = [_of_the_pairs(known)] if known else []
    ways: list[tuple[str, Callable[[str, Random], str]]] = [("similar characters", misread)]
    if known:
        ways.append(("errors of the pairs", _as_in([one for one in known if one[0] != one[1]])))
    with progress(len(sizes) * len(ways), "plates") as bar:
        for name, way in ways:
            for inside in sizes:
                if len(everybody) < 2 * inside:
                    raise Refusal(f"{len(everybody)} plates are too few for {inside} inside and as many strangers")
                found.append(_of_a_crowd(name, way, everybody, inside, exits, Random(seed)))  # noqa: S311 - vehicles
                bar.step()
    if as_json:
        click.echo(json.dumps([{**asdict(one), "leads": LEADS} for one in found]))
    else:
        click.echo(text(found))
    wrong = sum(sum(one.wrong or ()) + sum(one.strangers_decided or ()) for one in found)
    if wrong:
        raise CheckFailed(f"{wrong} were decided wrongly without a person")


def text(found: Sequence[Tally]) -> str:
    """The table for people; three figures in a cell are those at the leads."""
    heads = (
        "misread as",
        "inside",
        "misread",
        "first",
        "of five",
        "alone right",
        "wrong",
        "strangers",
        "wrong",
        "ms each",
    )
    rows = [
        (
            one.source,
            one.inside,
            one.misread,
            one.first,
            one.listed,
            _three(one.right),
            _three(one.wrong),
            one.strangers,
            _three(one.strangers_decided),
            one.ms_each,
        )
        for one in found
    ]
    return (
        table(heads, rows)
        + "\nThree figures: at leads of 2, 2.5 and 3 (a hundred, three hundred, a thousand times likelier)."
    )


def _three(counts: Sequence[int] | None) -> str:
    return " ".join(str(one) for one in counts or ())


def _of_the_pairs(pairs: Sequence[tuple[str, str]]) -> Tally:
    """Every vehicle of the pairs is inside; and, for each that was read right, the same without it: a stranger."""
    plates = sorted({truth for truth, _ in pairs})
    tally = Tally("the pairs", len(plates))
    for truth, read in pairs:
        if read == truth:
            _stranger(tally, read, [one for one in plates if one != truth])
        elif read not in plates:
            _leaves(tally, truth, read, plates)
    return _timed(tally)


def _of_a_crowd(
    name: str, way: Callable[[str, Random], str], everybody: Sequence[str], inside: int, exits: int, random: Random
) -> Tally:
    tally = Tally(name, inside)
    drawn = random.sample(everybody, 2 * inside)
    here, elsewhere = drawn[:inside], drawn[inside:]
    for _ in range(exits):
        truth = random.choice(here)
        read = normalise(way(truth, random))
        if read is not None and read not in here:
            _leaves(tally, truth, read, here)
    for stranger in random.sample(elsewhere, min(exits, inside)):
        _stranger(tally, stranger, here)
    return _timed(tally)


def _leaves(tally: Tally, truth: str, read: str, inside: Sequence[str]) -> None:
    began = perf_counter()
    exit_ = Read(plate=read, at=_NOW)
    candidates = propose(exit_, _stays(inside))
    tally.ms_each += perf_counter() - began
    tally.misread += 1
    tally.first += bool(candidates) and candidates[0].plate == truth
    tally.listed += any(one.plate == truth for one in candidates)
    assert tally.right is not None
    assert tally.wrong is not None
    for place, lead in enumerate(LEADS):
        decided = alone(candidates, exit_, lead)
        if decided is not None:
            (tally.right if decided.plate == truth else tally.wrong)[place] += 1


def _stranger(tally: Tally, read: str, inside: Sequence[str]) -> None:
    exit_ = Read(plate=read, at=_NOW)
    candidates = propose(exit_, _stays(inside))
    tally.strangers += 1
    assert tally.strangers_decided is not None
    for place, lead in enumerate(LEADS):
        tally.strangers_decided[place] += alone(candidates, exit_, lead) is not None


def _stays(plates: Sequence[str]) -> Iterator[Inside]:
    for plate in plates:
        yield Inside(stay=plate, read=Read(plate=plate, at=_NOW - timedelta(hours=2)))


def _timed(tally: Tally) -> Tally:
    tally.ms_each = round(1000 * tally.ms_each / max(1, tally.misread), 2)
    return tally


def _pairs(file: Path) -> list[tuple[str, str]]:
    """Truth and reading, brought to the shape of our plates where they are of another: their first six characters, of one province."""
    found = []
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            truth, read = row["truth"], row["read"]
            if truth == "None" or read == "None":
                continue
            ours = truth[0] in PROVINCES
            wanted = truth if ours else "浙" + truth[:_LIKE_OURS]
            seen = read if ours else "浙" + read[: _LIKE_OURS + len(read) - len(truth)]
            plate, as_read = normalise(wanted), normalise(seen)
            if plate and as_read and well_formed(plate):
                found.append((plate, as_read))
    return found


def _as_in(errors: Sequence[tuple[str, str]]) -> Callable[[str, Random], str]:
    """What happened to one of the pairs happens to another plate, at the same places."""
    same_length = [one for one in errors if len(one[0]) == len(one[1])]

    def way(plate: str, random: Random) -> str:
        truth, read = random.choice(same_length)
        changed = list(plate)
        for place, (stood, seen) in enumerate(zip(truth, read, strict=True)):
            if stood != seen and 0 < place < len(changed):
                others = _LETTERS if place == 1 else "0123456789" + _LETTERS
                changed[place] = seen if seen == UNREAD else random.choice(others.replace(changed[place], ""))
        return "".join(changed)

    return way


def _crowd(file: Path) -> list[str]:
    packed = file.suffix == ".gz"
    with gzip.open(file, "rt", encoding="utf-8") if packed else file.open(encoding="utf-8") as lines:
        found = {normalise(row["plate"]) for row in csv.DictReader(lines)}
    return sorted(one for one in found if one)


def _invented(count: int, seed: int) -> list[str]:
    random, book = Random(seed), Plates()  # noqa: S311 - vehicles
    return sorted(book.civil(random)[0] for _ in range(count))
