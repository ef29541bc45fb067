"""The garbage collector, told what will stay."""

from __future__ import annotations

import gc

# New objects until the collector looks at them. Its own 700 makes it look many times a batch; a hundred thousand would grow.
_LOOK_AFTER = 20_000
_OLDER_AFTER = 50


def started_up() -> None:
    """Call once when a process has loaded what it keeps.

    That is never looked at again, and the rest less often: a look at everything stops all threads for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_LOOK_AFTER, _OLDER_AFTER, _OLDER_AFTER)
