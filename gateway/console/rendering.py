"""Templates, the language of a page, and how figures are written."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from billing.explain import duration
from gateway.console import assets
from gateway.console.words import WORDS, Language, exception_word, for_script, language, word
from gateway.console.words_told import told

LANGUAGE_COOKIE, THEME_COOKIE = "parkgate_language", "parkgate_theme"
THEMES = ("auto", "light", "dark")
_YEAR_SECONDS = 365 * 24 * 3600
_ODDS_MAX = 100_000

_environment = Environment(
    loader=PackageLoader("gateway.console", "templates"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def yuan(fen: int) -> str:
    """Fen as yuan with two decimals: 1234 → ¥12.34."""
    sign = "−" if fen < 0 else ""
    return f"{sign}¥{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def clock(instant: str | datetime | None) -> str:
    """The time of day of an instant that is in the site's zone already."""
    if instant is None:
        return ""
    found = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return found.strftime("%H:%M:%S")


def last_day(instant: str | datetime | None) -> str:
    """The last local day of a period that ends before an instant, which is in the site's zone already."""
    if instant is None:
        return ""
    found = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return (found - timedelta(microseconds=1)).date().isoformat()


def odds(score: float) -> str:
    """A decimal logarithm as odds: 2 is 100 : 1."""
    return f"{min(10**score, _ODDS_MAX):.0f} : 1" if score >= 0 else f"1 : {min(10**-score, _ODDS_MAX):.0f}"


def script_data(value: object) -> Markup:
    """JSON that is safe inside a `<script type="application/json">`."""
    text = json.dumps(value, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - nothing of it can end the element


_environment.filters.update(yuan=yuan, clock=clock, last_day=last_day, odds=odds)
_environment.globals["static"] = assets.where()


def language_of(request: Request) -> Language:
    """`?lang=`, else what was chosen before, else Chinese."""
    return language(request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE))


def theme_of(request: Request) -> str:
    """`?theme=`, else what was chosen before, else as the device has it."""
    wanted = request.query_params.get("theme") or request.cookies.get(THEME_COOKIE)
    return wanted if wanted in THEMES else THEMES[0]


def secure(request: Request) -> bool:
    return request.url.scheme == "https" or request.app.state.context.parts.settings.base_url.startswith("https:")


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page in the language and theme of the request; one that was asked for is remembered.

    `switch(lang=…)` is the address of this page in another language, or with anything else of its query changed.
    """
    lang, theme = language_of(request), theme_of(request)
    asked = {name: value for name, value in request.query_params.items() if name != "said"}

    def say(key: str) -> str:
        return WORDS[lang][key]

    def named(group: str, key: str | None) -> str:
        return word(lang, group, key)

    def words_of(group: str) -> dict[str, str]:
        return {key[len(group) + 1 :]: said for key, said in WORDS[lang].items() if key.startswith(f"{group}.")}

    def switch(**change: str) -> str:
        return f"{request.url.path}?{urlencode({**asked, **change})}"

    page = _environment.get_template(template).render(
        lang=lang,
        html_lang="zh-CN" if lang == "zh" else "en",
        other="en" if lang == "zh" else "zh",
        path=request.url.path,
        theme=theme,
        switch=switch,
        asked_here=lambda: asked,
        t=say,
        words_of=words_of,
        word=named,
        duration=lambda minutes: duration(minutes, lang),
        told=told if lang == "zh" else str,
        exception_word=lambda kind: exception_word(lang, kind),
        script_data=lambda: script_data(for_script(lang)),
        **values,
    )
    answer = HTMLResponse(page, status)
    for name, cookie, chosen in (("lang", LANGUAGE_COOKIE, lang), ("theme", THEME_COOKIE, theme)):
        if asked.get(name):
            answer.set_cookie(
                cookie, chosen, max_age=_YEAR_SECONDS, samesite="strict", httponly=True, secure=secure(request)
            )
    return answer
