"""The lanes and devices of a deployment, as its own API tells them: for whoever has a login there and not its site file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import click
import httpx
import msgspec

from gateway.cli.main import Refusal
from simulators.street import SITES_MAX, DeviceSpec, GateSpec, LaneSpec, SiteSpec

_WITHIN_SECONDS = 20.0
_PAGES_MAX = 1_000
_ANSWER_CHARACTERS = 200
Tier = Literal["main", "middle", "small"]
_NOT_OURS = "is not the address of a Parkgate API"


class Login(NamedTuple):
    """Who asks. Secrets come from a file, standard input or the keyboard, never from the command line."""

    user: str | None = None
    password_stdin: bool = False
    token_file: str | None = None


class _Lane(msgspec.Struct, frozen=True):
    id: str
    gate: str
    tier: Tier
    direction: Literal["in", "out"]
    loop: bool
    passage_sensor: bool
    offline_exit: bool
    channel: int | None
    relay: int
    close_relay: int | None


class _Fitting(msgspec.Struct, frozen=True):
    site: str
    device: str
    vendor: str
    serial: str
    features: tuple[str, ...]
    address: str
    login: str
    lanes: tuple[_Lane, ...]


class _Page(msgspec.Struct, frozen=True):
    items: tuple[_Fitting, ...]
    next: str | None = None


class _Token(msgspec.Struct, frozen=True):
    access_token: str


_Form = TypeVar("_Form", _Page, _Token)


class Api:
    """One conversation. Whatever goes wrong is a `Refusal` on one line, which names the address and never a secret."""

    def __init__(self, url: str, client: httpx.Client) -> None:
        self._url = url.rstrip("/")
        self._client = client

    def sign_in(self, user: str, password: str, code: str = "") -> str | None:
        """A bearer token; None: the account has a second factor, and there was no code."""
        answer = self._ask("POST", "/token", data={"username": user, "password": password, "code": code})
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            kind, detail = _problem(answer)
            if kind.endswith("/code-needed") and not code:
                return None
            raise Refusal(f"{self._url} does not let {user} in: {detail or 'name or password are wrong'}")
        return self._read(answer, _Token).access_token

    def sites(self, token: str) -> list[SiteSpec]:
        """What the account may see: every device in service, with its lanes."""
        found: dict[str, list[_Fitting]] = {}
        for one in self._fittings({"Authorization": f"Bearer {token}"}):
            found.setdefault(one.site, []).append(one)
            if len(found) > SITES_MAX:
                raise Refusal(f"{self._url} has more than {SITES_MAX} sites")
        return [_site(site, fittings) for site, fittings in found.items()]

    def _fittings(self, headers: dict[str, str]) -> Iterator[_Fitting]:
        cursor: str | None = None
        for _ in range(_PAGES_MAX):
            asked = {"limit": "200"} | ({} if cursor is None else {"cursor": cursor})
            answer = self._ask("GET", "/fittings", headers=headers, params=asked)
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                raise Refusal(
                    f"{self._url} does not take the token: it has ended, or is another deployment's; get a new one"
                )
            if answer.status_code == httpx.codes.FORBIDDEN:
                raise Refusal(
                    f"{self._url}: this account may not read how devices are built in; it takes a manager or an auditor"
                )
            page = self._read(answer, _Page)
            yield from page.items
            if (cursor := page.next) is None:
                return
        raise Refusal(f"{self._url} does not come to an end with its devices")

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            return self._client.request(method, f"{self._url}/api/v1{path}", **more)
        except httpx.InvalidURL as problem:
            raise Refusal(f"--api {self._url}: {problem}") from None
        except httpx.TimeoutException:
            raise Refusal(f"{self._url} does not answer within {_WITHIN_SECONDS:g} s") from None
        except (httpx.HTTPError, ValueError) as problem:
            raise Refusal(f"{self._url} cannot be reached: {_one_line(str(problem))}") from None

    def _read(self, answer: httpx.Response, form: type[_Form]) -> _Form:
        if answer.is_redirect:
            raise Refusal(f"{self._url} sends on to {answer.headers.get('location', '')!r:.200}; give that address")
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise Refusal(f"{self._url} {_NOT_OURS}, or of an older one: there is no {answer.request.url.path}")
        if answer.is_error:
            _, detail = _problem(answer)
            raise Refusal(f"{self._url} answers {answer.status_code}: {detail or answer.reason_phrase}")
        try:
            return msgspec.json.decode(answer.content, type=form)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Refusal(f"{self._url} {_NOT_OURS}: what it answers is something else") from None


def sites_of(url: str, login: Login) -> list[SiteSpec]:
    """Sign in, or take the token, and read. Raises `Refusal`."""
    if not url.startswith(("http://", "https://")):
        raise Refusal(f"--api {url!r:.200} is no http:// or https:// address")
    if (login.user is None) == (login.token_file is None):
        raise Refusal("--api goes with --user, or with --token-file")
    token = None if login.token_file is None else _token_in(login.token_file)
    with httpx.Client(timeout=_WITHIN_SECONDS, follow_redirects=False) as client:
        api = Api(url, client)
        return api.sites(token or _signed_in(api, login))


def _signed_in(api: Api, login: Login) -> str:
    user, stdin = login.user or "", login.password_stdin
    password = _line("the password") if stdin else _asked(f"Password of {user}")
    token = api.sign_in(user, password)
    if token is None:
        code = _line("the code of the second factor") if stdin else _asked("Code of the second factor")
        token = api.sign_in(user, password, code)
    assert token is not None  # with a code it is a token or a refusal
    return token


def _asked(what: str) -> str:
    if not sys.stdin.isatty():
        raise Refusal("there is nobody at the keyboard; give --password-stdin or --token-file")
    return str(click.prompt(what, hide_input=True, err=True))


def _line(what: str) -> str:
    line = sys.stdin.readline(4096).rstrip("\r\n")
    if not line:
        raise Refusal(f"standard input ended where {what} should be, one line")
    return line


def _token_in(path: str) -> str:
    try:
        with click.open_file(path, encoding="utf-8") as file:
            token = str(file.read(16_384)).strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise Refusal(f"--token-file {path}: {getattr(problem, 'strerror', None) or 'not a text'}") from None
    if not token or not token.isascii() or any(not character.isprintable() or character == " " for character in token):
        raise Refusal(f"--token-file {path} holds no token: the `access_token` of `POST /token`, and nothing else")
    return token


def _problem(answer: httpx.Response) -> tuple[str, str]:
    """Kind and words of a problem document; empty where it is none."""
    try:
        said = msgspec.json.decode(answer.content, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return "", ""
    return str(said.get("type", "")), _one_line(str(said.get("detail") or said.get("title") or ""))


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_ANSWER_CHARACTERS]


def _site(site: str, fittings: Sequence[_Fitting]) -> SiteSpec:
    gates: dict[tuple[str, Tier], list[LaneSpec]] = {}
    for one in fittings:
        for lane in one.lanes:
            gates.setdefault((lane.gate, lane.tier), []).append(
                LaneSpec(
                    id=lane.id,
                    direction=lane.direction,
                    device=one.device,
                    loop=lane.loop,
                    passage_sensor=lane.passage_sensor,
                    offline_exit=lane.offline_exit,
                    channel=lane.channel,
                    relay=lane.relay,
                    close_relay=lane.close_relay,
                )
            )
    return SiteSpec(
        id=site,
        name=site,
        capacity=0,
        gate=tuple(GateSpec(id=gate, tier=tier, lane=tuple(lanes)) for (gate, tier), lanes in gates.items()),
        device=tuple(
            DeviceSpec(
                id=one.device,
                vendor=one.vendor,
                serial=one.serial,
                features=one.features,
                address=one.address,
                login=one.login,
            )
            for one in fittings
        ),
    )
