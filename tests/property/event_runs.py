"""What is done with a journey and its delivery, and what must then be the same."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from random import Random

from hypothesis import HealthCheck, Phase, settings

from controllers.commands import Action
from controllers.events import Outcome as Became
from gateway.flows import payment, quote
from gateway.flows.refusals import Invalid, NotFound
from tests.property.event_strategies import Step
from tests.property.event_told import Told, in_order
from tests.property.event_world import World
from tests.property.event_worlds import THOROUGH, Worlds, as_it_should_be

_ASKED = os.environ.get("PARKGATE_EXAMPLES", "")
_TIMES = int(_ASKED or "1")
# Each example is a street of its own: looking for the smallest failing one takes minutes, so only whoever asks gets it.
_PHASES = (Phase.explicit, Phase.reuse, Phase.generate, *((Phase.shrink,) if _ASKED else ()))


def examples(number: int) -> settings:
    """So many by default. `PARKGATE_EXAMPLES` multiplies them, and has a failing one made as small as can be."""
    return settings(
        max_examples=number * _TIMES,
        deadline=None,
        print_blob=True,
        phases=_PHASES,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )


def deliver_all(world: World, told: Sequence[Told], steps: Sequence[Step]) -> None:
    """As drawn; then the devices send again what was never receipted, until everything is."""
    world.clock.set(max(one.at for one in told) + timedelta(minutes=1))
    for step in steps:
        world.clock.advance(seconds=step.seconds)
        if step.pays is not None:
            pay_something(world, step.pays)
        world.deliver([told[place] for place in step.batch], dies=step.dies)
    for one in told:
        if one.id not in world.receipted:
            world.deliver([one])
    assert {one.id for one in told} == world.receipted


def run_buffered(worlds: Worlds, told: Sequence[Told], steps: Sequence[Step]) -> None:
    """Invariant 2 for what devices kept while they were offline."""
    stays, payable = as_it_should_be(worlds, told)
    with worlds.fresh() as world:
        deliver_all(world, told, steps)
        world.check(verified=THOROUGH)
        world.hours_later()
        world.check()
        assert world.commands == []
        assert world.stays() == stays, f"{world.stays()} and not {stays}"
        assert world.payable() == payable, f"{world.payable()} and not {payable}"


def run_live(worlds: Worlds, told: Sequence[Told], steps: Sequence[Step]) -> None:
    """As it happens, with commands answered in one way or another, against the same kept and delivered in any order."""
    with worlds.fresh() as world:
        answers = Random(len(told) * 31 + len(steps))
        for one in in_order(told):
            world.clock.set(max(world.clock.now(), one.at + timedelta(seconds=answers.choice([0, 1, 5, 9]))))
            before = len(world.commands)
            world.deliver([one], buffered=False)
            for command in world.commands[before:]:
                became = answers.choice([Became.DONE, Became.DONE, Became.EXPIRED, Became.REFUSED])
                if command.action is Action.OPEN and answers.random() < 0.8:
                    answer = world.result(command, became)
                    world.deliver([answer] * answers.choice([1, 2]))
        world.check()
        live = world.stays()
    with worlds.fresh() as world:
        deliver_all(world, told, steps)
        world.check()
        assert world.stays() == live, f"{world.stays()} and not, as live, {live}"


def run_paid(worlds: Worlds, told: Sequence[Told], steps: Sequence[Step]) -> None:
    """Money that comes at any moment is in the books once, whatever the events then say."""
    with worlds.fresh() as world:
        deliver_all(world, told, steps)
        world.check(verified=THOROUGH)
        world.hours_later()
        world.check(verified=THOROUGH)
        for which in range(3):
            pay_something(world, which)
        world.check()


def pay_something(world: World, which: int) -> None:
    """Someone pays what a stay costs now; the channel tells it twice."""
    rows = world.stay_rows()
    if not rows:
        return
    stay = rows[which % len(rows)]
    now = world.clock.now()
    try:
        document = quote.bill_document(world.parts, stay.id)
    except (NotFound, Invalid):
        return
    due = int(document["payable_fen"]) - int(stay.paid_fen)
    if due <= 0 or stay.state not in {"inside", "left"}:
        return
    for _ in range(2):
        taken = payment.take(
            world.parts,
            stay_id=stay.id,
            channel=("wechat", "alipay")[which % 2],
            amount_fen=due,
            idempotency_key=f"{stay.id}-{now:%d%H%M%S}-{stay.paid_fen}",
        )
        assert (taken.stay, taken.amount_fen) == (stay.id, due)
