"""The page on adding a vendor is true: the vendor that it makes up passes the suite, and each thing it warns of fails it."""

from __future__ import annotations

import re
import subprocess
import sys
import types
from pathlib import Path
from random import Random

import click
import pytest

from controllers import commands, events, plate
from controllers.adapters import port, reading
from controllers.adapters.port import Adapter
from controllers.adapters.registry import ADAPTERS
from gateway.cli.main import cli
from gateway.flows import estate_file
from simulators.devices import speaking
from tests.controllers.conformance import cases as suite_cases
from tests.controllers.conformance.cases import Cases
from tests.controllers.conformance.checks import CHECKS
from tests.controllers.conformance.fuzzing import try_damaged

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```python\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
ADAPTER, TABLES = "controllers/adapters/linden.py", "tests/controllers/adapters/linden/cases.py"
DEVICE = "simulators/devices/mqtt_linden.py"
CHECK = {check.__name__: check for check in CHECKS}


def run(path: str, *changed: tuple[str, str]) -> types.ModuleType:
    code = BLOCKS[path]
    for as_it_is, other in changed:
        assert as_it_is in code
        code = code.replace(as_it_is, other)
    module = types.ModuleType(Path(path).stem)
    exec(compile(code, path, "exec"), vars(module))
    return module


def linden(*changed: tuple[str, str]) -> Adapter:
    return run(ADAPTER, *changed).Linden()


def tables(*changed: tuple[str, str]) -> Cases:
    return run(TABLES, *changed).CASES


@pytest.mark.parametrize("check", CHECK)
def test_the_vendor_of_the_page_conforms(check: str) -> None:
    CHECK[check](linden(), tables())


def test_and_survives_damage() -> None:
    adapter, cases = linden(), tables()
    for seed in range(1000):
        try_damaged(adapter, cases, Random(seed))


def test_and_would_in_gbk() -> None:
    """As the page says that such a vendor is read and told."""
    read = ("self.payload_bytes_max)", 'self.payload_bytes_max, encoding="gb18030")')
    adapter = linden(read, ("_json(document))", '_json(document).decode().encode("gb18030"))'))
    cases = tables(("as_json(document)", 'as_json(document, "gb18030")'))
    for check in CHECK.values():
        check(adapter, cases)
    for seed in range(300):
        try_damaged(adapter, cases, Random(seed))
    with pytest.raises(AssertionError):
        CHECK["orders_become_bytes"](adapter, tables(("raise", "rise")))


@pytest.mark.parametrize(
    ("check", "as_it_is", "as_it_should_not_be"),
    [
        ("samples_say_what_is_expected", "instant_of_text(said.t, fitting.zone)", "instant_of_text(said.t, UTC)"),
        ("samples_say_what_is_expected", "buffered=said.old != 0", "buffered=False"),
        ("samples_say_what_is_expected", "share_of_percent(said.sure)", "said.sure"),
        ("samples_say_what_is_expected", "if said.ok:", "if said.ok is not None:"),
        ("a_repeat_is_the_same_event", "id_of(said.n, said.t or", "id_of(said.n, now or"),
        ("a_repeat_is_the_same_event", "id_of(said.n, said.t", "id_of(said.plate, said.t"),
        ("a_repeat_is_the_same_event", "at=at or now,\n        lane", "at=now,\n        lane"),
        ("nothing_is_a_plate_that_is_none", "plate=normalise(raw)", "plate=raw"),
        ("colours_are_ours", "colour_of(said.tone)", "colour_of('blue')"),
        ("another_device_is_refused", "!= fitting.serial", "== 'nobody'"),
        ("a_lane_that_nobody_fitted_is_refused", "fitting.lane_of(said.gate).id", "'in-1'"),
        ("it_listens_to_literal_topics", 'f"linden/{fitting.serial}/say"', '"linden/+/say"'),
        ("it_listens_to_literal_topics", 'f"linden/{fitting.serial}/say"', '"linden/all"'),
        ("whatever_serial_is_fitted_is_heard", "([^/]{1,64})", "([0-9a-z]{1,40})"),
        ("whatever_serial_is_fitted_is_heard", "if not fitting.serial:", "if False:"),
        ("noise_has_a_code", "text_of(said.plate", "str.encode(said.plate"),
        ("noise_has_a_code", "message.payload, self.payload_bytes_max", "message.payload, 10**9"),
        ("orders_become_bytes", '"raise"', '"rise"'),
        ("every_action_is_told_or_refused", "if order.action not in _WORDS", "if False"),
        ("every_action_is_told_or_refused", "fitting.lane_named(order.lane)", "fitting.lanes[0]"),
        ("every_action_is_told_or_refused", "frozenset(_WORDS)", "frozenset(Action)"),
        ("a_command_is_never_kept_for_later", "payload=_json(document))", "payload=_json(document), retain=True)"),
        ("a_command_is_never_kept_for_later", "in part.add\n", "in part.add[1:]\n"),
    ],
)
def test_the_suite_sees_what_is_wrong(check: str, as_it_is: str, as_it_should_not_be: str) -> None:
    assert BLOCKS[ADAPTER].count(as_it_is) == 1
    adapter = linden((as_it_is, as_it_should_not_be))
    with pytest.raises((Exception, pytest.fail.Exception)):
        CHECK[check](adapter, tables())


def test_the_page_names_every_check() -> None:
    assert re.findall(r"^\| `(\w+)` \| (?=.*)", PAGE.split("## What the suite asks")[1], re.MULTILINE) == list(CHECK)


@pytest.mark.parametrize("vendor", ADAPTERS)
def test_the_page_names_every_vendor_with_its_features(vendor: str) -> None:
    """Whoever adds a vendor adds its row to the table of the page, with the words that its fitting may hold."""
    row = next((line for line in PAGE.splitlines() if line.startswith(f"| `{vendor}`")), "")
    assert row, f"docs/adapters.md has no row for {vendor} in its table of what is served"
    assert {feature for feature in ADAPTERS[vendor].features if f"`{feature}`" not in row} == set()


def test_what_the_page_names_is_there() -> None:
    """Files and folders of the repository, what it says of the port and of its helpers, tests, commands and links."""
    plain = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`([^`\n]+)`", plain))
    paths = {one for one in named if re.fullmatch(r"(?:controllers|simulators|tests|gateway|rules)/[\w/.-]+", one)}
    assert len(paths) > 10
    assert {one for one in paths if not (ROOT / one).exists() and "linden" not in one} == set()
    modules = {one for one in named if re.fullmatch(r"\w+\.py|\w+/", one)}
    assert {one for one in modules if not (ROOT / "controllers" / "adapters" / one).exists()} == set()
    words = {one for one in named if re.fullmatch(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*", one)} - {"Linden", "None"}
    assert {"Published", "Heard", "Capabilities"} <= words
    known = (port, commands, events)
    assert {one for one in words if not any(hasattr(module, one) for module in known)} == set()
    functions = {one.partition("(")[0] for one in named if re.fullmatch(r"\w+_\w+\(.*\)", one)}
    functions |= {"instant_of_text", "normalise", "dialect_of", "lane_of"} & named
    homes = (reading, suite_cases, plate, speaking, port.Fitting, port.FittedLane)
    assert {one for one in functions if not any(hasattr(home, one) for home in homes)} == set()
    follows = PAGE.split("| `Capabilities` | what follows |")[1].split("\n\n")[0]
    fields = "".join(re.findall(r"^\| (`.+?) \|", follows, re.MULTILINE))
    assert set(re.findall(r"`([a-z_]+)(?:=False)?`", fields)) == set(port.Capabilities.__struct_fields__)
    headings = re.findall(r"^#+ (.+)$", plain, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors


@pytest.mark.parametrize("path", [ADAPTER, TABLES, DEVICE])
def test_its_code_is_as_ours(path: str) -> None:
    """Whoever copies it passes `make check`."""
    for said in (["check", "--quiet"], ["format", "--check", "--diff"]):
        ruff = [sys.executable, "-m", "ruff", *said, "--stdin-filename", str(ROOT / path), "-"]
        told = subprocess.run(ruff, input=BLOCKS[path], capture_output=True, text=True, check=False, cwd=ROOT)
        assert told.returncode == 0, told.stdout + told.stderr


def test_its_commands_are_there() -> None:
    said = re.findall(r"^parkgate (.+?)(?: +#.*)?$", PAGE, re.MULTILINE)
    assert len(said) >= 5
    for line in said:
        group: click.Command = cli
        for word in line.split():
            if not isinstance(group, click.Group):
                break
            group = group.get_command(click.Context(group), word) or pytest.fail(line)
        options = {name for one in group.params for name in one.opts}
        assert set(re.findall(r"--[a-z-]+", line)) <= options, line


def test_its_site_file_is_one() -> None:
    """But for the vendor that is made up."""
    (text,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    with pytest.raises(estate_file.EstateInvalid) as caught:
        estate_file.parse(text)
    assert len(str(caught.value).splitlines()) <= 3
    assert len(estate_file.parse(text.replace("linden", "xinlutong")).devices) == 2
