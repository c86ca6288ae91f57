"""The pages: all bays, one bay, and one address that takes orders. Loopback only; no page works from elsewhere.

Nor for a user of this machine who may not leave orders (`station.web.peers`).
Nothing is started by loading a page: every order is a form that was pressed here, with a token of this browser. An
answer is shown once. Without JavaScript everything works; the pages then look again by themselves every few seconds,
except where somebody is typing.
"""

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from flask import Flask, Response, abort, flash, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from station.bays_codes import TROUBLES
from station.bays_state import Tile
from station.errors import UsageError
from station.orders import Order
from station.web.peers import Peers
from station.web.window import Window, key

LOCAL = {"127.0.0.1", "localhost", "::1"}
FIELDS = (
    "bay", "typed", "operator", "badge", "pin", "profile", "device", "accept_lower", "despite_health",
    "supervisor_badge", "supervisor_pin", "medium", "how",
)  # fmt: skip
_OWN = ("style-src", "script-src", "img-src", "connect-src", "form-action")
POLICY = "; ".join(["default-src 'none'", *(f"{kind} 'self'" for kind in _OWN)])


def create_app(window: Window, may: Callable[[Mapping[str, Any]], bool] | None = None) -> Flask:
    """Make the application over one bench; `may` tells who may use it, by default who may leave it an order."""
    app = Flask(__name__, template_folder=str(Path(__file__).parent / "templates"))
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),  # answers and tokens live as long as this process
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_HTTPONLY=True,
        MAX_CONTENT_LENGTH=64 * 1024,
    )
    app.jinja_env.filters.update(size=size, left=left, clock=clock)
    app.jinja_env.globals.update(token=_token, name_of=key, trouble=TROUBLES.get, to_bay=to_bay)
    app.before_request(_only_here)
    app.before_request(_only_members(may or Peers(window.orders.parent).may))
    app.after_request(_headers)
    _pages(app, window)
    return app


def _pages(app: Flask, window: Window) -> None:
    @app.get("/")
    def bays() -> str:
        state, why = window.look()
        return render_template("bays.html", state=state, why=why)

    @app.get("/tiles")
    def tiles() -> str:
        state, why = window.look()
        return render_template("tiles.html", state=state, why=why)

    @app.get("/bay/<path:name>")
    def bay(name: str) -> str | tuple[str, int]:
        tile = window.tile(name)
        if tile is None:
            _, why = window.look()
            return render_template("gone.html", name=name, why=why), 404 if not why else 503
        state, _ = window.look()
        return render_template("bay.html", tile=tile, state=state, ask=request.args.get("ask", ""))

    @app.get("/status/<path:name>")
    def status(name: str) -> Response:
        tile = window.tile(name)
        answer = Response(render_template("status.html", tile=tile) if tile else "", mimetype="text/html")
        answer.headers["Kitbank-State"] = tile.state if tile else "gone"
        return answer

    @app.post("/order/<kind>")
    def order(kind: str) -> AnyResponse:
        given = request.form.get("token", "").encode("utf-8", "replace")
        if not secrets.compare_digest(given, _token().encode()):
            abort(400)
        said = {name: " ".join(request.form.get(name, "").split()) for name in FIELDS}
        here = request.form.get("here", "")
        try:
            made = Order.from_json(Order(kind, **_agreed(said, here, window)).to_json())
        except UsageError as error:
            flash(str(error), "no")
            return redirect(to_bay(here))
        answer = window.order(made)
        flash(answer.sentence, "yes" if answer.obeyed else "no")
        return redirect(to_bay(here) if kind in ("arm", "cancel") or not answer.obeyed else url_for("bays"))


def _agreed(said: dict[str, str], here: str, window: Window) -> dict[str, str]:
    """Turn the one supervisor's field into what it agrees to: exactly what the tile asks for, and nothing else."""
    agreed = dict(said)
    supervisor = request.form.get("supervisor", "").strip()
    tile = window.tile(here) if supervisor else None
    if tile is not None and tile.plan is not None and tile.plan.needs_supervisor:
        agreed["accept_lower"] = supervisor
    if tile is not None and tile.medium is not None and tile.medium.health == "bad":
        agreed["despite_health"] = supervisor
    return agreed


def to_bay(name: str) -> str:
    """Return the address of a bay's page; whatever a form says, it stays on this screen."""
    return f"/bay/{quote(name, safe='')}" if name else "/"


def _token() -> str:
    if "token" not in session:
        session["token"] = secrets.token_urlsafe(18)
    return str(session["token"])


def _only_here() -> None:
    """Refuse what does not come from this machine's own browser, under a name that means this machine."""
    host = urlsplit(f"//{request.host}").hostname or ""
    if host not in LOCAL or request.remote_addr not in ("127.0.0.1", "::1", None):
        abort(403)


def _only_members(may: Callable[[Mapping[str, Any]], bool]) -> Callable[[], tuple[str, int] | None]:
    """Refuse every user of this machine who may not leave orders; nothing that they send is read."""

    def refuse() -> tuple[str, int] | None:
        return None if may(request.environ) else (render_template("strangers.html"), 403)

    return refuse


def _headers(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = f"{POLICY}; base-uri 'none'; frame-ancestors 'none'"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    if not request.path.startswith("/static/"):
        response.headers["Cache-Control"] = "no-store"
    return response


def size(count: Any) -> str:
    """Return bytes as drives are labelled: GB and TB of 1000."""
    giga = float(count) / 1e9
    return f"{giga / 1000:.1f} TB" if giga >= 1000 else f"{giga:.0f} GB" if giga >= 10 else f"{giga:.1f} GB"


def left(tile: Tile) -> str:
    """Return how long it will take, in words; "" as long as nothing was measured."""
    if tile.seconds_left is None:
        return ""
    minutes = round(tile.seconds_left / 60)
    if minutes < 1:
        return "less than a minute left"
    if minutes < 60:
        return f"about {minutes} minute{'s' if minutes > 1 else ''} left"
    hours, rest = divmod(minutes, 60)
    return f"about {hours} h {rest:02d} min left"


def clock(moment: str) -> str:
    """Return the hour and minute of an ISO 8601 time."""
    return moment[11:16]
