"""Dahua 大华 cameras of entrances: they push by ITSAPI or are listened to, and are told by CGI with digest.

Sources: the vendor's HTTP documents for intelligent traffic; public drivers tried on devices. What nobody has verified stands beside the
samples under `tests/controllers/adapters/dahua/samples`.
"""

from controllers.adapters.dahua.adapter import Dahua

__all__ = ["Dahua"]
