"""`parkgate simulate gates --api`: lanes and devices as the deployment itself tells them, to whoever may know."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.cli.main import Refusal, main
from gateway.cli.simulate import deployed
from gateway.cli.simulate.deployed import Api, Login
from gateway.flows import estate
from gateway.wiring import Parts
from simulators.devices.speaking import dialect_of
from simulators.street import SiteSpec, parse_street
from simulators.yard import STREET_ZONE
from tests.gateway.house import PASSWORD, House, a_house
from tests.gateway.mqtt_street import cameras_of
from tests.gateway.test_small_gates import DOORS
from tests.gateway.trade import SITE

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
URL = "http://testserver"


@pytest.fixture
def house(parts: Parts) -> House:
    house = a_house(parts)
    house.hires("mao", "manager")
    return house


def told(house: House, user: str = "mao") -> list[SiteSpec]:
    api = Api(URL, house.client)
    return api.sites(api.sign_in(user, PASSWORD) or "")


def played(site: SiteSpec) -> dict[str, Any]:
    """What decides how a device is played."""
    return {
        one.id: (
            one.vendor,
            one.serial,
            set(one.features),
            one.address,
            {lane.id: lane for lane in site.lanes_of(one.id)},
        )
        for one in site.device
    }


@on_one_database
@pytest.mark.parametrize(
    "text",
    [
        cameras_of("vzenith", "led_board"),
        SITE.format(capacity=9).replace("  [[site.device]]", DOORS + "  [[site.device]]", 1),
    ],
    ids=["cameras", "small gates"],
)
def test_a_deployment_tells_what_its_site_file_says(parts: Parts, house: House, text: str) -> None:
    estate.apply(parts, text)
    (site,) = told(house)
    (filed,) = parse_street(text).with_gates()
    assert played(site) == played(filed)
    assert [one.id for one in site.barriers()] == sorted(one.id for one in filed.barriers())
    for device in site.device:
        assert dialect_of(site, device, STREET_ZONE) is not None


@on_one_database
def test_it_reads_page_by_page(parts: Parts, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    estate.apply(parts, cameras_of("qianyi"))
    whole = told(house)
    asked = []
    get = house.client.request

    def one_by_one(method: str, url: str, **more: Any) -> httpx.Response:
        if "params" in more:
            asked.append(more["params"])
            more["params"] = {**more["params"], "limit": "1"}
        return get(method, url, **more)

    monkeypatch.setattr(house.client, "request", one_by_one)
    assert told(house) == whole
    assert len(asked) > 1


@on_one_database
def test_it_is_read_by_who_may_and_holds_no_password(parts: Parts, house: House) -> None:
    estate.apply(parts, cameras_of("hikvision").replace("features = []", 'address = "http://127.0.0.1:9"'))
    house.hires("lin", "committee")
    said = house.as_("mao").get("/api/v1/fittings").text
    assert '"address":"http://127.0.0.1:9"' in said
    assert "password" not in said
    assert "sealed" not in said
    with pytest.raises(Refusal, match="it takes a manager or an auditor"):
        told(house, "lin")


@on_one_database
def test_who_is_not_let_in_is_told_why(house: House) -> None:
    api = Api(URL, house.client)
    with pytest.raises(Refusal, match="does not let mao in") as wrong:
        api.sign_in("mao", "not it")
    assert "not it" not in str(wrong.value)
    with pytest.raises(Refusal, match="does not take the token"):
        api.sites("a.stale.one")


def answering(*answers: httpx.Response) -> Api:
    left = list(answers)
    return Api("http://there", httpx.Client(transport=httpx.MockTransport(lambda _: left.pop(0))))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(404), "not the address of a Parkgate API"),
        (httpx.Response(200, text="<html>hello"), "not the address of a Parkgate API"),
        (httpx.Response(200, json={"items": [{"site": "x"}], "next": None}), "not the address of a Parkgate API"),
        (httpx.Response(308, headers={"location": "https://there/"}), "give that address"),
        (httpx.Response(503, json={"title": "busy", "detail": "ask\nagain"}), "answers 503: ask again"),
    ],
)
def test_what_is_no_answer_of_ours_is_said_on_one_line(answer: httpx.Response, words: str) -> None:
    with pytest.raises(Refusal, match=words) as refused:
        answering(answer).sites("token")
    assert "\n" not in str(refused.value)


def test_a_second_factor_is_asked_for_and_given(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = httpx.Response(401, json={"type": "/problems/code-needed", "detail": "a code"})
    api = answering(needed, httpx.Response(200, json={"access_token": "t", "token_type": "bearer"}))
    monkeypatch.setattr("sys.stdin", io.StringIO("a password\n123456\n"))
    assert deployed._signed_in(api, Login("mao", password_stdin=True)) == "t"


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as left:
        main(["simulate", "gates", *words])
    said = capsys.readouterr().err
    assert (left.value.code, len(said.splitlines())) == (2, 1)
    return said


def test_what_the_command_cannot_use_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known, token = tmp_path / "known.json", tmp_path / "token"
    known.write_text(json.dumps({"devices": {"xinyi.d1": "x"}, "broker": "mqtt://127.0.0.1:1"}), encoding="utf-8")
    given = ("--credentials", str(known))
    assert "--site, or --api" in refused(capsys, *given)
    assert "--site, or --api" in refused(capsys, *given, "--site", "a.toml", "--api", URL)
    assert "--user, or with --token-file" in refused(capsys, *given, "--api", URL)
    assert "no http:// or https:// address" in refused(capsys, *given, "--api", "there:80", "--user", "mao")
    assert "No such file" in refused(capsys, *given, "--api", URL, "--token-file", str(token))
    token.write_text("two words\n", encoding="utf-8")
    assert "holds no token" in refused(capsys, *given, "--api", URL, "--token-file", str(token))
    token.write_text("a.token.here\n", encoding="utf-8")
    assert "cannot be reached" in refused(capsys, *given, "--api", "http://127.0.0.1:1", "--token-file", str(token))
