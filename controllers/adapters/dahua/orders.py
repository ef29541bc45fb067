"""What Dahua devices are told: GET of the CGI, with digest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import quote

from controllers.adapters.listing import id_of_part, parts_of_list
from controllers.adapters.port import Ask, Auth, CannotCarryOut, FittedLane, Fitting, ListPart, Order
from controllers.commands import Action, Command, Receipt

_SNAP = "/cgi-bin/trafficSnap.cgi"
_RECORDS = "/cgi-bin/recordUpdater.cgi"
_LIST = "name=TrafficRedList"
CLOCK = "/cgi-bin/global.cgi"
ACTIONS = frozenset({Action.OPEN, Action.CLOSE})


def asks(order: Order, fitting: Fitting, now: datetime) -> tuple[Ask, ...]:
    if isinstance(order, Receipt):
        return ()
    if isinstance(order, Command):
        return (_command(order, fitting),)
    return tuple(ask for part in parts_of_list(order, 1) for ask in _list_part(part, fitting, now))


def ask_time() -> Ask:
    return Ask(method="GET", path=CLOCK, query="action=getCurrentTime", auth=Auth.DIGEST)


def set_time(fitting: Fitting, now: datetime) -> Ask:
    """It counts in local time, whatever its settings show."""
    local = quote(f"{now.astimezone(fitting.zone):%Y-%m-%d %H:%M:%S}", safe=":")
    return Ask(method="GET", path=CLOCK, query=f"action=setCurrentTime&time={local}", auth=Auth.DIGEST)


def forget_list() -> Ask:
    return _record(f"action=clear&{_LIST}", id_of_part(ListPart(version=0, number=1, of=1)))


def event_stream() -> Ask:
    query = "action=attach&codes=%5BTrafficJunction%5D&heartbeat=5"
    return Ask(method="GET", path="/cgi-bin/eventManager.cgi", query=query, auth=Auth.DIGEST, stream=True)


def _command(command: Command, fitting: Fitting) -> Ask:
    channel = _number(fitting.lane_named(command.lane))
    if command.action is Action.OPEN:
        # The plate is for the device's own log; it opens without one.
        query = f"action=openStrobe&channel={channel}&info.openType=Normal&info.plateNumber="
    elif command.action is Action.CLOSE:
        query = f"action=closeStrobe&channel={channel}"
    else:
        raise CannotCarryOut("not_supported", f"{command.action} is nothing that it can do")
    return Ask(method="GET", path=_SNAP, query=query, auth=Auth.DIGEST, order=command.id)


def _list_part(part: ListPart, fitting: Fitting, now: datetime) -> Iterator[Ask]:
    """A vehicle a part. One that is listed already would be listed twice: it is taken out first, whether it is there or not."""
    for plate in part.remove:
        yield _record(f"action=removeEx&{_LIST}&PlateNumber={quote(plate)}", id_of_part(part))
    for entry in part.add:
        plate = quote(entry.plate)
        begin, cancel = (
            quote(f"{at.astimezone(fitting.zone):%Y-%m-%d %H:%M:%S}", safe=":") for at in (now, entry.until)
        )
        yield _record(f"action=removeEx&{_LIST}&PlateNumber={plate}", f"{id_of_part(part)}/out")
        query = f"action=insert&{_LIST}&PlateNumber={plate}&MasterOfCar=-&AuthorityList.OpenGate=true"
        yield _record(f"{query}&BeginTime={begin}&CancelTime={cancel}", id_of_part(part))


def _record(query: str, order: str) -> Ask:
    return Ask(method="GET", path=_RECORDS, query=query, auth=Auth.DIGEST, order=order)


def _number(lane: FittedLane) -> int:
    return 1 if lane.channel is None else lane.channel
