"""The board's layouts, and lanes whose device is away: what they last said is shown as old, in the page and by its script."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from gateway.console.pages import VIEWS
from gateway.console.words import for_script
from gateway.wiring import Parts
from tests.gateway.house import a_house, heard
from tests.gateway.test_console import signed_in

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_lane_whose_device_is_away_looks_old_in_every_layout(parts: Parts) -> None:
    house = a_house(parts)
    house.hires("kim", "console")
    heard(parts, "xinyi", at=parts.clock.now(), in_1="closed", out_1="closed")
    heard(parts, "archive", at=parts.clock.now(), online=False, in_1="open", out_1="closed")
    browser = signed_in(house)
    for view in VIEWS:
        page = browser.get(f"/?view={view}").text
        assert f'data-view="{view}"' in page
        lanes = {
            name: (stale, "（离线前）" in rest)
            for name, stale, rest in re.findall(
                r'id="lane-([a-z0-9.-]+)".*?data-stale="(\w+)"(.*?)</li>', page, re.DOTALL
            )
        }
        assert lanes == {
            **dict.fromkeys(("xinyi.in-1", "xinyi.out-1"), ("no", False)),
            **dict.fromkeys(("archive.in-1", "archive.out-1"), ("yes", True)),
        }
    assert 'data-view="cards"' in browser.get("/?view=hologram").text


def test_the_script_has_every_word_that_it_says() -> None:
    script = (files("gateway.console") / "static" / "board.js").read_text(encoding="utf-8")
    wanted = set(re.findall(r"\bwords\.(\w+)", script))
    assert wanted
    for lang in ("zh", "en"):
        words = for_script(lang)["words"]
        assert isinstance(words, dict)
        assert wanted <= words.keys()
