"""Scheduled work: the daily close and what the composition root hands in. One process schedules; a database lease elects it."""

from gateway.jobs.runner import Jobs, Periodic, start_jobs

__all__ = ["Jobs", "Periodic", "start_jobs"]
