"""Plates: one form for one vehicle, and what a plate shows. The standard's shapes, and what cameras and lists make of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.events import PlateColour, VehicleType
from controllers.plate import (
    PLATE_LENGTH_MAX,
    PROVINCES,
    PlateClass,
    masked,
    normalise,
    plate_class,
    shown_size,
    well_formed,
)

SERIAL = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"


@pytest.mark.parametrize(
    ("raw", "plate"),
    [
        ("浙A12345", "浙A12345"),
        ("浙a·12345", "浙A12345"),
        (" 浙Ａ１２３４５ ", "浙A12345"),
        ("浙A-123.45", "浙A12345"),
        ("浙A1O34I", "浙A10341"),  # a serial has neither O nor I
        ("京0A1234", "京OA1234"),  # an office is no digit
        ("浙AOI23警", "浙A0123警"),
        ("浙AD1O345", "浙AD10345"),
        ("滬A12345", "沪A12345"),
        ("粵Z1234港", "粤Z1234港"),
        ("浙A123挂", "浙A123挂"),  # too short for a trailer: left as it was read
        ("浙A12*45", "浙A12?45"),
        ("浙0112345", "浙0112345"),  # a tractor's office is digits
        ("WJ浙O1234", "WJ浙O1234"),  # no office, so that nothing is put right
        ("FOREIGN1", "FOREIGN1"),
    ],
)
def test_one_vehicle_has_one_form(raw: str, plate: str) -> None:
    assert normalise(raw) == plate


@pytest.mark.parametrize("raw", [None, "", "noPlate", "null", "无牌车", "_无_", "00000000", "1111111", "****", " - "])
def test_what_devices_write_for_no_plate_is_none(raw: str | None) -> None:
    assert normalise(raw) is None


@given(st.one_of(st.text(max_size=20), st.text(alphabet=PROVINCES + SERIAL + "OI?·挂警", max_size=9)))
def test_the_form_is_its_own_form(raw: str) -> None:
    once = normalise(raw)
    if once is not None:
        assert normalise(once) == once
        assert len(once) <= PLATE_LENGTH_MAX


@given(st.sampled_from(PROVINCES), st.sampled_from("ABCO"), st.text(alphabet=SERIAL + "OI", min_size=5, max_size=6))
def test_no_serial_keeps_an_o_or_an_i(province: str, office: str, serial: str) -> None:
    plate = normalise(province + office + serial)
    assert plate is not None
    assert plate[1] == office
    assert not set(plate[2:]) & set("OI")


@pytest.mark.parametrize(
    ("plate", "colour", "is_"),
    [
        ("浙A12345", PlateColour.BLUE, PlateClass.CIVIL),
        ("浙AD12345", PlateColour.GREEN, PlateClass.NEW_ENERGY),
        ("浙A12345D", None, PlateClass.NEW_ENERGY),
        ("浙A1234挂", PlateColour.YELLOW, PlateClass.TRAILER),
        ("浙A1234学", PlateColour.YELLOW, PlateClass.COACH),
        ("浙A1234警", PlateColour.WHITE, PlateClass.POLICE),
        ("浙A1234应急", None, PlateClass.EMERGENCY),
        ("粤Z1234港", PlateColour.BLACK, PlateClass.HONG_KONG),
        ("粤Z1234澳", PlateColour.BLACK, PlateClass.MACAU),
        ("使014578", PlateColour.BLACK, PlateClass.EMBASSY),
        ("224578使", PlateColour.BLACK, PlateClass.EMBASSY),
        ("沪A0023领", PlateColour.BLACK, PlateClass.CONSULATE),
        ("WJ浙12345", PlateColour.WHITE, PlateClass.ARMED_POLICE),
        ("KA12345", PlateColour.WHITE, PlateClass.MILITARY),
        ("KA12345", None, PlateClass.MILITARY),
        ("AD12345", PlateColour.GREEN, PlateClass.CIVIL),  # a green plate whose province was not read is no army
        ("浙A12345临", None, PlateClass.TEMPORARY),
        ("临浙A12345", None, PlateClass.TEMPORARY),
        ("浙0112345", PlateColour.GREEN, PlateClass.AGRICULTURAL),
        ("浙A12?45", PlateColour.BLUE, PlateClass.CIVIL),
    ],
)
def test_a_plate_shows_its_class(plate: str, colour: PlateColour | None, is_: PlateClass) -> None:
    assert normalise(plate) == plate
    assert plate_class(plate, colour) is is_


def test_a_plate_shows_the_size_where_it_can() -> None:
    assert shown_size("浙AD12345") is VehicleType.SMALL
    assert shown_size("浙A12345D") is VehicleType.LARGE
    assert shown_size("浙A12345", PlateColour.YELLOW) is VehicleType.LARGE
    assert shown_size("浙A12345", PlateColour.BLUE) is VehicleType.SMALL
    assert shown_size("浙A12345") is None


def test_the_standard_knows_its_own_plates_and_no_others() -> None:
    assert all(well_formed(one) for one in ("浙A12345", "京OA1234", "浙AD12345", "使014578", "浙A1234警"))
    assert not any(well_formed(one) for one in ("浙A1234", "浙A12?45", "A238EC34", "浙A123456"))


@pytest.mark.parametrize(("plate", "shown"), [("浙A12345", "浙A···45"), ("浙AD12345", "浙A···45"), ("A12", "···")])
def test_a_plate_is_masked(plate: str, shown: str) -> None:
    assert masked(plate) == shown
