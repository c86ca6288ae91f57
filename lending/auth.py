"""Who is asking, and may they: sign-in sessions, roles per route, and forms that only our own pages can send.

Rules, all enforced in `guard`, which runs before every request:

- every view says who may use it: `@public`, `@roles(…)` or `@machines`; one that says nothing is refused;
- a signed-in browser holds a token of a session row; the row is what counts, so a session can be ended here;
- a request that may change something comes from our own pages: it carries the form token of its own browser session,
  and where the browser says from which site it comes, that is ours;
- who must have a second factor and has none when the days of grace are over sets one up before anything else;
- what is dangerous is marked `@recent`: whoever signed in long ago proves again who they are;
- only the host names that this server knows are answered: no page, link or cookie is made for another one;
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
from custody.events import World
from lending import audit_log, factors, people, sessions, sign_in_steps
from lending.access_config import is_loopback
from lending.config import Config
from lending.db import Database
from lending.people import Actor
from lending.request_rules import is_known_host, is_own_page, is_own_path, network_of
from lending.sessions import Session

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
    """Who may use a route. `kind` is "public", "machines", "tokens" or "roles"; `roles` only with the last."""

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


def tokens(view: View) -> View:
    """Mark a view as for programmes, whose token the view itself checks: no cookie is read."""
    return _mark(view, Access("tokens"))


def roles(*names: str) -> Callable[[View], View]:
    """Mark a view as for signed-in people with one of these roles. Raises `ValueError` for an unknown role."""
    unknown = set(names) - set(people.ROLES)
    if unknown or not names:
        raise ValueError(f"a route needs roles out of {people.ROLES}, not {sorted(unknown)}")
    return lambda view: _mark(view, Access("roles", frozenset(names)))


def recent(view: View) -> View:
    """Mark a view as dangerous: whoever signed in more than 15 minutes ago proves again who they are. With `@roles`."""
    view.kitbank_recent = True  # type: ignore[attr-defined]
    return view


def without_factor(view: View) -> View:
    """Mark a view as open to accounts that have yet to set up their second factor. With `@roles`."""
    view.kitbank_without_factor = True  # type: ignore[attr-defined]
    return view


def access_of(app: Flask, endpoint: str) -> Access | None:
    """Return who may use an endpoint, None when its view says nothing (and then nobody may)."""
    found: Access | None = getattr(app.view_functions[endpoint], "kitbank_access", None)
    return found


def may(endpoint: str) -> bool:
    """Tell whether whoever asks now may use an endpoint: for showing links."""
    access, by = access_of(current_app, endpoint), visitor()
    if access is None or access.kind in ("machines", "tokens"):
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
    if access.kind in ("machines", "tokens") or request.endpoint == "static":
        return None
    config = services().config
    if not is_known_host(request.host, config.host_address, config.access.other_hosts):
        abort(400, "This service is not at that address. Open it at the address you were given.")
    g.actor = _signed_in()
    if access.kind == "roles":
        answer = _may_enter(access)
        if answer is not None:
            return answer
    if request.method not in SAFE_METHODS and not (_own_form() and is_own_page(dict(request.headers), request.host)):
        abort(400, "This form was open too long, or did not come from this site. Nothing was saved. Open it again.")
    return _must_prove() if access.kind == "roles" else None


def form_token() -> str:
    """Return this browser session's form token, making it (and the cookie) at first use."""
    if "form" not in session:
        session["form"] = secrets.token_urlsafe(24)
    return str(session["form"])


def arrive(by: Actor, method: str, wanted: str) -> str:
    """Somebody showed a first factor: start the session, or ask for the second. Returns the address to go on to."""
    made = services()
    with made.db.transaction() as tx:
        more = factors.has_one(tx, by.account_id)
        token = (
            sign_in_steps.begin(tx, "second", by.account_id, {"method": method, "next": wanted}, made.now())
            if more
            else ""
        )
    if more:
        session["step"] = token
        return url_for("signin.second")
    sign_in(by, method, strong=False)
    return wanted_page(wanted)


