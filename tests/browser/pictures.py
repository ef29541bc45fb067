"""Takes the pictures in `docs/images`, every page in both languages, and writes the gallery that shows them.

    python -m tests.browser.pictures [--only NAME …] [--out docs/images] [--kept FOLDER]

`--only` takes these and leaves the others as they are. `--kept` is where the demo's day is put, and found the next time.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Browser, Page
from sqlalchemy import select

from gateway.api import access
from gateway.console.desk.sections import SECTIONS
from gateway.flows.pay_token import token
from gateway.flows.quote import bill_by_token
from gateway.flows.reports.catalogue import REPORTS
from gateway.store import tables as t
from simulators.world import FIRST_DAY
from tests.browser import pages, worlds
from tests.browser.chromium import PHONE, Person, chromium
from tests.browser.worlds import World

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
GALLERY = ROOT / "docs" / "gallery.md"
LANGUAGES = ("zh", "en")

_PATIENCE_MS = 120_000
_COLOURS = 64
_TALLEST_PX = 1500
_TITLE, _PART = "Title", "Subject"
# A board fetches a picture every 0.6 s.
_BOARD_MS, _OTHERS_MS = 14_000, 250

_DAY = "from=2026-03-02&to=2026-03-02"
# Pages that the demo shows better than the tests' street: at its busiest, and on the morning after. `None`: the address is the list's.
BUSY: dict[str, str | None] = {
    "board": None,
    "board as a map": None,
    "board as a list": None,
    "queue": None,
    "stays": None,
    "lane_codes": None,
    "households": None,
    "vehicles": None,
    "relatives": None,
    "certificates": None,
    "passes": None,
    "free-vehicles": None,
    "admin.sites": None,
    "admin.devices": None,
}
MORNING: dict[str, str | None] = {
    "payments": None,
    "days": None,
    "breaks": None,
    "statements": None,
    "admin.jobs": None,
    "report.flow": f"/reports/flow?by=hour&{_DAY}",
    "report beside the year before": f"/reports/flow?by=hour_of_day&compare=year&{_DAY}",
    **{f"report.{name}": f"/reports/{name}?{_DAY}" for name in REPORTS if name != "flow"},
    "policies": None,
    "public": "/open/baoqingqiao",
}
# What only pictures have: the name, the world, the address, and who looks.
DARK = "board in the dark"
FURTHER = (DARK, "day", "day of a site", "difference", "a paid stay", "own stay", "bill to pay", "receipt")
_ON_A_PHONE = re.compile(r"/(pay|lane|invoice)/")


class Shot(NamedTuple):
    """One page to be taken. `role`: who looks, or None."""

    name: str
    where: str
    role: str | None
    theme: str = "light"

    @property
    def phone(self) -> bool:
        return _ON_A_PHONE.match(self.where) is not None


def file_of(name: str, language: str) -> str:
    return f"{re.sub('[^a-z0-9]+', '-', name.lower())}.{language}.png"


class Camera:
    """Takes pages of one world; everybody who looks signs in once."""

    def __init__(self, browser: Browser, world: World, out: Path) -> None:
        self._browser, self._world, self._out = browser, world, out
        self._people: dict[tuple[str | None, bool], Person] = {}

    def takes(self, shot: Shot) -> None:
        """Writes a file a language, which says the page's heading and its part of the gallery."""
        person = self._person(shot)
        for language in LANGUAGES:
            self._one(person.page, shot, language)

    def _one(self, page: Page, shot: Shot, language: str) -> None:
        joint = "&" if "?" in shot.where else "?"
        answer = page.goto(f"{shot.where}{joint}lang={language}&theme={shot.theme}", timeout=_PATIENCE_MS)
        assert answer is not None
        assert answer.status < 500, shot
        page.wait_for_timeout(_BOARD_MS if shot.where.partition("?")[0] == "/" else _OTHERS_MS)
        size = page.viewport_size
        assert size is not None
        # A taller screen, not a "full page": that one is as narrow as a scroll bar leaves it. Nor is room kept for one.
        page.add_style_tag(content="html { scrollbar-gutter: auto !important; }")
        tall = max(size["height"], min(page.evaluate("document.documentElement.scrollHeight"), _TALLEST_PX))
        page.set_viewport_size({"width": size["width"], "height": tall})
        png = page.screenshot()
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        colours = Image.open(io.BytesIO(png)).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
        heading = page.locator("h1").first
        said = heading.inner_text() if heading.count() else page.title()
        told = PngInfo()
        told.add_itxt(_TITLE, said.partition("\n")[0])
        told.add_itxt(_PART, part_of(shot.where))
        colours.save(self._out / file_of(shot.name, language), optimize=True, pnginfo=told)
        sys.stdout.write(f"{shot.name} {language} {answer.status} {said!r}\n")

    def _person(self, shot: Shot) -> Person:
        key = (shot.role, shot.phone)
        if key not in self._people:
            how: dict[str, Any] = {"viewport": PHONE, "has_touch": True} if shot.phone else {}
            person = Person(self._browser, self._world.url, bypass_csp=True, **how)
            self._people[key] = person if shot.role is None else person.signs_in(shot.role)
        return self._people[key]


