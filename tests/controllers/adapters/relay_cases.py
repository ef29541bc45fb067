"""What recognisers share in the suite: a relay of its own beside the camera."""

from __future__ import annotations

from typing import Any

from controllers.adapters.port import Accepted, FittedLane, Fitting, Publish, Published
from controllers.commands import Action, Receipt
from controllers.events import CommandResult, Outcome
from tests.controllers.conformance.cases import (
    NOW,
    Noise,
    Sample,
    Told,
    a_command,
    a_fitting,
    a_list,
    as_json,
)

FEATURES = frozenset({"shelly_relay"})


def answer(document: Any, device: str = "xinyi.d1") -> Published:
    return Published(topic=f"parkgate/relay/{device}/rpc", payload=as_json(document))


def request(**params: Any) -> Publish:
    says = {"id": "c1", "src": "parkgate/relay/xinyi.d1", "method": "Switch.Set", "params": {"id": 0} | params}
    return Publish(topic="xinyi.d1.relay/rpc", payload=as_json(says))


def fitted(serial: str) -> Fitting:
    return a_fitting(FittedLane(id="in-1", inward=True, relay=0, close_relay=1), serial=serial, features=FEATURES)


def relay_samples(serial: str) -> tuple[Sample, ...]:
    fitting = fitted(serial)
    refused = {"id": "c1", "src": "x", "error": {"code": -105, "message": "no such switch"}}
    return (
        Sample(
            name="switched",
            message=answer({"id": "c1", "src": "xinyi.d1.relay", "dst": "y", "result": {"was_on": False}}),
            fitting=fitting,
            said=(Accepted(command="c1", at=NOW),),
        ),
        Sample(
            name="not switched",
            message=answer(refused),
            fitting=fitting,
            said=(CommandResult(command="c1", outcome=Outcome.REFUSED, at=NOW, detail="no such switch"),),
        ),
    )


def relay_told(serial: str) -> tuple[Told, ...]:
    plain, fitting = a_fitting(serial=serial), fitted(serial)
    only_raises = a_fitting(serial=serial, features=FEATURES)
    return (
        Told(order=a_command(Action.OPEN), fitting=plain, sent="not_supported"),
        Told(order=a_command(Action.OPEN), fitting=fitting, sent=(request(on=True, toggle_after=0.5),)),
        Told(order=a_command(Action.CLOSE), fitting=fitting, sent=(request(id=1, on=True, toggle_after=0.5),)),
        Told(order=a_command(Action.CLOSE), fitting=only_raises, sent="not_supported"),
        Told(order=a_command(Action.HOLD_OPEN), fitting=fitting, sent=(request(on=True),)),
        Told(order=a_command(Action.RELEASE), fitting=fitting, sent=(request(on=False),)),
        Told(order=a_command(Action.SHOW, show=("满",)), fitting=fitting, sent="not_supported"),
        Told(order=a_list("粤B7K2M9"), fitting=fitting, sent="not_supported"),
        Told(order=Receipt(events=("e1",)), fitting=fitting, sent=()),
    )


def relay_noise(serial: str) -> tuple[Noise, ...]:
    fitting = fitted(serial)
    return (
        Noise(name="another's relay", message=answer({"id": "c1"}, "xinyi.d2"), fitting=fitting, code="other_device"),
        Noise(
            name="no relay is wired",
            message=answer({"id": "c1"}),
            fitting=a_fitting(serial=serial),
            code="other_device",
        ),
        Noise(name="an answer to nothing", message=answer({"id": 7}), fitting=fitting, code="not_in_schema"),
    )
