"""What docker-compose.yml starts, started natively: Mosquitto with accounts, and `parkgate` as one process a role."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import httpx

from tests.acceptance.deployment import (
    MOSQUITTO,
    PARKGATE,
    START_SECONDS,
    Parkgate,
    accepts,
    eventually,
    free_port,
    stop,
)
from tests.deployment.certificates import Certificates

REPOSITORY = Path(__file__).parents[2]
SCRIPTS = REPOSITORY / "deploy" / "mosquitto"
PLUGIN = next(iter(sorted(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))), None)
CONTROL = shutil.which("mosquitto_ctrl")
SHARE_GROUP = "street"
BRIDGE_PASSWORD = "two-bridges-one-street"
ADMIN_PASSWORD = "the-administrator"


class BrokerWithAccounts:
    """Mosquitto as deployed, with the paths and ports of this test in the place of the container's.

    `tls_port` is the devices' listener, `port` that of the bridges and of the administrator. `client_certificates`: devices need one.
    `counts_denied`: who publishes or subscribes where they may not is counted.
    """

    def __init__(self, folder: Path, *, client_certificates: bool = False, counts_denied: bool = False) -> None:
        assert MOSQUITTO is not None
        self.port, self.tls_port = free_port(), free_port()
        self.certificates = Certificates(folder, devices=client_certificates)
        accounts, settings = folder / "dynamic-security.json", folder / "mosquitto.conf"
        text = (SCRIPTS / "mosquitto.conf").read_text()
        for ours, theirs in {
            "persistence_location /mosquitto/data/": f"persistence_location {folder}/",
            "plugin /usr/lib/mosquitto_dynamic_security.so": f"plugin {PLUGIN}",
            "/mosquitto/data/dynamic-security.json": str(accounts),
            "listener 1883\n": f"listener {self.port} 127.0.0.1\n",
            "listener 8883\n": f"listener {self.tls_port} 127.0.0.1\n",
            "/mosquitto/certificates": str(self.certificates.folder),
        }.items():
            assert ours in text, ours
            text = text.replace(ours, theirs)
        # Started by root it would become another user, which cannot read this folder.
        settings.write_text(("user root\n" if os.geteuid() == 0 else "") + text)
        environment = {
            **os.environ,
            "PATH": f"{Path(MOSQUITTO).parent}:{os.environ['PATH']}",
            "BROKER_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "BROKER_PORT": str(self.port),
            "BROKER_COUNTS_DENIED": "yes" if counts_denied else "no",
            "MOSQUITTO_CONF": str(settings),
            "MOSQUITTO_ACCOUNTS": str(accounts),
            "MOSQUITTO_CERTIFICATES": str(self.certificates.folder),
        }
        self.log_file = folder / "mosquitto.log"
        self.log = self.log_file.open("wb")
        self.process = subprocess.Popen(
            ["/bin/sh", str(SCRIPTS / "entrypoint.sh")], env=environment, stdout=self.log, stderr=subprocess.STDOUT
        )
        eventually(lambda: accepts(self.port), "mosquitto listens", START_SECONDS)

    @property
    def administered(self) -> dict[str, str]:
        """The settings of whoever says who may do what here."""
        return {
            "PARKGATE_BROKER_ADMIN_URL": f"mqtt://admin:{ADMIN_PASSWORD}@127.0.0.1:{self.port}",
            "PARKGATE_BROKER_URL": self.url("1"),
            "PARKGATE_SHARE_GROUP": SHARE_GROUP,
        }

    def url(self, bridge: str) -> str:
        """Where a bridge connects."""
        return f"mqtt://parkgate.bridge-{bridge}:{BRIDGE_PASSWORD}@127.0.0.1:{self.port}"

    def close(self) -> None:
        stop(self.process)
        self.log.close()


class Role:
    """One `parkgate` process, and the address where it shows that it is well."""

    def __init__(self, parkgate: Parkgate, name: str, log: str, health: str, **settings: str) -> None:
        self.name, self.health = name, health
        self.log_file = parkgate.folder / f"{log}.log"
        self.log = self.log_file.open("wb")
        self.process = subprocess.Popen(
            [str(PARKGATE), name],
            cwd=parkgate.folder,
            env={**parkgate.environment, **settings},
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

    def is_well(self) -> bool:
        assert self.process.poll() is None, f"parkgate {self.name} ended by itself\n{self.log_file.read_text()[-3000:]}"
        try:
            return httpx.get(self.health, timeout=30).status_code == 200
        except httpx.HTTPError:
            return False

    def metric(self, name: str) -> float:
        """A metric's sum over its labels; 0 where it has not been counted yet."""
        lines = httpx.get(self.health, timeout=5).text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    def ends(self) -> int:
        """Its exit status after SIGTERM."""
        return stop(self.process, signal.SIGTERM)

    def close(self) -> None:
        stop(self.process)
        self.log.close()
