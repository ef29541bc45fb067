"""The routers of the working pages, in the order in which their paths are tried."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from gateway.console.desk import (
    lanes,
    queue,
    registers,
    registers_import,
    registers_soon,
    stays,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    queue.router,
    stays.router,
    lanes.router,
    registers_soon.router,
    registers_import.router,
    registers.router,
)
