"""The pricing of a comparison, in processes of its own where there is much of it: a gate never waits for a report."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final

import msgspec

from billing.compare import Raw
from billing.compare_many import Counted, count, shares
from billing.policy import parse

ALONE_MAX: Final = 5_000
"""So many stays are priced sooner than a process starts."""
_PROCESSES: Final = 2
_NICENESS: Final = 10
_PACK: Final = msgspec.msgpack.Encoder()
_UNPACK: Final = msgspec.msgpack.Decoder(list[Raw])


def run(old: Sequence[str], new: Sequence[str], months_from: str, raws: Sequence[Raw]) -> Counted:
    """Price the stays under both policies, given as the texts of their versions. The result does not depend on how."""
    if len(raws) <= ALONE_MAX:
        return _share(tuple(old), tuple(new), months_from, list(raws))
    counted = Counted()
    # Spawned, not forked: this process has threads, and connections that nobody else may use.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_PROCESSES, mp_context=context, initializer=_behind_the_gates) as pool:
        # One text instead of a hundred thousand objects: packing them would take as long as pricing them.
        packed = [_PACK.encode(part) for part in shares(raws, _PROCESSES)]
        waiting = [pool.submit(_packed, tuple(old), tuple(new), months_from, part) for part in packed]
        for one in waiting:
            counted.add(one.result())
    return counted


def _behind_the_gates() -> None:
    os.nice(_NICENESS)


def _packed(old: tuple[str, ...], new: tuple[str, ...], months_from: str, packed: bytes) -> Counted:
    return _share(old, new, months_from, _UNPACK.decode(packed))


def _share(old: tuple[str, ...], new: tuple[str, ...], months_from: str, raws: list[Raw]) -> Counted:
    return count([parse(text) for text in old], [parse(text) for text in new], months_from, raws)
