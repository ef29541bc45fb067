"""Multipart as devices write it: whatever the pieces, the lengths and the ends of lines, the same parts; bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.adapters.framing import PARTS_MAX, Frames, boundary_of, name_of, parts_of
from controllers.events import Undecodable

JPEG = b"\xff\xd8\xff\n-\r\n-\xff\xd9"
STREAM = (
    b"preamble\r\n--b\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\nHeartbeat\r\n"
    b'--b\nContent-Type: image/jpeg\nContent-Disposition: form-data; name="x"; filename="y.jpg"\n\n'
    + JPEG
    + b"\n--b\r\n"
)


@given(st.lists(st.integers(1, 30), max_size=20))
def test_the_pieces_in_which_it_arrives_do_not_matter(sizes):
    frames, parts, at = Frames(b"b"), [], 0
    for size in sizes:
        parts += frames.feed(STREAM[at : at + size])
        at += size
    parts += frames.feed(STREAM[at:])
    assert [part.body for part in parts] == [b"Heartbeat", JPEG]
    assert parts[0].headers == {"content-type": "text/plain", "content-length": "0"}
    assert name_of(parts[1]) == "x"


def test_a_body_may_lack_its_last_boundary():
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert [part.body for part in parts_of(STREAM.removesuffix(b"\n--b\r\n"), headers)] == [b"Heartbeat", JPEG]


@pytest.mark.parametrize("written", ["boundary=b", 'boundary="b"', "Boundary=b; charset=utf-8", "boundary=--b"])
def test_the_boundary_is_found(written):
    assert boundary_of({"content-type": f"multipart/x-mixed-replace; {written}"}) == b"b"


def test_no_boundary_is_said():
    with pytest.raises(Undecodable, match="not_multipart"):
        boundary_of({"content-type": "application/json"})


def test_a_part_without_end_is_given_up_and_the_stream_goes_on():
    frames = Frames(b"b", bytes_max=1000)
    frames.feed(b"--b\r\n" + b"x" * 900)
    with pytest.raises(Undecodable, match="too_large"):
        frames.feed(b"x" * 200)
    assert [part.body for part in frames.feed(b"--b\r\n\r\nnext\r\n--b")] == [b"next"]


def test_what_stands_before_the_first_boundary_is_not_kept():
    frames = Frames(b"b", bytes_max=1000)
    for _ in range(100):
        frames.feed(b"x" * 100)
    assert [part.body for part in frames.feed(b"--b\r\n\r\nfirst\r\n--b")] == [b"first"]


def test_a_form_of_thousands_of_parts_is_refused():
    body = b"--b\r\n\r\nx\r\n" * (PARTS_MAX + 2)
    with pytest.raises(Undecodable, match="too_large"):
        parts_of(body, {"content-type": "multipart/form-data; boundary=b"})
