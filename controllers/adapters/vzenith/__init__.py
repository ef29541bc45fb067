"""Vzenith 臻识: the most common estate camera. Over MQTT (three layouts of topics) and by HTTP push.

Sources: the vendor's documents of its MQTT and HTTP interfaces; public drivers tested on devices. Beside the samples under
`tests/controllers/adapters/vzenith/samples` stands where each comes from and what of it nobody has verified.
"""

from controllers.adapters.vzenith.adapter import Vzenith

__all__ = ["Vzenith"]
