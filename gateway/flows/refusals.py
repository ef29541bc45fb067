"""What a flow refuses: one class each, its docstring the message, its status explicit."""

from __future__ import annotations


class Refused(Exception):
    """The request was refused."""

    status = 400
    slug = "refused"

    def __init__(self, detail: str = "") -> None:
        self.detail = detail or self._sentence()
        super().__init__(self.detail)

    @property
    def general(self) -> bool:
        """Whether its detail says no more than its kind does."""
        return self.detail == self._sentence()

    @classmethod
    def _sentence(cls) -> str:
        return (cls.__doc__ or "").split("\n", 1)[0]


class NotFound(Refused):
    """There is no such thing, or not for you."""

    status = 404
    slug = "not-found"


class Invalid(Refused):
    """Something in the request cannot be used."""

    status = 422
    slug = "invalid"


class NotForRole(Refused):
    """It is not made for your role."""

    status = 403
    slug = "not-allowed"


class AmountNotDue(Refused):
    """The amount is not what is due at this moment."""

    status = 409
    slug = "amount-not-due"


class KeyReused(Refused):
    """The same idempotency key came with other content."""

    status = 409
    slug = "idempotency-key-reused"


class ChannelClosed(Refused):
    """The channel takes no money by hand outside test mode."""

    status = 422
    slug = "channel-closed"


class NotClosable(Refused):
    """The day cannot be closed."""

    status = 409
    slug = "not-closable"


class AlreadyRegistered(Refused):
    """The register has this entry, and it says something else; change or end it instead."""

    status = 409
    slug = "already-registered"
