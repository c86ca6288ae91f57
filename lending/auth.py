"""Who is asking, and may they: sign-in sessions, roles per route, and forms that only our own pages can send.

Rules, all enforced in `guard`, which runs before every request:

- every view says who may use it: `@public`, `@roles(…)` or `@machines`; one that says nothing is refused;
- a signed-in browser holds a token of a session row; the row is what counts, so a session can be ended here;
- a request that may change something carries the form token of its own browser session, or it is refused;
- `@machines` are requests signed by an origin's key (`views/api.py` checks them): no cookie is read or set.

`current_app` and `g` are used here and in the views only.
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from flask import Flask, abort, current_app, g, redirect, request, session, url_for
from werkzeug.wrappers import Response

from custody.errors import Reason, Refused
from lending import people
from lending.config import Config
from lending.db import Database
from lending.people import Actor

TOUCH_EVERY = timedelta(minutes=5)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
EVERYONE = people.ROLES
"""Every signed-in person."""

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Services:
    """What views work with: how this installation is set up, its database and its clock (aware, UTC)."""

    config: Config
    db: Database
    now: Callable[[], datetime]


@dataclass(frozen=True)
class Access:
    """Who may use a route. `kind` is "public", "machines" or "roles"; `roles` only with the last."""

    kind: str
    roles: frozenset[str] = frozenset()


def utc_now() -> datetime:
    """Return the time by this machine's clock."""
    return datetime.now(UTC)


def services() -> Services:
    """Return what this application was made with."""
    found: Services = current_app.extensions["kitbank"]
    return found


def public(view: View) -> View:
    """Mark a view as open to anybody, signed in or not."""
    return _mark(view, Access("public"))


def machines(view: View) -> View:
    """Mark a view as for stations and kiosks, whose signature the view itself checks."""
    return _mark(view, Access("machines"))


def roles(*names: str) -> Callable[[View], View]:
    """Mark a view as for signed-in people with one of these roles. Raises `ValueError` for an unknown role."""
    unknown = set(names) - set(people.ROLES)
    if unknown or not names:
        raise ValueError(f"a route needs roles out of {people.ROLES}, not {sorted(unknown)}")
    return lambda view: _mark(view, Access("roles", frozenset(names)))


def access_of(app: Flask, endpoint: str) -> Access | None:
    """Return who may use an endpoint, None when its view says nothing (and then nobody may)."""
    found: Access | None = getattr(app.view_functions[endpoint], "kitbank_access", None)
    return found


def may(endpoint: str) -> bool:
    """Tell whether whoever asks now may use an endpoint: for showing links."""
    access, by = access_of(current_app, endpoint), visitor()
    if access is None or access.kind == "machines":
        return False
    return access.kind == "public" or (by is not None and bool(by.roles & access.roles))


def visitor() -> Actor | None:
    """Return who is signed in, or None."""
    found: Actor | None = g.get("actor")
    return found


def actor() -> Actor:
    """Return who is signed in; only for views with `@roles`."""
    found = visitor()
    if found is None:
        raise RuntimeError("a view without @roles asked who is signed in")
    return found


def guard() -> Response | None:
    """Let the request through to its view, or answer it. Runs before every request."""
    if request.endpoint is None:
        g.actor = _signed_in()
        return None  # Flask answers "not found" or "wrong method"
    access = access_of(current_app, request.endpoint)
    if access is None:
        abort(403, "This page does not say who may use it, so nobody may. Please tell an administrator.")
    if access.kind == "machines" or request.endpoint == "static":
        return None
    g.actor = _signed_in()
    if access.kind == "roles":
        if g.actor is None:
            return redirect(url_for("public.sign_in", next=_here()), 303)
        if not g.actor.roles & access.roles:
            wanted = " or ".join(name for name in people.ROLES if name in access.roles)
            raise Refused([Reason("role", f"This page is for the role {wanted}; ask an administrator")])
    if request.method not in SAFE_METHODS and not _own_form():
        abort(400, "This form was open too long, or did not come from this site. Nothing was saved. Open it again.")
    return None


def form_token() -> str:
    """Return this browser session's form token, making it (and the cookie) at first use."""
    if "form" not in session:
        session["form"] = secrets.token_urlsafe(24)
    return str(session["form"])


def sign_in(by: Actor) -> None:
    """Start a session for `by` in this browser, leaving nothing of an older one (session fixation)."""
    made = services()
    with made.db.transaction() as tx:
        if "token" in session:
            people.end_session(tx, session["token"], made.now())
        token = people.start_session(tx, by.account_id, made.now())
    session.clear()
    session["token"], session["seen"] = token, made.now().timestamp()


def sign_out() -> None:
    """End this browser's session here and in the browser."""
    made = services()
    if "token" in session:
        with made.db.transaction() as tx:
            people.end_session(tx, session["token"], made.now())
    session.clear()
    g.actor = None


def wanted_page(text: str) -> str:
    """Return the page to go to after signing in: only ever one of our own, the first page otherwise."""
    plain = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if plain else url_for("home.home")


def _signed_in() -> Actor | None:
    """Return the session's person; note once in a while that the session is in use."""
    token = session.get("token")
    if not token:
        return None
    made = services()
    now = made.now()
    with made.db.read() as tx:
        found = people.session(tx, token, now)
    if found is None:
        session.clear()
        return None
    if abs(now.timestamp() - float(session.get("seen", 0))) > TOUCH_EVERY.total_seconds():
        with made.db.transaction() as tx:
            people.touch_session(tx, token, now)
        session["seen"] = now.timestamp()
    return found.actor


def _own_form() -> bool:
    sent, ours = request.form.get("form_token", ""), str(session.get("form", ""))
    return bool(ours) and hmac.compare_digest(sent.encode(), ours.encode())


def _here() -> str | None:
    """Return the page asked for, to come back to it; nothing for the first page or a form that was sent."""
    if request.method != "GET" or request.path == "/":
        return None
    return request.full_path.rstrip("?")


def _mark(view: View, access: Access) -> View:
    view.kitbank_access = access  # type: ignore[attr-defined]
    return view
