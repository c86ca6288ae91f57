"""The kiosk's screens. Everything a person does is a plain form; the script only moves the focus and counts down.

Every answer is `no-store`, carries a strict content security policy and goes to this machine alone. The browser
holds one random number, which names its session in memory here; nothing about persons is asked, shown or kept.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import flask
from babel.dates import format_date
from flask import Flask, redirect, render_template, request
from markupsafe import Markup
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from custody.errors import JournalError
from custody.events import PrivateKey
from custody.journal import Journal
from kiosk import flow
from kiosk.background import Background, SyncReport, sync
from kiosk.config import Config, Home
from kiosk.flow import Condition, State
from kiosk.slips import Slip, print_slip
from kiosk.staff import status, worries
from kiosk.visits import JournalRecorder, Recorder, Session, Visits
from kiosk.words import FOLDER, Language, languages
from labels import codes, qr, render

COOKIE = "kiosk"
LOOPBACK = ("127.0.0.1", "::1")
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Kiosk:
    """What the screens of one kiosk work with."""

    home: Home
    config: Config
    visits: Visits
    background: Background
    languages: dict[str, Language]
    now: Callable[[], datetime]
    origin: str
    practice: bool


def create_app(
    home: Home,
    config: Config,
    *,
    event_key: PrivateKey,
    transport_key: PrivateKey,
    now: Callable[[], datetime] = lambda: datetime.now(UTC).astimezone(),
    ticks: Callable[[], float] = time.monotonic,
    fresh: Callable[[], str] = lambda: secrets.token_hex(12),
    recorder: Recorder | None = None,
) -> Flask:
    """Return the kiosk as a web application; start `app.extensions["kiosk"].background` to sync and sweep."""
    visits = Visits(
        recorder or JournalRecorder(home.journal, event_key, now),
        host=config.host, language=config.language, patience=config.warn_after + config.reset_after,
        ticks=ticks, fresh=fresh,
    )  # fmt: skip

    def sync_once() -> SyncReport:
        return sync(home.journal, transport_key, now)[0]

    with Journal.open(home.journal) as journal:
        origin, world = journal.origin, journal.world
    background = Background(visits.sweep, sync_once, config.sync_every)
    kiosk = Kiosk(
        home, config, visits, background, languages(config.languages, FOLDER), now, origin, str(world) == "practice"
    )
    app = Flask(__name__)
    app.config.update(TRUSTED_HOSTS=["127.0.0.1", "localhost", "[::1]"], MAX_CONTENT_LENGTH=16 * 1024)
    app.extensions["kiosk"] = kiosk
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(_say, _say_many, newstyle=True)  # type: ignore[attr-defined]
    app.jinja_env.filters["pretty"] = codes.pretty
    app.before_request(_meet)
    app.after_request(_seal)
    app.register_error_handler(Exception, _sorry)
    _route(app)
    return app


def _route(app: Flask) -> None:
    get, post = app.get, app.post
    get("/")(show)
    get("/still-there")(still_there)
    get("/slip")(slip_page)
    get("/slip.pdf")(slip_pdf)
    get("/staff")(staff_page)
    post("/scan")(scan)
    post("/anyway")(anyway)
    post("/count")(count)
    post("/answer")(answer)
    post("/finish")(finish)
    post("/back")(back)
    post("/keep")(keep)
    post("/more-time")(more_time)
    post("/language")(language)


def here() -> Kiosk:
    """Return the kiosk that answers this request."""
    kiosk: Kiosk = flask.current_app.extensions["kiosk"]
    return kiosk


def _meet() -> Response | None:
    """Let only this machine in, find or begin its session, and refuse forms that are not ours."""
    if request.remote_addr not in LOOPBACK:
        flask.abort(403)
    if request.endpoint == "static":
        return None
    visits = here().visits
    sid = request.cookies.get(COOKIE, "")
    session = visits.session(sid)
    if session is None:
        sid = visits.begin()
        session = visits.session(sid)
        flask.g.new_cookie = sid
    assert session is not None
    flask.g.sid, flask.g.session = sid, session
    flask.g.language = here().languages[session.language]
    if request.method == "POST" and request.form.get("token") != session.token:
        return _home()
    return None


def _seal(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    if "new_cookie" in flask.g:
        response.set_cookie(COOKIE, flask.g.new_cookie, httponly=True, samesite="Strict")
    return response


def _say(text: str) -> str:
    chosen: Language | None = flask.g.get("language")
    return chosen.say(text) if chosen else text


def _say_many(one: str, many: str, number: int) -> str:
    return _say(one if number == 1 else many)


def _home() -> Response:
    return redirect("/", code=303)


def _say_to_flow(said: flow.Said) -> Response:
    here().visits.say(flask.g.sid, said)
    return _home()


def _state() -> State:
    session: Session = flask.g.session
    return session.state


def show() -> str:
    """Show the screen at which this visit stands."""
    state = _state()
    name = "doubt" if state.doubt else "not-recorded" if state.note == "not-recorded" else str(state.screen)
    at = state.at or here().now()
    return render_template(
        f"{name}.html",
        state=state, kiosk=here(), items=flow.ITEMS, conditions=list(Condition)[:3], slip=_slip(),
        when=f"{at:%H:%M}", day=format_date(at, "long", locale=flask.g.language.locale),
    )  # fmt: skip


def still_there() -> str:
    """Ask whether somebody is there: the warning for browsers without scripts."""
    return render_template("still-there.html", kiosk=here())


def scan() -> Response:
    """Take what a scanner typed, or a person."""
    here().visits.scan(flask.g.sid, request.form.get("text", ""))
    return _home()


def anyway() -> Response:
    """Take a device whose label nobody can read."""
    here().visits.give_anyway(flask.g.sid, request.form.get("typed", ""))
    return _home()


def count() -> Response:
    """Take the counts; what was not answered is left out."""
    answers = {name: request.form.get(name, "") for name in flow.ITEMS}
    return _say_to_flow(flow.Counted({name: int(text) for name, text in answers.items() if text.isdecimal()}))


def answer() -> Response:
    """Take the condition and the agreement."""
    told = request.form.get("condition", "")
    condition = Condition(told) if told in list(Condition) else Condition.NOT_SAID
    return _say_to_flow(flow.Answered(condition, request.form.get("agreed") == "yes"))


def finish() -> Response:
    """Record the return; only then does the next screen say thank you. Then the slip, if there is a printer."""
    before = _state().event
    state = here().visits.say(flask.g.sid, flow.Finished())
    if state.event and state.event != before and here().config.printer:
        slip = _slip()
        trouble = print_slip(slip, here().config.slip, here().config.printer) if slip else ""
        if trouble:
            here().visits.alarm(trouble)
    return _home()


def back() -> Response:
    """Go back one screen."""
    return _say_to_flow(flow.WentBack())


def keep() -> Response:
    """Start again: the person keeps the device, or has read the thank-you."""
    return _say_to_flow(flow.Kept())


def more_time() -> Response:
    """Somebody is still there."""
    here().visits.touch(flask.g.sid)
    return _home()


def language() -> Response:
    """Change the language."""
    wanted = request.form.get("to", "")
    if wanted in here().languages:
        here().visits.speak(flask.g.sid, wanted)
    here().visits.touch(flask.g.sid)
    return _home()


def _slip() -> Slip | None:
    """Return the slip of a recorded return."""
    state = _state()
    if state.event is None or state.reading is None or state.at is None:
        return None
    call_staff = bool(flow.to_record(state).body["call_staff"])
    config = here().config
    return Slip(state.reading, state.at, state.event, call_staff, config.name, config.host or "localhost")


def slip_page() -> str | Response:
    """Show the slip, to be printed by the browser or photographed."""
    slip = _slip()
    if slip is None:
        return _home()
    picture = _svg(qr.matrix(slip.address)) if slip.address else ""
    return render_template("slip.html", slip=slip, picture=picture, kiosk=here())


def slip_pdf() -> Response:
    """Return the slip as a PDF of one page."""
    slip = _slip()
    if slip is None:
        return _home()
    return flask.Response(render(slip.label(), "pdf:slip-a6"), mimetype="application/pdf")


def staff_page() -> str:
    """Show staff what waits, how the last sync went, what needs a person, and which words nobody reviewed."""
    kiosk, seen, trouble = here(), None, ""
    try:
        seen = status(kiosk.home.journal)
    except JournalError as error:
        trouble = str(error)
    last, last_ok = kiosk.background.last, kiosk.background.last_ok
    found = worries(seen, trouble, kiosk.visits.alarms, last)
    return render_template(
        "staff.html", kiosk=kiosk, seen=seen, worries=found, last=last, last_ok=last_ok, now=kiosk.now()
    )


def _svg(rows: list[list[bool]]) -> Markup:
    size = len(rows) + 2 * qr.QUIET
    path = "".join(f"M{c + qr.QUIET} {r + qr.QUIET}h{n}v1h-{n}z" for r, c, n in qr.runs(rows))
    return Markup(  # noqa: S704 - numbers only
        f'<svg class="qr" viewBox="0 0 {size} {size}" aria-hidden="true"><path d="{path}"/></svg>'
    )


def _sorry(error: Exception) -> tuple[str, int] | Response:
    """Say honestly that something failed here; never thank."""
    status = error.code or 500 if isinstance(error, HTTPException) else 500
    if status == 404:
        return _home()
    if status >= 500:
        flask.current_app.logger.error("unexpected", exc_info=error)
    return flask.render_template("error.html", kiosk=here(), status=status), status
