"""Which tests run on the same worker, and which ones first: what is slow to start is started once, and nobody waits at the end."""

from __future__ import annotations

from typing import Any

from xdist.scheduler import LoadScopeScheduling

_KINDS = ("street", "laptop", "postgresql")
# Long tests that share nothing worth keeping: each goes to whichever worker is free.
_APART = ("tests/deployment/test_kills.py", "tests/simulation/")
# Roughly how many seconds a test takes, by the beginning of its group; the first that fits.
_SECONDS = (
    ("tests/deployment/test_kills.py::test_whatever", 150.0),
    ("tests/deployment/test_kills.py", 0.5),
    ("tests/simulation/test_faults.py::test_no_invariant", 20.0),
    ("tests/simulation/", 6.0),
    ("tests/deployment/test_overload.py", 40.0),
    ("tests/deployment/", 8.0),
    ("tests/acceptance/", 3.0),
    ("tests/browser/", 5.0),
    ("tests/property/", 8.0),
    ("tests/gateway/test_bench.py", 15.0),
    ("tests/gateway/test_bench", 6.0),
    ("tests/gateway/test_vendor_topics.py", 6.0),
    ("tests/gateway/test_demo", 10.0),
    ("tests/gateway/test_migrations", 2.0),
    ("tests/gateway/", 0.5),
    ("tests/controllers/conformance/", 0.4),
    ("", 0.1),
)


def group_of(nodeid: str) -> str:
    """The group of a test: a whole deployment, or a file as far as it runs on one kind of database or deployment.

    Tests of a file share what it started: a day of the demo, four processes of a street, a replay. Every worker that is handed
    PostgreSQL's tests has a cluster, which takes two seconds: one worker for all of them would still be at it long after the other.
    """
    if nodeid.startswith(_APART):
        return nodeid
    file, _, test = nodeid.partition("::")
    _, bracket, parameters = test.partition("[")
    words = parameters.rstrip("]").split("-") if bracket else []
    kind = next((kind for kind in _KINDS if kind in words), "")
    return f"tests/acceptance/ {kind}" if file.startswith("tests/acceptance/") and kind else f"{file} {kind}".rstrip()


def seconds(group: str, tests: int) -> float:
    """About how long a group takes."""
    return tests * next(each for start, each in _SECONDS if group.startswith(start))


class ByServer(LoadScopeScheduling):
    """pytest-xdist's scheduler by scope, with our groups as scopes, the longest handed out first."""

    _sorted = False

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        if not self._sorted:
            for group in sorted(self.workqueue, key=lambda group: -seconds(group, len(self.workqueue[group]))):
                self.workqueue.move_to_end(group)
            self._sorted = True
        super()._assign_work_unit(node)
