"""What leaves the books. Pure: closed days in; files out as (name, what writes it to a file object).

Source of formats and file names: the contracts "money" and "command line". Workbooks and printed pages are drawn from the same
tables in `gateway.flows.export_workbook` and `export_report`: this package loads no library that writes them.
"""

from billing.exports.audience import (
    ADMINISTERS,
    MERGED,
    NotForAudience,
    merge_accounts,
    merge_benefits,
    merge_postings,
    open_to_all,
)
from billing.exports.beancount import beancount_to
from billing.exports.cells import Cell, Column, Table, Yuan, csv_bytes, looks_like_a_formula, write_table, yuan
from billing.exports.days import DAYS_MAX, File, NotAPeriod, Period, SiteDay, adds_up, month_of, period_of
from billing.exports.mapping import AccountMapping, MappingNotUsable, read_mapping
from billing.exports.sealed import csv_files, csv_to, json_file, json_to, written
from billing.exports.tables import InvoiceLine, tables
from billing.exports.vouchers import accounting_to

__all__ = [
    "ADMINISTERS",
    "DAYS_MAX",
    "MERGED",
    "AccountMapping",
    "Cell",
    "Column",
    "File",
    "InvoiceLine",
    "MappingNotUsable",
    "NotAPeriod",
    "NotForAudience",
    "Period",
    "SiteDay",
    "Table",
    "Yuan",
    "accounting_to",
    "adds_up",
    "beancount_to",
    "csv_bytes",
    "csv_files",
    "csv_to",
    "json_file",
    "json_to",
    "looks_like_a_formula",
    "merge_accounts",
    "merge_benefits",
    "merge_postings",
    "month_of",
    "open_to_all",
    "period_of",
    "read_mapping",
    "tables",
    "write_table",
    "written",
    "yuan",
]
