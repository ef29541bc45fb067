"""Every vendor's adapter, by the name that the site file gives it. Here, and nowhere else, a vendor is added."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from controllers.adapters.dahua import Dahua
from controllers.adapters.frigate import Frigate
from controllers.adapters.hikvision import Hikvision
from controllers.adapters.huaxia import Huaxia
from controllers.adapters.native_adapter import Native
from controllers.adapters.openalpr import OpenAlpr
from controllers.adapters.platerecognizer import PlateRecognizer
from controllers.adapters.port import Adapter
from controllers.adapters.qianyi import Qianyi
from controllers.adapters.vzenith import Vzenith
from controllers.adapters.xinlutong import Xinlutong

_ALL: tuple[Adapter, ...] = (
    Native(),
    Vzenith(),
    Hikvision(),
    Dahua(),
    Qianyi(),
    Huaxia(),
    Xinlutong(),
    Frigate(),
    PlateRecognizer(),
    OpenAlpr(),
)

ADAPTERS: Mapping[str, Adapter] = MappingProxyType({adapter.vendor: adapter for adapter in _ALL})
