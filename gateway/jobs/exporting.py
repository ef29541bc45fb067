"""Exports as a job: what was sealed is handed on, into a folder and by mail."""

from __future__ import annotations

from importlib import import_module

from gateway.wiring import Parts


def hand_on(parts: Parts) -> str:
    """Hand on what is due; returns what was done. Loads what writes workbooks and prints only where there is somewhere to put it."""
    if not parts.settings.export_folder and parts.settings.mail is None:
        return ""
    # By name, so that nothing that serves gates has the libraries even in sight.
    return str(import_module("gateway.flows.deliveries").deliver_due(parts))
