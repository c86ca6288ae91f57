"""A person at a browser, as far as the line needs one: pages, links, forms with their hidden fields, sign-in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import MappingProxyType
from typing import Any
from urllib.parse import urljoin

import requests

SECONDS = 30.0
Fields = Mapping[str, str]
NOTHING: Fields = MappingProxyType({})
_NO_TEXT = frozenset({"script", "style", "head"})


class Unexpected(Exception):
    """A page was not what a person would have expected; the message says which and what it showed."""


@dataclass
class Form:
    """One form of a page: where it goes, and what it would send as it stands."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    """Collect the forms and the visible text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.words: list[str] = []
        self._inside: Form | None = None
        self._select = ""
        self._area = ""
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._hidden += tag in _NO_TEXT
        if tag == "form":
            self._inside = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._inside)
        if self._inside is None:
            return
        name = given.get("name", "")
        if name:
            self._inside.names.append(name)
        if tag == "input" and name:
            self._input(self._inside, name, given, "checked" in given)
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            value = given.get("value", "")
            self._inside.choices.setdefault(self._select, []).append(value)
            if "selected" in given or self._select not in self._inside.values:
                self._inside.values[self._select] = value
        elif tag == "textarea" and name:
            self._area = name
            self._inside.values[name] = ""

    @staticmethod
    def _input(form: Form, name: str, given: Mapping[str, str], checked: bool) -> None:
        kind = given.get("type", "text")
        if kind in ("radio", "checkbox"):
            form.choices.setdefault(name, []).append(given.get("value", "on"))
            if checked:
                form.values[name] = given.get("value", "on")
        elif kind not in ("submit", "button", "file"):
            form.values[name] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in _NO_TEXT
        if tag == "form":
            self._inside = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area and self._inside is not None:
            self._inside.values[self._area] += data
        elif not self._hidden:
            self.words.append(data)


@dataclass(frozen=True)
class Page:
    """What came back: its address, its status, its text as a person reads it, its forms and its source."""

    url: str
    status: int
    text: str
    forms: list[Form]
    source: str

    def form(self, *names: str, action: str = "") -> Form:
        """Return the form that has these fields and whose address contains `action`; raise Unexpected."""
        for each in self.forms:
            if set(names) <= set(each.names) and action in (each.action or self.url):
                return each
        raise Unexpected(f"{self.url} has no form with {', '.join(names) or 'a button'} for {action!r}: {self.gist()}")

    def link(self, pattern: str) -> str:
        """Return the first address in the page's source that matches a pattern; raise Unexpected."""
        found = re.search(rf'(?:href|action)="([^"]*{pattern}[^"]*)"', self.source)
        if found is None:
            raise Unexpected(f"{self.url} has no link like {pattern}: {self.gist()}")
        return found.group(1).replace("&amp;", "&")

    def gist(self) -> str:
        """Return the beginning of the page's text, for a message."""
        return f"({self.status}) {self.text[:600]}"


class Browser:
    """One person's browser on one service; keeps cookies and follows redirects."""

    def __init__(self, base: str) -> None:
        """Start with no cookies at the address of a service."""
        self.base = base
        self.session = requests.Session()

    def open(self, address: str, *, expect: tuple[int, ...] = (200,)) -> Page:
        """Fetch a page by its path or address; raise Unexpected on another status."""
        return self._page(self.session.get(urljoin(self.base, address), timeout=SECONDS), expect)

    def send(self, page: Page, form: Form, fields: Fields = NOTHING, *, expect: tuple[int, ...] = (200,)) -> Page:
        """Fill in a form and send it, hidden fields included; raise Unexpected on another status."""
        return self._page(self._submit(page, form, fields, "text/html"), expect)

    def send_for_json(self, page: Page, form: Form, fields: Fields = NOTHING, *, expect: tuple[int, ...]) -> Any:
        """Send a form as a program would, asking for JSON; return it, raise Unexpected on another status."""
        answer = self._submit(page, form, fields, "application/json")
        if answer.status_code not in expect:
            raise Unexpected(f"{answer.url} gave ({answer.status_code}) {answer.text[:600]}")
        return answer.json()

    def _submit(self, page: Page, form: Form, fields: Mapping[str, str], accept: str) -> requests.Response:
        strange = sorted(set(fields) - set(form.names))
        if strange:
            raise Unexpected(f"the form on {page.url} has no {', '.join(strange)}; it has {', '.join(form.names)}")
        address, values = urljoin(page.url, form.action), {**form.values, **fields}
        if form.method == "get":
            return self.session.get(address, params=values, timeout=SECONDS)
        headers = {"Referer": page.url, "Accept": accept}
        return self.session.post(address, data=values, headers=headers, timeout=SECONDS)

    def close(self) -> None:
        """Close the connections."""
        self.session.close()

    @staticmethod
    def _page(answer: requests.Response, expect: tuple[int, ...]) -> Page:
        reader = _Reader()
        reader.feed(answer.text)
        text = re.sub(r"\s+", " ", " ".join(reader.words)).strip()
        page = Page(answer.url, answer.status_code, text, reader.forms, answer.text)
        if answer.status_code not in expect:
            raise Unexpected(f"{answer.request.method} {answer.url} gave {page.gist()}")
        return page
