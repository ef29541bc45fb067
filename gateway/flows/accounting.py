"""The mapping file of the settings: account codes, VAT rates, and what invoices say is sold."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from billing.exports import AccountMapping, MappingNotUsable, read_mapping
from gateway.flows.refusals import Invalid
from gateway.wiring import Parts

_MAPPING_BYTES_MAX = 256 * 1024


def accounting_mapping(parts: Parts, named: Path | None = None) -> AccountMapping:
    """The accounts of the accounting program. Raises `Invalid`, saying what is wrong in which file."""
    path = named or (Path(parts.settings.accounting_mapping) if parts.settings.accounting_mapping else None)
    source = files("rules").joinpath("accounting.toml") if path is None else path
    try:
        if path is not None and path.stat().st_size > _MAPPING_BYTES_MAX:
            raise Invalid(f"{path}: larger than {_MAPPING_BYTES_MAX >> 10} KiB; that is no mapping of accounts")
        return read_mapping(source.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Invalid(f"{source}: not UTF-8 at byte {error.start}; save the file as UTF-8") from None
    except MappingNotUsable as why:
        raise Invalid(f"{source}: {why}") from None
    except OSError as error:
        raise Invalid(
            f"{source}: {error.strerror or error}; name the file with --mapping or accounting_mapping"
        ) from None
