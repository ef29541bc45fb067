"""Pictures that adapters heard with a read are kept once the read is stored."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError

from controllers.adapters.port import Picture
from gateway.flows import images
from gateway.flows.credentials import DeviceName
from gateway.flows.refusals import Refused
from gateway.runtime.logs import logger
from gateway.wiring import Parts

_log = logger(__name__)


def keep(parts: Parts, who: DeviceName, picture: Picture) -> bool:
    """False: the database did not take it. One that is refused is nobody's loss, and in the log."""
    try:
        images.keep(parts, *who, picture.event, picture.jpeg)
    except (Refused, SQLAlchemyError) as problem:
        _log.info("a picture was not kept", site=who.site, device=who.device, problem=type(problem).__name__)
        return isinstance(problem, Refused)
    return True
