"""The schema, one module a part of the trade."""

from gateway.store.tables.base import Base, Instant
from gateway.store.tables.estate import Device, DeviceState, Gate, Lane, Merchant, OfflineList, PolicyVersion, Site
from gateway.store.tables.money import (
    AllowanceBalance,
    AllowanceDraw,
    Bill,
    DayClose,
    LedgerTransaction,
    Payment,
    Posting,
    Shift,
    SiteBooks,
)
from gateway.store.tables.movement import (
    CommandRow,
    ExceptionItem,
    Image,
    PlateEventRow,
    Presence,
    Quarantine,
    Stay,
)
from gateway.store.tables.people import AuditEntry, JobLease, JobRun, UserAccount
from gateway.store.tables.registers import (
    BlockedVehicle,
    Certificate,
    FreeVehicle,
    Household,
    PassHeld,
    Relative,
    ResidentVehicle,
)

__all__ = [
    "AllowanceBalance",
    "AllowanceDraw",
    "AuditEntry",
    "Base",
    "Bill",
    "BlockedVehicle",
    "Certificate",
    "CommandRow",
    "DayClose",
    "Device",
    "DeviceState",
    "ExceptionItem",
    "FreeVehicle",
    "Gate",
    "Household",
    "Image",
    "Instant",
    "JobLease",
    "JobRun",
    "Lane",
    "LedgerTransaction",
    "Merchant",
    "OfflineList",
    "PassHeld",
    "Payment",
    "PlateEventRow",
    "PolicyVersion",
    "Posting",
    "Presence",
    "Quarantine",
    "Relative",
    "ResidentVehicle",
    "Shift",
    "Site",
    "SiteBooks",
    "Stay",
    "UserAccount",
]
