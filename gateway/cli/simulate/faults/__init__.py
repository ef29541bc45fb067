"""The service against a world that loses, doubles, delays and crashes: one process, one thread, one seed."""

from __future__ import annotations

from gateway.cli.simulate.faults.command import faults

__all__ = ["faults"]
