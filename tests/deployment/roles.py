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

REPOSITORY = Path(__file__).parents[2]
SCRIPTS = REPOSITORY / "deploy" / "mosquitto"
PLUGIN = next(iter(sorted(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))), None)
CONTROL = shutil.which("mosquitto_ctrl")
SHARE_GROUP = "street"
BRIDGE_PASSWORD = "two-bridges-one-street"


class BrokerWithAccounts:
    """Mosquitto as deployed, with the paths and listeners of this test in the place of the container's."""

    def __init__(self, folder: Path) -> None:
        assert MOSQUITTO is not None
        self.port = free_port()
        accounts, settings = folder / "dynamic-security.json", folder / "mosquitto.conf"
        text = (SCRIPTS / "mosquitto.conf").read_text()
        for ours, theirs in {
            "persistence_location /mosquitto/data/": f"persistence_location {folder}/",
            "plugin /usr/lib/mosquitto_dynamic_security.so": f"plugin {PLUGIN}",
            "/mosquitto/data/dynamic-security.json": str(accounts),
            "listener 1883\n": f"listener {self.port} 127.0.0.1\n",
            text[text.index("listener 8883") :]: "",
        }.items():
            assert ours in text, ours
            text = text.replace(ours, theirs)
        # Started by root it would become another user, which cannot read this folder.
        settings.write_text(text + ("user root\n" if os.geteuid() == 0 else ""))
        self.environment = {
            **os.environ,
            "PATH": f"{Path(MOSQUITTO).parent}:{os.environ['PATH']}",
            "BROKER_ADMIN_PASSWORD": "the-administrator",
            "BROKER_PORT": str(self.port),
            "MOSQUITTO_CONF": str(settings),
            "MOSQUITTO_ACCOUNTS": str(accounts),
            "PARKGATE_SHARE_GROUP": SHARE_GROUP,
            "BRIDGE_IDS": "1 2",
            "BRIDGE_PASSWORD": BRIDGE_PASSWORD,
        }
        self.log = (folder / "mosquitto.log").open("wb")
        self.process = subprocess.Popen(
            ["/bin/sh", str(SCRIPTS / "entrypoint.sh")], env=self.environment, stdout=self.log, stderr=subprocess.STDOUT
        )
        eventually(lambda: accepts(self.port), "mosquitto listens", START_SECONDS)

    def script(self, name: str, given: str = "", expect: int = 0) -> str:
        """One of the scripts, to its end; what it printed."""
        done = subprocess.run(
            ["/bin/sh", str(SCRIPTS / name)],
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == expect, f"{name}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

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
            return httpx.get(self.health, timeout=5).status_code == 200
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
