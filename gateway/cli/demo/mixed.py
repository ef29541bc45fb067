"""The demo's site file: the street's, with eight of its gates built of other vendors' cameras, one at each lane."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gateway.runtime.ids import random_token

_SITE = "[[site]]\n"
_NATIVE = """
  [[site.device]]
  id = "d1"
  vendor = "native"
"""


class _Make(NamedTuple):
    """Of one site's cameras. `serial`: their names for themselves; `{n}` is 1 at the entry and 2 at the exit."""

    vendor: str
    serial: str = ""
    features: tuple[str, ...] = ()
    asked: bool = False


MAKES = {
    "zhuertan": _Make("vzenith", "5e1f0a2b-7c3d4e{n}0", ("led_board",)),
    "xiawan": _Make("vzenith", "5e1f0a2b-7c3d4e{n}1", ("http",)),
    "xinheba": _Make("hikvision", "44:a6:42:00:00:0{n}", asked=True),
    "guanqiao": _Make("dahua", "ITC-{n}", asked=True),
    "dadouli": _Make("qianyi", "a1b2c3d4e{n}", ("led_board",)),
    "xiangjisi": _Make("huaxia", "aabbccddee0{n}"),
    "changleyuan": _Make("xinlutong", "xlt0000{n}"),
    "wulinfang": _Make("frigate", "wulinfang_{n}", ("shelly_relay",)),
}
"""By site: each has one gate, whose two lanes a native device would serve."""


def site_file(street: str, port: Callable[[], int]) -> str:
    """`port`: a free one on loopback, for a camera that is asked to listen on. Raises `ValueError` where the street is another than it was."""
    head, *sites = street.split(_SITE)
    made = [_rebuilt(site, port) for site in sites]
    if sum(was != now for was, now in zip(sites, made, strict=True)) != len(MAKES):
        raise ValueError(f"not the street whose gates are rebuilt: {', '.join(MAKES)}")
    return _SITE.join([head, *made])


def _rebuilt(site: str, port: Callable[[], int]) -> str:
    make = next((make for name, make in MAKES.items() if site.startswith(f'id = "{name}"\n')), None)
    if make is None or _NATIVE not in site:
        return site
    cameras = "".join(_camera(make, number, name, port) for number, name in enumerate(("cam-in", "cam-out"), 1))
    # Such a camera feels nobody pass.
    lanes = site.replace("passage_sensor = true", "passage_sensor = false").replace(
        'device = "d1"', 'device = "cam-in"', 1
    )
    return lanes.replace('device = "d1"', 'device = "cam-out"', 1).replace(_NATIVE, cameras)


def _camera(make: _Make, number: int, name: str, port: Callable[[], int]) -> str:
    lines = [f'id = "{name}"', f'vendor = "{make.vendor}"', f'serial = "{make.serial.format(n=number)}"']
    if make.features:
        lines.append("features = [{}]".format(", ".join(f'"{one}"' for one in make.features)))
    if make.asked:
        lines += [f'address = "http://127.0.0.1:{port()}"', f'login_password = "{random_token(12)}"']
    return "\n  [[site.device]]\n" + "".join(f"  {line}\n" for line in lines)
