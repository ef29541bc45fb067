"""The deployment's files, read as Compose and Prometheus read them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.runtime.settings import DEFAULT_FILE, Settings, load

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = yaml.safe_load(COMPOSE)
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
ONE_SHOT = {"migrate", "broker-accounts"}
# ${NAME}, and what stands after the name
VARIABLES = re.findall(r"\$\{(\w+)([^}]*)\}", COMPOSE)
SECRET = re.compile(r"PASSWORD|SECRET|KEY")


def test_no_secret_has_a_default() -> None:
    assert [name for name, rest in VARIABLES if SECRET.search(name) and not rest.startswith(":?")] == []


def test_what_must_be_said_is_asked_for_and_the_rest_has_a_default() -> None:
    assert [name for name, rest in VARIABLES if not rest.startswith((":?", ":-")) or len(rest) < 3] == []


def test_the_example_names_what_must_be_said_and_gives_nothing_away() -> None:
    example = dict(
        line.split("=", 1)
        for line in (ROOT / "deploy" / ".env.example").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
    assert set(example) == {name for name, rest in VARIABLES if rest.startswith(":?")}
    assert set(example.values()) == {""}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_watched_restarted_and_bound(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    assert ("healthcheck" in service) is (name not in ONE_SHOT)
    assert not service.get("privileged")
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("./"):
            assert (ROOT / source).exists(), source
            assert volume.endswith(":ro"), volume
        elif not source.startswith("${"):
            assert source in DOCUMENT["volumes"], source


@pytest.mark.parametrize("name", [name for name in SERVICES if "build" in SERVICES[name]])
def test_our_own_processes_are_nobody_and_write_nowhere(name: str) -> None:
    service = SERVICES[name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


OURS = [name for name in SERVICES if "build" in SERVICES[name]]
# What a house has or has not; no process knows it by itself.
OF_THE_HOUSE = {"channels", "mail", "invoicing", "export_folder", "export_formats", "statements_at", "timezone"}


@pytest.mark.parametrize("name", OURS)
def test_what_a_house_sets_reaches_each_of_our_processes(name: str) -> None:
    given = SERVICES[name]["environment"]
    assert {one for one in given if one.removeprefix("PARKGATE_").lower() not in Settings.model_fields} == set()
    # Without a value Compose hands on what .env says, and nothing where it says nothing: an empty one would be refused.
    handed_on = {one.removeprefix("PARKGATE_").lower() for one, value in given.items() if value is None}
    assert handed_on >= OF_THE_HOUSE


@pytest.mark.parametrize("name", OURS)
def test_each_of_our_processes_starts_beside_the_mounted_settings(name: str) -> None:
    service = SERVICES[name]
    assert not DEFAULT_FILE.is_absolute()
    assert f"${{SETTINGS_FOLDER:-./deploy/settings}}:{service['working_dir']}:ro" in service["volumes"]


def test_the_example_of_the_mounted_settings_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("PARKGATE_")]:
        monkeypatch.delenv(variable)
    settings = load(ROOT / "deploy" / "settings" / "parkgate.toml.example")
    assert settings.mail is not None
    account = settings.channels["hushu"].wechat
    assert account is not None
    for secret in (account.private_key, account.api_v3_key, settings.mail.password):
        assert secret is not None
        assert secret.startswith(f"file:{SERVICES['jobs']['working_dir']}/")


def test_the_jobs_have_a_folder_for_exports_that_they_may_write_to() -> None:
    mounts = [one.rsplit(":", 1) for one in SERVICES["jobs"]["volumes"] if not one.endswith(":ro")]
    assert mounts == [["${EXPORTS:-exports}", "/exports"]]
    assert "exports" in DOCUMENT["volumes"]
    # A new volume has the owner that the folder has in the image.
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert f"--owner={SERVICES['jobs']['user'].split(':')[0]} --mode=0700 /exports" in image
    assert "/exports" in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_each_bridge_has_its_own_session_and_account() -> None:
    bridges = {name: service["environment"] for name, service in SERVICES.items() if name.startswith("bridge-")}
    assert len(bridges) >= 2
    ids = [environment["PARKGATE_BRIDGE_ID"] for environment in bridges.values()]
    assert len(set(ids)) == len(bridges)
    for name, environment in bridges.items():
        assert name == f"bridge-{environment['PARKGATE_BRIDGE_ID']}"
        assert environment["PARKGATE_BROKER_URL"].startswith(f"mqtt://parkgate.{name}:")
    told = SERVICES["broker-accounts"]
    assert told["command"] == ["device", "accounts", "--bridges", "${BRIDGE_IDS:-" + " ".join(ids) + "}"]
    passwords = {one["PARKGATE_BROKER_URL"].split(":", 2)[2] for one in (*bridges.values(), told["environment"])}
    assert len(passwords) == 1


def test_prometheus_asks_every_process_that_shows_metrics() -> None:
    scrapes = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    asked = {
        target.split(":")[0] for scrape in scrapes for one in scrape["static_configs"] for target in one["targets"]
    }
    assert asked == {name for name in SERVICES if "build" in SERVICES[name]} - ONE_SHOT


def test_alerts_speak_of_metrics_that_exist() -> None:
    from gateway.runtime.metrics import Metrics

    known = {family.name for family in Metrics().registry.collect()}
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
    used = {name for rule in rules for name in re.findall(r"parkgate_\w+", rule["expr"])}
    assert used
    assert {re.sub(r"_(total|bucket)$", "", name) for name in used} <= known
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert [name for name in used if name.removesuffix("_bucket").removesuffix("_total") not in operations] == []
