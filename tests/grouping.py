"""Which tests run on the same worker: those that share a server that is slow to start."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

_DEPLOYMENTS = ("street", "laptop")


def group_of(nodeid: str) -> str:
    """The group of a test: a whole deployment, the PostgreSQL cluster of the process, or itself alone.

    The largest groups are handed out first, so that the single tests fill up whichever worker is done sooner.
    """
    _, bracket, parameters = nodeid.partition("[")
    words = parameters.rstrip("]").split("-") if bracket else []
    if nodeid.startswith("tests/acceptance/"):
        for deployment in _DEPLOYMENTS:
            if deployment in words:
                return deployment
    if "postgresql" in words:
        return "postgres"
    return nodeid


class ByServer(LoadScopeScheduling):
    """pytest-xdist's scheduler by scope, with our groups as scopes."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
