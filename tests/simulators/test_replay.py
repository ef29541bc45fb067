"""Reading recorded stays, and what is wrong with them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from controllers.events import VehicleType
from simulators.replay import BadRecord, read_stays

SHANGHAI = ZoneInfo("Asia/Shanghai")


def stays(text, **bounds):
    return list(read_stays(text.splitlines(keepends=True), SHANGHAI, **bounds))


def test_local_times_are_in_the_zone_and_others_keep_their_offset():
    (stay,) = stays("plate,entry,exit\n浙a·12345,2026-03-02 09:00:00,2026-03-02T03:30:00Z\n")
    assert stay.plate == "浙A12345"
    assert stay.entry == datetime(2026, 3, 2, 1, tzinfo=UTC)
    assert stay.exit == datetime(2026, 3, 2, 3, 30, tzinfo=UTC)
    assert stay.line == 2


def test_columns_come_in_any_order_and_others_are_kept():
    (stay,) = stays("\ufeffnote,vehicle,exit,entry,plate\nx,large,2026-03-02T10:00,2026-03-02T09:00,A1\n")
    assert stay.vehicle is VehicleType.LARGE
    assert stay.fields["note"] == "x"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "line 1: the file is empty"),
        ("plate,entry\n", "line 1: the heading lacks exit"),
        ("plate,entry,exit,exit\n", "line 1: the heading names a column twice"),
        ("plate,entry,exit\nA1,2026-03-02T09:00\n", "line 2: 2 cells, but the heading has 3"),
        ("plate,entry,exit\n,2026-03-02T09:00,2026-03-02T10:00\n", "line 2: plate '' is not a plate"),
        ("plate,entry,exit\nA1,yesterday,2026-03-02T10:00\n", "line 2: entry 'yesterday' is not a time"),
        ("plate,entry,exit\nA1,2026-03-02T09:00,\n", "line 2: exit '' is not a time"),
        ("plate,entry,exit\nA1,2026-03-02T09:00,2026-03-02T08:59\n", "line 2: the exit .* lies before the entry"),
        ("plate,entry,exit\nA1,0001-01-01T00:00,2026-03-02T08:59\n", "line 2: entry .* is out of range"),
        ("plate,entry,exit,vehicle\nA1,2026-03-02T09:00,2026-03-02T10:00,bus\n", "line 2: vehicle 'bus' is none of"),
        ("plate,entry,exit\n" + "A" * 2000 + "\n", "line 2: longer than"),
        ('plate,entry,exit\n"A1"x,2026-03-02T09:00,2026-03-02T10:00\n', "line 2: not CSV"),
        ("plate,entry,exit\n" + "A1,2026-03-02T09:00,2026-03-02T10:00\n" * 3, "line 4: more than 2 stays"),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_what_is_wrong(text, what):
    with pytest.raises(BadRecord, match=what):
        stays(text, rows_max=2)
