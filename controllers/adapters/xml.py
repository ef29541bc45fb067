"""XML as devices write it, read into names and texts: namespaces vary by firmware and are dropped, declarations are refused.

Expat alone, with every door of it closed: no document type, so no entity of one's own and nothing that is fetched or grows.
"""

from __future__ import annotations

from xml.parsers import expat

from controllers.adapters.reading import small_enough
from controllers.events import Undecodable

BYTES_MAX = 256 * 1024
DEPTH_MAX = 32
ELEMENTS_MAX = 5_000


class Element:
    """A name without its namespace, a text, and what is inside."""

    __slots__ = ("inside", "name", "text")

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = ""
        self.inside: list[Element] = []

    def find(self, *path: str) -> Element | None:
        """The first element under this path of names."""
        here: Element | None = self
        for name in path:
            here = next((one for one in here.inside if one.name == name), None) if here is not None else None
        return here

    def word(self, *path: str) -> str:
        """The text of the first element under this path, without space around it; empty where there is none."""
        found = self.find(*path)
        return found.text.strip() if found is not None else ""


class _Refused(Exception):
    pass


class _Builder:
    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._elements = 0

    def start(self, name: str, _attributes: object) -> None:
        self._elements += 1
        if self._elements > ELEMENTS_MAX or len(self._open) >= DEPTH_MAX:
            raise _Refused("too many elements, or too deep")
        element = Element(name.rpartition(":")[2])
        if self._open:
            self._open[-1].inside.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        if self._open:
            self._open[-1].text += text

    def doctype(self, *_: object) -> None:
        raise _Refused("a document type is refused")


def parse(payload: bytes) -> Element:
    """The root. Raises `Undecodable` (`not_xml`, `too_large`)."""
    small_enough(payload, BYTES_MAX)
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = builder.doctype
    try:
        parser.Parse(payload.strip(b" \r\n\t\0"), True)
    except (expat.ExpatError, _Refused, ValueError, LookupError) as error:
        raise Undecodable("not_xml", str(error)[:200]) from None
    if builder.root is None:
        raise Undecodable("not_xml", "no element")
    return builder.root
