"""Make the web application. `create_app(config)` is all a server needs; tests pass their own database and clock."""

from collections.abc import Callable
from datetime import datetime

from flask import Flask, render_template, request
from jinja2 import ChoiceLoader, PackageLoader, PrefixLoader
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

from custody.errors import Refused
from lending import auth
from lending.auth import Services
from lending.config import Config
from lending.db import Database
from lending.errors import NotReady
from lending.opening import open_database
from lending.rates import Rate
from lending.views import (
    agreements,
    api,
    api_v1,
    armed,
    audit_log,
    badges,
    bulk,
    card,
    checks,
    collections,
    councils,
    desk,
    devices,
    donors,
    equality,
    exports,
    home,
    imports,
    intake,
    loan_work,
    menu,
    message_rules,
    messages,
    office,
    organisations,
    papers,
    partners,
    people,
    preparation,
    privacy,
    public,
    recalls,
    refer,
    refusals,
    registers,
    search,
    security,
    sign_in,
    sims,
    slots,
    tokens,
    webhooks,
    words,
)

BLUEPRINTS = (
    public, sign_in, security, councils, audit_log, card, messages, message_rules,
    home, devices, refer, intake, organisations, partners, desk, loan_work, slots, preparation, sims, agreements,
    checks, people, badges, office, search, tokens, imports, exports, webhooks, bulk, equality, papers, registers,
    privacy, recalls, armed, donors, collections, api_v1, api,
)  # fmt: skip
LARGEST_FORM = 1 << 20
LARGEST_REQUEST = 64 << 20
"""Bytes: attachments of stations come through the same door."""

CONTENT_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
    "img-src 'self'; style-src 'self'; script-src 'self'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def create_app(config: Config, *, db: Database | None = None, now: Callable[[], datetime] = auth.utc_now) -> Flask:
    """Return the application for one installation.

    Raises what `opening.open_database` raises, only where no `db` is given.
    """
    app = Flask("lending")
    secure = config.host_address.startswith("https://")
    app.config.update(
        SECRET_KEY=config.secret_key,
        SESSION_COOKIE_NAME="__Host-kitbank" if secure else "kitbank",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=secure,
        MAX_CONTENT_LENGTH=LARGEST_REQUEST,
        MAX_FORM_MEMORY_SIZE=LARGEST_FORM,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
    )
    app.extensions["kitbank_rate"] = Rate(config.api_per_minute)
    app.extensions["kitbank"] = Services(config, db or open_database(config), now)
    _templates(app)
    auth.public(app.view_functions["static"])
    if config.access.proxies:
        trusted = config.access.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=trusted, x_proto=trusted)  # type: ignore[method-assign]
    for views in BLUEPRINTS:
        app.register_blueprint(views.blueprint)
    app.before_request(auth.guard)
    app.after_request(_headers(secure=secure))
    app.register_error_handler(Refused, refusals.page)
    app.register_error_handler(HTTPException, _problem)
    app.register_error_handler(NotReady, _not_ready)
    return app


def _templates(app: Flask) -> None:
    design = PackageLoader("govuk_frontend_jinja")
    app.jinja_options = {
        "trim_blocks": True,
        "lstrip_blocks": True,
        "loader": ChoiceLoader([PackageLoader("lending"), PrefixLoader({"govuk_frontend_jinja": design})]),
    }
    app.jinja_env.filters.update(words.FILTERS)
    app.jinja_env.globals.update(
        form_token=auth.form_token, may=auth.may, visitor=auth.visitor, services=auth.services, menu=menu,
        csp_nonce=auth.nonce, factor_standing=auth.standing,
        **words.GLOBALS,
    )  # fmt: skip


def _headers(*, secure: bool) -> Callable[[Response], Response]:
    def add(response: Response) -> Response:
        nonce = auth.given_nonce()
        if nonce:
            response.headers.setdefault("Content-Security-Policy", f"{CONTENT_POLICY} 'nonce-{nonce}'")
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if secure:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return add


def _problem(error: HTTPException) -> tuple[str, int] | HTTPException | Response:
    """Show what Flask or `abort` says as one of our pages; redirections pass through."""
    if request.path.startswith("/api/v1/") and (error.code or 0) >= 400:
        return api_v1.http_problem(error)
    if error.code is None or error.code < 400 or refusals.wants_json():
        return error
    title, text = words.PROBLEMS.get(error.code, (error.name, error.description or ""))
    if error.code == 400 and error.description and "token" not in error.description:
        text = error.description if type(error).description != error.description else text
    return render_template("problem.html", title=title, text=text), error.code


def _not_ready(error: NotReady) -> tuple[str, int]:
    return render_template("problem.html", title="The service is not ready", text=str(error)), 503
