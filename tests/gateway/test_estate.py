"""Applying a site file, and what it makes of devices' accounts."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from controllers.adapters.port import FittedLane, Fitting
from gateway.flows import estate
from gateway.flows.credentials import DeviceCredentials
from gateway.flows.estate import EstateInvalid
from gateway.flows.estate_file import parse
from gateway.store import tables as t
from gateway.store.fittings import load_fittings
from gateway.wiring import Parts
from tests.gateway.house import DEVICE_PASSWORD, LANES, site_file


def rows(parts: Parts, model: Any) -> list[Any]:
    with parts.store.reading() as connection:
        return list(connection.execute(select(model).order_by(*model.__table__.primary_key.columns)))


def test_a_new_estate_is_there_with_its_books_and_its_credentials_once(parts: Parts) -> None:
    applied = estate.apply(parts, site_file("xinyi", password=None))
    (made,) = applied.credentials
    assert (made.site, made.device, made.username) == ("xinyi", "d1", "xinyi.d1")
    assert len(made.password) > 20
    (device,) = rows(parts, t.Device)
    assert device.password_hash.startswith("$argon2id$")
    assert made.password not in device.password_hash
    (books,) = rows(parts, t.SiteBooks)
    assert books.opened_on.isoformat() == "2026-03-02"
    assert [lane.offline_exit for lane in rows(parts, t.Lane)] == [False, False]


def test_applying_again_changes_nothing_and_shows_no_password(parts: Parts) -> None:
    estate.apply(parts, site_file("xinyi"))
    before = [rows(parts, model) for model in (t.Site, t.Gate, t.Lane, t.Device, t.SiteBooks, t.AuditEntry)]
    applied = estate.apply(parts, site_file("xinyi"))
    assert (applied.credentials, applied.added, applied.changed, applied.disabled) == ((), 0, 0, 0)
    assert before == [rows(parts, model) for model in (t.Site, t.Gate, t.Lane, t.Device, t.SiteBooks, t.AuditEntry)]


def test_what_is_missing_is_disabled_and_comes_back(parts: Parts) -> None:
    estate.apply(parts, site_file("xinyi", "archive"))
    credentials = DeviceCredentials(parts.store)
    assert credentials.verify("archive.d1", DEVICE_PASSWORD) == ("archive", "d1")
    applied = estate.apply(parts, site_file("xinyi"))
    assert applied.disabled == 5  # the site, its gate, its device, its two lanes
    assert {site.id: site.enabled for site in rows(parts, t.Site)} == {"archive": False, "xinyi": True}
    assert credentials.verify("archive.d1", DEVICE_PASSWORD) is None
    back = estate.apply(parts, site_file("xinyi", "archive"))
    assert (back.credentials, back.added, back.changed) == ((), 0, 5)
    assert credentials.verify("archive.d1", DEVICE_PASSWORD) == ("archive", "d1")


def test_an_exit_where_nobody_is_on_site_lets_out_without_a_connection(parts: Parts) -> None:
    unattended = LANES.replace('tier = "main"\n  staffed = true', 'tier = "middle"')
    estate.apply(parts, site_file("xinyi", lanes=unattended))
    assert {lane.id: lane.offline_exit for lane in rows(parts, t.Lane)} == {"in-1": False, "out-1": True}


def test_a_password_in_the_file_replaces_the_one_before(parts: Parts) -> None:
    estate.apply(parts, site_file("xinyi"))
    credentials = DeviceCredentials(parts.store)
    assert credentials.verify("xinyi.d1", DEVICE_PASSWORD)
    applied = estate.apply(parts, site_file("xinyi", password="another one"))
    assert applied.passwords_changed == ("xinyi.d1",)
    assert applied.credentials == ()
    assert credentials.verify("xinyi.d1", DEVICE_PASSWORD) is None, "the old one is remembered no longer"
    assert credentials.verify("xinyi.d1", "another one") == ("xinyi", "d1")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("xinyi.d2", DEVICE_PASSWORD),
        ("xinyi", DEVICE_PASSWORD),
        ("", ""),
        ("xinyi.d1", "wrong"),
        (None, None),
        ("xinyi.d1", b"\xff"),
    ],
)
def test_nobody_else_is_that_device(parts: Parts, name: str | None, password: Any) -> None:
    estate.apply(parts, site_file("xinyi"))
    credentials = DeviceCredentials(parts.store)
    for _ in range(2):
        assert credentials.verify(name, password) is None


WRONG = {
    'id = "d1"': ('id = "D1"', "[[site]] xinyi, [[site.device]] D1: id"),
    'vendor = "native"': ('vendor = "acme"', "[[site]] xinyi, [[site.device]] d1: vendor"),
    'device = "d1"': ('device = "d9"', "[[site.gate.lane]] in-1: device: 'd9' is no [[site.device]]"),
    'id = "out-1"': ('id = "in-1"', "[[site.gate.lane]]: id: 'in-1' stands there twice"),
    'direction = "out"': ('direction = "up"', "[[site.gate.lane]] out-1: direction"),
    "capacity = 120": ("capacity = -1", "[[site]] xinyi: capacity"),
    "capacity = 120\n": ("", "[[site]] xinyi: capacity: missing"),
    'merchant = "hushu"': ('merchant = "other"', "[[site]] xinyi: merchant: 'other' is no [[merchant]]"),
    'tier = "main"': ('tier = "grand"', "[[site.gate]] east: tier"),
    "staffed = true": ("staffed = 1", "[[site.gate]] east: staffed: not true or false"),
    'id = "xinyi"': ('id = "street"', "[[site]] street: id"),
    'id = "east"': ('id = "east"\ncolour = "red"', "[[site.gate]] east: colour: unknown key"),
    'id = "d1"\n': ('id = "d1"\nfeatures = ["led_board"]\n', "d1: features: 'led_board' is none of none"),
    'vendor = "native"\n': ('vendor = "vzenith"\nfeatures = "http"\n', "d1: features: not a list of words"),
    '= "native"': ('= "qianyi"\nserial = "+"', "d1: serial: '+' stands in topics"),
    'id = "in-1"': ('id = "in-1"\nrelay = 99', "in-1: relay: not a whole number from 0 to 15"),
    'id = "in-1"\n': ('id = "in-1"\nclose_relay = 0\n', "in-1: close_relay: the same output as relay"),
    "[[merchant]]": ("[[merchants]]", "file: merchants: unknown key"),
    'name = "湖墅街道"': ("name = ", "not TOML"),
}


@pytest.mark.parametrize("right", list(WRONG))
def test_a_wrong_file_is_refused_naming_table_and_key(right: str) -> None:
    wrong, said = WRONG[right]
    assert right in site_file("xinyi")
    with pytest.raises(EstateInvalid) as refused:
        parse(site_file("xinyi").replace(right, wrong))
    assert any(said in problem for problem in refused.value.problems), refused.value.problems


def test_a_refused_file_changes_nothing(parts: Parts) -> None:
    with pytest.raises(EstateInvalid):
        estate.apply(parts, site_file("xinyi", "archive").replace('id = "archive"', 'id = "x y"'))
    assert rows(parts, t.Site) == []


def test_a_file_without_sites_would_disable_all_and_is_refused(parts: Parts) -> None:
    with pytest.raises(EstateInvalid, match="no \\[\\[site\\]\\]"):
        estate.apply(parts, '[[merchant]]\nid = "hushu"\nname = "m"\n')


def test_every_change_leaves_an_audit_line_without_a_password(parts: Parts) -> None:
    estate.apply(parts, site_file("xinyi"), operator="kim", source="sites.toml")
    (line,) = rows(parts, t.AuditEntry)
    assert (line.operator, line.action, line.subject) == ("kim", "site.apply", "sites.toml")
    assert "lane xinyi.in-1" in line.detail["added"]
    assert DEVICE_PASSWORD not in str(line)


def test_how_a_device_is_built_in_reaches_its_adapter(parts: Parts) -> None:
    plain = site_file("xinyi")
    told = plain.replace(
        'vendor = "native"', 'vendor = "vzenith"\nserial = "5e1f-7c3d"\nfeatures = ["led_board", "http"]'
    )
    for number, lane in enumerate(("in-1", "out-1"), 1):
        told = told.replace(f'id = "{lane}"', f'id = "{lane}"\nchannel = {number}\nrelay = 2\nclose_relay = 3')
    estate.apply(parts, told)
    with parts.store.reading() as connection:
        (fitted,) = load_fittings(connection, parts.settings.zone).values()
    assert fitted.vendor == "vzenith"
    assert fitted.fitting == Fitting(
        site="xinyi",
        device="d1",
        zone=parts.settings.zone,
        serial="5e1f-7c3d",
        features=frozenset({"led_board", "http"}),
        lanes=(
            FittedLane(id="in-1", inward=True, channel=1, relay=2, close_relay=3),
            FittedLane(id="out-1", inward=False, channel=2, relay=2, close_relay=3),
        ),
    )
    assert estate.apply(parts, told).changed == 0
    assert estate.apply(parts, plain).changed == 3
    with parts.store.reading() as connection:
        assert load_fittings(connection, parts.settings.zone) == {}


def test_two_lanes_of_a_device_have_two_channels(parts: Parts) -> None:
    told = site_file("xinyi")
    for lane in ("in-1", "out-1"):
        told = told.replace(f'id = "{lane}"', f'id = "{lane}"\nchannel = 1')
    with pytest.raises(EstateInvalid, match="'d1, channel 1' stands there twice"):
        parse(told)
