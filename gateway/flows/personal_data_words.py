"""A person in words: whatever was written about them, wherever texts are kept, is found and taken out.

Tables are read through for it, in a look that locks nothing; only the rows found are then written.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    func,
    or_,
    select,
    update,
)

from gateway.flows.personal_data_door import GONE, forget_history
from gateway.flows.personal_data_subject import Person
from gateway.store.personal import PERSONAL, Kind
from gateway.store.tables import Base

_KINDS = frozenset({Kind.WORDS, Kind.PAYLOAD, Kind.SIGNATURE, Kind.AGREEMENT})
_HASHES = frozenset({"digest", "content_hash"})
# Rows of these are not worth keeping without the words.
_WHOLE_ROWS = frozenset({"quarantine"})
# Not of a text, and yet made of what is shown to people.
_ALSO = {"command": ("payload",)}
_WORDS_AT_A_TIME = 20
_HISTORY = "register_change"
_AUDIT = "audit_entry"

Hits = dict[str, list[tuple[Any, ...]]]


def find(connection: Connection, person: Person) -> Hits:
    """Keys of the rows, by table, in which a word of the person stands."""
    found: Hits = {}
    for table, columns in _texts():
        keys: dict[tuple[Any, ...], None] = {}
        for start in range(0, len(person.words), _WORDS_AT_A_TIME):
            words = person.words[start : start + _WORDS_AT_A_TIME]
            said = or_(*(_says(connection, column, word) for column in columns for word in words))
            conditions = [said]
            if "site_id" in table.c:
                conditions.append(table.c.site_id.in_([*person.sites, ""]))
            rows = connection.execute(select(*table.primary_key.columns).where(*conditions))
            keys.update((tuple(row), None) for row in rows)
        if table.name == _AUDIT and person.household is not None:
            keys.update((tuple(row), None) for row in connection.execute(_about_household(table, *person.household)))
        if keys:
            found[table.name] = list(keys)
    return found


def _about_household(table: Table, site: str, number: str) -> Select[Any]:
    """Lines whose subject is the household's number. In other texts it may mean anything."""
    return select(*table.primary_key.columns).where(table.c.site_id == site, table.c.subject == number)


def take_out(connection: Connection, hits: Hits, person: Person) -> Counter[str]:
    """Take the words out of these rows; how many by table. What only ever grows needs the door (`erasing`) open."""
    done: Counter[str] = Counter()
    words = person.words
    number = person.household[1] if person.household is not None else None
    columns_of = dict(_texts())
    for name, keys in hits.items():
        table = Base.metadata.tables[name]
        columns = columns_of[table]
        own = list(table.primary_key.columns)
        for key in keys:
            here = and_(*(column == value for column, value in zip(own, key, strict=True)))
            if name in _WHOLE_ROWS:
                done[name] += connection.execute(delete(table).where(here)).rowcount
                continue
            row = connection.execute(select(*columns).where(here)).first()
            if row is None:
                continue
            if name == _HISTORY and _names_an_entry(row, words):
                # Its entry is gone, or is another's who once had this vehicle: what it said is forgotten as a whole.
                place = dict(zip((column.name for column in own), key, strict=True))
                done[name] += forget_history(connection, place["site_id"], place["kind"], [place["entry"]])
                continue
            changed = {
                column.name: after
                for column, before in zip(columns, row, strict=True)
                if (after := _without(column, before, words)) != before
            }
            if name == _AUDIT and row.subject == number:
                changed["subject"] = GONE
            if changed:
                values = {column: bindparam(f"is_{column}", type_=table.c[column].type) for column in changed}
                statement = update(table).where(here).values(**values)
                connection.execute(statement, {f"is_{column}": value for column, value in changed.items()})
                done[name] += 1
    return done


def _names_an_entry(row: Any, words: Sequence[str]) -> bool:
    """Whether a plate or a number stands in it, not only a name that several people may have."""
    said = json.dumps([row.before, row.after], ensure_ascii=False)
    return any(word in said for word in words if any(one.isdigit() for one in word))


def without(text: str, words: Sequence[str]) -> str:
    """A text without these words, the longest first."""
    for word in words:
        text = text.replace(word, GONE)
    return text


def _texts() -> Iterator[tuple[Table, list[Column[Any]]]]:
    for name, columns in PERSONAL.items():
        table = Base.metadata.tables[name]
        wanted = [
            table.c[column] for column, kind in columns.items() if kind in _KINDS or column in _ALSO.get(name, ())
        ]
        wanted = [column for column in wanted if column.name not in _HASHES]
        if wanted:
            yield table, wanted


def _says(connection: Connection, column: Column[Any], word: str) -> ColumnElement[bool]:
    if isinstance(column.type, LargeBinary):
        return or_(*(_holds(connection, column, form) for form in _forms(word)))
    text = cast(column, Text) if isinstance(column.type, JSON) else column
    said: ColumnElement[bool] = text.contains(word, autoescape=True)
    if isinstance(column.type, JSON):
        return or_(said, text.contains(json.dumps(word)[1:-1], autoescape=True))
    return said


def _holds(connection: Connection, column: Column[Any], form: bytes) -> ColumnElement[bool]:
    wanted = bindparam(None, form, type_=LargeBinary())
    if connection.dialect.name == "postgresql":
        return func.position(wanted.op("IN")(column)) > 0
    return func.instr(column, wanted) > 0


def _forms(word: str) -> list[bytes]:
    """As bytes, the ways in which devices write it."""
    escaped = json.dumps(word)[1:-1]
    upper = "".join(f"\\u{ord(one):04X}" if ord(one) > 127 else one for one in word)
    forms = [word.encode(), word.encode("gb18030"), escaped.encode(), upper.encode("ascii", "backslashreplace")]
    return list(dict.fromkeys(forms))


def _without(column: Column[Any], value: Any, words: Sequence[str]) -> Any:
    if isinstance(value, str):
        clean = without(value, words)
        longest = getattr(column.type, "length", None)
        return clean[:longest] if longest and clean != value else clean
    if isinstance(value, bytes | memoryview):
        held = bytes(value)
        return b"" if any(form in held for word in words for form in _forms(word)) else value
    if isinstance(value, dict):
        return {without(str(key), words): _without(column, inner, words) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without(column, inner, words) for inner in value]
    return value
