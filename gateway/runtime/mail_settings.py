"""Mail as settings: through which server, from whom, who gets the street's figures, and who is told of what does not go by itself."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gateway.runtime.channel_settings import LOOPBACK, Secret

_ADDRESS = re.compile(r"[^@\s,;<>\"]{1,64}@[A-Za-z0-9.-]{1,190}")


def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError("a mail address such as finance@example.com")
    return value


MailAddress = Annotated[str, AfterValidator(_address)]


class MailSettings(BaseModel):
    """`finance` get a day's exports, with every figure in them. Always over TLS, but to a server on this machine.

    `alerts` are told of days that are not closed and statements that have not come: no figure, no plate.

    `security`: `tls` from the first byte (port 465), `starttls` (587), or `none`, on loopback alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=465, ge=1, le=65535)
    security: Literal["tls", "starttls", "none"] = "tls"
    user: str = ""
    password: Secret | None = None
    sender: MailAddress
    finance: list[MailAddress] = Field(default_factory=list, max_length=50)
    alerts: list[MailAddress] = Field(default_factory=list, max_length=50)

    @model_validator(mode="after")
    def _no_open_letters(self) -> MailSettings:
        if self.security == "none" and self.host not in LOOPBACK:
            raise ValueError("security: none only to a server on this machine; say tls or starttls")
        if bool(self.user) != (self.password is not None):
            raise ValueError("user and password go together")
        return self
