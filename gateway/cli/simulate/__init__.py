"""Simulators against the service, and against itself when things go wrong."""