@contextmanager
def artist(browser: Browser) -> Iterator[worlds.Drawn]:
    """Draws what a camera at a lane would see of a plate."""
    page = browser.new_page(viewport={"width": 480, "height": 300})
    page.set_content(_SCENE)
    done: dict[str, bytes] = {}

    def drawn(plate: str) -> bytes:
        if plate not in done:
            page.evaluate("plate => drawn(plate)", plate)
            done[plate] = page.screenshot(type="jpeg", quality=70)
        return done[plate]

    yield drawn
    page.close()


_SCENE = """<style>
body { margin: 0; height: 300px; background: linear-gradient(#aeb9c2 0 38%, #5b6168 38% 44%, #474c52); overflow: hidden; font-family: sans-serif; }
#car { position: absolute; left: 110px; top: 70px; width: 260px; height: 190px; }
#roof { position: absolute; left: 38px; width: 184px; height: 80px; border-radius: 40px 40px 0 0; }
#glass { position: absolute; left: 52px; top: 12px; width: 156px; height: 62px; border-radius: 30px 30px 4px 4px; background: linear-gradient(#27323b, #52616d); }
#body { position: absolute; top: 72px; width: 260px; height: 96px; border-radius: 22px 22px 14px 14px; }
.lamp { position: absolute; top: 88px; width: 44px; height: 22px; border-radius: 12px; background: #f6f3df; }
.wheel { position: absolute; top: 156px; width: 42px; height: 34px; border-radius: 8px; background: #17191b; }
#plate { position: absolute; left: 65px; top: 126px; width: 130px; height: 32px; border: 2px solid #eee; border-radius: 4px; color: #fff; font: bold 22px/32px sans-serif; text-align: center; letter-spacing: 1px; }
</style><div id="car"><div id="roof"></div><div id="glass"></div><div id="body"></div><div class="lamp" style="left:14px"></div><div class="lamp" style="right:14px"></div>
<div class="wheel" style="left:18px"></div><div class="wheel" style="right:18px"></div><div id="plate"></div></div>
<script>
const paints = ["#d9dde0", "#23272b", "#8c2f2a", "#2f4a6b", "#b9b4a6", "#f2f3f3"];
function drawn(plate) {
  const sum = [...plate].reduce((all, one) => all + one.codePointAt(0), 0);
  for (const id of ["roof", "body"]) document.getElementById(id).style.background = paints[sum % paints.length];
  document.getElementById("car").style.left = 80 + sum % 60 + "px";
  const board = document.getElementById("plate");
  board.style.background = plate.length > 7 ? "#1f8f4f" : "#1d4fa3";
  board.textContent = plate;
}
</script>"""


# Whose a section is: who is seen to look at it, where more than one may.
_WHOSE = {"board": "console", "queue": "console", "stays": "console", "doors": "committee", "registers": "registrar"}
_WHOSE |= {"passes": "registrar", "money": "finance", "reports": "manager", "admin": "manager"}


def list_of(console: worlds.Console) -> dict[str, Shot]:
    """Every page that is looked at, as it is at the tests' street."""
    whose = {
        page.name: _WHOSE[section]
        for section, inside in SECTIONS.items()
        for page in inside
        if access.allowed(_WHOSE[section], *page.call)
    }
    return {name: Shot(name, where, whose.get(name, role)) for name, (where, role) in pages.every(console).items()}


def of_the_demo(listed: dict[str, Shot], there: dict[str, str | None]) -> list[Shot]:
    return [listed[name]._replace(where=where or listed[name].where) for name, where in there.items()]


def _to_pay(world: World) -> Shot:
    """The bill of a relative's vehicle that has used more than the allowance, or of anybody who has to pay, at the busiest."""
    secret, stay = world.parts.settings.secret(), t.Stay
    with world.parts.store.reading() as connection:
        inside = connection.execute(select(stay.id).where(stay.state == "inside").order_by(stay.entry_at)).scalars()
        bills = [(token(secret, one), bill_by_token(world.parts, token(secret, one))) for one in inside.all()[:400]]
    due = [
        (bool(bill["allowance"]), -number, f"/pay/{own}")
        for number, (own, bill) in enumerate(bills)
        if bill and bill["due_fen"] > 0
    ]
    return Shot("bill to pay", max(due)[2], None)


