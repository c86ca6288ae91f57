"""Equality monitoring: a card to give away, the questions behind it, and what all answers add up to."""

import qrcode
import qrcode.image.svg
from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from custody.errors import Refused
from lending import auth, equality
from lending.views import refusals

blueprint = Blueprint("equality", __name__)


@blueprint.get("/equality")
@auth.roles("desk", *equality.READERS)
def results() -> ResponseReturnValue:
    """Show what may be shown of all answers, and the button for a card."""
    services, by = auth.services(), auth.actor()
    reads = bool(by.roles & set(equality.READERS))
    with services.db.read() as tx:
        found = equality.results(tx, by, services.now()) if reads else {}
    return render_template("equality.html", found=found, reads=reads, least=equality.LEAST)


@blueprint.post("/equality/card")
@auth.roles("desk", "supervisor")
def card() -> ResponseReturnValue:
    """Make one card and show it for printing. Nothing says whom it is for."""
    services = auth.services()
    with services.db.transaction() as tx:
        token = equality.make_card(tx, auth.actor(), services.now())
    address = services.config.host_address + url_for("equality.questions", token=token)
    drawn = qrcode.make(address, image_factory=qrcode.image.svg.SvgPathImage).to_string().decode()
    return render_template("equality_card.html", address=address, picture=Markup(drawn))  # noqa: S704 (drawn here)


@blueprint.get("/equality/answer/<token>")
@auth.public
def questions(token: str) -> ResponseReturnValue:
    """Ask the questions, all of which can be left out."""
    services = auth.services()
    try:
        with services.db.read() as tx:
            equality.open_card(tx, token, services.now())
    except Refused:
        return render_template("equality_questions.html", questions={}, state="gone"), 404
    return render_template("equality_questions.html", questions=equality.QUESTIONS, state="ask", token=token)


@blueprint.post("/equality/answer/<token>")
@auth.public
def answer(token: str) -> ResponseReturnValue:
    """Count the answers."""
    services = auth.services()
    refusals.doing("This card does not work any more", "/", "Go to the first page")
    try:
        with services.db.transaction() as tx:
            equality.answer(tx, token, request.form, services.now())
    except Refused:
        return render_template("equality_questions.html", questions={}, state="gone"), 404
    return render_template("equality_questions.html", questions={}, state="thanks")
