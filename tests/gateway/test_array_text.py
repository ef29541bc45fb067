"""Keys travel to PostgreSQL as the text of an array: whatever a device calls its events comes out as it went in."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.store.keyed import array_text

pytestmark = [pytest.mark.postgres, pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)]
_ANYTHING = st.characters(exclude_categories=("Cs",), exclude_characters="\x00")


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(texts=st.lists(st.text(_ANYTHING) | st.sampled_from(['"', "\\", "NULL", "{}", "a,b", " ", "", "浙A12345"])))
def test_texts_come_out_as_they_went_in(database_url: str, texts: list[str]) -> None:
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT %s::text[]", [array_text(texts)]).fetchone() == (texts,)


def test_instants_too(database_url: str) -> None:
    instants = [datetime(2026, 3, 2, 1, 0, 0, 123456, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)]
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT %s::timestamptz[]", [array_text(instants)]).fetchone() == (instants,)
