"""The routers of the working pages, in the order in which their paths are tried."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from gateway.console.desk import (
    account,
    admin_devices,
    admin_pages,
    admin_users,
    doors,
    lanes,
    money,
    money_breaks,
    money_charges,
    money_days,
    money_exports,
    money_invoices,
    money_payments,
    money_policies,
    money_shifts,
    money_statements,
    passes,
    queue,
    registers,
    registers_import,
    registers_soon,
    report_pages,
    report_zombies,
    stays,
    voucher_buyers,
    voucher_offline,
    vouchers,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    queue.router,
    stays.router,
    lanes.router,
    doors.router,
    registers_soon.router,
    registers_import.router,
    registers.router,
    passes.router,
    vouchers.router,
    voucher_buyers.router,
    voucher_offline.router,
    money.router,
    money_shifts.router,
    money_payments.router,
    money_invoices.router,
    money_charges.router,
    money_days.router,
    money_breaks.router,
    money_statements.router,
    money_exports.router,
    money_policies.router,
    report_pages.router,
    report_zombies.router,
    account.router,
    admin_users.router,
    admin_devices.router,
    admin_pages.router,
)