def _found(world: World) -> list[Shot]:
    """Pages of the morning whose addresses the data say: a day, a site of it with a difference, that difference, a stay that was paid."""
    with world.parts.store.reading() as connection:
        gap, stay = t.ReconciliationBreak, t.Stay
        first = connection.execute(select(gap.id, gap.site_id).order_by(gap.site_id, gap.id)).first()
        paid = connection.execute(
            select(stay.id).where(stay.state == "left", stay.paid_fen > 0).order_by(stay.exit_at.desc(), stay.id)
        ).scalars()
        paid_id = paid.first()
    assert first is not None
    return [
        Shot("day", f"/money/days/{FIRST_DAY}", "finance"),
        Shot("day of a site", f"/money/days/{FIRST_DAY}/{first.site_id}", "finance"),
        Shot("difference", f"/money/breaks/{first.id}", "finance"),
        Shot("a paid stay", f"/stays/{paid_id}", "finance"),
        Shot("receipt", f"/pay/{token(world.parts.settings.secret(), str(paid_id))}/receipt", None),
    ]


# How the gallery is divided: the heading, and what an address of it begins with.
_PARTS = (
    ("总控台、异常、停车记录 · Board, exceptions, stays: operators and guards", ("/queue", "/stays", "/corrections", "/lanes", "/lane-codes", "/emergencies", "/?", "/")),
    ("登记、月卡、优惠券 · Registers, passes, vouchers: registrars", ("/registers", "/passes", "/vouchers", "/personal-data", "/allowances")),
    ("收费与对账 · Money: tills and finance", ("/money",)),
    ("报表 · Reports: managers, auditors, the committee", ("/reports", "/zombies")),
    ("小门 · Small gates: the residents' committee", ("/doors",)),
    ("管理 · Administration: managers", ("/admin",)),
    ("驾驶员与公众 · Drivers and everybody", ("/pay", "/lane/", "/open", "/invoice")),
    ("登录与账户 · Signing in, one's account, what is not there", ("/login", "/account", "/nothing")),
)  # fmt: skip


def part_of(where: str) -> str:
    """The longest beginning decides."""
    found = [(len(begins), heading) for heading, all_of in _PARTS for begins in all_of if where.startswith(begins)]
    return max(found)[1]


def gallery(folder: Path, names: list[str]) -> str:
    """Of the pictures that are in a folder, in this order."""
    lines = [
        "# 页面一览 · Every page",
        "",
        "Every page of the console, the driver's and the public one, in Chinese and in English. Plates, names and sums are invented: the demo's street, or the tests'.",
        "Taken by `python -m tests.browser.pictures`.",
    ]
    there: dict[str, list[str]] = {heading: [] for heading, _ in _PARTS}
    for name in names:
        files = [folder / file_of(name, language) for language in LANGUAGES]
        if not all(file.is_file() for file in files):
            continue
        told = [_told(file) for file in files]
        zh, en = (one[_TITLE] for one in told)
        shown = " | ".join(f"![{one[_TITLE]}](images/{file.name})" for one, file in zip(told, files, strict=True))
        row = en if en.lower() == name.lower() else f"{en}<br>{name}"
        there[told[0][_PART]].append(f"| {zh}<br>{row} | {shown} |")
    for heading, rows in there.items():
        lines += ["", f"## {heading}", "", "| page | 中文 | English |", "|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _told(file: Path) -> dict[str, str]:
    with Image.open(file) as picture:
        picture.load()
        return {name: str(picture.info[name]) for name in (_TITLE, _PART)}


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.pictures", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--out", type=Path, default=IMAGES)
    parser.add_argument("--kept", type=Path)
    said = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as spare:
        kept = said.kept or Path(spare)
        kept.mkdir(parents=True, exist_ok=True)
        said.out.mkdir(parents=True, exist_ok=True)
        names = take(said.out, kept, set(said.only))
    if said.out.resolve() == IMAGES:
        GALLERY.write_text(gallery(IMAGES, names), encoding="utf-8")


def take(out: Path, kept: Path, only: set[str]) -> list[str]:
    """Takes all, or only these; answers the names of all, as the navigation has them, and then the others."""

    def through(world: World, shots: list[Shot]) -> None:
        camera = Camera(browser, world, out)
        for shot in shots:
            if not only or shot.name in only:
                camera.takes(shot)

    with chromium() as browser, artist(browser) as drawn:
        with worlds.street(kept, drawn) as (world, console):
            listed = list_of(console)
            own = Shot("own stay", listed["lane's code"].where + "/stay", None)
            through(world, [*(shot for name, shot in listed.items() if name not in BUSY | MORNING), own])
        if only and not only & {*BUSY, *MORNING, *FURTHER} - {own.name}:
            return [*listed, *FURTHER]
        busy, morning = worlds.a_demo(kept)
        with worlds.demo(busy, worlds.BUSY, drawn) as world:
            shots = of_the_demo(listed, BUSY)
            through(world, [*shots, listed["board"]._replace(name=DARK, theme="dark"), _to_pay(world)])
        with worlds.demo(morning, worlds.MORNING, drawn) as world:
            through(world, [*of_the_demo(listed, MORNING), *_found(world)])
    return [*listed, *FURTHER]


if __name__ == "__main__":
    main()
