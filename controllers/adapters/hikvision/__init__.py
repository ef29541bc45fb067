"""Hikvision 海康 cameras of entrances, by ISAPI: they push to us or are listened to, and are told by PUT with digest.

Sources: the vendor's ISAPI documents for vehicle access; public drivers tried on devices. What nobody has verified stands beside the
samples under `tests/controllers/adapters/hikvision/samples`.
"""

from controllers.adapters.hikvision.adapter import Hikvision

__all__ = ["Hikvision"]
