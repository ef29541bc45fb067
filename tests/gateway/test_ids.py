"""Ids are derived: the same cause gives the same id, for ever."""

import base64
import hashlib

from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.ids import derive, derive_in_site


@given(st.lists(st.text(max_size=20), max_size=4))
def test_an_id_is_base_32_of_a_digest_of_what_caused_it(parts: list[str]) -> None:
    digest = hashlib.blake2b("\x1f".join(parts).encode(), digest_size=13, person=b"parkgate").digest()
    assert derive("c", *parts) == f"c-{base64.b32encode(digest).decode().lower()[:20]}"


def test_an_id_never_changes() -> None:
    assert derive("c", "xinyi", "d1", "e1") == "c-3t42opqay5am2wnmgxhb"
    assert derive_in_site("xinyi", "d1", "e1") == "xinyi." + derive("", "xinyi", "d1", "e1")[1:]
