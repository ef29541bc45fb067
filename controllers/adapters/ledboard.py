"""The LED and voice board that hangs behind most estate cameras, on their serial port (cameras pass its frames on in base64).

A frame is `DA VR PN(2) CMD DL DATA CRC(2)`: address 0, version 0x64, packet number FFFF for a single one, the length of the data in
one byte, CRC16-MODBUS little endian over everything before it. Text is GBK. Source: vendors' sample frames; 0x6E as public drivers
write it for boards of the OLM-M1D kind.
"""

from __future__ import annotations

from collections.abc import Sequence

ROWS_MAX = 4
ROW_BYTES_MAX = 32
VOICE_BYTES_MAX = 64

_HEAD = b"\x00\x64\xff\xff"
_VOICE = 0x30
_ROWS_AND_VOICE = 0x6E
_AT_ONCE = b"\x01"
_TEMPORARY = 0
_SHOW_AT_ONCE = 0x00
_SCROLL = 0x15
_SECONDS = 8
_ONCE = 1
_RED = b"\xff\x00\x00\x00"
_GREEN = b"\x00\xff\x00\x00"
_ROW_FITS_BYTES = 16


def frame(rows: Sequence[str], voice: str | None) -> bytes | None:
    """Rows to show and words to say, in one frame; None where there is nothing of either."""
    shown = [text for text in (_gbk(row, ROW_BYTES_MAX) for row in rows[:ROWS_MAX]) if text]
    said = _gbk(voice or "", VOICE_BYTES_MAX)
    if not shown:
        return _frame(_VOICE, _AT_ONCE + said) if said else None
    data = bytes([_TEMPORARY, len(shown)])
    for number, text in enumerate(shown):
        # A row that does not fit runs through; the first is the plate, in red.
        how = _SHOW_AT_ONCE if len(text) <= _ROW_FITS_BYTES else _SCROLL
        data += bytes([number, how, 1, _SECONDS, _ONCE]) + (_GREEN if number else _RED) + bytes([len(text)]) + text
        data += b"\x0d" if number < len(shown) - 1 else b"\x00"
    return _frame(_ROWS_AND_VOICE, data + bytes([0x0A, len(said)]) + said + b"\x00")


def crc16_modbus(data: bytes) -> int:
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def _frame(command: int, data: bytes) -> bytes:
    whole = _HEAD + bytes([command, len(data)]) + data
    return whole + crc16_modbus(whole).to_bytes(2, "little")


def _gbk(text: str, bytes_max: int) -> bytes:
    """Cut between characters, not within one; what GBK does not have becomes a question mark."""
    cut = b""
    for character in text.strip():
        more = character.encode("gbk", "replace")
        if len(cut) + len(more) > bytes_max:
            break
        cut += more
    return cut
