"""Digest authentication as a device asks for it. Source: RFC 7616 with MD5 and `qop=auth`, which is what cameras in the field have."""

from __future__ import annotations

import hashlib
import re
import threading

_FIELD = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]*))')


class Digest:
    """One account. `refused`: how often somebody signed in wrongly: devices lock accounts after a few tries."""

    def __init__(self, login: str, password: str, realm: str = "IP Camera") -> None:
        self._login, self._password, self._realm = login, password, realm
        self._lock = threading.Lock()
        self._nonces: dict[str, int] = {}
        self.refused = 0

    def challenge(self) -> str:
        """`WWW-Authenticate`."""
        with self._lock:
            nonce = _md5(f"{self._realm}:{len(self._nonces)}")
            self._nonces[nonce] = 0
        return f'Digest realm="{self._realm}", qop="auth", nonce="{nonce}", algorithm=MD5'

    def allows(self, method: str, uri: str, header: str) -> bool:
        """A nonce is good for each count once: what was overheard is not taken again."""
        given = {name: quoted or plain for name, quoted, plain in _FIELD.findall(header)}
        nonce, count = given.get("nonce", ""), given.get("nc", "")
        first = _md5(f"{self._login}:{self._realm}:{self._password}")
        second = _md5(f"{method}:{uri}")
        due = _md5(f"{first}:{nonce}:{count}:{given.get('cnonce', '')}:{given.get('qop', '')}:{second}")
        with self._lock:
            used = self._nonces.get(nonce)
            well = (
                header.startswith("Digest ")
                and given.get("username") == self._login
                and given.get("uri") == uri
                and given.get("response") == due
                and used is not None
                and re.fullmatch(r"[0-9a-f]{8}", count) is not None
                and int(count, 16) > used
            )
            if well:
                self._nonces[nonce] = int(count, 16)
            elif header:
                self.refused += 1
        return well


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
