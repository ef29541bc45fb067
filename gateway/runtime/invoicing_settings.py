"""Who issues electronic invoices (数电票) for a merchant, as settings."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class MerchantInvoicing(BaseModel):
    """`provider`: `simulated` is for tests and demonstrations; its invoices are samples, and `test` must be true for it.

    `takes_looks`: how often it has to be asked before a simulated invoice is there. `region_code`: the two digits of the province in its
    number, 33 for Zhejiang.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: Literal["simulated"]
    takes_looks: int = Field(default=1, ge=0, le=100)
    region_code: str = Field(default="33", pattern=r"^\d\d$")