def sign_in(by: Actor, method: str, *, strong: bool) -> None:
    """Start a session for `by` in this browser, leaving nothing of an older one (session fixation)."""
    made = services()
    with made.db.transaction() as tx:
        if "token" in session:
            sessions.end(tx, session["token"], made.now())
        browser = request.headers.get("User-Agent", "")
        token = sessions.start(tx, by.account_id, made.now(), method=method, strong=strong, browser=browser)
        audit_log.note(tx, by, "signed-in", f"account:{by.ref}", sessions.METHODS.get(method, method), now=made.now())
    session.clear()
    session["token"], session["seen"] = token, made.now().timestamp()


def sign_out() -> None:
    """End this browser's session here and in the browser."""
    made = services()
    if "token" in session:
        with made.db.transaction() as tx:
            sessions.end(tx, session["token"], made.now())
    session.clear()
    g.actor = None


def token() -> str:
    """Return the token of this browser's session; only for views with `@roles`."""
    return str(session["token"])


def current() -> Session | None:
    """Return this browser's session, None when nobody is signed in."""
    found: Session | None = g.get("session")
    return found


def client_address() -> str:
    """Return the network address that asks, as far as counting goes."""
    return network_of(request.remote_addr or "")


def asks_nobody() -> bool:
    """Tell whether this is a practice server on its own machine, where nobody needs a second factor."""
    made = services()
    return made.db.world is World.PRACTICE and is_loopback(made.config.listen)


def standing() -> factors.Standing | None:
    """Return how whoever is signed in stands with the second factor; None when none is asked of them."""
    by, made = visitor(), services()
    if by is None or asks_nobody() or not by.roles & made.config.access.factor_roles:
        return None
    if "standing" not in g:
        with made.db.read() as tx:
            g.standing = factors.standing(tx, by, made.config.access)
    found: factors.Standing = g.standing
    return found


def nonce() -> str:
    """Return this answer's nonce for a script tag that needs one; the content policy of the answer then names it."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(18)
    return str(g.nonce)


def wanted_page(text: str) -> str:
    """Return the page to go to after signing in: only ever one of our own, the first page otherwise."""
    return text if is_own_path(text) else url_for("home.home")


def given_nonce() -> str:
    """Return the nonce that a script tag of this answer carries, "" when none does."""
    return str(g.get("nonce", ""))


def _may_enter(access: Access) -> Response | None:
    """Send away who is not signed in, has not the role, or must set up a second factor first."""
    if g.actor is None:
        return redirect(url_for("public.sign_in", next=_here()), 303)
    if not g.actor.roles & access.roles:
        wanted = " or ".join(name for name in people.ROLES if name in access.roles)
        raise Refused([Reason("role", f"This page is for the role {wanted}; ask an administrator")])
    held = current()
    if held is None or held.strong or _marked("kitbank_without_factor"):
        return None
    found = standing()
    if found is not None and found.is_shut(services().now()):
        return redirect(url_for("security.mine"), 303)
    if found is not None and found.has_one:  # a session from before the factor was added
        return redirect(url_for("signin.prove", next=_here()), 303)
    return None


def _must_prove() -> Response | None:
    """Let whoever signed in long ago prove again who they are before something dangerous."""
    held = current()
    if not _marked("kitbank_recent") or held is None or held.is_recent(services().now()):
        return None
    back = _here() or (request.path if _opens(request.path) else None)
    return redirect(url_for("signin.prove", next=back), 303)


def _marked(name: str) -> bool:
    return bool(getattr(current_app.view_functions[str(request.endpoint)], name, False))


def _opens(path: str) -> bool:
    """Tell whether an address can be opened, not only sent to."""
    return "GET" in (current_app.create_url_adapter(request) or abort(400)).allowed_methods(path)


def _signed_in() -> Actor | None:
    """Return the session's person; note once in a while that the session is in use."""
    token = session.get("token")
    if not isinstance(token, str) or not token:
        return None
    made = services()
    now = made.now()
    with made.db.read() as tx:
        found = sessions.session(tx, token, now)
    if found is None:
        session.clear()
        return None
    if abs(now.timestamp() - float(session.get("seen", 0))) > TOUCH_EVERY.total_seconds():
        with made.db.transaction() as tx:
            sessions.touch(tx, token, now)
        session["seen"] = now.timestamp()
    g.session = found
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
