"""Frames of the board behind the camera: as a sample has them, and never longer than a length byte can say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controllers.adapters.ledboard import crc16_modbus, frame
from tests.controllers.conformance.cases import sample_json


def test_words_to_say_are_the_sample():
    sample = sample_json("ledboard", "frames.json")
    said = frame((), "欢迎光临")
    assert said is not None
    assert said.hex() == sample["voice_0x30_welcome"]


def test_rows_and_voice():
    shown = frame(("粤B7K2M9", "欢迎光临"), "欢迎光临")
    assert shown is not None
    first, second = "粤B7K2M9".encode("gbk"), "欢迎光临".encode("gbk")
    data = (
        b"\x00\x02"
         b"\x00\x00\x01\x08\x01\xff\x00\x00\x00" + bytes([len(first)]) + first + b"\x0d"
        + b"\x01\x00\x01\x08\x01\x00\xff\x00\x00" + bytes([len(second)]) + second + b"\x00"
        + b"\x0a" + bytes([len(second)]) + second + b"\x00"
    )  # fmt: skip
    whole = b"\x00\x64\xff\xff\x6e" + bytes([len(data)]) + data
    assert shown == whole + crc16_modbus(whole).to_bytes(2, "little")


def test_nothing_to_show_or_say_is_no_frame():
    assert frame((), None) is None
    assert frame(("", "  "), "") is None


@given(st.lists(st.text(max_size=60), max_size=8), st.none() | st.text(max_size=120))
def test_whatever_is_shown_fits(rows, voice):
    made = frame(rows, voice)
    if made is not None:
        assert made[5] == len(made) - 8
        assert int.from_bytes(made[-2:], "little") == crc16_modbus(made[:-2])
