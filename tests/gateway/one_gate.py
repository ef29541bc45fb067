"""A site file with one gate, for tests of what stands at it: its lanes, which feel nobody pass, and their devices."""

from __future__ import annotations

from collections.abc import Mapping

HEAD = """
[[merchant]]
id = "hushu"
name = "湖墅"
[[site]]
id = "xinyi"
name = "信义坊"
capacity = 100
policy = "hushu-residential"
merchant = "hushu"
  [[site.gate]]
  id = "east"
"""
PASSWORD = "not a secret"


def site_of(lanes: Mapping[str, str], devices: Mapping[str, str]) -> str:
    """`lanes`: which device stands at each, whose name begins with its direction. `devices`: by name, the vendor and further lines."""
    return "".join(
        [HEAD, *(_lane(lane, device) for lane, device in lanes.items()), *(_device(*one) for one in devices.items())]
    )


def _lane(lane: str, device: str) -> str:
    return f"""
    [[site.gate.lane]]
    id = "{lane}"
    direction = "{lane.partition("-")[0]}"
    device = "{device}"
    passage_sensor = false
"""


def _device(name: str, vendor: str) -> str:
    vendor, _, more = vendor.partition("\n")
    return f"""
  [[site.device]]
  id = "{name}"
  vendor = "{vendor}"
  password = "{PASSWORD}"
  {more}
"""
