"""What Mosquitto's entrypoint tells of refusals: counted for devices that there are, and as nobody's for all others."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.bridge.broker_refusals import REFUSED_TOPIC, BrokerRefusals
from gateway.bridge.link import Raw

SCRIPT = Path(__file__).parents[2] / "deploy" / "mosquitto" / "refused.awk"
LOG = """\
100: New connection from 127.0.0.1:5 on port 8883.
100: Client <unknown> disconnected, not authorised.
101: Received PUBLISH from x.d1 (d0, q1, r0, m1, 'mine', ... (1 bytes))
101: Denied PUBLISH from x.d1 (d0, q1, r0, m2, 'foreign', ... (1 bytes))
102: Denied PUBLISH from x.d1 (d0, q1, r0, m3, 'Received SUBSCRIBE from x.d2', ... (1 bytes))
103: Received SUBSCRIBE from x.d1
103: \ta/b (QoS 1)
103: x.d1 1 a/b
103: \t$share/g/a/b (QoS 1)
103: Sending SUBACK to x.d1
104: Received UNSUBSCRIBE from x.d1
104: \ta/b
104: Sending UNSUBACK to x.d1
105: Client x.d2 disconnected due to oversize packet.
106: Client x.d2 [127.0.0.1:6] disconnected: malformed packet.
111: Received PINGREQ from x.d1
112: Denied PUBLISH from "a" (d0, q1, r0, m3, 'x', ... (1 bytes))
122: Received PINGREQ from x.d1
"""


def test_the_log_is_passed_on_without_its_debug_lines_and_what_was_refused_is_told(tmp_path: Path) -> None:
    told = tmp_path / "told"
    command = ["awk", "-v", f"tell=cat >>{told}", "-f", str(SCRIPT)]
    passed = subprocess.run(command, input=LOG, capture_output=True, text=True, check=True).stdout
    assert passed.splitlines() == [
        "100: New connection from 127.0.0.1:5 on port 8883.",
        "100: Client <unknown> disconnected, not authorised.",
        "105: Client x.d2 disconnected due to oversize packet.",
        "106: Client x.d2 [127.0.0.1:6] disconnected: malformed packet.",
    ]
    assert sorted(told.read_text().splitlines()) == [
        "- login 1",
        "- publish 1",
        "x.d1 publish 2",
        "x.d1 subscribe 1",
        "x.d2 malformed 1",
        "x.d2 too_large 1",
    ]


class Vendors:
    def admits(self, topic: bytes, size: int) -> bool:
        return False

    def take(self, raw: Raw) -> bool:
        return True


@pytest.mark.parametrize(
    ("payload", "counted"),
    [
        (b"xinyi.d1 publish 3\n- login 2\n", [("xinyi.d1", "publish", 3), ("", "login", 2)]),
        (b"xinyi.nobody publish 3\nparkgate.bridge-1 malformed 1", [("", "publish", 3), ("", "malformed", 1)]),
        (b"xinyi.d1 rockets 3\nxinyi.d1 publish -3\nxinyi.d1 publish 3 4\n\xff\n", []),
    ],
)
def test_only_what_is_a_refusal_counts_and_a_name_only_where_it_is_a_devices(
    payload: bytes, counted: list[tuple[str, str, int]]
) -> None:
    found: list[tuple[str, str, int]] = []
    word = BrokerRefusals(Vendors(), lambda *one: found.append(one), lambda *who: who == ("xinyi", "d1"))
    raw = Raw(REFUSED_TOPIC, payload, False, datetime.now(UTC), 0.0, 1, None)
    assert word.admits(REFUSED_TOPIC.encode(), len(payload))
    assert word.take(raw) is False  # acknowledged at once: nobody sends it again
    assert found == counted
    assert word.take(raw._replace(topic="upload/1")) is True
    assert word.admits(b"upload/1", 1) is False
