"""Scheduled work: the daily close, sweeps, housekeeping."""
