"""Scheduled work: the daily close and what the composition root hands in. One process schedules; a database lease elects it."""
