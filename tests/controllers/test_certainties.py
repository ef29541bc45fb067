"""How certain a camera is of each character: only where it says so of every one."""

from __future__ import annotations

import pytest

from controllers.adapters.hikvision import Hikvision
from controllers.events import PlateEvent
from tests.controllers.adapters.hikvision.cases import PUSHES, pushed, with_word
from tests.controllers.conformance.cases import NOW


@pytest.mark.parametrize(
    ("word", "certainties"),
    [
        ("99,99,98,99,97,99,100", (0.99, 0.99, 0.98, 0.99, 0.97, 0.99, 1.0)),
        ("99,99,98,99,97,99", ()),
        ("99,99,98,99,97,99,99,99", ()),
        ("99,99,98,99,97,99,101", ()),
        ("99,99,98,99,97,99,", ()),
        ("", ()),
        ("x", ()),
    ],
)
def test_hikvision_says_it_in_percent(word: str, certainties: tuple[float, ...]) -> None:
    heard = Hikvision().decode(pushed(with_word("plateCharBelieve", word)), PUSHES, NOW)
    [event] = [one for one in heard.said if isinstance(one, PlateEvent)]
    assert event.plate == "粤B7K2M9"
    assert event.certainties == certainties
