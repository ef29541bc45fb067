"""Real processes, killed and stopped at random moments: the parts of `parkgate simulate kills`."""

from gateway.cli.simulate.kills.command import kills

__all__ = ["kills"]
