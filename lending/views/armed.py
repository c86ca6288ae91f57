"""Armed scanning: one field, a verdict that fills the screen, an undo, and the cards that say what scans do.

Everything is an ordinary form. The script only keeps the field in focus, sends scans one after the other without
leaving the page, and plays a tone: the same verdict comes without it.
"""

from datetime import timedelta

from flask import Blueprint, Response, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from custody.badges import looks_like_a_badge
from custody.errors import Refused
from lending import armed, armed_undo, auth
from lending.armed_acts import Verdict
from lending.mode_cards import MODES, Mode, looks_like_a_card, read_card, sheet
from lending.views import refusals

blueprint = Blueprint("armed", __name__)

DESK = ("volunteer", "desk", "supervisor")
PART = "X-Kitbank-Part"


@blueprint.get("/armed")
@auth.roles(*DESK)
def page() -> ResponseReturnValue:
    """Show the field and the newest verdict; without a mode, ask for a mode card."""
    return _page()


@blueprint.post("/armed/scan")
@auth.roles(*DESK)
def scan() -> ResponseReturnValue:
    """Take one scan: a mode card arms, anything else is done by the mode."""
    services, by = auth.services(), auth.actor()
    typed = request.form.get("code", "")
    try:
        with services.db.transaction() as tx:
            ref = _ref()
            if armed.desk(tx, ref, by, services.now(), _idle()) is None:
                answer = _first(typed)
                if isinstance(answer, Verdict):
                    return _answer(answer)
                session["armed"] = armed.arm(tx, answer, by, services.now())
            else:
                armed.scan(tx, ref, typed, by, services.now(), _idle())
    except Refused as refused:
        return _answer(Verdict("no", "Not possible", " ".join(one.text + "." for one in refused.reasons)))
    return _answer()


@blueprint.post("/armed/undo")
@auth.roles(*DESK)
def undo() -> ResponseReturnValue:
    """Undo one scan within its ten seconds."""
    services = auth.services()
    try:
        with services.db.transaction() as tx:
            number = request.form.get("scan", 0, type=int)
            said = armed_undo.undo(tx, _ref(), number, auth.actor(), services.now())
    except Refused as refused:
        return _answer(Verdict("no", "Not undone", " ".join(one.text + "." for one in refused.reasons)))
    return _answer(Verdict("info", "Undone", said))


@blueprint.post("/armed/pause")
@auth.roles(*DESK)
def pause() -> ResponseReturnValue:
    """Pause: scans do nothing until somebody goes on."""
    services = auth.services()
    _doing()
    with services.db.transaction() as tx:
        armed.pause(tx, _ref(), auth.actor(), services.now())
    return redirect(url_for("armed.page"), 303)


@blueprint.post("/armed/go-on")
@auth.roles(*DESK)
def go_on() -> ResponseReturnValue:
    """Go on in the same mode."""
    services = auth.services()
    _doing()
    with services.db.transaction() as tx:
        armed.go_on(tx, _ref(), auth.actor(), services.now())
    return redirect(url_for("armed.page"), 303)


@blueprint.post("/armed/sound")
@auth.roles(*DESK)
def sound() -> ResponseReturnValue:
    """Switch the tones on or off."""
    _doing()
    with auth.services().db.transaction() as tx:
        armed.set_sound(tx, _ref(), request.form.get("sound") == "on", auth.actor())
    return redirect(url_for("armed.page"), 303)


@blueprint.post("/armed/end")
@auth.roles(*DESK)
def end() -> ResponseReturnValue:
    """Finish scanning in this browser."""
    _doing()
    with auth.services().db.transaction() as tx:
        armed.end(tx, _ref(), auth.actor())
    session.pop("armed", None)
    flash("Finished. Scans do nothing here until a mode card is scanned.")
    return redirect(url_for("armed.page"), 303)


@blueprint.get("/armed/cards.pdf")
@auth.roles(*DESK)
def cards() -> ResponseReturnValue:
    """Give the cards to print: the general ones, or those of one loan."""
    loan = request.args.get("loan", "").strip().upper()
    found = [Mode(key, loan if kind.for_loan else "") for key, kind in MODES.items() if kind.for_loan == bool(loan)]
    if any(read_card(one.text) is None for one in found):
        return redirect(url_for("armed.page"), 303)
    name = f"mode-cards-{loan}.pdf" if loan else "mode-cards.pdf"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(sheet(found), mimetype="application/pdf", headers=headers)


def _first(typed: str) -> Mode | Verdict:
    """Read the scan of a browser that is not armed: only a mode card is of use."""
    mode = read_card(typed)
    if mode is not None:
        return mode
    if looks_like_a_badge(typed):
        return Verdict("no", "That is a badge", "It was not kept. Scan a mode card.")
    if looks_like_a_card(typed):
        return Verdict("no", "Not a mode here", "This card is not known. Print the cards again.")
    return Verdict("no", "Scan a mode card first", "This scan did nothing: it is not said yet what scans shall do.")


def _answer(instead: Verdict | None = None) -> ResponseReturnValue:
    """Answer a form: the part of the page for our script, else the page itself, at an address safe to reload."""
    if request.headers.get(PART):
        return _page(instead, part=True)
    return _page(instead) if instead is not None else redirect(url_for("armed.page"), 303)


def _page(instead: Verdict | None = None, *, part: bool = False) -> str:
    services, by = auth.services(), auth.actor()
    now = services.now()
    with services.db.read() as tx:
        found = armed.desk(tx, _ref(), by, now, _idle())
        others = [one for one in armed.watch(tx, by, _ref(), now, _idle()) if not one.mine]
    allowed = {key: kind for key, kind in MODES.items() if by.roles & set(kind.roles)}
    template = "armed_part.html" if part else "armed.html"
    return render_template(
        template, desk=found, others=others, instead=instead, modes=allowed, Mode=Mode, now=now,
        idle=int(_idle().total_seconds() // 60),
    )  # fmt: skip


def _ref() -> str:
    return str(session.get("armed", ""))


def _idle() -> timedelta:
    return timedelta(minutes=auth.services().config.armed_pause)


def _doing() -> None:
    refusals.doing("No mode is set here", url_for("armed.page"), "Go back to scanning")
