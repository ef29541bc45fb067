"""On which line of a TOML file something stands. `tomllib` reads the values but forgets their places."""

from __future__ import annotations

import re

Path = tuple[str | int, ...]
"""Where something is in a document: keys, and the index (from 0) where there is a list of tables."""

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_HEADER = re.compile(r"(\[\[?)([^\]\n]*)\]\]?[^\n]*")
_KEYS = re.compile(r"([^=\n]*)=")
_KEY = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|([A-Za-z0-9_-]+)")
_VALUE_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}\n]|[^"\'#\[\]{}\n]+|.',
    re.DOTALL,
)


def lines_of(text: str) -> dict[Path, int]:
    """The line (from 1) of every table header and every `key =` of a valid TOML document.

    What an inline table holds has the line of its key; see `line_of`.
    """
    found: dict[Path, int] = {(): 1}
    counts: dict[Path, int] = {}
    here: Path = ()
    at, counted, line = 0, 0, 1
    while True:
        blank = _BLANK.match(text, at)
        at = at if blank is None else blank.end()
        if at >= len(text):
            return found
        line += text.count("\n", counted, at)
        counted = at
        header = _HEADER.match(text, at)
        if header is not None:
            here = _open(header, counts)
            found.setdefault(here, line)
            at = header.end()
            continue
        keys = _KEYS.match(text, at)
        if keys is None:  # cannot be in a valid document; go on with the next line
            at = _line_end(text, at)
            continue
        path = here
        for name in _names(keys[1]):
            path = (*path, name)
            found.setdefault(path, line)
        at = _value_end(text, keys.end())


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of what the path names, or of the nearest thing around it that has one."""
    while path not in lines:
        path = path[:-1]
    return lines[path]


def _open(header: re.Match[str], counts: dict[Path, int]) -> Path:
    names = _names(header[2])
    here: Path = ()
    for name in names[:-1]:
        here = (*here, name)
        if here in counts:
            here = (*here, counts[here] - 1)
    here = (*here, *names[-1:])
    if header[1] == "[[":
        counts[here] = counts.get(here, 0) + 1
        here = (*here, counts[here] - 1)
    return here


def _names(text: str) -> list[str]:
    return [next((group for group in match.groups() if group is not None), "") for match in _KEY.finditer(text)]


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _value_end(text: str, at: int) -> int:
    depth = 0
    for token in _VALUE_TOKEN.finditer(text, at):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
        elif token[0] == "\n" and depth <= 0:
            return token.start()
    return len(text)
